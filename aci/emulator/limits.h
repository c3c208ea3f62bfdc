/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quotas of the subscription in its region. Assumed where nothing is documented: every group
 * counts, cores count while the group is neither stopped nor ended.
 */
#pragma once

#include "aci/emulator/groups.h"

struct limits_config {
    int64_t groups, cores;
    const char *location;
};

/* May a new group of this size be made? Errors: 409 ContainerGroupQuotaReached. */
VK_MUST_CHECK int limits_check_new(const struct limits_config *config, const struct groups *groups,
                                   const struct group_spec *spec, struct vk_err *err);
/* The body of usages: {"value":[...]}. */
void limits_write_usages(const struct limits_config *config, const struct groups *groups,
                         const char *subscription, struct json_writer *w);
