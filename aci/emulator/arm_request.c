/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/arm_request.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "aci/emulator/arm_route.h"
#include "aci/emulator/group_view.h"
#include "aci/emulator/surroundings.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/url.h"

#define MAX_ANSWER (64 * 1024 * 1024)
#define JSON_TYPE "application/json; charset=utf-8"

static void on_gone(void *user)
{
    struct arm_request *r = user;

    r->x = NULL;
}

struct arm_request *arm_request_new(struct emulator *e, struct http_exchange *x)
{
    const struct http1_head *head = http_exchange_head(x);
    struct vk_arena *arena = vk_arena_new();
    struct arm_request *r = vk_arena_alloc(arena, sizeof(*r));
    const char *correlation = http1_header(head, "x-ms-correlation-request-id");
    const char *host = http1_header(head, "Host");

    r->arena = arena;
    r->emulator = e;
    r->x = x;
    r->method = vk_arena_strdup(arena, head->method);
    r->path = vk_arena_strdup(arena, head->path);
    r->query = vk_arena_strdup(arena, head->query);
    r->host = vk_arena_strdup(arena, host ? host : "localhost");
    r->began_us = vk_mono_us();
    crypto_uuid4(r->request_id);
    if (!correlation || !vk_strcpy_to(r->correlation_id, sizeof(r->correlation_id), correlation))
        crypto_uuid4(r->correlation_id);
    vk_list_init(&r->link);
    vk_list_add_tail(&e->requests, &r->link);
    http_exchange_on_gone(x, on_gone, r);
    return r;
}

void arm_request_free(struct arm_request *r)
{
    vk_timer_disarm(&r->delay);
    vk_list_remove(&r->link);
    vk_arena_free(r->arena);
}

const char *arm_request_query(struct arm_request *r, const char *name)
{
    struct vk_str rest = vk_str_of(r->query);

    while (rest.n) {
        struct vk_str value, pair = vk_str_cut(rest, '&', &rest);
        struct vk_str key = vk_str_cut(pair, '=', &value);
        const char *text;

        if (!url_decode(key, true, r->arena, &text) || !vk_strieq(text, name))
            continue;
        return url_decode(value, true, r->arena, &text) ? text : NULL;
    }
    return NULL;
}

const char *arm_request_header(const struct arm_request *r, const char *name)
{
    return r->x ? http1_header(http_exchange_head(r->x), name) : NULL;
}

void arm_request_keep_body(struct arm_request *r)
{
    const struct vk_str body = arm_request_body(r);

    r->body = (struct vk_str){.p = vk_arena_str(r->arena, body), .n = body.n};
}

struct vk_str arm_request_body(const struct arm_request *r)
{
    if (r->body.p)
        return r->body;
    return r->x ? http_exchange_body(r->x) : (struct vk_str){.p = "", .n = 0};
}

const char *arm_request_origin(struct arm_request *r)
{
    return vk_arena_printf(r->arena, "https://%s", r->host);
}

void arm_reply_header(struct arm_request *r, const char *name, const char *value)
{
    if (r->x)
        http_exchange_header(r->x, name, value);
}

/* WESTEUROPE:20240501T123456Z:<correlation> */
static const char *routing_id(struct arm_request *r)
{
    char stamp[VK_TIME_MAX], *region = vk_arena_strdup(r->arena, r->emulator->options->location);
    char *compact = vk_arena_alloc(r->arena, VK_TIME_MAX), *to = compact;

    for (char *p = region; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    vk_time_format_s(vk_wall_ms(), stamp);
    for (const char *p = stamp; *p; p++) {
        if (*p != '-' && *p != ':')
            *to++ = *p;
    }
    return vk_arena_printf(r->arena, "%s:%s:%s", region, compact, r->correlation_id);
}

/* As the clock of ARM says, which tests may put wrong. */
static void add_date(struct arm_request *r)
{
    const int64_t skew_s = surroundings_clock_skew_s(r->emulator->surroundings);
    const time_t now = (time_t)(vk_wall_ms() / 1000 + skew_s);
    char text[64];
    struct tm t;

    if (skew_s && gmtime_r(&now, &t) && strftime(text, sizeof(text), "%a, %d %b %Y %T GMT", &t))
        arm_reply_header(r, "Date", text);
}

static void add_common_headers(struct arm_request *r)
{
    const char *client_id = arm_request_header(r, "x-ms-client-request-id");

    add_date(r);
    arm_reply_header(r, "Cache-Control", "no-cache");
    arm_reply_header(r, "Pragma", "no-cache");
    arm_reply_header(r, "Expires", "-1");
    arm_reply_header(r, "Strict-Transport-Security", "max-age=31536000; includeSubDomains");
    arm_reply_header(r, "X-Content-Type-Options", "nosniff");
    arm_reply_header(
        r, "x-ms-request-id",
        vk_arena_printf(r->arena, "%s:%s", r->emulator->options->location, r->request_id));
    arm_reply_header(r, "x-ms-correlation-request-id", r->correlation_id);
    arm_reply_header(r, "x-ms-routing-request-id", routing_id(r));
    if (client_id && vk_strieq(arm_request_header(r, "x-ms-return-client-request-id"), "true"))
        arm_reply_header(r, "x-ms-client-request-id", client_id);
}

static void reply(struct arm_request *r, int status, const char *type, struct vk_str body)
{
    bool lost = r->fault && r->fault->lost;

    log_v(2, "Request", LS("operation", r->route ? r->route->operation : "-"),
          LS("method", r->method), LS("path", r->path), LI("status", status),
          LI("us", vk_mono_us() - r->began_us), LB("lost", lost || !r->x),
          LS("correlation", r->correlation_id));
    if (r->x && lost) {
        http_exchange_abort(r->x);
    } else if (r->x) {
        add_common_headers(r);
        http_exchange_reply(r->x, status, type, body);
    }
    arm_request_free(r);
}

void arm_reply_json(struct arm_request *r, int status, struct vk_str body)
{
    reply(r, status, JSON_TYPE, body);
}

void arm_reply_empty(struct arm_request *r, int status)
{
    reply(r, status, NULL, (struct vk_str){.p = "", .n = 0});
}

void arm_reply_error(struct arm_request *r, const struct vk_err *err)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&out, MAX_ANSWER);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "error");
    json_put_string(&w, "code", err->reason);
    json_put_string(&w, "message", err->msg);
    json_end_object(&w);
    json_end_object(&w);
    arm_reply_header(r, "x-ms-error-code", err->reason);
    if (err->retry_after_ms > 0)
        arm_reply_header(r, "Retry-After",
                         vk_arena_printf(r->arena, "%" PRId64, (err->retry_after_ms + 999) / 1000));
    arm_reply_json(r, err->http_status, vk_buf_str(&out));
}

struct vk_str arm_reply_render(struct arm_request *r, const struct group *g)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;
    const char *text;

    vk_buf_init(&out, MAX_ANSWER);
    json_writer_init(&w, &out);
    group_view_write(g, GROUP_VIEW_FULL, r->emulator->options->tenant, &w, NULL);
    text = vk_arena_str(r->arena, vk_buf_str(&out));
    return (struct vk_str){.p = text, .n = vk_buf_len(&out)};
}

void arm_reply_group(struct arm_request *r, int status, const struct group *g)
{
    arm_reply_json(r, status, arm_reply_render(r, g));
}
