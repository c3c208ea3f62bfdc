/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of an API server as the pods room talks to, in the test's own loop, over real HTTP and
 * JSON: pods (list, watch, get, strategic merge patch of status, delete with preconditions),
 * objects, TokenRequest, events. Requests are counted, answers can be bent.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/http_client.h"
#include "base/http_server.h"
#include "base/json_writer.h"
#include "base/url.h"
#include "kubelet/client/rest.h"

#define FAKE_UNUSED __attribute__((unused))
#define FAKE_MAX_PODS 1200
#define FAKE_LIMIT (8u << 20)

struct fake_pod {
    char *ns, *name, *uid, *spec, *status;
    int64_t rv, generation;
    bool deleting, finalizer;
    bool by_force;                        /* the deletion has no grace period */
    const char *owner_kind;               /* of its controller; NULL: none */
    int64_t grace_seconds, deleted_at_ns; /* of the deletion; 0: 30 s, and long ago */
};
struct fake_event {
    int64_t rv;
    char *line;
};
struct fake_api {
    struct vk_loop *loop;
    struct http_server *server;
    struct http_client *http;
    struct rest_client *rest;
    struct http_exchange *watch;
    struct fake_pod *pods[FAKE_MAX_PODS];
    size_t pod_count;
    struct fake_event *events;
    size_t event_count, event_cap;
    int64_t rv;
    size_t lists, patches, conflicts, useless_patches, deletes, tokens, object_gets, pod_gets,
        event_posts;
    /* Knobs: the next N requests of a kind are refused. */
    size_t refuse_tokens, refuse_patches, refuse_deletes;
    size_t lose_patches;                   /* so many are done and answered with 500 */
    int refusal;                           /* HTTP status; 0: 500 */
    bool ignore_patches;                   /* as if they changed nothing */
    bool refuse_services;                  /* with 403 */
    const char *services, *service_events; /* JSON: items of the list; lines of the watch */
    const char *owner_kind;                /* of pods that are added */
    char *config_map;                      /* JSON of every ConfigMap; NULL: 404 */
    char *secret;
    char *claim, *persistent_volume; /* likewise */
    struct vk_buf event_log;         /* "reason: message\n" per Event created */
    struct vk_buf last_patch;        /* body */
    struct vk_buf last_token;        /* request body */
    struct vk_buf last_delete;
};

static inline void fake_write_pod(struct json_writer *w, const char *key, const struct fake_pod *p)
{
    json_begin_object(w, key);
    json_put_string(w, "kind", "Pod");
    json_put_string(w, "apiVersion", "v1");
    json_begin_object(w, "metadata");
    json_put_string(w, "name", p->name);
    json_put_string(w, "namespace", p->ns);
    json_put_string(w, "uid", p->uid);
    char rv[24];
    snprintf(rv, sizeof(rv), "%lld", (long long)p->rv);
    json_put_string(w, "resourceVersion", rv);
    json_put_int(w, "generation", p->generation);
    json_put_string(w, "creationTimestamp", "2026-11-24T15:00:00Z");
    if (p->deleting) {
        char at[VK_TIME_MAX] = "2026-11-24T15:01:00Z";

        if (p->deleted_at_ns)
            vk_time_format_s(p->deleted_at_ns / 1000000, at);
        json_put_string(w, "deletionTimestamp", at);
        json_put_int(w, "deletionGracePeriodSeconds",
                     p->by_force        ? 0
                     : p->deleted_at_ns ? p->grace_seconds
                                        : 30);
    }
    if (p->owner_kind) {
        json_begin_array(w, "ownerReferences");
        json_begin_object(w, NULL);
        json_put_string(w, "apiVersion", vk_streq(p->owner_kind, "Job") ? "batch/v1" : "apps/v1");
        json_put_string(w, "kind", p->owner_kind);
        json_put_string(w, "name", "owner");
        json_put_string(w, "uid", "owner-uid");
        json_put_bool(w, "controller", true);
        json_end_object(w);
        json_end_array(w);
    }
    if (p->finalizer) {
        json_begin_array(w, "finalizers");
        json_put_string(w, NULL, "example.com/keep");
        json_end_array(w);
    }
    json_end_object(w);
    json_put_raw(w, "spec", vk_str_of(p->spec));
    json_put_raw(w, "status", vk_str_of(p->status));
    json_end_object(w);
}

