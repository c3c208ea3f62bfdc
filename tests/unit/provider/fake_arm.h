/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACI in memory, in the same loop: tokens, and container groups that count their PUTs. A PUT on an
 * existing group restarts it, as on the real service. Rules break the next requests on purpose. The
 * same port is also a registry, in which each image has the entrypoint "/entry".
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/http_server.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/map.h"

struct arm_group {
    char *name, *tags;                /* tags as JSON text */
    const char *provisioning, *state; /* static; state of its one container: Waiting, Running ... */
    int64_t exit_code, restarts;
    const char *ended_at; /* its former run; NULL: there was none */
    unsigned starts;      /* PUTs that (re)started it */
    char image[64];       /* of its one container */
};

enum arm_break {
    ARM_REFUSE, /* nothing is done, the rule's answer is given */
    ARM_LOSE,   /* done, but the connection breaks before the answer */
    ARM_DROP,   /* the connection breaks and nothing is done */
    ARM_HOLD,   /* done, answered when the test says so */
};
struct arm_rule {
    const char *method;
    enum arm_break kind;
    int status;
    const char *code;
    unsigned count; /* how many requests it breaks */
};

/* ARM's token bucket of writes; size 0: none. Its state is in each answer to a PUT. */
struct arm_bucket {
    int64_t size, rate_per_s;
    int64_t milli, at_ms;
    unsigned refused;
};

struct fake_arm {
    struct vk_loop *loop;
    struct http_server *server;
    struct vk_map *groups; /* name -> struct arm_group */
    char base[64];
    unsigned tokens, puts, reads, lists, deletes, restarts;
    struct arm_rule rule;
    struct arm_bucket writes;
    int64_t first_put_ms, last_put_ms; /* accepted */
    struct http_exchange *held;
    int held_status;
    const char *log;    /* content of every log */
    const char *attach; /* answer of every attach; NULL: refused */
    const char *ip;     /* of every group; NULL: "10.244.0.9" */
    /* Azure Monitor's answer, in which %s is the begin of the last full minute; NULL: 404. */
    const char *monitor;
    unsigned monitored;
    const char *last_logs_query;
    unsigned logs;   /* how often they were read */
    int logs_status; /* refuses logs; 0: none */
    const char *logs_code;
    char *last_put; /* its body */
    unsigned manifests;
    int registry_status; /* of manifests; 0: 200 */
    bool registry_holds; /* manifests get no answer */
    /* Quotas; a limit of 0 groups: the identity may not read them. Others have this much. */
    int64_t quota_groups, quota_cores, others_groups, others_cores;
    unsigned usages; /* how often they were read */
};

static inline void arm_group_free(void *p)
{
    struct arm_group *g = p;
    if (!g)
        return;
    vk_free(g->name);
    vk_free(g->tags);
    vk_free(g);
}

static inline void arm_error(struct http_exchange *x, int status, const char *code)
{
    const char *body =
        vk_arena_printf(http_exchange_arena(x),
                        "{\"error\":{\"code\":\"%s\",\"message\":\"%s happened\"}}", code, code);
    http_exchange_reply(x, status, "application/json", vk_str_of(body));
}

static inline void arm_write_view(struct json_writer *w, const struct arm_group *g)
{
    json_begin_object(w, "instanceView");
    json_put_int(w, "restartCount", g->restarts);
    if (g->ended_at) {
        json_begin_object(w, "previousState");
        json_put_string(w, "state", "Terminated");
        json_put_string(w, "finishTime", g->ended_at);
        json_put_int(w, "exitCode", 1);
        json_end_object(w);
    }
    json_begin_object(w, "currentState");
    json_put_string(w, "state", g->state);
    json_put_string(w, "startTime", "2024-05-01T00:00:00Z");
    if (vk_streq(g->state, "Terminated"))
        json_put_int(w, "exitCode", g->exit_code);
    json_end_object(w);
    json_begin_array(w, "events");
    json_begin_object(w, NULL);
    json_put_string(w, "name", "Pulling");
    json_put_string(w, "message", "pulling image");
    json_put_string(w, "type", "Normal");
    json_put_int(w, "count", 1);
    json_put_string(w, "firstTimestamp", "2024-05-01T00:00:00Z");
    json_put_string(w, "lastTimestamp", "2024-05-01T00:00:00Z");
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
}

