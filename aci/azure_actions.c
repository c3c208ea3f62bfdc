/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/azure_actions.h"

#include <ctype.h>

#include "base/alloc.h"
#include "base/str.h"

#define ACI "Microsoft.ContainerInstance/"
#define GROUPS "providers/Microsoft.ContainerInstance/containerGroups"

const struct azure_action azure_actions[] = {
    {ACI "containerGroups/read", AZURE_RESOURCE_GROUP, AZURE_REQUIRED, "GET", GROUPS,
     "states of container groups, and their list"},
    {ACI "containerGroups/write", AZURE_RESOURCE_GROUP, AZURE_REQUIRED, "PUT", GROUPS "/{group}",
     "a pod starts"},
    {ACI "containerGroups/delete", AZURE_RESOURCE_GROUP, AZURE_REQUIRED, "DELETE",
     GROUPS "/{group}", "a pod ends"},
    {ACI "containerGroups/containers/logs/read", AZURE_RESOURCE_GROUP, AZURE_PARTLY, "GET",
     GROUPS "/{group}/containers/{container}/logs", "kubectl logs"},
    {ACI "containerGroups/containers/exec/action", AZURE_RESOURCE_GROUP, AZURE_PARTLY, "POST",
     GROUPS "/{group}/containers/{container}/exec", "kubectl exec and cp"},
    {ACI "containerGroups/containers/attach/action", AZURE_RESOURCE_GROUP, AZURE_PARTLY, "POST",
     GROUPS "/{group}/containers/{container}/attach", "kubectl attach, and logs -f without delay"},
    {ACI "containerGroups/restart/action", AZURE_RESOURCE_GROUP, AZURE_PARTLY, "POST",
     GROUPS "/{group}/restart", "a failed liveness probe restarts the pod"},
    {"Microsoft.Insights/metrics/read", AZURE_RESOURCE_GROUP, AZURE_PARTLY, "GET",
     GROUPS "/{group}/providers/Microsoft.Insights/metrics",
     "kubectl top where the realtime extension does not answer"},
    {"Microsoft.Authorization/permissions/read", AZURE_RESOURCE_GROUP, AZURE_CHECK, "GET",
     "providers/Microsoft.Authorization/permissions", "what the identity may do"},
    {ACI "locations/usages/read", AZURE_SUBSCRIPTION, AZURE_PARTLY, "GET",
     "providers/Microsoft.ContainerInstance/locations/{region}/usages",
     "the node offers no more than the quotas leave"},
    {ACI "locations/operations/read", AZURE_SUBSCRIPTION, AZURE_PARTLY, "GET",
     "providers/Microsoft.ContainerInstance/locations/{region}/operations/{operation}",
     "the end of a deletion that takes long"},
    {"Microsoft.Resources/subscriptions/providers/read", AZURE_SUBSCRIPTION, AZURE_CHECK, "GET",
     "providers/Microsoft.ContainerInstance", "whether the resource provider is registered"},
    {"Microsoft.Network/virtualNetworks/subnets/join/action", AZURE_SUBNET, AZURE_REQUIRED, "PUT",
     GROUPS "/{group}", "a container group in the subnet"},
    {"Microsoft.Network/virtualNetworks/subnets/read", AZURE_SUBNET, AZURE_CHECK, "GET", "",
     "whether the subnet is delegated"},
};
const size_t azure_action_count = VK_COUNT(azure_actions);

/* pattern may have any number of *, each for any text. */
static bool matches(const char *pattern, const char *action)
{
    const char *star = NULL, *retry = NULL;

    while (*action) {
        if (*pattern == '*') {
            star = pattern++;
            retry = action;
        } else if (tolower((unsigned char)*pattern) == tolower((unsigned char)*action)) {
            pattern++;
            action++;
        } else if (star) {
            pattern = star + 1;
            action = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static bool is_listed(const struct json *patterns, const char *action)
{
    for (const struct json *p = json_first(patterns); p; p = json_next(p)) {
        const char *text = json_string(p);
        if (text && matches(text, action))
            return true;
    }
    return false;
}

bool azure_actions_allow(const struct json *permissions, const char *action)
{
    for (const struct json *role = json_first(permissions); role; role = json_next(role)) {
        if (is_listed(json_get(role, "actions"), action) &&
            !is_listed(json_get(role, "notActions"), action))
            return true;
    }
    return false;
}
