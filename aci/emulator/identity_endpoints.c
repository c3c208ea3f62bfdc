/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/identity_endpoints.h"

#include <inttypes.h>
#include <string.h>

#include "aci/emulator/arm_error.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/url.h"

#define MAX_ANSWER (64 * 1024)

/* --- Entra --- */

static void reply_refusal(struct arm_request *r, int status, const char *error, int64_t number,
                          const char *description)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&out, MAX_ANSWER);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "error", error);
    json_put_string(&w, "error_description",
                    vk_arena_printf(r->arena, "AADSTS%" PRId64 ": %s", number, description));
    json_begin_array(&w, "error_codes");
    json_put_int(&w, NULL, number);
    json_end_array(&w);
    json_put_time_s(&w, "timestamp", vk_wall_ns());
    json_put_string(&w, "trace_id", r->request_id);
    json_put_string(&w, "correlation_id", r->correlation_id);
    json_end_object(&w);
    arm_reply_json(r, status, vk_buf_str(&out));
}

static const char *form_value(struct arm_request *r, const char *form, const char *name)
{
    const char *value = url_query_get(form, name, 0, r->arena);

    return value ? value : "";
}

/* The body, wiped when the request ends. */
static const char *read_form(struct arm_request *r)
{
    struct vk_str body = arm_request_body(r);

    return body.n ? vk_secret_reveal(vk_arena_secret(r->arena, body.p, body.n)).p : "";
}

static bool is_secret_right(struct arm_request *r, const char *form)
{
    const char *decoded = url_query_get(form, "client_secret", 0, r->arena);
    char *secret = (char *)(uintptr_t)(decoded ? decoded : vk_arena_strdup(r->arena, ""));
    bool is_right = crypto_equal(vk_str_of(secret), vk_str_of(r->emulator->options->client_secret));

    vk_wipe(secret, strlen(secret));
    return is_right;
}

/* False when the refusal was answered. */
static bool check_client(struct arm_request *r, const char *form)
{
    const struct emulator_options *o = r->emulator->options;
    const char *client = form_value(r, form, "client_id");

    if (!vk_strieq(r->tenant, o->tenant) && !vk_strieq(r->tenant, "adfs")) {
        reply_refusal(r, 400, "invalid_request", 90002,
                      vk_arena_printf(r->arena, "Tenant '%s' not found.", r->tenant));
        return false;
    }
    if (!vk_streq(form_value(r, form, "grant_type"), "client_credentials")) {
        reply_refusal(r, 400, "unsupported_grant_type", 70003,
                      "The app requested an unsupported grant type.");
        return false;
    }
    if (!vk_strieq(client, o->client_id)) {
        reply_refusal(r, 400, "unauthorized_client", 700016,
                      vk_arena_printf(r->arena,
                                      "Application with identifier '%s' was not found in the "
                                      "directory '%s'.",
                                      client, o->tenant));
        return false;
    }
    if (!is_secret_right(r, form)) {
        reply_refusal(r, 401, "invalid_client", 7000215,
                      "Invalid client secret provided. Ensure the secret being sent in the request "
                      "is the client secret value, not the client secret ID.");
        return false;
    }
    return true;
}

static void put_number(struct json_writer *w, const char *key, int64_t value, bool as_text)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    if (as_text)
        json_put_string(w, key, text);
    else
        json_put_int(w, key, value);
}

static void reply_token(struct arm_request *r, const char *audience, bool is_v1)
{
    int64_t lifetime = tokens_lifetime_s(r->emulator->tokens), now = vk_wall_ms() / 1000;
    struct vk_buf out;
    struct json_writer w;

    vk_buf_init(&out, MAX_ANSWER);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "token_type", "Bearer");
    put_number(&w, "expires_in", lifetime, is_v1);
    put_number(&w, "ext_expires_in", lifetime, is_v1);
    if (is_v1) {
        put_number(&w, "expires_on", now + lifetime, true);
        put_number(&w, "not_before", now, true);
        json_put_string(&w, "resource", audience);
    }
    json_put_string(&w, "access_token", tokens_issue(r->emulator->tokens, audience));
    json_end_object(&w);
    arm_reply_json(r, 200, vk_buf_str(&out));
    vk_buf_release_secret(&out);
}

/*
 * The resource that the scopes ask for, NULL unless it is exactly one. MSAL for Go sends OpenID's
 * scopes beside it, in any order.
 */
static const char *resource_of(struct arm_request *r, const char *scopes)
{
    static const char *const openid[] = {"openid", "offline_access", "profile", "email"};
    static const char suffix[] = "/.default";
    struct vk_str rest = vk_str_of(scopes);
    const char *found = NULL;

    while (rest.n) {
        struct vk_str one = vk_str_trim(vk_str_cut(rest, ' ', &rest));
        const char *scope = vk_arena_str(r->arena, one);
        bool is_openid = !one.n;

        for (size_t i = 0; i < VK_COUNT(openid); i++)
            is_openid = is_openid || vk_streq(scope, openid[i]);
        if (is_openid)
            continue;
        if (found || one.n < sizeof(suffix) || !vk_ends(scope, suffix))
            return NULL;
        found = vk_arena_strndup(r->arena, one.p, one.n - strlen(suffix));
    }
    return found;
}

