/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers of the operations on container groups other than PUT: aci-rest.md 2, 3.3, 6. */
#pragma once

#include "aci/emulator/arm_request.h"

void arm_groups_get(struct arm_request *r);
void arm_groups_patch(struct arm_request *r);
void arm_groups_delete(struct arm_request *r);
void arm_groups_list(struct arm_request *r);
void arm_groups_start(struct arm_request *r);
void arm_groups_stop(struct arm_request *r);
void arm_groups_restart(struct arm_request *r);
void arm_groups_logs(struct arm_request *r);
void arm_groups_outbound(struct arm_request *r);

/* The group that the path names, as others may see it; else NULL, and the answer is given. */
struct group *arm_groups_find(struct arm_request *r);
/* Its container that the path names, in the same way. */
const struct container *arm_groups_find_container(struct arm_request *r, const struct group *g);
