/* SPDX-License-Identifier: Apache-2.0 */
/* Which handler a path leads to, and which right opens it: the two must read a path alike. */
#include "kubelet/server/server.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define BAD (-1) /* answered 400 before anybody is asked */

static const struct {
    const char *path;
    int route;
    const char *subresource; /* the first that is asked for; NULL: nobody is asked */
} table[] = {
    {"/healthz", ROUTE_HEALTHZ, NULL},
    {"/healthz/", ROUTE_HEALTHZ, NULL},
    {"/%68ealthz", ROUTE_HEALTHZ, NULL},
    {"/livez", ROUTE_LIVEZ, NULL},
    {"/readyz", ROUTE_READYZ, NULL},
    {"/pods", ROUTE_PODS, "pods"},
    {"/pods/", ROUTE_PODS, "pods"},
    {"/%70ods", ROUTE_PODS, "pods"},
    {"/runningpods/", ROUTE_RUNNING_PODS, "pods"},
    {"/containerLogs/ns/pod/c", ROUTE_LOGS, "proxy"},
    {"/exec/ns/pod/c", ROUTE_EXEC, "proxy"},
    {"/exec/ns/pod/uid/c", ROUTE_EXEC, "proxy"},
    {"/attach/ns/pod/c", ROUTE_ATTACH, "proxy"},
    {"/portForward/ns/pod", ROUTE_PORT_FORWARD, "proxy"},
    {"/portForward/ns/pod/uid", ROUTE_PORT_FORWARD, "proxy"},
    {"/stats/summary", ROUTE_STATS_SUMMARY, "stats"},
    {"/metrics", ROUTE_METRICS, "metrics"},
    {"/metrics/resource", ROUTE_RESOURCE_METRICS, "metrics"},
    {"/metrics/cadvisor", ROUTE_CADVISOR_METRICS, "metrics"},
    {"/metrics/probes", ROUTE_PROBE_METRICS, "metrics"},
    {"/metrics/other", ROUTE_NONE, "metrics"},
    {"/statusz", ROUTE_STATUSZ, "statusz"},
    {"/configz", ROUTE_CONFIGZ, "configz"},
    {"/checkpoint/ns/pod/c", ROUTE_UNSUPPORTED, "checkpoint"},
    /* What is open opens nothing beside it. */
    {"/healthz/pods", ROUTE_NONE, "healthz"},
    {"/healthz/..", ROUTE_NONE, "healthz"},
    {"/healthz/../pods", ROUTE_NONE, "healthz"},
    {"/healthz%2F..%2Fpods", ROUTE_NONE, "proxy"},
    {"/healthz%2f", ROUTE_NONE, "proxy"},
    {"/healthz%20", ROUTE_NONE, "proxy"},
    {"/healthz;x", ROUTE_NONE, "proxy"},
    {"/HEALTHZ", ROUTE_NONE, "proxy"},
    {"//healthz", ROUTE_NONE, "proxy"},
    {"/./healthz", ROUTE_NONE, "proxy"},
    {"/livez/../exec", ROUTE_NONE, "proxy"},
    /* A lesser right does not lead to where a greater one is needed. */
    {"/metrics/../exec/ns/pod", ROUTE_NONE, "metrics"},
    {"/metrics/..%2fexec", ROUTE_NONE, "metrics"},
    {"/metrics//resource", ROUTE_NONE, "metrics"},
    {"/metrics/%72esource", ROUTE_RESOURCE_METRICS, "metrics"},
    {"/metrics%2Fresource", ROUTE_NONE, "proxy"},
    {"/pods/../exec/ns/pod", ROUTE_NONE, "pods"},
    {"/stats/containerLogs", ROUTE_NONE, "stats"},
    {"//exec/ns/pod/c", ROUTE_NONE, "proxy"},
    {"/exec//ns/pod/c", ROUTE_EXEC, "proxy"},
    {"/exec/ns%2fpod/c", ROUTE_NONE, "proxy"},
    {"/", ROUTE_NONE, "proxy"},
    {"", ROUTE_NONE, "proxy"},
    {"/pods%00", BAD, NULL},
    {"/healthz%00/../exec", BAD, NULL},
    {"/%", BAD, NULL},
    {"/exec/ns/%zz/c", BAD, NULL},
    {"/exec/1/2/3/4/5", BAD, NULL},
    {"/healthz/1/2/3/4/5", BAD, NULL},
};

static void paths_lead_where_their_right_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const char *subresources[AUTHORIZATION_MAX_SUBRESOURCES];
        struct route_params params;
        enum route route;
        const char *name;

        print_message("%s\n", table[i].path);
        if (!split_path(table[i].path, arena, &name, &params)) {
            assert_int_equal(table[i].route, BAD);
            continue;
        }
        route = find_route(name, &params);
        assert_int_equal(route, table[i].route);
        assert_int_equal(is_for_everybody(route), !table[i].subresource);
        (void)authorization_subresources(name, subresources);
        if (table[i].subresource)
            assert_string_equal(subresources[0], table[i].subresource);
    }
}

/* Whatever is routed but for everybody needs some right that the path's first word names. */
static void every_route_is_in_the_table(void **state)
{
    (void)state;
    for (int route = 0; route < ROUTES; route++) {
        size_t i = 0;

        while (i < VK_COUNT(table) && table[i].route != route)
            i++;
        if (i == VK_COUNT(table))
            fail_msg("route %s has no path in the table", route_paths[route]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_where_their_right_says),
        cmocka_unit_test(every_route_is_in_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