static inline void fake_send_event(struct fake_api *a, const char *type, struct fake_pod *p)
{
    struct vk_buf line VK_BUF_AUTO;
    struct json_writer w;

    p->rv = ++a->rv;
    vk_buf_init(&line, FAKE_LIMIT);
    json_writer_init(&w, &line);
    json_begin_object(&w, NULL);
    json_put_string(&w, "type", type);
    fake_write_pod(&w, "object", p);
    json_end_object(&w);
    vk_buf_addc(&line, '\n');
    a->events = vk_grow(a->events, &a->event_cap, a->event_count + 1, sizeof(*a->events));
    a->events[a->event_count++] =
        (struct fake_event){.rv = p->rv, .line = vk_strdup(vk_buf_peek(&line))};
    if (a->watch)
        http_exchange_write(a->watch, vk_buf_str(&line));
}

static FAKE_UNUSED struct fake_pod *fake_find(struct fake_api *a, const char *ns, const char *name)
{
    for (size_t i = 0; i < a->pod_count; i++)
        if (vk_streq(a->pods[i]->ns, ns) && vk_streq(a->pods[i]->name, name))
            return a->pods[i];
    return NULL;
}

static FAKE_UNUSED struct fake_pod *fake_add(struct fake_api *a, const char *name, const char *uid,
                                             const char *spec, const char *status)
{
    struct fake_pod *p = vk_calloc(1, sizeof(*p));

    assert_true(a->pod_count < FAKE_MAX_PODS);
    p->ns = vk_strdup("default");
    p->name = vk_strdup(name);
    p->uid = vk_strdup(uid);
    p->spec = vk_strdup(spec);
    p->status = vk_strdup(status ? status : "{\"phase\":\"Pending\",\"qosClass\":\"BestEffort\"}");
    p->generation = 1;
    p->owner_kind = a->owner_kind;
    a->pods[a->pod_count++] = p;
    fake_send_event(a, "ADDED", p);
    return p;
}

static inline void fake_pod_free(struct fake_pod *p)
{
    vk_free(p->ns);
    vk_free(p->name);
    vk_free(p->uid);
    vk_free(p->spec);
    vk_free(p->status);
    vk_free(p);
}

/* silent: no watch event, as if it happened while nobody watched. */
static FAKE_UNUSED void fake_remove(struct fake_api *a, struct fake_pod *p, bool silent)
{
    for (size_t i = 0; i < a->pod_count; i++) {
        if (a->pods[i] != p)
            continue;
        a->pods[i] = a->pods[--a->pod_count];
        break;
    }
    if (silent)
        a->rv++;
    else
        fake_send_event(a, "DELETED", p);
    fake_pod_free(p);
}

/* kubectl delete: a grace period begins. */
static FAKE_UNUSED void fake_begin_deletion(struct fake_api *a, struct fake_pod *p)
{
    p->deleting = true;
    fake_send_event(a, "MODIFIED", p);
}

/* The watch's history is gone: the client has to list again. */
static FAKE_UNUSED void fake_expire_watch(struct fake_api *a)
{
    assert_non_null(a->watch);
    http_exchange_write(
        a->watch,
        VK_STR(
            "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":"
            "\"Failure\",\"message\":\"too old\",\"reason\":\"Expired\",\"code\":410}}\n"));
    http_exchange_end(a->watch);
    a->watch = NULL;
}

static inline void fake_status(struct http_exchange *x, int code, const char *reason)
{
    char body[256];

    snprintf(
        body, sizeof(body),
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"%s by "
        "the fake\",\"reason\":\"%s\",\"code\":%d}",
        reason, reason, code);
    http_exchange_reply(x, code, "application/json", vk_str_of(body));
}

static inline void fake_reply_pod(struct http_exchange *x, const struct fake_pod *p)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&out, FAKE_LIMIT);
    json_writer_init(&w, &out);
    fake_write_pod(&w, NULL, p);
    http_exchange_reply(x, 200, "application/json", vk_buf_str(&out));
}

static inline const struct json *fake_by_key(const struct json *list, const char *key,
                                             const char *value)
{
    for (const struct json *v = json_first(list); v; v = json_next(v))
        if (vk_streq(json_string(json_get(v, key)), value))
            return v;
    return NULL;
}

static void fake_merge(struct json_writer *w, const char *key, const struct json *old,
                       const struct json *patch);

