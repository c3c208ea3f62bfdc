/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/rest.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/list.h"
#include "kubelet/api/meta.h"

#define DEFAULT_DEADLINE_MS 30000
/* Whole answers; lists that may be longer are streamed. */
#define MAX_ANSWER_BYTES (16u << 20)
#define MAX_TOKEN_BYTES (64u * 1024)
#define TOKEN_CHECK_MS 60000

struct rest_client {
    struct http_client *http;
    struct http_host *host;
    struct vk_list
        retired; /* hosts before, until their calls have ended: watches last for minutes */
    char *user_agent;
    char *server;
    struct vk_secret token;
    char *token_file; /* NULL: the token never changes */
    int64_t token_checked_mono_ms;
    struct vk_list calls;
};

struct retired_host {
    struct vk_list link;
    struct http_host *host;
};

struct rest_call {
    struct vk_list link;
    struct rest_client *client;
    struct http_call *http;
    char *method, *path, *what;
    struct vk_buf body; /* kept for a second try; may hold secrets */
    enum rest_patch_type patch;
    bool metadata_only;
    int64_t deadline_ms;
    bool changes_nothing, tried_again;
    http_body_fn on_body;
    rest_done_fn on_done;
    void *user;
};

static void start_http(struct rest_call *call);

/* True when the file holds another token than before. */
static bool reload_token(struct rest_client *c, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str text, token;
    bool changed;

    c->token_checked_mono_ms = vk_mono_ms();
    if (file_read(c->token_file, MAX_TOKEN_BYTES, arena, &text, err) < 0)
        return false;
    token = vk_str_trim(text);
    changed = token.n > 0 && !vk_str_eq(token, vk_secret_reveal(&c->token));
    if (token.n == 0)
        vk_err_set(err, VK_INVALID, "the token file %s is empty", c->token_file);
    if (changed)
        vk_secret_set(&c->token, token.p, token.n);
    vk_wipe((char *)(uintptr_t)text.p, text.n);
    return changed;
}

static void free_retired(struct rest_client *c, bool all)
{
    VK_LIST_FOREACH(link, &c->retired)
    {
        struct retired_host *r = VK_LIST_ENTRY(link, struct retired_host, link);

        if (!all && http_host_is_busy(r->host))
            continue;
        http_host_free(r->host);
        vk_list_remove(&r->link);
        vk_free(r);
    }
}

static struct http_host *host_of(const struct rest_client *c, const struct cluster_config *config)
{
    const struct http_host_config host = {
        .base_url = config->server,
        .ca_file = config->ca_file,
        .ca_pem = config->ca_pem,
        .cert_file = config->cert_file,
        .key_file = config->key_file,
        .cert_pem = config->cert_pem,
        .key_pem = config->key_pem,
        .tls_server_name = config->tls_server_name,
        .insecure_skip_verify = config->insecure_skip_verify,
        .proxy_url = config->proxy_url,
        .user_agent = c->user_agent,
    };

    return http_host_new(c->http, &host);
}

int rest_client_new(struct http_client *http, const struct cluster_config *config,
                    const char *user_agent, struct rest_client **ret, struct vk_err *err)
{
    struct rest_client *c = vk_calloc(1, sizeof(*c));

    vk_list_init(&c->calls);
    vk_list_init(&c->retired);
    c->http = http;
    c->user_agent = user_agent ? vk_strdup(user_agent) : NULL;
    c->server = vk_strdup(config->server);
    if (config->token_file) {
        c->token_file = vk_strdup(config->token_file);
        if (!reload_token(c, err)) {
            rest_client_free(c);
            return vk_err_wrap(err, "%s", config->source ? config->source : config->server);
        }
    } else if (config->token) {
        struct vk_str token = vk_secret_reveal(config->token);

        vk_secret_set(&c->token, token.p, token.n);
    }
    c->host = host_of(c, config);
    *ret = c;
    return 0;
}

static void call_free(struct rest_call *call)
{
    vk_list_remove(&call->link);
    vk_buf_release_secret(&call->body);
    vk_free(call->method);
    vk_free(call->path);
    vk_free(call->what);
    vk_free(call);
}

void rest_client_free(struct rest_client *c)
{
    if (!c)
        return;
    VK_LIST_FOREACH(link, &c->calls)
    rest_cancel(VK_LIST_ENTRY(link, struct rest_call, link));
    free_retired(c, true);
    http_host_free(c->host);
    vk_free(c->user_agent);
    vk_secret_release(&c->token);
    vk_free(c->token_file);
    vk_free(c->server);
    vk_free(c);
}

void rest_client_renew(struct rest_client *c, const struct cluster_config *config)
{
    struct retired_host *r = vk_calloc(1, sizeof(*r));

    free_retired(c, false);
    vk_list_init(&r->link);
    vk_list_add_tail(&c->retired, &r->link);
    r->host = c->host;
    c->host = host_of(c, config);
}

