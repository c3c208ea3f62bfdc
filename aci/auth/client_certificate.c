/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/auth/client_certificate.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/json_writer.h"

#define MAX_PEM_BYTES (64u << 10)
#define MAX_JWT_BYTES (16u << 10)
#define LIFETIME_S 600
/* Clocks differ. */
#define EARLY_S 60

struct client_certificate {
    char *cert_file, *key_file;
    char *client, *audience;
};

static void add_part(struct vk_buf *jwt, const struct vk_buf *json)
{
    if (vk_buf_len(jwt))
        vk_buf_addc(jwt, '.');
    crypto_base64url(vk_buf_str(json), jwt);
}

static void add_header(struct vk_buf *jwt, const uint8_t thumbprint[32])
{
    struct vk_buf json VK_BUF_AUTO, print VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&print, 64);
    crypto_base64url((struct vk_str){(const char *)thumbprint, 32}, &print);
    vk_buf_init(&json, MAX_JWT_BYTES);
    json_writer_init(&w, &json);
    json_begin_object(&w, NULL);
    json_put_string(&w, "alg", "PS256");
    json_put_string(&w, "typ", "JWT");
    json_put_str(&w, "x5t#S256", vk_buf_str(&print));
    json_end_object(&w);
    add_part(jwt, &json);
}

static void add_claims(struct vk_buf *jwt, const struct client_certificate *c, int64_t now_s)
{
    struct vk_buf json VK_BUF_AUTO;
    struct json_writer w;
    char id[37];

    crypto_uuid4(id);
    vk_buf_init(&json, MAX_JWT_BYTES);
    json_writer_init(&w, &json);
    json_begin_object(&w, NULL);
    json_put_string(&w, "aud", c->audience);
    json_put_string(&w, "iss", c->client);
    json_put_string(&w, "sub", c->client);
    json_put_string(&w, "jti", id);
    json_put_int(&w, "iat", now_s);
    json_put_int(&w, "nbf", now_s - EARLY_S);
    json_put_int(&w, "exp", now_s + LIFETIME_S);
    json_end_object(&w);
    add_part(jwt, &json);
}

static int append(void *p, struct vk_buf *form, struct vk_err *err)
{
    const struct client_certificate *c = p;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf jwt VK_BUF_AUTO, signature VK_BUF_AUTO;
    struct vk_str certificate, key;
    uint8_t thumbprint[32];
    int rc;

    vk_buf_init(&jwt, MAX_JWT_BYTES);
    vk_buf_init(&signature, MAX_JWT_BYTES);
    if (file_read(c->cert_file, MAX_PEM_BYTES, arena, &certificate, err) < 0 ||
        file_read(c->key_file, MAX_PEM_BYTES, arena, &key, err) < 0)
        return vk_err_wrap(err, "the client certificate");
    rc = crypto_certificate_sha256(certificate, thumbprint, err);
    if (rc < 0)
        (void)vk_err_wrap(err, "%s", c->cert_file);
    if (rc == 0) {
        add_header(&jwt, thumbprint);
        add_claims(&jwt, c, vk_wall_ms() / 1000);
        rc = crypto_sign_ps256(key, vk_buf_str(&jwt), &signature, err);
        if (rc < 0)
            (void)vk_err_wrap(err, "%s", c->key_file);
    }
    vk_wipe((char *)(uintptr_t)key.p, key.n);
    if (rc < 0)
        return rc;
    add_part(&jwt, &signature);
    client_form_field(form, "client_assertion_type", VK_STR(CLIENT_ASSERTION_JWT));
    client_form_field(form, "client_assertion", vk_buf_str(&jwt));
    return 0;
}

static void free_certificate(void *p)
{
    struct client_certificate *c = p;

    vk_free(c->cert_file);
    vk_free(c->key_file);
    vk_free(c->client);
    vk_free(c->audience);
    vk_free(c);
}

struct token_fetcher client_certificate_fetcher(struct vk_loop *loop, struct http_client *http,
                                                const struct client_credentials_config *config,
                                                const char *cert_file, const char *key_file)
{
    static const struct client_proof proof = {
        .name = "client-certificate",
        .way_out = "check AZURE_TENANT_ID and AZURE_CLIENT_ID, and that the application in Entra "
                   "knows this certificate (expired?)",
        .append = append,
        .free = free_certificate,
    };
    struct client_certificate *c = vk_calloc(1, sizeof(*c));

    c->cert_file = vk_strdup(cert_file);
    c->key_file = vk_strdup(key_file);
    c->client = vk_strdup(config->client_id);
    c->audience =
        vk_asprintf("%.*s/%s/oauth2/v2.0/token",
                    (int)strlen(config->authority_host) - vk_ends(config->authority_host, "/"),
                    config->authority_host, config->tenant_id);
    return client_credentials_fetcher(loop, http, config, &proof, c);
}
