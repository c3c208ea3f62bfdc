/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/arm_client.h"

#include <assert.h>
#include <errno.h>

#include "aci/arm_error.h"
#include "aci/arm_metrics.h"
#include "aci/breaker.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/list.h"
#include "base/log.h"
#include "base/url.h"

/* ARM itself multiplexes; without HTTP/2 a burst of PUTs needs as many connections at once. */
#define MAX_CONNECTIONS 64
#define MAX_THROTTLED 3
#define MAX_PUMP_MS 250
#define MAX_WAIT_MS (2ll * 60 * 60 * 1000)
#define MAX_USER_WAIT_MS 30000
#define REASON_AWAY "ARMUnavailable"
/* How ACI names a refusal for its own limits. */
#define REASON_GROUP_LIMIT "ResourceRequestsThrottled"

struct arm_client {
    struct vk_loop *loop;
    struct http_host *host;
    struct token_source *tokens;
    char *endpoint, *api_version;
    struct throttle *throttle;
    struct breaker breaker;
    char last_failure[256];
    struct vk_timer pump;
    int64_t last_answer_mono_ms;
    struct arm_metrics metrics;
};

struct arm_call {
    struct arm_client *client;
    const char *method, *operation;
    char *target; /* with api-version */
    char *body;   /* may hold secure values: wiped */
    size_t body_len;
    int64_t deadline_ms, started_mono_ms;
    int64_t sent_mono_ms; /* 0: not yet */
    size_t max_body;
    bool idempotent, repeated;
    struct throttle_ticket ticket;
    char *owner;
    unsigned throttled;
    http_body_fn on_body;
    arm_done_fn on_done;
    void *user;
    char correlation[37];
    struct vk_err refusal; /* decided before anything is sent, or when its turn did not come */
    struct vk_secret token;
    struct token_waiter *waiter;
    struct http_call *http;
    struct vk_timer refuse;
};

static void arm_call_free(struct arm_call *call)
{
    throttle_leave(call->client->throttle, &call->ticket, vk_mono_ms());
    token_waiter_cancel(call->waiter);
    http_call_cancel(call->http);
    vk_timer_disarm(&call->refuse);
    vk_secret_release(&call->token);
    if (call->body)
        vk_wipe(call->body, call->body_len);
    vk_free(call->body);
    vk_free(call->target);
    vk_free(call->owner);
    vk_free(call);
}

static void pump_soon(struct arm_client *client)
{
    vk_timer_arm(&client->pump, 0);
}

static void log_end(const struct arm_call *call, const struct arm_response *response,
                    const struct vk_err *err)
{
    const int64_t took_ms = vk_mono_ms() - call->started_mono_ms;
    char *path VK_AUTOFREE = NULL;

    if (log_verbosity() < (err ? 2 : 4))
        return;
    path = vk_strndup(call->target, strcspn(call->target, "?"));
    /* The path first: lines that repeat are counted by their first value. */
    if (err)
        log_v(2, "ARM call failed", LS("path", path), LS("method", call->method),
              LS("operation", call->operation), LI("status", response->status),
              LS("correlationID", call->correlation), LI("ms", took_ms), LERR(err));
    else
        log_v(4, "ARM call ended", LS("path", path), LS("method", call->method),
              LS("operation", call->operation), LI("status", response->status),
              LS("correlationID", call->correlation), LI("ms", took_ms));
}

static void finish(struct arm_call *call, const struct arm_response *response,
                   const struct vk_err *err)
{
    log_end(call, response, err);
    const arm_done_fn fn = call->on_done;
    void *user = call->user;
    call->http = NULL;
    if (call->sent_mono_ms)
        arm_metrics_ended(&call->client->metrics, call->operation, call->method, response->status,
                          vk_mono_ms() - call->sent_mono_ms);
    fn(user, response, err);
    arm_call_free(call);
}

static int64_t remaining(const struct http_response *response, const char *name)
{
    const char *text = http_response_header(response, name);
    int64_t value;
    const bool is_number = text && vk_str_int64(vk_str_trim(vk_str_of(text)), 0, INT32_MAX, &value);
    return is_number ? value : -1;
}

/* What the answer says of ARM's buckets and of ACI's own limits. */
static struct throttle_answer read_limits(const struct arm_call *call,
                                          const struct http_response *response,
                                          const struct vk_err *refusal)
{
    static const char *const names[THROTTLE_KINDS] = {
        "x-ms-ratelimit-remaining-subscription-reads",
        "x-ms-ratelimit-remaining-subscription-writes",
        "x-ms-ratelimit-remaining-subscription-deletes"};
    struct throttle_answer answer = {
        .remaining = remaining(response, names[call->ticket.kind]),
        .remaining_5m =
            remaining(response, "x-ms-ratelimit-remaining-subscription-resource-requests-pt5m"),
        .remaining_1h =
            remaining(response, "x-ms-ratelimit-remaining-subscription-resource-requests-pt1h"),
        .is_throttled = response->status == 429,
        .retry_after_ms = response->retry_after_ms,
    };
    answer.is_group_limit =
        answer.is_throttled && (answer.remaining_5m == 0 || answer.remaining_1h == 0 ||
                                vk_streq(refusal->reason, REASON_GROUP_LIMIT));
    return answer;
}