/* Lists merged by a key, as the pod's patch strategies say. */
static inline void fake_merge_list(struct json_writer *w, const char *key, const char *by,
                                   const struct json *old, const struct json *patch)
{
    bool replace = fake_by_key(patch, "$patch", "replace") != NULL;

    json_begin_array(w, key);
    for (const struct json *v = replace ? NULL : json_first(old); v; v = json_next(v)) {
        const struct json *p = fake_by_key(patch, by, json_string(json_get(v, by)));

        if (!p)
            json_put_value(w, NULL, v);
        else if (!json_get(p, "$patch"))
            fake_merge(w, NULL, v, p);
    }
    for (const struct json *p = json_first(patch); p; p = json_next(p))
        if (json_get(p, by) && (replace || !fake_by_key(old, by, json_string(json_get(p, by)))))
            fake_merge(w, NULL, NULL, p);
    json_end_array(w);
}

static void fake_merge(struct json_writer *w, const char *key, const struct json *old,
                       const struct json *patch)
{
    if (json_type_of(patch) == JSON_ARRAY && vk_streq(key, "conditions")) {
        fake_merge_list(w, key, "type", old, patch);
        return;
    }
    if (json_type_of(patch) == JSON_ARRAY &&
        (vk_streq(key, "podIPs") || vk_streq(key, "hostIPs"))) {
        fake_merge_list(w, key, "ip", old, patch);
        return;
    }
    if (json_type_of(patch) != JSON_OBJECT) {
        json_put_value(w, key, patch);
        return;
    }
    json_begin_object(w, key);
    for (const struct json *v = json_first(old); v; v = json_next(v)) {
        const struct json *p = json_get(patch, json_key(v));

        if (!p)
            json_put_value(w, json_key(v), v);
        else if (json_type_of(p) != JSON_NULL)
            fake_merge(w, json_key(v), v, p);
    }
    for (const struct json *p = json_first(patch); p; p = json_next(p))
        if (!json_get(old, json_key(p)) && json_type_of(p) != JSON_NULL)
            fake_merge(w, json_key(p), NULL, p);
    json_end_object(w);
}

static inline bool fake_refuse(struct fake_api *a, struct http_exchange *x, size_t *left)
{
    int code = a->refusal ? a->refusal : 500;

    if (!*left)
        return false;
    --*left;
    if (code == 429)
        http_exchange_header(x, "Retry-After", "1");
    fake_status(x, code, code == 403 ? "Forbidden" : code == 409 ? "Conflict" : "InternalError");
    return true;
}

static inline void fake_patch_status(struct fake_api *a, struct http_exchange *x,
                                     struct fake_pod *p)
{
    struct vk_arena *arena = http_exchange_arena(x);
    struct vk_str body = http_exchange_body(x);
    const struct json *patch, *old;
    const char *version;
    char current[24];
    struct vk_buf merged VK_BUF_AUTO;
    struct json_writer w;
    struct vk_err err;

    a->patches++;
    vk_buf_clear(&a->last_patch);
    vk_buf_addstr(&a->last_patch, body);
    assert_string_equal(http1_header(http_exchange_head(x), "Content-Type"),
                        "application/strategic-merge-patch+json");
    assert_int_equal(json_parse(body, FAKE_LIMIT, arena, &patch, &err), 0);
    if (fake_refuse(a, x, &a->refuse_patches))
        return;
    version = json_string(json_get(json_get(patch, "metadata"), "resourceVersion"));
    snprintf(current, sizeof(current), "%lld", (long long)p->rv);
    if (!vk_streq(json_string(json_get(json_get(patch, "metadata"), "uid")), p->uid) ||
        (version && !vk_streq(version, current))) {
        a->conflicts++;
        fake_status(x, 409, "Conflict");
        return;
    }
    assert_int_equal(json_parse(vk_str_of(p->status), FAKE_LIMIT, arena, &old, &err), 0);
    vk_buf_init(&merged, FAKE_LIMIT);
    json_writer_init(&w, &merged);
    fake_merge(&w, NULL, old, json_get(patch, "status"));
    assert_true(json_writer_done(&w));
    if (a->ignore_patches || vk_streq(vk_buf_peek(&merged), p->status)) {
        a->useless_patches++;
    } else {
        vk_free(p->status);
        p->status = vk_strdup(vk_buf_peek(&merged));
        fake_send_event(a, "MODIFIED", p);
    }
    if (a->lose_patches) {
        a->lose_patches--;
        fake_status(x, 500, "InternalError");
        return;
    }
    fake_reply_pod(x, p);
}

