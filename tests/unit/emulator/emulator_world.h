/* SPDX-License-Identifier: Apache-2.0 */
/* A whole emulator on the simulated engine, and a client of it, in one loop on loopback. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "aci/emulator/emulator.h"
#include "base/alloc.h"
#include "base/http_client.h"
#include "tests/unit/base/certificates.h"
#include "tests/unit/emulator/group_body.h"

#define WORLD_PATIENCE_MS 60000
#define WORLD_TENANT "00000000-0000-0000-0000-0000000000b2"
#define WORLD_SUB "/subscriptions/00000000-0000-0000-0000-0000000000a1"
#define WORLD_PROVIDER "/providers/Microsoft.ContainerInstance"
#define WORLD_RG WORLD_SUB "/resourceGroups/burst" WORLD_PROVIDER
#define WORLD_LOCATION WORLD_SUB WORLD_PROVIDER "/locations/westeurope"
#define WORLD_VERSION "?api-version=2025-09-01"
#define WORLD_GROUP(name) WORLD_RG "/containerGroups/" name WORLD_VERSION

/* The last answer; text lives in the arena. */
struct answer {
    bool done, failed;
    int status;
    struct vk_arena *arena;
    const char *text;
    const struct json *body; /* NULL when it is no JSON */
    const char *async_operation, *location, *authenticate, *request_id, *cause;
    int64_t retry_after_ms;
};
struct world {
    struct vk_loop *loop;
    struct certificate ca, server;
    char *cert_file, *key_file;
    struct emulator_options options;
    struct emulator *emulator;
    struct http_client *client;
    struct http_host *arm, *control, *imds;
    struct answer answer;
    char *token;
};

static inline const char *world_header(const struct answer *a, const struct http_response *from,
                                       const char *name)
{
    const char *value = http_response_header(from, name);

    return value ? vk_arena_strdup(a->arena, value) : NULL;
}

static inline void world_answered(void *user, const struct http_response *response,
                                  const struct vk_err *err)
{
    struct answer *a = user;
    struct vk_err ignored;

    a->done = true;
    a->failed = err != NULL;
    if (err)
        return;
    a->status = response->status;
    a->text = vk_arena_str(a->arena, response->body);
    if (json_parse(response->body, 1 << 24, a->arena, &a->body, &ignored) < 0)
        a->body = NULL;
    a->async_operation = world_header(a, response, "Azure-AsyncOperation");
    a->location = world_header(a, response, "Location");
    a->authenticate = world_header(a, response, "WWW-Authenticate");
    a->request_id = world_header(a, response, "x-ms-request-id");
    a->cause = world_header(a, response, "x-ms-failure-cause");
    a->retry_after_ms = response->retry_after_ms;
}

static inline void world_begin_call(struct world *w, struct http_host *host, const char *method,
                                    const char *path, const char *body, const char *bearer,
                                    const struct http_header *headers, size_t header_count,
                                    struct answer *a)
{
    /* The new request may be made of parts of the last answer. */
    struct vk_arena *last = a->arena;

    *a = (struct answer){.arena = vk_arena_new()};
    (void)w;
    http_call_start(host, &(struct http_request){.method = method,
                                                 .path = path,
                                                 .body = vk_str_of(body),
                                                 .bearer = bearer,
                                                 .headers = headers,
                                                 .header_count = header_count,
                                                 .deadline_ms = WORLD_PATIENCE_MS,
                                                 .on_done = world_answered,
                                                 .user = a});
    vk_arena_free(last);
}

/* Waits for the answer; the status, or -1 when the connection broke. */
static inline int world_call(struct world *w, struct http_host *host, const char *method,
                             const char *path, const char *body, const char *bearer,
                             const struct http_header *headers, size_t header_count)
{
    world_begin_call(w, host, method, path, body, bearer, headers, header_count, &w->answer);
    if (!vk_loop_run_until(w->loop, &w->answer.done, WORLD_PATIENCE_MS))
        fail_msg("no answer to %s %s", method, path);
    return w->answer.failed ? -1 : w->answer.status;
}

/* A request to ARM with the world's token. The body has single quotes, or is NULL. */
static inline int world_arm(struct world *w, const char *method, const char *path, const char *body)
{
    char *text VK_AUTOFREE = body ? group_body(body) : NULL;

    return world_call(w, w->arm, method, path, text, w->token, NULL, 0);
}

static inline const char *world_text(const struct world *w, const char *a, const char *b)
{
    return json_string_or(json_get(w->answer.body, a), b, "");
}

static inline const char *world_error(const struct world *w)
{
    return world_text(w, "error", "code");
}

