/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/limits.h"

#include <inttypes.h>

#include "aci/emulator/arm_error.h"
#include "base/alloc.h"

/* Cores are whole numbers in the service's messages and usages. */
static int64_t whole_cores(int64_t milli)
{
    return (milli + 999) / 1000;
}

static int reached(const struct limits_config *config, const char *quota, int64_t limit,
                   int64_t usage, int64_t requested, struct vk_err *err)
{
    return arm_error_set(err, 409, "ContainerGroupQuotaReached",
                         "Resource type 'Microsoft.ContainerInstance/containerGroups' container "
                         "group quota '%s' exceeded in region '%s'. Limit: '%" PRId64
                         "', Usage: '%" PRId64 "' Requested: '%" PRId64 "'.",
                         quota, config->location, limit, usage, requested);
}

int limits_check_new(const struct limits_config *config, const struct groups *groups,
                     const struct group_spec *spec, struct vk_err *err)
{
    int64_t used_groups, used_milli, used_cores;
    int64_t cores = whole_cores(group_spec_requests(spec).cpu_milli);

    groups_usage(groups, &used_groups, &used_milli);
    used_cores = whole_cores(used_milli);
    if (used_groups + 1 > config->groups)
        return reached(config, "ContainerGroups", config->groups, used_groups, 1, err);
    if (used_cores + cores > config->cores)
        return reached(config, "StandardCores", config->cores, used_cores, cores, err);
    return 0;
}

static void write_usage(struct json_writer *w, const struct limits_config *config,
                        const char *subscription, const char *name, const char *localized,
                        int64_t current, int64_t limit)
{
    char *id VK_AUTOFREE = vk_asprintf("/subscriptions/%s/providers/Microsoft.ContainerInstance/"
                                       "locations/%s/usages/%s",
                                       subscription, config->location, name);

    json_begin_object(w, NULL);
    json_put_string(w, "id", id);
    json_put_string(w, "unit", "Count");
    json_put_int(w, "currentValue", current);
    json_put_int(w, "limit", limit);
    json_begin_object(w, "name");
    json_put_string(w, "value", name);
    json_put_string(w, "localizedValue", localized);
    json_end_object(w);
    json_end_object(w);
}

void limits_write_usages(const struct limits_config *config, const struct groups *groups,
                         const char *subscription, struct json_writer *w)
{
    int64_t used_groups, used_milli, used_cores;

    groups_usage(groups, &used_groups, &used_milli);
    used_cores = whole_cores(used_milli);
    json_begin_object(w, NULL);
    json_begin_array(w, "value");
    write_usage(w, config, subscription, "ContainerGroups", "Container Groups", used_groups,
                config->groups);
    write_usage(w, config, subscription, "StandardCores", "Standard Cores", used_cores,
                config->cores);
    write_usage(w, config, subscription, "StandardSpotCores", "Standard Spot Cores", 0, 0);
    write_usage(w, config, subscription, "DedicatedContainerGroups", "Dedicated Container Groups",
                0, 0);
    write_usage(w, config, subscription, "ConfidentialContainerGroups",
                "Confidential Container Groups", 0, 0);
    json_end_array(w);
    json_end_object(w);
}