static inline void fake_delete_pod(struct fake_api *a, struct http_exchange *x, struct fake_pod *p)
{
    const struct json *body;
    struct vk_err err;
    const char *uid;

    a->deletes++;
    vk_buf_clear(&a->last_delete);
    vk_buf_addstr(&a->last_delete, http_exchange_body(x));
    if (fake_refuse(a, x, &a->refuse_deletes))
        return;
    assert_int_equal(
        json_parse(http_exchange_body(x), FAKE_LIMIT, http_exchange_arena(x), &body, &err), 0);
    uid = json_string(json_get(json_get(body, "preconditions"), "uid"));
    if (!vk_streq(uid, p->uid)) {
        fake_status(x, 409, "Conflict");
        return;
    }
    fake_reply_pod(x, p);
    if (p->finalizer) {
        fake_send_event(a, "MODIFIED", p);
        return;
    }
    fake_remove(a, p, false);
}

static inline void fake_list(struct fake_api *a, struct http_exchange *x)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;
    char rv[24];

    a->lists++;
    snprintf(rv, sizeof(rv), "%lld", (long long)a->rv);
    vk_buf_init(&out, 64u << 20);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "kind", "PodList");
    json_put_string(&w, "apiVersion", "v1");
    json_begin_object(&w, "metadata");
    json_put_string(&w, "resourceVersion", rv);
    json_end_object(&w);
    json_begin_array(&w, "items");
    for (size_t i = 0; i < a->pod_count; i++)
        fake_write_pod(&w, NULL, a->pods[i]);
    json_end_array(&w);
    json_end_object(&w);
    http_exchange_reply(x, 200, "application/json", vk_buf_str(&out));
}

static inline void fake_watch_gone(void *user)
{
    struct fake_api *a = user;

    a->watch = NULL;
}

static inline void fake_start_watch(struct fake_api *a, struct http_exchange *x)
{
    const char *query = http_exchange_head(x)->query;
    const char *from = url_query_get(query, "resourceVersion", 0, http_exchange_arena(x));
    int64_t rv = 0;

    assert_true(vk_str_int64(vk_str_of(from), 0, INT64_MAX, &rv));
    http_exchange_on_gone(x, fake_watch_gone, a);
    http_exchange_begin(x, 200, "application/json");
    a->watch = x;
    for (size_t i = 0; i < a->event_count; i++)
        if (a->events[i].rv > rv)
            http_exchange_write(x, vk_str_of(a->events[i].line));
}

/* The watch of Services says what `service_events` holds, then no more. */
static inline void fake_services(struct fake_api *a, struct http_exchange *x)
{
    if (a->refuse_services) {
        fake_status(x, 403, "Forbidden");
    } else if (strstr(http_exchange_head(x)->query, "watch=")) {
        http_exchange_begin(x, 200, "application/json");
        if (a->service_events)
            http_exchange_write(x, vk_str_of(a->service_events));
    } else {
        char *body VK_AUTOFREE = vk_asprintf(
            "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":"
            "\"1\"},\"items\":[%s]}",
            a->services ? a->services : "");

        http_exchange_reply(x, 200, "application/json", vk_str_of(body));
    }
}

static inline void fake_token(struct fake_api *a, struct http_exchange *x)
{
    a->tokens++;
    vk_buf_clear(&a->last_token);
    vk_buf_addstr(&a->last_token, http_exchange_body(x));
    if (!fake_refuse(a, x, &a->refuse_tokens))
        http_exchange_reply(x, 201, "application/json",
                            VK_STR("{\"kind\":\"TokenRequest\",\"apiVersion\":"
                                   "\"authentication.k8s.io/v1\",\"status\":{\"token\":"
                                   "\"the-token\",\"expirationTimestamp\":"
                                   "\"2026-11-24T16:00:00Z\"}}"));
}

static inline void fake_create_event(struct fake_api *a, struct http_exchange *x)
{
    const struct json *e;
    struct vk_err err;

    a->event_posts++;
    assert_int_equal(
        json_parse(http_exchange_body(x), FAKE_LIMIT, http_exchange_arena(x), &e, &err), 0);
    vk_buf_printf(&a->event_log, "%s: %s\n", json_string_or(e, "reason", ""),
                  json_string_or(e, "message", ""));
    http_exchange_reply(x, 201, "application/json", http_exchange_body(x));
}

static inline void fake_object(struct fake_api *a, struct http_exchange *x, const char *text)
{
    a->object_gets++;
    if (text)
        http_exchange_reply(x, 200, "application/json", vk_str_of(text));
    else
        fake_status(x, 404, "NotFound");
}

