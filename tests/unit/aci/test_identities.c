/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/rsa.h>
#include <stdlib.h>
#include <unistd.h>

#include "aci/auth/client_certificate.h"
#include "aci/auth/client_secret.h"
#include "aci/auth/managed_identity.h"
#include "aci/auth/token_response.h"
#include "aci/auth/workload_identity.h"
#include "base/crypto.h"
#include "base/json.h"
#include "tests/unit/aci/scripted_server.h"
#include "tests/unit/base/certificates.h"

struct result {
    bool done;
    char token[64];
    int64_t lifetime_ms;
    struct vk_err err;
};

static void on_fetched(void *user, struct vk_str token, int64_t lifetime_ms,
                       const struct vk_err *err)
{
    struct result *r = user;
    r->done = true;
    r->lifetime_ms = lifetime_ms;
    r->err = err ? *err : (struct vk_err){0};
    (void)snprintf(r->token, sizeof(r->token), "%.*s", (int)token.n, token.p);
}

static struct result fetch(struct scripted_server *s, struct token_fetcher f)
{
    struct result r = {0};
    f.ops->fetch(f.p, "https://management.azure.com/.default", on_fetched, &r);
    assert_false(r.done);
    script_wait(s, &r.done);
    f.ops->free(f.p);
    return r;
}

static struct client_credentials_config client_of(const struct scripted_server *s)
{
    return (struct client_credentials_config){
        .authority_host = s->base, .tenant_id = "the-tenant", .client_id = "the-client"};
}

static struct result fetch_with_secret(struct scripted_server *s)
{
    struct vk_secret secret = {0};
    vk_secret_set(&secret, "p&ss", 4);
    const struct client_credentials_config config = client_of(s);
    const struct token_fetcher f = client_secret_fetcher(s->loop, s->http, &config, &secret);
    vk_secret_release(&secret);
    return fetch(s, f);
}

static void a_client_secret_buys_a_token(void **state)
{
    (void)state;
    struct scripted_server s;
    script_start(&s);
    static const struct script_step steps[] = {
        {200, "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"tok\"}", NULL,
         NULL}};
    script_play(&s, steps, 1);
    const struct result r = fetch_with_secret(&s);
    assert_int_equal(r.err.code, VK_OK);
    assert_string_equal(r.token, "tok");
    assert_int_equal(r.lifetime_ms, 3599000);
    assert_string_equal(vk_buf_peek(&s.asked),
                        "POST /the-tenant/oauth2/v2.0/token - "
                        "grant_type=client_credentials&client_id=the-client&scope=https%3A%2F%"
                        "2Fmanagement.azure.com%2F.default&client_secret=p%26ss\n");
    script_stop(&s);
}

static void a_wrong_secret_names_tenant_client_code_and_way_out(void **state)
{
    (void)state;
    struct scripted_server s;
    script_start(&s);
    static const struct script_step steps[] = {
        {401,
         "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client "
         "secret provided.\\r\\nTrace ID: 1\",\"error_codes\":[7000215]}",
         NULL, NULL}};
    script_play(&s, steps, 1);
    const struct result r = fetch_with_secret(&s);
    assert_int_equal(r.err.code, VK_UNAUTHENTICATED);
    assert_string_equal(r.err.reason, "AADSTS7000215");
    static const char *const parts[] = {"the-tenant", "the-client",
                                        "AADSTS7000215: Invalid client secret provided.",
                                        "AZURE_CLIENT_SECRET"};
    for (size_t i = 0; i < VK_COUNT(parts); i++) {
        if (!strstr(r.err.msg, parts[i]))
            fail_msg("\"%s\" lacks %s", r.err.msg, parts[i]);
    }
    assert_null(strstr(r.err.msg, "Trace ID"));
    assert_null(strstr(r.err.msg, "p&ss"));
    script_stop(&s);
}

static const struct script_step gives_token = {
    200, "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"tok\"}", NULL, NULL};

