/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/auth/client_secret.h"
#include "aci/auth/managed_identity.h"
#include "aci/auth/token_response.h"
#include "tests/unit/aci/scripted_server.h"

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

static struct result fetch_with_secret(struct scripted_server *s)
{
    struct vk_secret secret = {0};
    vk_secret_set(&secret, "p&ss", 4);
    const struct client_secret_config config = {
        .authority_host = s->base,
        .tenant_id = "the-tenant",
        .client_id = "the-client",
        .secret = &secret,
    };
    const struct token_fetcher f = client_secret_fetcher(s->http, &config);
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
        cmocka_unit_test(the_metadata_service_is_asked_again_while_it_updates),
        cmocka_unit_test(an_unknown_identity_is_refused_at_once),
        cmocka_unit_test(an_app_service_endpoint_gets_its_own_header),
        cmocka_unit_test(odd_token_answers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
