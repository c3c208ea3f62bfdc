/* SPDX-License-Identifier: Apache-2.0 */
/* Linux capabilities of a container: Docker's default set, changed by the spec, limited to ours. */
#pragma once

#include <stdint.h>

#include "aci/emulator/engine.h"
#include "base/json_writer.h"

/*
 * One bit per capability. Names with or without "CAP_", any case; "ALL". Drops come first, then
 * additions. What this process may not give is left out.
 * Errors: VK_INVALID for an unknown name.
 */
VK_MUST_CHECK int runc_capabilities_of(const struct engine_container_spec *spec, uint64_t *ret,
                                       struct vk_err *err);
/* Writes an array of names. */
void runc_capabilities_put(struct json_writer *w, const char *key, uint64_t set);
