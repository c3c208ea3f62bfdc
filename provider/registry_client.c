/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/registry_client.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/map.h"
#include "base/url.h"
#include "provider/registry_auth.h"
#include "provider/registry_error.h"

#define FETCH_DEADLINE_MS 30000
#define TOKEN_MAX (64 * 1024)
/* Registries, token endpoints and blob stores of one process; more is a sign of a wrong
 * configuration. */
#define HOSTS_MAX 128

struct registry_client {
    struct http_client *http;
    char *user_agent, *ca_file;
    struct vk_map *hosts;   /* base URL -> struct http_host */
    struct vk_map *mirrors; /* registry or "*" -> base URL */
};

enum fetch_step { FETCH_MANIFEST, FETCH_TOKEN, FETCH_PLATFORM, FETCH_CONFIG, FETCH_REDIRECTED };

struct registry_fetch {
    struct registry_client *client;
    struct vk_arena *arena;
    struct image_reference image;
    const char *os, *arch, *base_url;
    const char *username;
    const struct vk_secret *password;
    struct vk_secret authorization; /* "Bearer ..." or "Basic ..." once the registry asked */
    struct http_call *call;
    enum fetch_step step;
    bool authenticated;
    int64_t deadline_mono_ms;
    const char *top_digest, *platform_digest, *config_digest;
    registry_fetched_fn done;
    void *user;
};

static void on_answer(void *user, const struct http_response *response, const struct vk_err *err);

int registry_mirror_check(const char *line, struct vk_err *err)
{
    const char *eq = strchr(line, '=');

    if (!eq || eq == line || (!vk_starts(eq + 1, "https://") && !vk_starts(eq + 1, "http://")))
        return vk_err_set(err, VK_INVALID,
                          "registry mirror '%s': expected HOST=https://MIRROR or *=https://MIRROR",
                          line);
    return 0;
}

static int add_mirror(struct registry_client *c, const char *line, struct vk_err *err)
{
    const char *eq = strchr(line, '=');
    char *registry VK_AUTOFREE = eq ? vk_strndup(line, (size_t)(eq - line)) : NULL;

    if (registry_mirror_check(line, err) < 0)
        return -(int)err->code;
    vk_free(vk_map_put(c->mirrors, registry, vk_strdup(eq + 1)));
    return 0;
}

static void free_host(void *host)
{
    http_host_free(host);
}

void registry_client_free(struct registry_client *c)
{
    if (!c)
        return;
    vk_map_free(c->hosts, free_host);
    vk_map_free(c->mirrors, vk_free);
    vk_free(c->user_agent);
    vk_free(c->ca_file);
    vk_free(c);
}

int registry_client_new(struct http_client *http, const struct registry_client_config *config,
                        struct registry_client **ret, struct vk_err *err)
{
    struct registry_client *c = vk_calloc(1, sizeof(*c));

    c->http = http;
    c->user_agent = vk_strdup(config->user_agent ? config->user_agent : "aci-kubelet");
    c->ca_file = config->ca_file ? vk_strdup(config->ca_file) : NULL;
    c->hosts = vk_map_new();
    c->mirrors = vk_map_new();
    for (size_t i = 0; i < config->mirror_count; i++)
        if (add_mirror(c, config->mirrors[i], err) < 0) {
            registry_client_free(c);
            return -(int)err->code;
        }
    *ret = c;
    return 0;
}

/* Makes room by dropping one host that is not in use. */
static void drop_idle_host(struct registry_client *c)
{
    size_t it = 0;
    const char *base_url;
    void *host;

    while (vk_map_next(c->hosts, &it, &base_url, &host))
        if (!http_host_is_busy(host)) {
            vk_map_remove(c->hosts, base_url);
            http_host_free(host);
            return;
        }
}

static struct http_host *host_of(struct registry_client *c, const char *base_url)
{
    struct http_host *host = vk_map_get(c->hosts, base_url);

    if (host)
        return host;
    if (vk_map_len(c->hosts) >= HOSTS_MAX)
        drop_idle_host(c);
    host = http_host_new(c->http, &(struct http_host_config){
                                      .base_url = base_url,
                                      .ca_file = c->ca_file,
                                      .user_agent = c->user_agent,
                                  });
    vk_map_put(c->hosts, base_url, host);
    return host;
}

/* NULL: the registry itself is asked. */
static const char *mirror_of(struct registry_client *c, const char *registry)
{
    const char *mirror = vk_map_get(c->mirrors, registry);

    return mirror ? mirror : vk_map_get(c->mirrors, "*");
}

