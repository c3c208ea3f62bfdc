/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The restrictions of the container instance service on one container group, with the service's own
 * errors. Pure. Source: aci-rest.md 5.1 and 11, aci-limits.md 4 and 5.5; where they differ on ports
 * aci-rest.md wins.
 */
#pragma once

#include "aci/emulator/group_spec.h"

/* Errors: http_status, reason and msg as ARM answers them. */
VK_MUST_CHECK int group_validate(const char *name, const struct group_spec *spec,
                                 struct vk_err *err);
/* The tags of a resource: ARM's own rules, for PUT and PATCH. */
VK_MUST_CHECK int group_validate_tags(const struct json_pairs *tags, struct vk_err *err);
/* What an update of an existing group may not change. */
VK_MUST_CHECK int group_validate_update(const char *name, const struct group_spec *old,
                                        const struct group_spec *spec, struct vk_err *err);
