/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT of a container group. The service looks for the images before it accepts; here they are
 * pulled meanwhile, so that an accepted group starts at once. A new group is invisible until then.
 * On an existing group a PUT restarts every container. Source: aci-rest.md 3.1, 5.1, 11.1.
 */
#pragma once

#include "aci/emulator/arm_request.h"

void group_put_handle(struct arm_request *r);
/* Drops all that go on; the engine must be gone. */
void group_put_abandon_all(struct emulator *e);
