/* SPDX-License-Identifier: Apache-2.0 */
/* The restrictions on one container of a group: the half of group_validate that looks inside. Pure.
 */
#pragma once

#include "aci/emulator/group_spec.h"

VK_MUST_CHECK int container_validate(const char *group, const struct group_spec *spec,
                                     const struct container_spec *container, bool is_init,
                                     struct vk_err *err);

/* Lower-case letters, digits and hyphens, no hyphen at either end; `min` to `max` characters. */
bool container_validate_name(const char *name, size_t min, size_t max);
/* TCP, UDP or nothing. */
bool container_validate_protocol(const char *protocol);