static void write_file(char *path, const char *text)
{
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void a_federated_token_buys_a_token_and_is_read_each_time(void **state)
{
    (void)state;
    struct scripted_server s;
    script_start(&s);
    char path[] = "/tmp/test_identities.XXXXXX";
    write_file(path, "eyJ.a+b\n");
    const struct client_credentials_config config = client_of(&s);
    script_play(&s, &gives_token, 1);
    const struct result r = fetch(&s, workload_identity_fetcher(s.loop, s.http, &config, path));
    assert_string_equal(r.token, "tok");
    assert_string_equal(
        vk_buf_peek(&s.asked),
        "POST /the-tenant/oauth2/v2.0/token - "
        "grant_type=client_credentials&client_id=the-client&scope=https%3A%2F%"
        "2Fmanagement.azure.com%2F.default&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%"
        "3Aclient-assertion-type%3Ajwt-bearer&client_assertion=eyJ.a%2Bb\n");
    unlink(path);
    /* Nothing is sent without it. */
    vk_buf_clear(&s.asked);
    const struct result none = fetch(&s, workload_identity_fetcher(s.loop, s.http, &config, path));
    assert_int_equal(none.err.code, VK_NOT_FOUND);
    assert_non_null(strstr(none.err.msg, path));
    assert_string_equal(vk_buf_peek(&s.asked), "");
    script_stop(&s);
}

/* A certificate with its key in one file. */
static struct certificate make_client(bool is_rsa, char *path)
{
    const struct certificate_name name = {"CN", "app", -1};
    const struct certificate c = certificate_make(
        &(struct certificate_spec){.names = &name, .name_count = 1, .is_rsa = is_rsa});
    char *text VK_AUTOFREE = vk_asprintf("%s%s", c.cert_pem, c.key_pem);
    write_file(path, text);
    return c;
}

static const struct json *jwt_part(struct vk_str part, struct vk_arena *arena)
{
    struct vk_str text;
    const struct json *json;
    struct vk_err err;
    assert_true(crypto_base64url_decode(part, arena, &text));
    assert_int_equal(json_parse(text, 1 << 16, arena, &json, &err), 0);
    return json;
}

static bool is_signed_by(const struct certificate *c, struct vk_str text, struct vk_str signature)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_PKEY_CTX *context;
    const bool is_good = EVP_DigestVerifyInit(digest, &context, EVP_sha256(), NULL, c->key) == 1 &&
                         EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
                         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, 32) == 1 &&
                         EVP_DigestVerify(digest, (const unsigned char *)signature.p, signature.n,
                                          (const unsigned char *)text.p, text.n) == 1;
    EVP_MD_CTX_free(digest);
    return is_good;
}

static void a_certificate_signs_what_buys_a_token(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct scripted_server s;
    char path[] = "/tmp/test_identities.XXXXXX";
    struct certificate c = make_client(true, path);
    script_start(&s);
    script_play(&s, &gives_token, 1);
    const struct client_credentials_config config = client_of(&s);
    const struct result r =
        fetch(&s, client_certificate_fetcher(s.loop, s.http, &config, path, path));
    assert_string_equal(r.token, "tok");
    const char *assertion = strstr(vk_buf_peek(&s.asked), "&client_assertion=");
    assert_non_null(assertion);
    const struct vk_str jwt = vk_str_trim(vk_str_of(assertion + strlen("&client_assertion=")));
    struct vk_str rest = jwt, signature;
    const struct json *header = jwt_part(vk_str_cut(rest, '.', &rest), arena);
    const struct json *claims = jwt_part(vk_str_cut(rest, '.', &rest), arena);
    assert_true(crypto_base64url_decode(rest, arena, &signature));
    assert_true(is_signed_by(&c, (struct vk_str){jwt.p, jwt.n - rest.n - 1}, signature));

    uint8_t print[32];
    struct vk_str told;
    assert_int_equal(X509_digest(c.x509, EVP_sha256(), print, NULL), 1);
    assert_true(crypto_base64url_decode(vk_str_of(json_string(json_get(header, "x5t#S256"))), arena,
                                        &told));
    assert_memory_equal(told.p, print, sizeof(print));
    assert_string_equal(json_string(json_get(header, "alg")), "PS256");
    assert_string_equal(json_string(json_get(claims, "iss")), "the-client");
    assert_string_equal(json_string(json_get(claims, "sub")), "the-client");
    char *audience VK_AUTOFREE = vk_asprintf("%s/the-tenant/oauth2/v2.0/token", s.base);
    assert_string_equal(json_string(json_get(claims, "aud")), audience);
    assert_int_equal(json_int64_or(claims, "exp", 0) - json_int64_or(claims, "iat", 0), 600);
    unlink(path);
    certificate_release(&c);
    script_stop(&s);
}

static void files_that_hold_no_certificate_or_key_are_named(void **state)
{
    (void)state;
    char empty[] = "/tmp/test_identities.XXXXXX", rsa[] = "/tmp/test_identities.XXXXXX",
         ec[] = "/tmp/test_identities.XXXXXX";
    write_file(empty, "");
    struct certificate good = make_client(true, rsa), bad = make_client(false, ec);
    const struct {
        const char *certificate, *key, *named, *message;
    } table[] = {
        {empty, rsa, empty, "no certificate in PEM"},
        {rsa, empty, empty, "no RSA key without a password in PEM"},
        {rsa, ec, ec, "no RSA key without a password in PEM"},
        {"/nonexistent/cert", rsa, "/nonexistent/cert", "the client certificate"},
    };
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        struct scripted_server s;
        script_start(&s);
        const struct client_credentials_config config = client_of(&s);
        const struct result r =
            fetch(&s, client_certificate_fetcher(s.loop, s.http, &config, table[i].certificate,
                                                 table[i].key));
        assert_int_not_equal(r.err.code, VK_OK);
        assert_non_null(strstr(r.err.msg, table[i].message));
        assert_non_null(strstr(r.err.msg, table[i].named));
        assert_string_equal(vk_buf_peek(&s.asked), "");
        script_stop(&s);
    }
    unlink(empty);
    unlink(rsa);
    unlink(ec);
    certificate_release(&good);
    certificate_release(&bad);
}