static const char *base_url_of(struct registry_client *c, const char *registry,
                               struct vk_arena *arena)
{
    const char *mirror = mirror_of(c, registry);

    if (mirror)
        return mirror;
    /* Docker Hub's registry is not where its name says. */
    if (vk_streq(registry, "docker.io"))
        return "https://registry-1.docker.io";
    return vk_arena_printf(arena, "https://%s", registry);
}

static void fetch_free(struct registry_fetch *f)
{
    http_call_cancel(f->call);
    vk_secret_release(&f->authorization);
    vk_arena_free(f->arena);
    vk_free(f);
}

static void fail(struct registry_fetch *f, const struct vk_err *cause)
{
    struct vk_err err = *cause;
    const char *mirror = mirror_of(f->client, f->image.registry);

    /* Who reads this may not know of mirrors, and look for the image where it should be. */
    vk_err_wrap(&err, "configuration of image %s/%s%s%s", f->image.registry, f->image.repository,
                mirror ? " at the mirror " : "", mirror ? mirror : "");
    f->done(f->user, NULL, NULL, &err);
    fetch_free(f);
}

static void fail_as(struct registry_fetch *f, const char *reason, const char *text)
{
    struct vk_err err;

    vk_err_set(&err, VK_UNAVAILABLE, "%s", text);
    vk_err_reason(&err, reason);
    fail(f, &err);
}

/* With what the registry itself says, if anything. */
static void fail_refused(struct registry_fetch *f, const struct http_response *response,
                         const char *reason, const char *text)
{
    const char *said = registry_error_text(response->body, f->arena);

    fail_as(f, reason, said ? vk_arena_printf(f->arena, "%s (%s)", text, said) : text);
}

/* Splits an absolute URL into what http_host wants and the rest. */
static bool split_url(struct registry_fetch *f, const char *text, const char **base,
                      const char **path)
{
    struct url url;
    struct vk_err err;

    if (url_parse(text, f->arena, &url, &err) < 0)
        return false;
    *base = vk_arena_printf(f->arena, strchr(url.host, ':') ? "%s://[%s]:%d" : "%s://%s:%d",
                            url.scheme, url.host, url.port);
    *path = vk_arena_printf(f->arena, "%s%s%s", url.path, *url.query ? "?" : "", url.query);
    return true;
}

static void send(struct registry_fetch *f, const char *base_url, const char *path,
                 const char *accept, struct vk_str authorization, size_t max_body)
{
    struct http_host *host = host_of(f->client, base_url);
    struct http_header headers[2];
    size_t n = 0;
    int64_t left_ms = f->deadline_mono_ms - vk_mono_ms();

    if (left_ms <= 0) {
        fail_as(f, "RegistryUnavailable", "the registry did not answer within 30 s");
        return;
    }
    if (accept)
        headers[n++] = (struct http_header){"Accept", accept};
    if (authorization.n)
        headers[n++] = (struct http_header){"Authorization", authorization.p};
    f->call = http_call_start(host, &(struct http_request){
                                        .method = "GET",
                                        .path = path,
                                        .headers = headers,
                                        .header_count = n,
                                        .deadline_ms = left_ms,
                                        .max_body = max_body,
                                        .idempotent = true,
                                        .on_done = on_answer,
                                        .user = f,
                                    });
}

static void send_registry(struct registry_fetch *f, enum fetch_step step, const char *kind,
                          const char *reference, const char *accept)
{
    const char *path =
        vk_arena_printf(f->arena, "/v2/%s/%s/%s", f->image.repository, kind, reference);

    f->step = step;
    send(f, f->base_url, path, accept, vk_secret_reveal(&f->authorization), IMAGE_DOCUMENT_MAX);
}

static void send_manifest(struct registry_fetch *f)
{
    send_registry(f, FETCH_MANIFEST, "manifests", f->image.digest ? f->image.digest : f->image.tag,
                  IMAGE_MANIFEST_ACCEPT);
}

static void set_authorization(struct registry_fetch *f, const char *scheme, struct vk_str value)
{
    struct vk_buf text;

    vk_buf_init(&text, TOKEN_MAX);
    vk_buf_printf(&text, "%s ", scheme);
    vk_buf_addstr(&text, value);
    vk_secret_set(&f->authorization, vk_buf_peek(&text), vk_buf_len(&text));
    vk_buf_release_secret(&text);
}