static inline void arm_write_group(struct json_writer *w, const struct fake_arm *arm,
                                   const struct arm_group *g, bool with_view)
{
    json_begin_object(w, NULL);
    json_put_string(w, "name", g->name);
    json_put_raw(w, "tags", vk_str_of(g->tags));
    json_begin_object(w, "properties");
    json_put_string(w, "provisioningState", g->provisioning);
    json_put_string(w, "restartPolicy", g->restarts > 0 ? "Always" : "Never");
    json_begin_object(w, "ipAddress");
    json_put_string(w, "ip", arm->ip ? arm->ip : "10.244.0.9");
    json_end_object(w);
    json_begin_array(w, "containers");
    json_begin_object(w, NULL);
    json_put_string(w, "name", "c");
    json_begin_object(w, "properties");
    json_put_string(w, "image", *g->image ? g->image : "app:1");
    json_put_raw(w, "resources", VK_STR("{\"requests\":{\"cpu\":1.5,\"memoryInGB\":2}}"));
    if (with_view)
        arm_write_view(w, g);
    json_end_object(w);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
    json_end_object(w);
}

static inline void arm_reply_group(const struct fake_arm *arm, struct http_exchange *x, int status,
                                   const struct arm_group *g)
{
    struct vk_buf out;
    struct json_writer w;
    vk_buf_init(&out, 1u << 20);
    json_writer_init(&w, &out);
    arm_write_group(&w, arm, g, true);
    http_exchange_reply(x, status, "application/json", vk_buf_str(&out));
    vk_buf_release(&out);
}

static inline void arm_reply_list(struct fake_arm *arm, struct http_exchange *x)
{
    struct vk_buf out;
    struct json_writer w;
    vk_buf_init(&out, 16u << 20);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "value");
    size_t it = 0;
    const char *name;
    void *g;
    while (vk_map_next(arm->groups, &it, &name, &g))
        arm_write_group(&w, arm, g, false);
    json_end_array(&w);
    json_end_object(&w);
    http_exchange_reply(x, 200, "application/json", vk_buf_str(&out));
    vk_buf_release(&out);
}

/* A group that is there from before. tags: JSON object text. */
static inline struct arm_group *arm_add(struct fake_arm *arm, const char *name, const char *tags)
{
    struct arm_group *g = vk_calloc(1, sizeof(*g));
    g->name = vk_strdup(name);
    g->tags = vk_strdup(tags);
    g->provisioning = "Succeeded";
    g->state = "Running";
    arm_group_free(vk_map_put(arm->groups, name, g));
    return g;
}

#define REGISTRY_CONFIG "{\"config\":{\"Entrypoint\":[\"/entry\"],\"WorkingDir\":\"/srv\"}}"

static inline void arm_serve_registry(struct fake_arm *arm, struct http_exchange *x)
{
    char hex[65];
    if (strstr(http_exchange_head(x)->path, "/blobs/")) {
        http_exchange_reply(x, 200, "application/octet-stream", VK_STR(REGISTRY_CONFIG));
        return;
    }
    arm->manifests++;
    if (arm->registry_holds)
        return;
    crypto_sha256_hex(REGISTRY_CONFIG, strlen(REGISTRY_CONFIG), hex);
    const char *text =
        vk_arena_printf(http_exchange_arena(x),
                        "{\"schemaVersion\":2,\"config\":{\"mediaType\":"
                        "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:%s\"}}",
                        hex);
    http_exchange_reply(x, arm->registry_status ? arm->registry_status : 200,
                        "application/vnd.oci.image.manifest.v1+json", vk_str_of(text));
}

static inline void arm_keep_image(struct arm_group *g, const struct json *root)
{
    const struct json *containers = json_get(json_get(root, "properties"), "containers");
    const struct json *first = containers ? json_first(containers) : NULL;
    const char *image = json_string(json_get(json_get(first, "properties"), "image"));
    (void)vk_strcpy_to(g->image, sizeof(g->image), image ? image : "");
}

static inline int arm_put(struct fake_arm *arm, const char *name, struct vk_str body)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct arm_group *old = vk_map_get(arm->groups, name);
    const struct json *root;
    struct vk_err err;
    vk_free(arm->last_put);
    arm->last_put = vk_strndup(body.p, body.n);
    if (json_parse(body, 4u << 20, arena, &root, &err) < 0)
        fail_msg("PUT body: %s", err.msg);
    if (old) {
        old->starts++;
        arm_keep_image(old, root);
        return 200;
    }
    struct vk_buf tags;
    struct json_writer w;
    vk_buf_init(&tags, 1u << 16);
    json_writer_init(&w, &tags);
    json_put_value(&w, NULL, json_get(root, "tags"));
    struct arm_group *g = arm_add(arm, name, vk_buf_peek(&tags));
    vk_buf_release(&tags);
    g->provisioning = "Creating";
    g->state = "Waiting";
    g->starts = 1;
    arm_keep_image(g, root);
    return 201;
}