static struct result fetch_identity(struct scripted_server *s, const char *client)
{
    const struct managed_identity_config config = {.imds_endpoint = s->base, .client_id = client};
    return fetch(s, managed_identity_fetcher(s->loop, s->http, &config));
}

static void the_metadata_service_is_asked_again_while_it_updates(void **state)
{
    (void)state;
    struct scripted_server s;
    script_start(&s);
    static const struct script_step steps[] = {
        {410, "{}", NULL, NULL},
        {200, "{\"access_token\":\"tok\",\"expires_in\":\"28799\",\"expires_on\":\"1506484173\"}",
         NULL, NULL}};
    script_play(&s, steps, 2);
    const struct result r = fetch_identity(&s, "id-1");
    assert_string_equal(r.token, "tok");
    assert_int_equal(r.lifetime_ms, 28799000);
    const char *line = "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource="
                       "https%3A%2F%2Fmanagement.azure.com%2F&client_id=id-1 - Metadata\n";
    char *twice VK_AUTOFREE = vk_asprintf("%s%s", line, line);
    assert_string_equal(vk_buf_peek(&s.asked), twice);
    script_stop(&s);
}

static void an_unknown_identity_is_refused_at_once(void **state)
{
    (void)state;
    struct scripted_server s;
    script_start(&s);
    static const struct script_step steps[] = {
        {400, "{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}", NULL,
         NULL}};
    script_play(&s, steps, 1);
    const struct result r = fetch_identity(&s, NULL);
    assert_int_equal(r.err.code, VK_UNAUTHENTICATED);
    assert_string_equal(r.err.reason, "invalid_request");
    assert_non_null(strstr(r.err.msg, "Identity not found"));
    assert_non_null(strstr(r.err.msg, "assign the identity"));
    script_stop(&s);
}

static void an_app_service_endpoint_gets_its_own_header(void **state)
{
    (void)state;
    struct scripted_server s;
    script_start(&s);
    static const struct script_step steps[] = {
        {200, "{\"access_token\":\"tok\",\"expires_in\":60}", NULL, NULL}};
    script_play(&s, steps, 1);
    char endpoint[96];
    (void)snprintf(endpoint, sizeof(endpoint), "%s/msi/token", s.base);
    struct vk_secret header = {0};
    vk_secret_set(&header, "h", 1);
    const struct managed_identity_config config = {.imds_endpoint = "http://127.0.0.1:1",
                                                   .identity_endpoint = endpoint,
                                                   .identity_header = &header};
    const struct result r = fetch(&s, managed_identity_fetcher(s.loop, s.http, &config));
    vk_secret_release(&header);
    assert_string_equal(r.token, "tok");
    assert_string_equal(vk_buf_peek(&s.asked),
                        "GET /msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fmanagement."
                        "azure.com%2F -\n");
    script_stop(&s);
}

static void odd_token_answers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int64_t lifetime_ms; /* 0: refused */
    } rows[] = {
        {"{\"access_token\":\"t\",\"expires_in\":\"10\"}", 10000},
        {"{\"access_token\":\"t\",\"expires_in\":10.7}", 10000},
        {"{\"access_token\":\"t\",\"expires_on\":1700000060}", 60000},
        {"{\"access_token\":\"t\"}", 300000},
        {"{\"access_token\":\"t\",\"expires_in\":99999999999}", 90ll * 24 * 3600 * 1000},
        {"{\"access_token\":\"t\",\"expires_in\":0}", 0},
        {"{\"access_token\":\"t\",\"expires_on\":1600000000}", 0},
        {"{\"access_token\":\"\"}", 0},
        {"{\"access_token\":\"a\\r\\nb\",\"expires_in\":10}", 0},
        {"{\"access_token\":7}", 0},
        {"[]", 0},
        {"<html>", 0},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct token_response r;
        struct vk_err err;
        const int rc =
            token_response_parse(vk_str_of(rows[i].body), 1700000000000, arena, &r, &err);
        if ((rc == 0) != (rows[i].lifetime_ms != 0))
            fail_msg("row %zu: %d", i, rc);
        if (rc == 0)
            assert_int_equal(r.lifetime_ms, rows[i].lifetime_ms);
        else
            assert_int_equal(err.code, VK_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_secret_buys_a_token),
        cmocka_unit_test(a_wrong_secret_names_tenant_client_code_and_way_out),
        cmocka_unit_test(a_federated_token_buys_a_token_and_is_read_each_time),
        cmocka_unit_test(a_certificate_signs_what_buys_a_token),
        cmocka_unit_test(files_that_hold_no_certificate_or_key_are_named),
        cmocka_unit_test(the_metadata_service_is_asked_again_while_it_updates),
        cmocka_unit_test(an_unknown_identity_is_refused_at_once),
        cmocka_unit_test(an_app_service_endpoint_gets_its_own_header),
        cmocka_unit_test(odd_token_answers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
