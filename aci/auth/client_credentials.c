/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/auth/client_credentials.h"

#include <assert.h>

#include "aci/auth/token_response.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/url.h"

#define DEADLINE_MS 30000
#define FORM_MAX_BYTES (64u << 10)

struct client_credentials {
    struct token_fetcher_ops ops;
    struct http_host *host;
    char *tenant, *client, *authority;
    const struct client_proof *proof;
    void *p;
    struct http_call *call;
    struct vk_timer no_proof; /* err goes out by it */
    struct vk_err err;
    token_fetched_fn done;
    void *user;
};

static void fail(struct client_credentials *c, struct vk_err *err)
{
    c->done(c->user, VK_STR(""), 0, err);
}

static char *what_of(const struct client_credentials *c)
{
    return vk_asprintf("token for client %s of tenant %s from %s", c->client, c->tenant,
                       c->authority);
}

static void on_no_proof(void *user)
{
    struct client_credentials *c = user;

    fail(c, &c->err);
}

static void on_done(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct client_credentials *c = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    char *what VK_AUTOFREE = what_of(c);
    struct token_response token;
    struct vk_err failure;

    c->call = NULL;
    if (err) {
        failure = *err;
        (void)vk_err_wrap(&failure, "%s", what);
        fail(c, &failure);
    } else if (response->status != 200) {
        (void)token_response_error(
            &failure, response->status, response->body, response->retry_after_ms, what,
            response->status == 404 ? "check AZURE_TENANT_ID and AZURE_AUTHORITY_HOST"
                                    : c->proof->way_out);
        fail(c, &failure);
    } else if (token_response_parse(response->body, vk_wall_ms(), arena, &token, &failure) < 0) {
        (void)vk_err_wrap(&failure, "%s", what);
        fail(c, &failure);
    } else {
        struct vk_secret *copy =
            vk_arena_secret(arena, token.access_token, strlen(token.access_token));

        c->done(c->user, vk_secret_reveal(copy), token.lifetime_ms, NULL);
    }
}

void client_form_field(struct vk_buf *form, const char *name, struct vk_str value)
{
    if (vk_buf_len(form))
        vk_buf_addc(form, '&');
    vk_buf_adds(form, name);
    vk_buf_addc(form, '=');
    url_encode(form, value);
}

static void send(struct client_credentials *c, struct vk_str form)
{
    static const struct http_header headers[] = {
        {"Content-Type", "application/x-www-form-urlencoded"},
        {"Accept", "application/json"},
    };
    struct vk_buf path;

    vk_buf_init(&path, 4096);
    vk_buf_addc(&path, '/');
    url_encode(&path, vk_str_of(c->tenant));
    vk_buf_adds(&path, "/oauth2/v2.0/token");
    c->call = http_call_start(c->host, &(struct http_request){
                                           .method = "POST",
                                           .path = vk_buf_peek(&path),
                                           .headers = headers,
                                           .header_count = VK_COUNT(headers),
                                           .body = form,
                                           .deadline_ms = DEADLINE_MS,
                                           .max_body = TOKEN_RESPONSE_MAX_BYTES,
                                           .idempotent = true,
                                           .on_done = on_done,
                                           .user = c,
                                       });
    vk_buf_release(&path);
}

static void fetch(void *p, const char *scope, token_fetched_fn done, void *user)
{
    struct client_credentials *c = p;
    struct vk_buf form;

    assert(!c->call);
    c->done = done;
    c->user = user;
    vk_buf_init_secret(&form, FORM_MAX_BYTES);
    client_form_field(&form, "grant_type", VK_STR("client_credentials"));
    client_form_field(&form, "client_id", vk_str_of(c->client));
    client_form_field(&form, "scope", vk_str_of(scope));
    if (c->proof->append(c->p, &form, &c->err) < 0) {
        char *what VK_AUTOFREE = what_of(c);

        (void)vk_err_wrap(&c->err, "%s", what);
        vk_timer_arm(&c->no_proof, 0);
    } else {
        send(c, vk_buf_str(&form));
    }
    vk_buf_release_secret(&form);
}

static void cancel(void *p)
{
    struct client_credentials *c = p;

    vk_timer_disarm(&c->no_proof);
    http_call_cancel(c->call);
    c->call = NULL;
}

static void free_fetcher(void *p)
{
    struct client_credentials *c = p;

    cancel(c);
    http_host_free(c->host);
    c->proof->free(c->p);
    vk_free(c->tenant);
    vk_free(c->client);
    vk_free(c->authority);
    vk_free(c);
}

struct token_fetcher client_credentials_fetcher(struct vk_loop *loop, struct http_client *http,
                                                const struct client_credentials_config *config,
                                                const struct client_proof *proof, void *p)
{
    struct client_credentials *c = vk_calloc(1, sizeof(*c));

    c->ops = (struct token_fetcher_ops){
        .name = proof->name, .fetch = fetch, .cancel = cancel, .free = free_fetcher};
    c->tenant = vk_strdup(config->tenant_id);
    c->client = vk_strdup(config->client_id);
    c->authority = vk_strdup(config->authority_host);
    c->proof = proof;
    c->p = p;
    vk_timer_init(&c->no_proof, loop, "no proof of the client", on_no_proof, c);
    c->host = http_host_new(http, &(struct http_host_config){
                                      .base_url = config->authority_host,
                                      .ca_file = config->ca_file,
                                      .user_agent = config->user_agent,
                                      .max_connections = 1,
                                  });
    return (struct token_fetcher){.ops = &c->ops, .p = c};
}