static void note_failure(struct arm_client *client, const char *why)
{
    (void)vk_strcpy_to(client->last_failure, sizeof(client->last_failure), why);
    if (breaker_failed(&client->breaker, vk_mono_ms()))
        log_v(1, "ARM or Entra is away; requests wait", LS("err", why));
}

/* A 500 to a write tells more of what was to be written than of ARM. */
static void note_answer(struct arm_call *call, int status, const struct vk_err *refusal)
{
    struct arm_client *client = call->client;
    if (status < 500) {
        client->last_answer_mono_ms = vk_mono_ms();
        const int64_t since = client->breaker.first_failure_ms;
        if (breaker_answered(&client->breaker))
            log_v(1, "ARM answers again", LI("awayMs", vk_mono_ms() - since));
    } else if (status != 500 || call->ticket.kind == THROTTLE_READS) {
        note_failure(client, refusal->msg);
    }
}

static bool is_no_answer(const struct vk_err *err)
{
    return err->code == VK_TIMEOUT || err->code == VK_UNAVAILABLE || err->code == VK_PROTOCOL;
}

static void end_unanswered(struct arm_call *call, const struct vk_err *err)
{
    struct arm_client *client = call->client;
    if (is_no_answer(err))
        note_failure(client, err->msg);
    throttle_done(client->throttle, &call->ticket, vk_mono_ms(), NULL);
    pump_soon(client);
    finish(call, &(struct arm_response){0}, err);
}

static void wait_for_turn(struct arm_call *call)
{
    const bool is_user = call->ticket.priority == THROTTLE_USER;
    vk_timer_arm(&call->refuse, is_user ? MAX_USER_WAIT_MS : MAX_WAIT_MS);
    pump_soon(call->client);
}

static void ask_token(struct arm_call *call);

static void on_http_done(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct arm_call *call = user;
    struct arm_client *client = call->client;
    call->http = NULL;
    if (err) {
        end_unanswered(call, err);
        return;
    }
    if (response->status == 401 && !call->repeated) {
        call->repeated = true;
        token_source_invalidate(client->tokens, vk_secret_reveal(&call->token));
        ask_token(call);
        return;
    }
    const bool is_refused = response->status < 200 || response->status >= 300;
    struct vk_err refusal = {0};
    if (is_refused)
        (void)arm_error_parse(&refusal, response->status, response->body, response->retry_after_ms);
    note_answer(call, response->status, &refusal);
    const struct throttle_answer limits = read_limits(call, response, &refusal);
    throttle_done(client->throttle, &call->ticket, vk_mono_ms(), &limits);
    pump_soon(client);
    if (limits.is_throttled && call->throttled < MAX_THROTTLED) {
        call->throttled++;
        throttle_again(client->throttle, &call->ticket, call->owner);
        wait_for_turn(call);
        return;
    }
    const struct arm_response out = {
        .status = response->status,
        .body = response->body,
        .async_operation = http_response_header(response, "Azure-AsyncOperation"),
        .location = http_response_header(response, "Location"),
        .retry_after_ms = response->retry_after_ms,
    };
    finish(call, &out, is_refused ? &refusal : NULL);
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
    const int64_t now = vk_mono_ms();
    if (!call->sent_mono_ms)
        arm_metrics_waited(&call->client->metrics, call->ticket.priority,
                           now - call->started_mono_ms);
    call->sent_mono_ms = now;
    call->http = http_call_start(call->client->host, &request);
}