/* instanceView.currentState.state of the first container. */
static inline const char *world_first_state(const struct world *w)
{
    const struct json *properties = json_get(w->answer.body, "properties");
    const struct json *c = json_get(json_first(json_get(properties, "containers")), "properties");

    return json_string_or(json_get(json_get(c, "instanceView"), "currentState"), "state", "");
}

/* GETs a group until its instanceView.state is the one, failing after 5 s. */
static inline void world_await(struct world *w, const char *path, const char *group_state)
{
    static const bool never;

    for (int i = 0; i < 500; i++) {
        const struct json *properties;

        assert_int_equal(world_arm(w, "GET", path, NULL), 200);
        properties = json_get(w->answer.body, "properties");
        if (vk_streq(json_string_or(json_get(properties, "instanceView"), "state", ""),
                     group_state))
            return;
        vk_loop_run_until(w->loop, &never, 10);
    }
    fail_msg("%s did not become %s: %s", path, group_state, w->answer.text);
}

static inline struct http_host *world_host(struct world *w, const char *scheme, int port)
{
    char *url VK_AUTOFREE = vk_asprintf("%s://127.0.0.1:%d", scheme, port);

    return http_host_new(w->client,
                         &(struct http_host_config){.base_url = url,
                                                    .ca_pem = w->ca.cert_pem,
                                                    .no_proxy = true,
                                                    .connect_timeout_ms = WORLD_PATIENCE_MS});
}

static inline void world_sign_in(struct world *w)
{
    assert_int_equal(world_call(w, w->arm, "POST", "/" WORLD_TENANT "/oauth2/v2.0/token",
                                "grant_type=client_credentials&client_id=client&client_secret=a%2Bb"
                                "&scope=https%3A%2F%2Fmanagement.azure.com%2F.default",
                                NULL, NULL, 0),
                     200);
    vk_free(w->token);
    w->token = vk_strdup(json_string_or(w->answer.body, "access_token", ""));
    assert_true(*w->token);
}

/* Options that a test wants otherwise are set by `change`, or NULL. */
static inline void world_begin(struct world *w, void (*change)(struct emulator_options *o))
{
    static const char *resource_groups[] = {"burst"};
    struct engine *engine;
    struct vk_err err = {0};

    *w = (struct world){.loop = vk_loop_new()};
    w->ca = certificate_authority("ca");
    w->server = certificate_server(&w->ca, "IP:127.0.0.1");
    w->cert_file = certificate_file(w->server.cert_pem);
    w->key_file = certificate_file(w->server.key_pem);
    w->options = (struct emulator_options){.listen = "127.0.0.1:0",
                                           .control_listen = "127.0.0.1:0",
                                           .imds_listen = "127.0.0.1:0",
                                           .tls_cert_file = w->cert_file,
                                           .tls_key_file = w->key_file,
                                           .pod_cidr = "10.244.0.0/16",
                                           .stop_grace_ms = 1000,
                                           .subscription = WORLD_SUB + strlen("/subscriptions/"),
                                           .location = "westeurope",
                                           .resource_groups = {resource_groups, 1},
                                           .tenant = WORLD_TENANT,
                                           .client_id = "client",
                                           .client_secret = "a+b",
                                           .token_lifetime_ms = 3600000,
                                           .lro_style = "azure-async",
                                           .page_size = 100,
                                           .quota_groups = 100,
                                           .quota_cores = 100};
    if (change)
        change(&w->options);
    if (engine_simulated_new(
            w->loop,
            &(struct engine_simulated_config){.pod_cidr = w->options.pod_cidr,
                                              .pull_ms = w->options.pull_latency_ms},
            &engine, &err) < 0 ||
        emulator_new(w->loop, &w->options, engine, &w->emulator, &err) < 0)
        fail_msg("%s", err.msg);
    w->client = http_client_new(w->loop);
    w->arm = world_host(w, "https", http_server_port(w->emulator->arm));
    w->control = world_host(w, "http", http_server_port(w->emulator->control));
    w->imds = world_host(w, "http", http_server_port(w->emulator->imds));
    world_sign_in(w);
}

static inline void world_end(struct world *w)
{
    http_host_free(w->arm);
    http_host_free(w->control);
    http_host_free(w->imds);
    http_client_free(w->client);
    emulator_free(w->emulator);
    vk_loop_free(w->loop);
    vk_arena_free(w->answer.arena);
    vk_free(w->token);
    unlink(w->cert_file);
    unlink(w->key_file);
    vk_free(w->cert_file);
    vk_free(w->key_file);
    certificate_release(&w->ca);
    certificate_release(&w->server);
}