static inline void fake_handle_pod(struct fake_api *a, struct http_exchange *x, struct vk_str rest)
{
    const char *method = http_exchange_head(x)->method;
    struct vk_str sub, name = vk_str_cut(rest, '/', &sub);
    struct fake_pod *p = fake_find(a, "default", vk_arena_str(http_exchange_arena(x), name));

    a->pod_gets += vk_streq(method, "GET");
    if (!p) {
        fake_status(x, 404, "NotFound");
    } else if (vk_streq(method, "PATCH")) {
        assert_true(vk_str_is(sub, "status"));
        fake_patch_status(a, x, p);
    } else if (vk_streq(method, "DELETE")) {
        fake_delete_pod(a, x, p);
    } else {
        fake_reply_pod(x, p);
    }
}

static inline void fake_handle(void *user, struct http_exchange *x)
{
    static const char *const ns = "/api/v1/namespaces/default/";
    struct fake_api *a = user;
    const struct http1_head *head = http_exchange_head(x);
    struct vk_str rest, kind;

    if (vk_streq(head->path, "/api/v1/pods")) {
        if (strstr(head->query, "watch="))
            fake_start_watch(a, x);
        else
            fake_list(a, x);
        return;
    }
    if (vk_streq(head->path, "/api/v1/services")) {
        fake_services(a, x);
        return;
    }
    if (vk_starts(head->path, "/api/v1/persistentvolumes/")) {
        fake_object(a, x, a->persistent_volume);
        return;
    }
    if (!vk_starts(head->path, ns)) {
        fake_status(x, 404, "NotFound");
        return;
    }
    kind = vk_str_cut(vk_str_of(head->path + strlen(ns)), '/', &rest);
    if (vk_str_is(kind, "pods"))
        fake_handle_pod(a, x, rest);
    else if (vk_str_is(kind, "serviceaccounts"))
        fake_token(a, x);
    else if (vk_str_is(kind, "configmaps"))
        fake_object(a, x, a->config_map);
    else if (vk_str_is(kind, "secrets"))
        fake_object(a, x, a->secret);
    else if (vk_str_is(kind, "persistentvolumeclaims"))
        fake_object(a, x, a->claim);
    else if (vk_str_is(kind, "events"))
        fake_create_event(a, x);
    else
        fake_status(x, 404, "NotFound");
}

static FAKE_UNUSED void fake_api_init(struct fake_api *a, struct vk_loop *loop)
{
    struct http_server_config config = {
        .listener = {.address = "127.0.0.1", .plain = true},
        .max_body = FAKE_LIMIT,
    };
    struct cluster_config cluster = {.source = "test"};
    char url[64];
    struct vk_err err;

    *a = (struct fake_api){.loop = loop};
    vk_buf_init(&a->event_log, FAKE_LIMIT);
    vk_buf_init(&a->last_patch, FAKE_LIMIT);
    vk_buf_init(&a->last_token, FAKE_LIMIT);
    vk_buf_init(&a->last_delete, FAKE_LIMIT);
    assert_int_equal(http_server_new(loop, &config, fake_handle, a, &a->server, &err), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", http_server_port(a->server));
    cluster.server = url;
    a->http = http_client_new(loop);
    if (rest_client_new(a->http, &cluster, "test", &a->rest, &err) < 0)
        fail_msg("%s", err.msg);
}

static FAKE_UNUSED void fake_api_release(struct fake_api *a)
{
    rest_client_free(a->rest);
    http_client_free(a->http);
    http_server_free(a->server);
    for (size_t i = 0; i < a->pod_count; i++)
        fake_pod_free(a->pods[i]);
    for (size_t i = 0; i < a->event_count; i++)
        vk_free(a->events[i].line);
    vk_free(a->events);
    vk_free(a->config_map);
    vk_free(a->secret);
    vk_free(a->claim);
    vk_free(a->persistent_volume);
    vk_buf_release(&a->event_log);
    vk_buf_release(&a->last_patch);
    vk_buf_release(&a->last_token);
    vk_buf_release(&a->last_delete);
}

/* Runs the loop until the condition holds; fails the test with its text after 10 s. */
#define FAKE_EVENTUALLY(a, condition)                                                              \
    do {                                                                                           \
        bool fake_never_ = false;                                                                  \
        for (int fake_i_ = 0; !(condition); fake_i_++) {                                           \
            if (fake_i_ >= 5000)                                                                   \
                fail_msg("never: %s", #condition);                                                 \
            vk_loop_run_until((a)->loop, &fake_never_, 2);                                         \
        }                                                                                          \
    } while (0)