static void on_token(void *user, struct vk_str token, const struct vk_err *err)
{
    struct arm_call *call = user;
    call->waiter = NULL;
    if (err)
        end_unanswered(call, err);
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

/* The limits' clock may stand or jump where a timer's does not: looks again at least this often. */
static void pump_in(struct arm_client *client, int64_t wait_ms)
{
    vk_timer_arm(&client->pump, wait_ms < MAX_PUMP_MS ? wait_ms : MAX_PUMP_MS);
}

/* Sends what may go now, and comes back when the next one may. */
static void on_pump(void *user)
{
    struct arm_client *client = user;
    for (;;) {
        const int64_t now = vk_mono_ms();
        const enum breaker_gate gate = breaker_gate(&client->breaker, now);
        if (gate == BREAKER_OPEN) {
            pump_in(client, breaker_wait_ms(&client->breaker, now));
            return;
        }
        int64_t wait_ms;
        struct throttle_ticket *ticket =
            throttle_next(client->throttle, now, gate == BREAKER_PROBE, &wait_ms);
        if (!ticket) {
            if (wait_ms >= 0)
                pump_in(client, wait_ms);
            return;
        }
        if (gate == BREAKER_PROBE)
            breaker_probe_sent(&client->breaker, now);
        struct arm_call *call = VK_LIST_ENTRY(ticket, struct arm_call, ticket);
        vk_timer_disarm(&call->refuse);
        ask_token(call);
    }
}

static void on_refused(void *user)
{
    struct arm_call *call = user;
    if (call->refusal.code == VK_OK)
        (void)vk_err_set(&call->refusal, VK_THROTTLED, "its turn under ARM's limits did not come");
    finish(call, &(struct arm_response){0}, &call->refusal);
}

static enum throttle_kind kind_of(const char *method)
{
    if (vk_streq(method, "GET"))
        return THROTTLE_READS;
    return vk_streq(method, "DELETE") ? THROTTLE_DELETES : THROTTLE_WRITES;
}

static void queue(struct arm_call *call, const struct arm_request *request)
{
    struct arm_client *client = call->client;
    call->ticket.kind = kind_of(request->method);
    call->ticket.priority = request->priority;
    call->ticket.is_group_write = request->is_group_write;
    if (client->breaker.is_open && request->priority == THROTTLE_USER) {
        (void)vk_err_set(&call->refusal, VK_UNAVAILABLE, "Azure does not answer for %lld s: %s",
                         (long long)(vk_mono_ms() - client->breaker.first_failure_ms) / 1000,
                         client->last_failure);
        (void)vk_err_reason(&call->refusal, REASON_AWAY);
        call->refusal.sys_errno = ECONNREFUSED;
    } else if (!throttle_enter(client->throttle, &call->ticket, call->owner, vk_mono_ms())) {
        (void)vk_err_set(&call->refusal, VK_THROTTLED, "%d requests wait for ARM already",
                         THROTTLE_MAX_WAITING);
    } else {
        wait_for_turn(call);
    }
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

static void prepare_target(struct arm_call *call, const char *target, const char *api_version)
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
    url_query_add(&path, "api-version", api_version ? api_version : client->api_version);
    call->target = vk_buf_take(&path);
}

struct arm_call *arm_call_start(struct arm_client *client, const struct arm_request *request)
{
    assert(request->deadline_ms > 0 && request->on_done);
    struct arm_call *call = vk_calloc(1, sizeof(*call));
    call->client = client;
    call->method = request->method;
    call->operation = request->operation ? request->operation : "other";
    call->deadline_ms = request->deadline_ms;
    call->started_mono_ms = vk_mono_ms();
    call->max_body = request->max_body;
    call->idempotent = request->idempotent;
    call->on_body = request->on_body;
    call->on_done = request->on_done;
    call->user = request->user;
    call->owner = request->owner ? vk_strdup(request->owner) : NULL;
    crypto_uuid4(call->correlation);
    vk_timer_init(&call->refuse, client->loop, "arm-call", on_refused, call);
    if (request->body.n) {
        call->body = vk_strndup(request->body.p, request->body.n);
        call->body_len = request->body.n;
    }
    prepare_target(call, request->target, request->api_version);
    if (call->refusal.code == VK_OK)
        queue(call, request);
    if (call->refusal.code != VK_OK)
        vk_timer_arm(&call->refuse, 0);
    return call;
}

void arm_call_cancel(struct arm_call *call)
{
    if (!call)
        return;
    /* Its place among those under way is free. */
    pump_soon(call->client);
    arm_call_free(call);
}

bool arm_call_is_waiting(const struct arm_call *call)
{
    return call && throttle_is_waiting(&call->ticket);
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
    const struct throttle_limits usual = throttle_limits_default();
    client->throttle = throttle_new(config->limits ? config->limits : &usual, vk_mono_ms());
    vk_timer_init(&client->pump, loop, "arm-pump", on_pump, client);
    const struct http_host_config host = {
        .base_url = config->endpoint,
        .ca_file = config->ca_file,
        .user_agent = config->user_agent,
        .max_connections = MAX_CONNECTIONS,
    };
    client->host = http_host_new(http, &host);
    return client;
}

void arm_client_free(struct arm_client *client)
{
    if (!client)
        return;
    vk_timer_disarm(&client->pump);
    throttle_free(client->throttle);
    http_host_free(client->host);
    vk_free(client->endpoint);
    vk_free(client->api_version);
    vk_free(client);
}

void arm_client_write_metrics(struct arm_client *client, struct vk_buf *out)
{
    struct throttle_state state;
    arm_client_describe(client, &state);
    arm_metrics_write(&client->metrics, &state, client->breaker.is_open, out);
}

void arm_client_describe(struct arm_client *client, struct throttle_state *ret)
{
    throttle_describe(client->throttle, vk_mono_ms(), ret);
}

int64_t arm_client_away_since_mono_ms(const struct arm_client *client)
{
    return client->breaker.is_open ? client->breaker.first_failure_ms : 0;
}

bool arm_client_clock_ahead_ms(const struct arm_client *client, int64_t *ret)
{
    return http_host_clock_ahead_ms(client->host, ret);
}

int64_t arm_client_last_answer_mono_ms(const struct arm_client *client)
{
    return client->last_answer_mono_ms;
}
