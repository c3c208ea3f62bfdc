/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/arm_front.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "aci/emulator/arm_error.h"
#include "aci/emulator/arm_request.h"
#include "aci/emulator/arm_route.h"
#include "aci/emulator/surroundings.h"
#include "base/alloc.h"
#include "base/clock.h"

#define API_VERSIONS                                                                               \
    "2018-06-01, 2018-10-01, 2019-12-01, 2021-03-01, 2021-07-01, 2021-09-01, 2021-10-01, "         \
    "2022-09-01, 2022-10-01-preview, 2023-05-01, 2024-05-01-preview, 2024-11-01-preview, "         \
    "2025-09-01, 2026-06-01-preview"

static bool is_listed(const char *list, const char *version)
{
    struct vk_str rest = vk_str_of(list);

    while (rest.n) {
        struct vk_str one = vk_str_trim(vk_str_cut(rest, ',', &rest));

        if (vk_str_ieq(one, vk_str_of(version)))
            return true;
    }
    return false;
}

/* yyyy-mm-dd, with or without -preview. */
static bool is_date(const char *version)
{
    for (size_t i = 0; i < 10; i++) {
        if (i == 4 || i == 7 ? version[i] != '-' : !isdigit((unsigned char)version[i]))
            return false;
    }
    return !version[10] || vk_strieq(version + 10, "-preview");
}

static int check_version(struct arm_request *r, struct vk_err *err)
{
    r->api_version = arm_request_query(r, "api-version");
    if (vk_str_empty(r->api_version))
        return arm_error_set(
            err, 400, "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.");
    if (!is_date(r->api_version))
        return arm_error_set(err, 400, "InvalidApiVersionParameter",
                             "The api-version '%.60s' is invalid. The supported versions are '%s'.",
                             r->api_version, API_VERSIONS);
    if ((r->route->flags & ROUTE_ANY_VERSION) || is_listed(API_VERSIONS, r->api_version))
        return 0;
    return arm_error_set(err, 400, "NoRegisteredProviderFound",
                         "No registered resource provider found for location '%s' and API version "
                         "'%.30s' for type 'containerGroups'. The supported api-versions are '%s'. "
                         "The supported locations are '%s'.",
                         r->emulator->options->location, r->api_version, API_VERSIONS,
                         r->emulator->options->location);
}

bool arm_front_has_resource_group(const struct emulator *e, const char *name)
{
    for (size_t i = 0; i < e->options->resource_groups.n; i++) {
        if (vk_strieq(e->options->resource_groups.v[i], name))
            return true;
    }
    return false;
}

static int check_scope(const struct arm_request *r, struct vk_err *err)
{
    if (r->subscription && !vk_strieq(r->subscription, r->emulator->options->subscription))
        return arm_error_set(err, 404, "SubscriptionNotFound",
                             "The subscription '%.100s' could not be found.", r->subscription);
    if (r->resource_group && !arm_front_has_resource_group(r->emulator, r->resource_group))
        return arm_error_set(err, 404, "ResourceGroupNotFound",
                             "Resource group '%.100s' could not be found.", r->resource_group);
    return 0;
}

/* What the front refuses itself is marked as such. */
static void refuse(struct arm_request *r, const struct vk_err *err)
{
    if (!vk_streq(err->reason, "ResourceRequestsThrottled"))
        arm_reply_header(r, "x-ms-failure-cause", "gateway");
    if (err->http_status == 401)
        arm_reply_header(
            r, "WWW-Authenticate",
            vk_arena_printf(r->arena,
                            "Bearer authorization_uri=\"%s/%s\", error=\"invalid_token\", "
                            "error_description=\"%s\"",
                            arm_request_origin(r), r->emulator->options->tenant,
                            vk_streq(err->reason, "AuthenticationFailed")
                                ? "The authentication failed because of missing 'Authorization' "
                                  "header."
                                : err->msg));
    arm_reply_error(r, err);
}

static void refuse_unknown(struct arm_request *r, bool other_method)
{
    struct vk_err err;

    if (other_method)
        arm_error_set(&err, 405, "HttpMethodNotAllowed",
                      "The requested resource does not support http method '%.20s'.", r->method);
    else
        arm_error_set(&err, 404, "NotFound", "Nothing is served at '%.200s'.", r->path);
    refuse(r, &err);
}

