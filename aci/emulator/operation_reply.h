/* SPDX-License-Identifier: Apache-2.0 */
/* Long-running operations on the wire: the header of the first answer, and what is behind it. */
#pragma once

#include "aci/emulator/arm_request.h"

/* Adds Azure-AsyncOperation, or Location and Retry-After, as --lro-style says. */
void operation_reply_header(struct arm_request *r, const struct operation *op);
bool operation_reply_is_location_style(const struct emulator *e);
void operation_reply_status(struct arm_request *r);
void operation_reply_result(struct arm_request *r);
/* What ARM appends to these URLs since 2024 (aci-rest.md 3.1); owned by the caller. */
char *operation_reply_new_signature(void);
