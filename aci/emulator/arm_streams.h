/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of exec and attach: the POSTs that open a session, the GETs of its websocket. */
#pragma once

#include "aci/emulator/arm_request.h"

void arm_streams_exec(struct arm_request *r);
void arm_streams_attach(struct arm_request *r);
void arm_streams_connect_exec(struct arm_request *r);
void arm_streams_connect_log(struct arm_request *r);