/* What the service's own limits count: a PUT that creates, a DELETE that finds something. */
static bool is_group_write(const struct arm_request *r)
{
    bool exists = r->group && groups_find(r->emulator->groups, r->resource_group, r->group);

    return vk_streq(r->route->operation, "ContainerGroups_CreateOrUpdate")
               ? !exists
               : exists && vk_streq(r->route->operation, "ContainerGroups_Delete");
}

/* The buckets are looked at first, then what was asked. */
static int take_turn(struct arm_request *r, struct vk_err *err)
{
    enum rate_kind kind = rate_kind_of(r->method);
    bool group_write = is_group_write(r);
    int64_t now = vk_mono_ms();
    int rc = rate_limits_take(r->emulator->rates, kind, group_write, r->subscription, now, err);
    struct rate_left left = rate_limits_left(r->emulator->rates, kind, now);
    static const char *const names[RATE_KINDS] = {"reads", "writes", "deletes"};
    const char *prefix = "x-ms-ratelimit-remaining-subscription";

    arm_reply_header(r, vk_arena_printf(r->arena, "%s-%s", prefix, names[kind]),
                     vk_arena_printf(r->arena, "%" PRId64, left.bucket));
    arm_reply_header(r, vk_arena_printf(r->arena, "%s-global-%s", prefix, names[kind]),
                     vk_arena_printf(r->arena, "%" PRId64, left.subscription));
    if (vk_streq(r->route->operation, "ContainerGroups_CreateOrUpdate") ||
        vk_streq(r->route->operation, "ContainerGroups_Delete")) {
        arm_reply_header(r, vk_arena_printf(r->arena, "%s-resource-requests-pt5m", prefix),
                         vk_arena_printf(r->arena, "%" PRId64, left.in_5m));
        arm_reply_header(r, vk_arena_printf(r->arena, "%s-resource-requests-pt1h", prefix),
                         vk_arena_printf(r->arena, "%" PRId64, left.in_1h));
    }
    return rc;
}

static void carry_out(struct arm_request *r)
{
    const struct fault_action *fault = r->fault;
    struct vk_err err;

    if (!fault || !fault->status) {
        r->route->handler(r);
        return;
    }
    arm_error_set(&err, (int)fault->status, fault->code, "%s", fault->message);
    err.retry_after_ms = fault->retry_after_s * 1000;
    arm_reply_error(r, &err);
}

static void on_delay_over(void *user)
{
    struct arm_request *r = user;

    /* Nobody is left to read for; what was to be written is written all the same. */
    if (!r->x && vk_streq(r->method, "GET"))
        arm_request_free(r);
    else
        carry_out(r);
}

void arm_front_handle(void *user, struct http_exchange *x)
{
    struct emulator *e = user;
    struct arm_request *r = arm_request_new(e, x);
    bool is_open, other_method;
    struct vk_err err;

    vk_timer_init(&r->delay, e->loop, "ordered delay", on_delay_over, r);
    r->route = arm_route_find(r, &other_method);
    is_open = r->route && (r->route->flags & ROUTE_OPEN);
    request_stats_count(e->stats, r->route ? r->route->operation : "Unknown");
    if (!is_open && tokens_check(e->tokens, arm_request_header(r, "Authorization"), &err) < 0) {
        refuse(r, &err);
        return;
    }
    if (!r->route) {
        refuse_unknown(r, other_method);
        return;
    }
    if (!is_open && (take_turn(r, &err) < 0 || check_version(r, &err) < 0 ||
                     check_scope(r, &err) < 0 || surroundings_authorize(r, &err) < 0)) {
        refuse(r, &err);
        return;
    }
    r->fault = faults_take(e->faults, r->route->operation, r->group, r->arena);
    if (r->fault && r->fault->delay_ms > 0) {
        arm_request_keep_body(r);
        vk_timer_arm(&r->delay, r->fault->delay_ms);
    } else {
        carry_out(r);
    }
}

void arm_front_end_delays(struct emulator *e)
{
    VK_LIST_FOREACH(it, &e->requests)
    {
        struct arm_request *r = VK_LIST_ENTRY(it, struct arm_request, link);

        if (vk_timer_is_armed(&r->delay))
            vk_timer_arm(&r->delay, 0);
    }
}
