/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/auth/client_secret.h"

#include <assert.h>

#include "aci/auth/token_response.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/url.h"

#define DEADLINE_MS 30000
#define FORM_MAX_BYTES (64u << 10)

struct client_secret {
    struct http_host *host;
    char *tenant, *client, *authority;
    struct vk_secret secret;
    struct http_call *call;
    token_fetched_fn done;
    void *user;
};

static const char *way_out(int status)
{
    return status == 404
               ? "check AZURE_TENANT_ID and AZURE_AUTHORITY_HOST"
               : "check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (expired?)";
}

static void on_done(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct client_secret *c = user;
    c->call = NULL;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    char *what VK_AUTOFREE =
        vk_asprintf("token for client %s of tenant %s from %s", c->client, c->tenant, c->authority);
    struct vk_err failure;
    if (err) {
        failure = *err;
        (void)vk_err_wrap(&failure, "%s", what);
        c->done(c->user, VK_STR(""), 0, &failure);
        return;
    }
    if (response->status != 200) {
        (void)token_response_error(&failure, response->status, response->body,
                                   response->retry_after_ms, what, way_out(response->status));
        c->done(c->user, VK_STR(""), 0, &failure);
        return;
    }
    struct token_response token;
    if (token_response_parse(response->body, vk_wall_ms(), arena, &token, &failure) < 0) {
        (void)vk_err_wrap(&failure, "%s", what);
        c->done(c->user, VK_STR(""), 0, &failure);
        return;
    }
    struct vk_secret *copy = vk_arena_secret(arena, token.access_token, strlen(token.access_token));
    c->done(c->user, vk_secret_reveal(copy), token.lifetime_ms, NULL);
}

static void form_field(struct vk_buf *form, const char *name, struct vk_str value)
{
    if (vk_buf_len(form))
        vk_buf_addc(form, '&');
    vk_buf_adds(form, name);
    vk_buf_addc(form, '=');
    url_encode(form, value);
}

static void client_secret_fetch(void *p, const char *scope, token_fetched_fn done, void *user)
{
    struct client_secret *c = p;
    assert(!c->call);
    c->done = done;
    c->user = user;
    struct vk_buf form, path;
    vk_buf_init(&form, FORM_MAX_BYTES);
    vk_buf_init(&path, 4096);
    form_field(&form, "grant_type", VK_STR("client_credentials"));
    form_field(&form, "client_id", vk_str_of(c->client));
    form_field(&form, "scope", vk_str_of(scope));
    form_field(&form, "client_secret", vk_secret_reveal(&c->secret));
    vk_buf_addc(&path, '/');
    url_encode(&path, vk_str_of(c->tenant));
    vk_buf_adds(&path, "/oauth2/v2.0/token");

    const struct http_header headers[] = {
        {"Content-Type", "application/x-www-form-urlencoded"},
        {"Accept", "application/json"},
    };
    const struct http_request request = {
        .method = "POST",
        .path = vk_buf_peek(&path),
        .headers = headers,
        .header_count = VK_COUNT(headers),
        .body = vk_buf_str(&form),
        .deadline_ms = DEADLINE_MS,
        .max_body = TOKEN_RESPONSE_MAX_BYTES,
        .idempotent = true,
        .on_done = on_done,
        .user = c,
    };
    c->call = http_call_start(c->host, &request);
    vk_buf_release_secret(&form);
    vk_buf_release(&path);
}

static void client_secret_cancel(void *p)
{
    struct client_secret *c = p;
    http_call_cancel(c->call);
    c->call = NULL;
}

static void client_secret_free(void *p)
{
    struct client_secret *c = p;
    client_secret_cancel(c);
    http_host_free(c->host);
    vk_secret_release(&c->secret);
    vk_free(c->tenant);
    vk_free(c->client);
    vk_free(c->authority);
    vk_free(c);
}

struct token_fetcher client_secret_fetcher(struct http_client *http,
                                           const struct client_secret_config *config)
{
    static const struct token_fetcher_ops ops = {
        .name = "client-secret",
        .fetch = client_secret_fetch,
        .cancel = client_secret_cancel,
        .free = client_secret_free,
    };
    struct client_secret *c = vk_calloc(1, sizeof(*c));
    c->tenant = vk_strdup(config->tenant_id);
    c->client = vk_strdup(config->client_id);
    c->authority = vk_strdup(config->authority_host);
    const struct vk_str secret = vk_secret_reveal(config->secret);
    vk_secret_set(&c->secret, secret.p, secret.n);
    const struct http_host_config host = {
        .base_url = config->authority_host,
        .ca_file = config->ca_file,
        .user_agent = config->user_agent,
        .max_connections = 1,
    };
    c->host = http_host_new(http, &host);
    return (struct token_fetcher){.ops = &ops, .p = c};
}
