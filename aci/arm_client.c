/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/arm_client.h"

#include <assert.h>

#include "aci/arm_error.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/list.h"
#include "base/log.h"
#include "base/url.h"

/*
 * ARM multiplexes (HTTP/2); where a proxy or the emulator speaks HTTP/1.1 alone, a burst of PUTs
 * that take 80 ms each needs this many to reach 500 a second.
 */
#define ARM_MAX_CONNECTIONS 64

struct arm_client {
    struct vk_loop *loop;
    struct http_host *host;
    struct token_source *tokens;
    char *endpoint, *api_version;
    struct arm_rate_limits limits;
    int64_t last_answer_mono_ms;
};

struct arm_call {
    struct arm_client *client;
    const char *method;
    char *target; /* with api-version */
    char *body;   /* may hold secure values: wiped */
    size_t body_len;
    int64_t deadline_ms, started_mono_ms;
    size_t max_body;
    bool idempotent, repeated;
    http_body_fn on_body;
    arm_done_fn on_done;
    void *user;
    char correlation[37];
    struct vk_err refusal; /* decided before anything is sent */
    struct vk_secret token;
    struct token_waiter *waiter;
    struct http_call *http;
    struct vk_timer defer;
};

static void arm_call_free(struct arm_call *call)
{
    token_waiter_cancel(call->waiter);
    http_call_cancel(call->http);
    vk_timer_disarm(&call->defer);
    vk_secret_release(&call->token);
    if (call->body)
        vk_wipe(call->body, call->body_len);
    vk_free(call->body);
    vk_free(call->target);
    vk_free(call);
}

static void finish(struct arm_call *call, const struct arm_response *response,
                   const struct vk_err *err)
{
    log_v(err ? 2 : 4, "ARM call ended", LS("method", call->method), LI("status", response->status),
          LS("correlationID", call->correlation), LI("ms", vk_mono_ms() - call->started_mono_ms),
          LS("err", err ? err->msg : ""));
    const arm_done_fn fn = call->on_done;
    void *user = call->user;
    call->http = NULL;
    fn(user, response, err);
    arm_call_free(call);
}

static void read_limit(const struct http_response *response, const char *name, int64_t *limit,
                       bool *seen)
{
    const char *text = http_response_header(response, name);
    int64_t value;
    if (text && vk_str_int64(vk_str_trim(vk_str_of(text)), 0, INT32_MAX, &value)) {
        *limit = value;
        *seen = true;
    }
}

static void read_limits(struct arm_client *client, const struct http_response *response)
{
    struct arm_rate_limits *l = &client->limits;
    bool seen = false;
    read_limit(response, "x-ms-ratelimit-remaining-subscription-reads", &l->reads, &seen);
    read_limit(response, "x-ms-ratelimit-remaining-subscription-writes", &l->writes, &seen);
    read_limit(response, "x-ms-ratelimit-remaining-subscription-deletes", &l->deletes, &seen);
    read_limit(response, "x-ms-ratelimit-remaining-subscription-resource-requests-pt5m",
               &l->requests_5m, &seen);
    read_limit(response, "x-ms-ratelimit-remaining-subscription-resource-requests-pt1h",
               &l->requests_1h, &seen);
    if (seen)
        l->at_mono_ms = vk_mono_ms();
}

static void ask_token(struct arm_call *call);

static void on_http_done(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct arm_call *call = user;
    call->http = NULL;
    struct arm_response out = {0};
    if (err) {
        finish(call, &out, err);
        return;
    }
    read_limits(call->client, response);
    if (response->status < 500)
        call->client->last_answer_mono_ms = vk_mono_ms();
    if (response->status == 401 && !call->repeated) {
        call->repeated = true;
        token_source_invalidate(call->client->tokens, vk_secret_reveal(&call->token));
        ask_token(call);
        return;
    }
    out = (struct arm_response){
        .status = response->status,
        .body = response->body,
        .async_operation = http_response_header(response, "Azure-AsyncOperation"),
        .location = http_response_header(response, "Location"),
        .retry_after_ms = response->retry_after_ms,
    };
    if (response->status >= 200 && response->status < 300) {
        finish(call, &out, NULL);
        return;
    }
    struct vk_err refusal;
    (void)arm_error_parse(&refusal, response->status, response->body, response->retry_after_ms);
    finish(call, &out, &refusal);
}

static int on_piece(void *user, struct vk_str piece)
{
    struct arm_call *call = user;
    return call->on_body(call->user, piece);
}