/* "Basic base64(user:password)" as a secret of the arena, empty for anonymous. */
static struct vk_str basic_credential(struct registry_fetch *f)
{
    struct vk_buf plain, coded;
    struct vk_secret *secret;

    if (!f->username)
        return VK_STR("");
    vk_buf_init(&plain, TOKEN_MAX);
    vk_buf_init(&coded, TOKEN_MAX);
    vk_buf_printf(&plain, "%s:", f->username);
    vk_buf_addstr(&plain, vk_secret_reveal(f->password));
    crypto_base64(vk_buf_str(&plain), &coded);
    secret = vk_arena_secret(f->arena, vk_buf_peek(&coded), vk_buf_len(&coded));
    vk_buf_release_secret(&plain);
    vk_buf_release_secret(&coded);
    return vk_secret_reveal(secret);
}

static void send_token(struct registry_fetch *f, const struct registry_challenge *challenge)
{
    const char *url = registry_token_url(challenge, f->image.repository, f->arena);
    struct vk_str basic = basic_credential(f);
    const char *base, *path;
    struct vk_buf text;
    struct vk_secret *header;

    if (!split_url(f, url, &base, &path)) {
        fail_as(f, "RegistryUnavailable", "the registry's token endpoint is no URL");
        return;
    }
    f->step = FETCH_TOKEN;
    vk_buf_init(&text, TOKEN_MAX);
    if (basic.n)
        vk_buf_printf(&text, "Basic %s", basic.p);
    header = vk_arena_secret(f->arena, vk_buf_peek(&text), vk_buf_len(&text));
    vk_buf_release_secret(&text);
    send(f, base, path, NULL, vk_secret_reveal(header), TOKEN_MAX);
}

static void on_unauthorized(struct registry_fetch *f, const struct http_response *response)
{
    const char *header = http_response_header(response, "WWW-Authenticate");
    struct registry_challenge challenge;
    struct vk_err err;

    if (f->authenticated || !header) {
        fail_refused(f, response, "InaccessibleImage",
                     f->username ? "the registry refuses the credential of the pull secret"
                                 : "the registry refuses anonymous access; name a pull secret");
        return;
    }
    f->authenticated = true;
    if (registry_challenge_parse(header, f->arena, &challenge, &err) < 0) {
        fail(f, &err);
        return;
    }
    if (challenge.scheme == REGISTRY_BEARER) {
        send_token(f, &challenge);
        return;
    }
    if (!f->username) {
        fail_refused(f, response, "InaccessibleImage",
                     "the registry asks for a password; name a pull secret");
        return;
    }
    set_authorization(f, "Basic", basic_credential(f));
    send_manifest(f);
}

static void on_token(struct registry_fetch *f, struct vk_str body)
{
    const struct json *doc;
    const char *token;
    struct vk_err err;

    if (json_parse(body, TOKEN_MAX, f->arena, &doc, &err) < 0) {
        fail(f, &err);
        return;
    }
    token = json_string_or(doc, "token", json_string(json_get(doc, "access_token")));
    if (vk_str_empty(token)) {
        fail_as(f, "RegistryUnavailable", "the registry's token endpoint gave no token");
        return;
    }
    set_authorization(f, "Bearer", vk_str_of(token));
    send_manifest(f);
}

static void on_manifest(struct registry_fetch *f, const struct http_response *response)
{
    const char *asked = f->step == FETCH_PLATFORM ? f->platform_digest : f->image.digest;
    struct image_manifest manifest;
    char hex[65];
    struct vk_err err;

    if (asked && !image_digest_matches(response->body, asked)) {
        fail_as(f, "RegistryUnavailable", "the manifest does not match its digest");
        return;
    }
    if (image_manifest_parse(response->body, http_response_header(response, "Content-Type"), f->os,
                             f->arch, f->arena, &manifest, &err) < 0) {
        fail(f, &err);
        return;
    }
    if (!f->top_digest) {
        crypto_sha256_hex(response->body.p, response->body.n, hex);
        f->top_digest = vk_arena_printf(f->arena, "sha256:%s", hex);
    }
    if (manifest.is_index && f->step == FETCH_PLATFORM) {
        fail_as(f, "RegistryUnavailable", "an image index points to another index");
        return;
    }
    if (manifest.is_index) {
        f->platform_digest = manifest.manifest_digest;
        send_registry(f, FETCH_PLATFORM, "manifests", f->platform_digest, IMAGE_MANIFEST_ACCEPT);
        return;
    }
    f->config_digest = manifest.config_digest;
    send_registry(f, FETCH_CONFIG, "blobs", f->config_digest, NULL);
}