static inline void arm_held_gone(void *user)
{
    struct fake_arm *arm = user;
    arm->held = NULL;
}

/* Does what the request says, then answers as the rule wants it. */
static inline void arm_serve_group(struct fake_arm *arm, struct http_exchange *x,
                                   const char *method, const char *name,
                                   const struct arm_rule *rule)
{
    struct arm_group *g = vk_map_get(arm->groups, name);
    int status = g ? 200 : 404;
    if (vk_streq(method, "PUT")) {
        arm->puts++;
        status = arm_put(arm, name, http_exchange_body(x));
    } else if (vk_streq(method, "DELETE")) {
        arm->deletes++;
        status = g ? 200 : 204;
        arm_group_free(vk_map_remove(arm->groups, name));
    } else {
        arm->reads++;
    }
    if (rule && rule->kind == ARM_LOSE) {
        http_exchange_abort(x);
    } else if (rule && rule->kind == ARM_HOLD) {
        arm->held = x;
        arm->held_status = status;
        http_exchange_on_gone(x, arm_held_gone, arm);
    } else if (status == 404) {
        arm_error(x, 404, "ResourceNotFound");
    } else if (vk_streq(method, "DELETE")) {
        http_exchange_reply(x, status, NULL, VK_STR(""));
    } else {
        arm_reply_group(arm, x, status, vk_map_get(arm->groups, name));
    }
}

static inline bool arm_apply_rule(struct fake_arm *arm, struct http_exchange *x, const char *method,
                                  const struct arm_rule **ret_rule)
{
    struct arm_rule *rule = &arm->rule;
    *ret_rule = NULL;
    if (rule->count == 0 || !vk_streq(rule->method, method))
        return false;
    rule->count--;
    *ret_rule = rule;
    if (rule->kind == ARM_DROP)
        http_exchange_abort(x);
    else if (rule->kind == ARM_REFUSE)
        arm_error(x, rule->status, rule->code);
    else
        return false;
    /* What was refused was still asked. */
    arm->puts += vk_streq(method, "PUT");
    arm->deletes += vk_streq(method, "DELETE");
    return true;
}

/* False: refused. */
static inline bool arm_take_token(struct fake_arm *arm, struct http_exchange *x)
{
    struct arm_bucket *b = &arm->writes;
    const int64_t now = vk_mono_ms();
    b->milli += (now - b->at_ms) * b->rate_per_s;
    b->milli = b->milli > b->size * 1000 ? b->size * 1000 : b->milli;
    b->at_ms = now;
    if (b->milli < 1000) {
        b->refused++;
        http_exchange_header(x, "Retry-After", "1");
        arm_error(x, 429, "TooManyRequests");
        return false;
    }
    b->milli -= 1000;
    http_exchange_header(x, "x-ms-ratelimit-remaining-subscription-writes",
                         vk_arena_printf(http_exchange_arena(x), "%d", (int)(b->milli / 1000)));
    arm->first_put_ms = arm->first_put_ms ? arm->first_put_ms : now;
    arm->last_put_ms = now;
    return true;
}

/* One core for each group, as the sample pods have it. */
static inline void arm_reply_usages(struct fake_arm *arm, struct http_exchange *x)
{
    const long long own = (long long)vk_map_len(arm->groups);
    arm->usages++;
    if (arm->quota_groups == 0) {
        arm_error(x, 403, "AuthorizationFailed");
        return;
    }
    const char *body =
        vk_arena_printf(http_exchange_arena(x),
                        "{\"value\":[{\"unit\":\"Count\",\"currentValue\":%lld,\"limit\":%lld,"
                        "\"name\":{\"value\":\"ContainerGroups\"}},{\"name\":{\"value\":\"odd\"}},"
                        "{\"unit\":\"Count\",\"currentValue\":%lld,\"limit\":%lld,"
                        "\"name\":{\"value\":\"StandardCores\"}}]}",
                        own + arm->others_groups, (long long)arm->quota_groups,
                        own + arm->others_cores, (long long)arm->quota_cores);
    http_exchange_reply(x, 200, "application/json", vk_str_of(body));
}