static void send_request(struct arm_call *call, struct vk_str token)
{
    vk_secret_set(&call->token, token.p, token.n);
    const struct http_header headers[] = {
        {"Accept", "application/json"},
        {"Content-Type", "application/json"},
        {"x-ms-correlation-request-id", call->correlation},
        {"x-ms-client-request-id", call->correlation},
    };
    const struct http_request request = {
        .method = call->method,
        .path = call->target,
        .headers = headers,
        .header_count = VK_COUNT(headers),
        .body = {.p = call->body, .n = call->body_len},
        .bearer = vk_secret_reveal(&call->token).p,
        .deadline_ms = call->deadline_ms,
        .max_body = call->max_body,
        .idempotent = call->idempotent,
        .on_body = call->on_body ? on_piece : NULL,
        .on_done = on_http_done,
        .user = call,
    };
    call->http = http_call_start(call->client->host, &request);
}

static void on_token(void *user, struct vk_str token, const struct vk_err *err)
{
    struct arm_call *call = user;
    call->waiter = NULL;
    if (err)
        finish(call, &(struct arm_response){0}, err);
    else
        send_request(call, token);
}

static void ask_token(struct arm_call *call)
{
    const struct vk_str cached = token_source_peek(call->client->tokens);
    if (cached.n)
        send_request(call, cached);
    else
        call->waiter = token_source_get(call->client->tokens, on_token, call);
}

static void on_refused(void *user)
{
    struct arm_call *call = user;
    finish(call, &(struct arm_response){0}, &call->refusal);
}

/* Scheme, host and port decide where the token goes. */
static bool is_same_host(const char *a, const char *b)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct url left, right;
    struct vk_err ignored;
    return url_parse(a, arena, &left, &ignored) == 0 &&
           url_parse(b, arena, &right, &ignored) == 0 && vk_streq(left.scheme, right.scheme) &&
           vk_strieq(left.host, right.host) && left.port == right.port;
}

static void prepare_target(struct arm_call *call, const char *target)
{
    const struct arm_client *client = call->client;
    call->refusal = (struct vk_err){0};
    if (strlen(target) > ARM_MAX_URL_BYTES) {
        (void)vk_err_set(&call->refusal, VK_TOO_LARGE, "ARM's URL has more than %u bytes",
                         ARM_MAX_URL_BYTES);
        return;
    }
    if (*target != '/') {
        if (!is_same_host(target, client->endpoint))
            (void)vk_err_set(&call->refusal, VK_PROTOCOL,
                             "ARM named a URL outside %s; it is not followed", client->endpoint);
        call->target = vk_strdup(target);
        return;
    }
    struct vk_buf path;
    vk_buf_init(&path, ARM_MAX_URL_BYTES + 64);
    vk_buf_adds(&path, target);
    url_query_add(&path, "api-version", client->api_version);
    call->target = vk_buf_take(&path);
}

struct arm_call *arm_call_start(struct arm_client *client, const struct arm_request *request)
{
    assert(request->deadline_ms > 0 && request->on_done);
    struct arm_call *call = vk_calloc(1, sizeof(*call));
    call->client = client;
    call->method = request->method;
    call->deadline_ms = request->deadline_ms;
    call->started_mono_ms = vk_mono_ms();
    call->max_body = request->max_body;
    call->idempotent = request->idempotent;
    call->on_body = request->on_body;
    call->on_done = request->on_done;
    call->user = request->user;
    crypto_uuid4(call->correlation);
    vk_timer_init(&call->defer, client->loop, "arm-call", on_refused, call);
    if (request->body.n) {
        call->body = vk_strndup(request->body.p, request->body.n);
        call->body_len = request->body.n;
    }
    prepare_target(call, request->target);
    if (call->refusal.code != VK_OK)
        vk_timer_arm(&call->defer, 0);
    else
        ask_token(call);
    return call;
}

void arm_call_cancel(struct arm_call *call)
{
    if (call)
        arm_call_free(call);
}

struct arm_client *arm_client_new(struct vk_loop *loop, struct http_client *http,
                                  struct token_source *tokens,
                                  const struct arm_client_config *config)
{
    struct arm_client *client = vk_calloc(1, sizeof(*client));
    client->loop = loop;
    client->tokens = tokens;
    client->endpoint = vk_strdup(config->endpoint);
    client->api_version = vk_strdup(config->api_version);
    client->limits = (struct arm_rate_limits){-1, -1, -1, -1, -1, 0};
    const struct http_host_config host = {
        .base_url = config->endpoint,
        .ca_file = config->ca_file,
        .user_agent = config->user_agent,
        .max_connections = ARM_MAX_CONNECTIONS,
    };
    client->host = http_host_new(http, &host);
    return client;
}

void arm_client_free(struct arm_client *client)
{
    if (!client)
        return;
    http_host_free(client->host);
    vk_free(client->endpoint);
    vk_free(client->api_version);
    vk_free(client);
}

const struct arm_rate_limits *arm_client_rate_limits(const struct arm_client *client)
{
    return &client->limits;
}

int64_t arm_client_last_answer_mono_ms(const struct arm_client *client)
{
    return client->last_answer_mono_ms;
}
