/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/auth/managed_identity.h"

#include <assert.h>

#include "aci/auth/token_response.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/url.h"

#define ATTEMPT_DEADLINE_MS 10000
/* Waits between attempts: azure-identity's ladder for the metadata service, which may take 70 s to
 * come back from an update (410). */
static const int64_t retry_waits_ms[] = {500, 2000, 6000, 14000, 30000};

struct managed_identity {
    struct http_host *host;
    char *endpoint, *path, *client;
    struct vk_secret header;
    bool app_service;
    char *resource;
    unsigned attempt;
    struct vk_timer retry;
    struct http_call *call;
    token_fetched_fn done;
    void *user;
};

static void attempt(void *user);

/* "https://management.azure.com/.default" -> "https://management.azure.com/" */
static char *resource_of_scope(const char *scope)
{
    const char *suffix = ".default";
    size_t n = strlen(scope);
    if (vk_ends(scope, suffix))
        n -= strlen(suffix);
    return vk_strndup(scope, n);
}

static bool try_again(const struct managed_identity *m, int status)
{
    if (m->attempt >= VK_COUNT(retry_waits_ms))
        return false;
    return status == 404 || status == 410 || status == 429 || status >= 500;
}

static void fail(struct managed_identity *m, const struct vk_err *err)
{
    m->done(m->user, VK_STR(""), 0, err);
}

static void on_done(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct managed_identity *m = user;
    m->call = NULL;
    char *what VK_AUTOFREE =
        vk_asprintf("token of the managed identity%s%s from %s", m->client ? " " : "",
                    m->client ? m->client : "", m->endpoint);
    struct vk_err failure;
    if (err) {
        failure = *err;
        (void)vk_err_wrap(&failure, "%s", what);
        fail(m, &failure);
        return;
    }
    if (response->status != 200) {
        if (try_again(m, response->status)) {
            int64_t wait = retry_waits_ms[m->attempt++];
            if (response->retry_after_ms > wait && response->retry_after_ms <= 70000)
                wait = response->retry_after_ms;
            vk_timer_arm(&m->retry, wait);
            return;
        }
        (void)token_response_error(&failure, response->status, response->body,
                                   response->retry_after_ms, what,
                                   "assign the identity to this machine, or set AZURE_TENANT_ID, "
                                   "AZURE_CLIENT_ID and AZURE_CLIENT_SECRET");
        fail(m, &failure);
        return;
    }
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct token_response token;
    if (token_response_parse(response->body, vk_wall_ms(), arena, &token, &failure) < 0) {
        (void)vk_err_wrap(&failure, "%s", what);
        fail(m, &failure);
        return;
    }
    struct vk_secret *copy = vk_arena_secret(arena, token.access_token, strlen(token.access_token));
    m->done(m->user, vk_secret_reveal(copy), token.lifetime_ms, NULL);
}

static void attempt(void *user)
{
    struct managed_identity *m = user;
    struct vk_buf path;
    vk_buf_init(&path, 8192);
    vk_buf_adds(&path, m->path);
    url_query_add(&path, "api-version", m->app_service ? "2019-08-01" : "2018-02-01");
    url_query_add(&path, "resource", m->resource);
    if (m->client)
        url_query_add(&path, "client_id", m->client);
    const char *header = vk_secret_is_empty(&m->header) ? "" : vk_secret_reveal(&m->header).p;
    const struct http_header headers[] = {
        m->app_service ? (struct http_header){"X-IDENTITY-HEADER", header}
                       : (struct http_header){"Metadata", "true"},
    };
    const struct http_request request = {
        .method = "GET",
        .path = vk_buf_peek(&path),
        .headers = headers,
        .header_count = VK_COUNT(headers),
        .deadline_ms = ATTEMPT_DEADLINE_MS,
        .max_body = TOKEN_RESPONSE_MAX_BYTES,
        .idempotent = true,
        .on_done = on_done,
        .user = m,
    };
    m->call = http_call_start(m->host, &request);
    vk_buf_release(&path);
}

static void managed_identity_fetch(void *p, const char *scope, token_fetched_fn done, void *user)
{
    struct managed_identity *m = p;
    assert(!m->call);
    m->done = done;
    m->user = user;
    m->attempt = 0;
    vk_free(m->resource);
    m->resource = resource_of_scope(scope);
    attempt(m);
}

static void managed_identity_cancel(void *p)
{
    struct managed_identity *m = p;
    http_call_cancel(m->call);
    m->call = NULL;
    vk_timer_disarm(&m->retry);
}

static void managed_identity_free(void *p)
{
    struct managed_identity *m = p;
    managed_identity_cancel(m);
    http_host_free(m->host);
    vk_secret_release(&m->header);
    vk_free(m->endpoint);
    vk_free(m->path);
    vk_free(m->client);
    vk_free(m->resource);
    vk_free(m);
}

/* What follows scheme and host, with the query; "" where there is nothing. */
static char *path_of(const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = host ? strchr(host + 3, '/') : NULL;
    return vk_strdup(path ? path : "");
}

struct token_fetcher managed_identity_fetcher(struct vk_loop *loop, struct http_client *http,
                                              const struct managed_identity_config *config)
{
    static const struct token_fetcher_ops ops = {
        .name = "managed-identity",
        .fetch = managed_identity_fetch,
        .cancel = managed_identity_cancel,
        .free = managed_identity_free,
    };
    struct managed_identity *m = vk_calloc(1, sizeof(*m));
    m->app_service = !vk_str_empty(config->identity_endpoint);
    m->endpoint = vk_strdup(m->app_service ? config->identity_endpoint : config->imds_endpoint);
    m->path = m->app_service ? path_of(m->endpoint) : vk_strdup("/metadata/identity/oauth2/token");
    m->client = vk_str_empty(config->client_id) ? NULL : vk_strdup(config->client_id);
    if (config->identity_header) {
        const struct vk_str header = vk_secret_reveal(config->identity_header);
        vk_secret_set(&m->header, header.p, header.n);
    }
    vk_timer_init(&m->retry, loop, "managed-identity", attempt, m);
    char *base VK_AUTOFREE = vk_strdup(m->endpoint);
    if (m->app_service)
        base[strlen(base) - strlen(m->path)] = '\0';
    const struct http_host_config host = {
        .base_url = base,
        .no_proxy = true,
        .user_agent = config->user_agent,
        .max_connections = 1,
        .connect_timeout_ms = 3000,
    };
    m->host = http_host_new(http, &host);
    return (struct token_fetcher){.ops = &ops, .p = m};
}
