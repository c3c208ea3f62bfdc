/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where tokens come from: Entra's token endpoint with what SDKs read around it, and the instance
 * metadata service's. Source: aci-rest.md 12.1 and 12.2.
 */
#pragma once

#include "aci/emulator/arm_request.h"

void identity_token(struct arm_request *r);    /* v2: scope */
void identity_token_v1(struct arm_request *r); /* v1: resource, numbers as strings */
void identity_configuration(struct arm_request *r);
void identity_discovery(struct arm_request *r);

/* http_handler_fn of the IMDS listener; user: struct emulator. */
void identity_imds_handle(void *user, struct http_exchange *x);