void identity_token(struct arm_request *r)
{
    const char *form = read_form(r);
    const char *resource = resource_of(r, form_value(r, form, "scope"));

    if (!check_client(r, form))
        return;
    if (!resource) {
        reply_refusal(r, 400, "invalid_scope", 1002012,
                      "The provided value for scope is not valid. Client credential flows must "
                      "have a scope value with /.default suffixed to the resource identifier.");
        return;
    }
    reply_token(r, resource, false);
}

void identity_token_v1(struct arm_request *r)
{
    const char *form = read_form(r);
    const char *resource = form_value(r, form, "resource");

    if (!check_client(r, form))
        return;
    if (!*resource) {
        reply_refusal(r, 400, "invalid_resource", 50001, "The resource principal is missing.");
        return;
    }
    reply_token(r, resource, true);
}

void identity_configuration(struct arm_request *r)
{
    const char *origin = arm_request_origin(r);
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&out, MAX_ANSWER);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "issuer", vk_arena_printf(r->arena, "%s/%s/v2.0", origin, r->tenant));
    json_put_string(&w, "token_endpoint",
                    vk_arena_printf(r->arena, "%s/%s/oauth2/v2.0/token", origin, r->tenant));
    json_put_string(&w, "authorization_endpoint",
                    vk_arena_printf(r->arena, "%s/%s/oauth2/v2.0/authorize", origin, r->tenant));
    json_put_string(&w, "device_authorization_endpoint",
                    vk_arena_printf(r->arena, "%s/%s/oauth2/v2.0/devicecode", origin, r->tenant));
    json_put_string(&w, "tenant_region_scope", "EU");
    json_end_object(&w);
    arm_reply_json(r, 200, vk_buf_str(&out));
}

void identity_discovery(struct arm_request *r)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&out, MAX_ANSWER);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "tenant_discovery_endpoint",
                    vk_arena_printf(r->arena, "%s/%s/v2.0/.well-known/openid-configuration",
                                    arm_request_origin(r), r->emulator->options->tenant));
    json_put_string(&w, "api-version", "1.1");
    json_begin_array(&w, "metadata");
    json_begin_object(&w, NULL);
    json_put_string(&w, "preferred_network", r->host);
    json_put_string(&w, "preferred_cache", r->host);
    json_begin_array(&w, "aliases");
    json_put_string(&w, NULL, r->host);
    json_end_array(&w);
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
    arm_reply_json(r, 200, vk_buf_str(&out));
}

/* --- instance metadata --- */

static void imds_refuse(struct http_exchange *x, int status, const char *error,
                        const char *description)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&out, MAX_ANSWER);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "error", error);
    json_put_string(&w, "error_description", description);
    json_end_object(&w);
    http_exchange_reply(x, status, "application/json; charset=utf-8", vk_buf_str(&out));
}

static void imds_reply_token(struct emulator *e, struct http_exchange *x, const char *resource)
{
    int64_t lifetime = tokens_lifetime_s(e->tokens), now = vk_wall_ms() / 1000;
    struct vk_buf out;
    struct json_writer w;

    vk_buf_init(&out, MAX_ANSWER);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "access_token", tokens_issue(e->tokens, resource));
    json_put_string(&w, "client_id", e->options->client_id);
    json_put_string(&w, "refresh_token", "");
    put_number(&w, "expires_in", lifetime, true);
    put_number(&w, "expires_on", now + lifetime, true);
    put_number(&w, "ext_expires_in", lifetime, true);
    put_number(&w, "not_before", now, true);
    json_put_string(&w, "resource", resource);
    json_put_string(&w, "token_type", "Bearer");
    json_end_object(&w);
    http_exchange_reply(x, 200, "application/json; charset=utf-8", vk_buf_str(&out));
    vk_buf_release_secret(&out);
}

void identity_imds_handle(void *user, struct http_exchange *x)
{
    struct emulator *e = user;
    const struct http1_head *head = http_exchange_head(x);
    struct vk_arena *arena = http_exchange_arena(x);
    const char *resource = url_query_get(head->query, "resource", 0, arena);
    const char *client = url_query_get(head->query, "client_id", 0, arena);

    request_stats_count(e->stats, "ImdsToken");
    log_v(2, "IMDS request", LS("method", head->method), LS("path", head->path));
    if (!vk_streq(head->method, "GET") || !vk_strieq(head->path, "/metadata/identity/oauth2/token"))
        imds_refuse(x, 404, "not_found", "Nothing is served here.");
    else if (!vk_strieq(http1_header(head, "Metadata"), "true"))
        imds_refuse(x, 400, "bad_request_102", "Required metadata header not specified");
    else if (vk_str_empty(url_query_get(head->query, "api-version", 0, arena)))
        imds_refuse(x, 400, "bad_request_101", "Required api-version parameter not specified");
    else if (vk_str_empty(resource))
        imds_refuse(x, 400, "invalid_resource", "AADSTS50001: The resource principal is missing.");
    else if (client && !vk_strieq(client, e->options->client_id))
        imds_refuse(x, 400, "invalid_request", "Identity not found");
    else
        imds_reply_token(e, x, resource);
}