static void on_config(struct registry_fetch *f, struct vk_str body)
{
    struct image_config config;
    struct vk_err err;

    if (!image_digest_matches(body, f->config_digest)) {
        fail_as(f, "RegistryUnavailable", "the configuration does not match its digest");
        return;
    }
    if (image_config_parse(body, f->arena, &config, &err) < 0) {
        fail(f, &err);
        return;
    }
    f->done(f->user, &config, f->top_digest, NULL);
    fetch_free(f);
}

/* Blobs often live in another store; the registry's credential must not travel there. */
static void on_redirect(struct registry_fetch *f, const struct http_response *response)
{
    const char *location = http_response_header(response, "Location");
    const char *base, *path;

    if (f->step != FETCH_CONFIG || vk_str_empty(location)) {
        fail_as(f, "RegistryUnavailable", "the registry redirects where it must not");
        return;
    }
    if (*location == '/') {
        base = f->base_url;
        path = vk_arena_strdup(f->arena, location);
    } else if (!split_url(f, location, &base, &path)) {
        fail_as(f, "RegistryUnavailable", "the registry redirects to something that is no URL");
        return;
    }
    f->step = FETCH_REDIRECTED;
    send(f, base, path, NULL, VK_STR(""), IMAGE_DOCUMENT_MAX);
}

static void on_refused(struct registry_fetch *f, const struct http_response *response)
{
    const int status = response->status;

    if (status == 404)
        fail_refused(f, response, "InaccessibleImage",
                     vk_arena_printf(f->arena, "not found: tag or digest '%s'",
                                     f->image.digest ? f->image.digest : f->image.tag));
    else if (status == 403)
        fail_refused(f, response, "InaccessibleImage", "the registry denies access to the image");
    else if (f->step == FETCH_TOKEN && status >= 400 && status < 500 && status != 429)
        fail_refused(f, response, "InaccessibleImage",
                     "the registry's token endpoint refuses the credential");
    else
        fail_refused(f, response, "RegistryUnavailable",
                     vk_arena_printf(f->arena, "the registry answers %d", status));
}

static void on_answer(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct registry_fetch *f = user;

    f->call = NULL;
    if (err) {
        fail_as(f, "RegistryUnavailable", err->msg);
        return;
    }
    if (response->status == 401 && f->step != FETCH_TOKEN) {
        on_unauthorized(f, response);
        return;
    }
    if (response->status >= 300 && response->status < 400) {
        on_redirect(f, response);
        return;
    }
    if (response->status != 200) {
        on_refused(f, response);
        return;
    }
    switch (f->step) {
    case FETCH_TOKEN:
        on_token(f, response->body);
        break;
    case FETCH_MANIFEST:
    case FETCH_PLATFORM:
        on_manifest(f, response);
        break;
    case FETCH_CONFIG:
    case FETCH_REDIRECTED:
        on_config(f, response->body);
        break;
    }
}

struct registry_fetch *registry_fetch_start(struct registry_client *c,
                                            const struct image_reference *image, const char *os,
                                            const char *arch, const struct registry_login *login,
                                            registry_fetched_fn done, void *user)
{
    struct registry_fetch *f = vk_calloc(1, sizeof(*f));
    struct vk_str password;

    f->client = c;
    f->arena = vk_arena_new();
    f->image = (struct image_reference){
        .registry = vk_arena_strdup(f->arena, image->registry),
        .repository = vk_arena_strdup(f->arena, image->repository),
        .tag = image->tag ? vk_arena_strdup(f->arena, image->tag) : NULL,
        .digest = image->digest ? vk_arena_strdup(f->arena, image->digest) : NULL,
    };
    f->os = vk_arena_strdup(f->arena, os);
    f->arch = vk_arena_strdup(f->arena, arch);
    if (login && login->username) {
        password = vk_secret_reveal(login->password);
        f->username = vk_arena_strdup(f->arena, login->username);
        f->password = vk_arena_secret(f->arena, password.p, password.n);
    }
    f->base_url = base_url_of(c, f->image.registry, f->arena);
    f->deadline_mono_ms = vk_mono_ms() + FETCH_DEADLINE_MS;
    f->done = done;
    f->user = user;
    send_manifest(f);
    return f;
}

void registry_fetch_cancel(struct registry_fetch *f)
{
    if (f)
        fetch_free(f);
}