const char *rest_client_server(const struct rest_client *c)
{
    return c->server;
}

bool rest_client_clock_ahead_ms(const struct rest_client *c, int64_t *ret)
{
    return http_host_clock_ahead_ms(c->host, ret);
}

/* The call ends before its callback runs, which may start or cancel others. */
static void finish(struct rest_call *call, struct vk_str body, const struct vk_err *err)
{
    rest_done_fn on_done = call->on_done;
    void *user = call->user;

    call_free(call);
    on_done(user, body, err);
}

/* A rotated token that we had not noticed: the new one deserves a try before anybody is told. */
static bool try_again(struct rest_call *call, int status)
{
    struct vk_err ignored;

    if (status != 401 || call->tried_again || !call->client->token_file ||
        !reload_token(call->client, &ignored))
        return false;
    call->tried_again = true;
    start_http(call);
    return true;
}

static void on_http_done(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct rest_call *call = user;
    struct vk_err failure;

    call->http = NULL;
    if (err) {
        failure = *err;
        vk_err_wrap(&failure, "%s", call->what);
        finish(call, VK_STR(""), &failure);
    } else if (response->status >= 200 && response->status < 300) {
        finish(call, response->body, NULL);
    } else if (!try_again(call, response->status)) {
        meta_status_error(&failure, response->status, response->body, response->retry_after_ms,
                          call->what);
        finish(call, VK_STR(""), &failure);
    }
}

static int on_http_body(void *user, struct vk_str piece)
{
    struct rest_call *call = user;

    return call->on_body(call->user, piece);
}

static const char *content_type(const struct rest_call *call)
{
    switch (call->patch) {
    case REST_MERGE_PATCH:
        return "application/merge-patch+json";
    case REST_STRATEGIC_MERGE_PATCH:
        return "application/strategic-merge-patch+json";
    case REST_JSON_PATCH:
        return "application/json-patch+json";
    case REST_NO_PATCH:
    default:
        return "application/json";
    }
}

static const char *accepted(const struct rest_call *call)
{
    return call->metadata_only
               ? "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
               : "application/json";
}

/* What may be sent twice without asking what became of the first. A merge patch sets values; a JSON
 * patch may append. */
static bool is_idempotent(const struct rest_call *call)
{
    return call->changes_nothing || vk_streq(call->method, "GET") ||
           vk_streq(call->method, "DELETE") || call->patch == REST_MERGE_PATCH ||
           call->patch == REST_STRATEGIC_MERGE_PATCH;
}

static void start_http(struct rest_call *call)
{
    struct rest_client *c = call->client;
    const struct http_header headers[] = {{"Accept", accepted(call)},
                                          {"Content-Type", content_type(call)}};
    bool has_body = vk_buf_len(&call->body) > 0;
    const struct http_request request = {
        .method = call->method,
        .path = call->path,
        .headers = headers,
        .header_count = has_body ? 2 : 1,
        .body = vk_buf_str(&call->body),
        .bearer = vk_secret_is_empty(&c->token) ? NULL : vk_secret_reveal(&c->token).p,
        .deadline_ms = call->deadline_ms,
        .max_body = MAX_ANSWER_BYTES,
        .idempotent = is_idempotent(call),
        .on_body = call->on_body ? on_http_body : NULL,
        .on_done = on_http_done,
        .user = call,
    };

    call->http = http_call_start(c->host, &request);
}

struct rest_call *rest_start(struct rest_client *c, const struct rest_request *request)
{
    struct rest_call *call = vk_calloc(1, sizeof(*call));

    free_retired(c, false);
    if (c->token_file && vk_mono_ms() - c->token_checked_mono_ms >= TOKEN_CHECK_MS) {
        struct vk_err ignored;

        /* The old token may well be good still: the API server's 401 is the error to report. */
        (void)reload_token(c, &ignored);
    }
    call->client = c;
    call->method = vk_strdup(request->method);
    call->path = vk_strdup(request->path);
    call->what = request->what ? vk_strdup(request->what)
                               : vk_asprintf("%s %s", request->method, request->path);
    vk_buf_init_secret(&call->body, request->body.n);
    vk_buf_addstr(&call->body, request->body);
    call->patch = request->patch;
    call->metadata_only = request->metadata_only;
    call->changes_nothing = request->changes_nothing;
    call->deadline_ms = request->deadline_ms;
    if (!request->deadline_ms && !request->on_body)
        call->deadline_ms = DEFAULT_DEADLINE_MS;
    call->on_body = request->on_body;
    call->on_done = request->on_done;
    call->user = request->user;
    vk_list_init(&call->link);
    vk_list_add_tail(&c->calls, &call->link);
    start_http(call);
    if (!c->token_file)
        vk_buf_release_secret(&call->body);
    return call;
}

void rest_cancel(struct rest_call *call)
{
    if (!call)
        return;
    http_call_cancel(call->http);
    call_free(call);
}