static inline void arm_serve_monitor(struct fake_arm *arm, struct http_exchange *x)
{
    const int64_t minute_ms = vk_wall_ms() / 60000 * 60000 - 60000;
    char stamp[VK_TIME_MAX];
    struct vk_buf out;
    arm->monitored++;
    if (!arm->monitor) {
        arm_error(x, 404, "ResourceNotFound");
        return;
    }
    assert_non_null(strstr(http_exchange_head(x)->query, "api-version=2018-01-01"));
    vk_time_format_s(minute_ms, stamp);
    vk_buf_init(&out, 1u << 16);
    for (const char *p = arm->monitor; *p; p++) {
        if (p[0] == '%' && p[1] == 's') {
            vk_buf_adds(&out, stamp);
            p++;
        } else {
            vk_buf_addc(&out, *p == '\'' ? '"' : *p);
        }
    }
    http_exchange_reply(x, 200, "application/json", vk_buf_str(&out));
    vk_buf_release(&out);
}

static inline void arm_handle(void *user, struct http_exchange *x)
{
    struct fake_arm *arm = user;
    const struct http1_head *head = http_exchange_head(x);
    if (vk_ends(head->path, "/oauth2/v2.0/token")) {
        arm->tokens++;
        http_exchange_reply(x, 200, "application/json",
                            VK_STR("{\"access_token\":\"tok\",\"expires_in\":3600}"));
        return;
    }
    if (vk_starts(head->path, "/v2/")) {
        arm_serve_registry(arm, x);
        return;
    }
    if (vk_ends(head->path, "/locations/westeurope/usages")) {
        arm_reply_usages(arm, x);
        return;
    }
    const char *name = strstr(head->path, "/containerGroups");
    assert_non_null(name);
    assert_string_equal(http1_header(head, "authorization"), "Bearer tok");
    name += strlen("/containerGroups");
    const char *method = *name ? head->method : "LIST";
    const struct arm_rule *rule;
    const char *rest = *name ? strchr(name + 1, '/') : NULL;
    if (rest && strstr(rest, "Microsoft.Insights/metrics")) {
        arm_serve_monitor(arm, x);
    } else if (vk_streq(rest, "/restart") && vk_streq(method, "POST")) {
        arm->restarts++;
        if (!arm_apply_rule(arm, x, method, &rule))
            http_exchange_reply(x, 204, NULL, VK_STR(""));
    } else if (vk_ends(rest, "/attach")) {
        if (arm->attach)
            http_exchange_reply(x, 200, "application/json", vk_str_of(arm->attach));
        else
            arm_error(x, 403, "AuthorizationFailed");
    } else if (rest) {
        arm->logs++;
        arm->last_logs_query = strstr(head->query, "tail=") ? "tail" : "all";
        const char *body =
            vk_arena_printf(http_exchange_arena(x), "{\"content\":\"%s\"}", arm->log);
        if (arm->logs_status)
            arm_error(x, arm->logs_status, arm->logs_code);
        else if (arm->log)
            http_exchange_reply(x, 200, "application/json", vk_str_of(body));
        else
            arm_error(x, 404, "ContainerLogNotAvailable");
    } else if (arm->writes.size && vk_streq(method, "PUT") && !arm_take_token(arm, x)) {
        return;
    } else if (arm_apply_rule(arm, x, method, &rule)) {
        return;
    } else if (!*name) {
        arm->lists++;
        arm_reply_list(arm, x);
    } else {
        arm_serve_group(arm, x, method, name + 1, rule);
    }
}

/* Answers the request that was held; false when there is none (any more). */
static inline bool arm_release(struct fake_arm *arm)
{
    struct http_exchange *x = arm->held;
    if (!x)
        return false;
    arm->held = NULL;
    http_exchange_reply(x, arm->held_status, "application/json", VK_STR("{}"));
    return true;
}

static inline void fake_arm_start(struct fake_arm *arm, struct vk_loop *loop)
{
    struct vk_err err;
    *arm = (struct fake_arm){.loop = loop, .groups = vk_map_new()};
    const struct http_server_config config = {.listener = {.address = "127.0.0.1", .plain = true},
                                              .max_body = 8u << 20};
    if (http_server_new(loop, &config, arm_handle, arm, &arm->server, &err) < 0)
        fail_msg("%s", err.msg);
    (void)snprintf(arm->base, sizeof(arm->base), "http://127.0.0.1:%d",
                   http_server_port(arm->server));
}

static inline void fake_arm_stop(struct fake_arm *arm)
{
    http_server_free(arm->server);
    vk_free(arm->last_put);
    vk_map_free(arm->groups, arm_group_free);
}
