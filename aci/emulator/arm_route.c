/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/arm_route.h"

#include <string.h>

#include "aci/emulator/arm_catalog.h"
#include "aci/emulator/arm_groups.h"
#include "aci/emulator/arm_streams.h"
#include "aci/emulator/group_put.h"
#include "aci/emulator/identity_endpoints.h"
#include "aci/emulator/monitor.h"
#include "aci/emulator/operation_reply.h"
#include "aci/emulator/surroundings.h"
#include "base/alloc.h"
#include "base/url.h"

#define S "/subscriptions/{s}"
#define RG S "/resourceGroups/{r}"
#define P "/providers/Microsoft.ContainerInstance"
#define CG RG P "/containerGroups/{g}"
#define LOC S P "/locations/{l}"
#define SUBNET RG "/providers/Microsoft.Network/virtualNetworks/{g}/subnets/{c}"
#define PERMISSIONS "/providers/Microsoft.Authorization/permissions"
#define INSIGHTS "/providers/Microsoft.Insights"

static const struct route routes[] = {
    {"ContainerGroups_Get", "GET", CG, 0, arm_groups_get},
    {"ContainerGroups_CreateOrUpdate", "PUT", CG, 0, group_put_handle},
    {"ContainerGroups_Update", "PATCH", CG, 0, arm_groups_patch},
    {"ContainerGroups_Delete", "DELETE", CG, 0, arm_groups_delete},
    {"ContainerGroups_ListByResourceGroup", "GET", RG P "/containerGroups", 0, arm_groups_list},
    {"ContainerGroups_List", "GET", S P "/containerGroups", 0, arm_groups_list},
    {"ContainerGroups_Restart", "POST", CG "/restart", 0, arm_groups_restart},
    {"ContainerGroups_Stop", "POST", CG "/stop", 0, arm_groups_stop},
    {"ContainerGroups_Start", "POST", CG "/start", 0, arm_groups_start},
    {"ContainerGroups_GetOutboundNetworkDependenciesEndpoints", "GET",
     CG "/outboundNetworkDependenciesEndpoints", 0, arm_groups_outbound},
    {"Containers_ListLogs", "GET", CG "/containers/{c}/logs", 0, arm_groups_logs},
    {"Containers_ExecuteCommand", "POST", CG "/containers/{c}/exec", 0, arm_streams_exec},
    {"Containers_Attach", "POST", CG "/containers/{c}/attach", 0, arm_streams_attach},
    {"Metrics_List", "GET", CG INSIGHTS "/metrics", ROUTE_ANY_VERSION, monitor_metrics},
    {"MetricDefinitions_List", "GET", CG INSIGHTS "/metricDefinitions", ROUTE_ANY_VERSION,
     monitor_definitions},
    {"ExecStream", "GET", "/execstream/sessionId/{o}", ROUTE_OPEN, arm_streams_connect_exec},
    {"LogStream", "GET", "/logstream/sessionId/{o}", ROUTE_OPEN, arm_streams_connect_log},
    {"OperationStatus", "GET", LOC "/operations/{o}", ROUTE_ANY_VERSION, operation_reply_status},
    {"OperationResult", "GET", LOC "/operationResults/{o}", ROUTE_ANY_VERSION,
     operation_reply_result},
    {"Location_ListUsage", "GET", LOC "/usages", 0, arm_catalog_usages},
    {"Location_ListCapabilities", "GET", LOC "/capabilities", 0, arm_catalog_capabilities},
    {"Location_ListCachedImages", "GET", LOC "/cachedImages", 0, arm_catalog_cached_images},
    {"Operations_List", "GET", P "/operations", 0, arm_catalog_operations},
    {"Subscriptions_List", "GET", "/subscriptions", ROUTE_ANY_VERSION, arm_catalog_subscriptions},
    {"Subscriptions_Get", "GET", S, ROUTE_ANY_VERSION, arm_catalog_subscription},
    {"ResourceGroups_Get", "GET", RG, ROUTE_ANY_VERSION, arm_catalog_resource_group},
    {"Providers_Get", "GET", S P, ROUTE_ANY_VERSION, surroundings_provider},
    {"Providers_Register", "POST", S P "/register", ROUTE_ANY_VERSION, surroundings_provider},
    {"Permissions_ListForResourceGroup", "GET", RG PERMISSIONS, ROUTE_ANY_VERSION,
     surroundings_permissions},
    {"Permissions_ListForResource", "GET", SUBNET PERMISSIONS, ROUTE_ANY_VERSION,
     surroundings_permissions},
    {"Subnets_Get", "GET", SUBNET, ROUTE_ANY_VERSION, surroundings_subnet},
    {"Metadata_Endpoints", "GET", "/metadata/endpoints", ROUTE_OPEN, arm_catalog_endpoints},
    {"Token", "POST", "/{t}/oauth2/v2.0/token", ROUTE_OPEN, identity_token},
    {"Token_V1", "POST", "/{t}/oauth2/token", ROUTE_OPEN, identity_token_v1},
    {"OpenIdConfiguration", "GET", "/{t}/v2.0/.well-known/openid-configuration", ROUTE_OPEN,
     identity_configuration},
    {"OpenIdConfiguration", "GET", "/{t}/.well-known/openid-configuration", ROUTE_OPEN,
     identity_configuration},
    {"InstanceDiscovery", "GET", "/{t}/discovery/instance", ROUTE_OPEN, identity_discovery},
};

static const char **slot(struct arm_request *r, char letter)
{
    switch (letter) {
    case 't':
        return &r->tenant;
    case 's':
        return &r->subscription;
    case 'r':
        return &r->resource_group;
    case 'g':
        return &r->group;
    case 'c':
        return &r->container;
    case 'l':
        return &r->location;
    default:
        return &r->operation;
    }
}

/* The next segment; empty ones do not count: azure-cli sends provider//type. */
static struct vk_str next_segment(struct vk_str *path)
{
    struct vk_str segment = vk_str_cut(*path, '/', path);

    while (!segment.n && path->n)
        segment = vk_str_cut(*path, '/', path);
    return segment;
}

static bool path_matches(struct arm_request *r, const char *pattern)
{
    struct vk_str path = vk_str_of(r->path), want = vk_str_of(pattern);

    while (path.n && want.n) {
        struct vk_str have = next_segment(&path), expect = next_segment(&want);
        const char *text;

        if (!url_decode(have, false, r->arena, &text))
            return false;
        if (expect.n == 3 && expect.p[0] == '{') {
            if (!*text)
                return false;
            *slot(r, expect.p[1]) = text;
        } else if (!vk_str_ieq(vk_str_of(text), expect)) {
            return false;
        }
    }
    while (path.n && path.p[0] == '/') {
        path.p++;
        path.n--;
    }
    return !path.n && !want.n;
}

static void clear_names(struct arm_request *r)
{
    static const char letters[] = "tsrgclo";

    for (const char *l = letters; *l; l++)
        *slot(r, *l) = NULL;
}

const struct route *arm_route_find(struct arm_request *r, bool *ret_other_method)
{
    *ret_other_method = false;
    for (size_t i = 0; i < VK_COUNT(routes); i++) {
        clear_names(r);
        if (!path_matches(r, routes[i].pattern))
            continue;
        if (vk_streq(r->method, routes[i].method))
            return &routes[i];
        *ret_other_method = true;
    }
    clear_names(r);
    return NULL;
}
