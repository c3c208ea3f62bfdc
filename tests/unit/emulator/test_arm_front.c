/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/emulator/emulator_world.h"

static void the_front_refuses_as_arm_does(void **state)
{
    static const struct {
        const char *what, *method, *path, *token; /* token "" none, NULL the right one */
        int status;
        const char *code;
    } cases[] = {
        {"no token", "GET", WORLD_GROUP("web"), "", 401, "AuthenticationFailed"},
        {"foreign token", "GET", WORLD_GROUP("web"), "abc", 401, "InvalidAuthenticationToken"},
        {"no api-version", "GET", WORLD_RG "/containerGroups", NULL, 400,
         "MissingApiVersionParameter"},
        {"api-version that is no date", "GET", WORLD_RG "/containerGroups?api-version=1", NULL, 400,
         "InvalidApiVersionParameter"},
        {"api-version that is not served", "GET",
         WORLD_RG "/containerGroups?api-version=2031-01-01", NULL, 400,
         "NoRegisteredProviderFound"},
        {"foreign subscription", "GET",
         "/subscriptions/other/resourceGroups/burst" WORLD_PROVIDER
         "/containerGroups" WORLD_VERSION,
         NULL, 404, "SubscriptionNotFound"},
        {"foreign resource group", "GET",
         WORLD_SUB "/resourceGroups/other" WORLD_PROVIDER "/containerGroups" WORLD_VERSION, NULL,
         404, "ResourceGroupNotFound"},
        {"group that is not there", "GET", WORLD_GROUP("web"), NULL, 404, "ResourceNotFound"},
        {"method that is not served", "POST", WORLD_GROUP("web"), NULL, 405,
         "HttpMethodNotAllowed"},
        {"path that is not served", "GET", "/nothing" WORLD_VERSION, NULL, 404, "NotFound"},
        {"operation that is not there", "GET",
         WORLD_LOCATION "/operations/x?api-version=2018-06-01", NULL, 404, "ResourceNotFound"},
    };
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const char *token = cases[i].token ? cases[i].token : w.token;
        int status = world_call(&w, w.arm, cases[i].method, cases[i].path, NULL,
                                *token ? token : NULL, NULL, 0);

        if (status != cases[i].status || !vk_streq(world_error(&w), cases[i].code))
            fail_msg("%s: %d %s", cases[i].what, status, w.answer.text);
        assert_int_equal(status == 401, w.answer.authenticate != NULL);
    }
    world_end(&w);
}

static void all_api_versions_of_known_clients_are_served(void **state)
{
    static const char *const versions[] = {"2022-10-01-preview", "2023-05-01", "2024-05-01-preview",
                                           "2025-09-01", "2026-06-01-preview"};
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    for (size_t i = 0; i < VK_COUNT(versions); i++) {
        char *path VK_AUTOFREE =
            vk_asprintf(WORLD_RG "/containerGroups?Api-Version=%s", versions[i]);

        assert_int_equal(world_arm(&w, "GET", path, NULL), 200);
    }
    world_end(&w);
}

static void paths_compare_without_case(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(world_arm(&w, "GET",
                               "/SUBSCRIPTIONS/00000000-0000-0000-0000-0000000000A1/resourcegroups/"
                               "BURST/Providers/microsoft.containerinstance/containergroups/"
                               "?api-version=2025-09-01",
                               NULL),
                     200);
    world_end(&w);
}

static void a_token_fits_one_audience(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(world_call(&w, w.arm, "POST", "/" WORLD_TENANT "/oauth2/v2.0/token",
                                "grant_type=client_credentials&client_id=client&client_secret=a%2Bb"
                                "&scope=https%3A%2F%2Fvault.azure.net%2F.default",
                                NULL, NULL, 0),
                     200);
    assert_int_equal(world_call(&w, w.arm, "GET", WORLD_GROUP("web"), NULL,
                                json_string_or(w.answer.body, "access_token", ""), NULL, 0),
                     401);
    assert_string_equal(world_error(&w), "InvalidAuthenticationTokenAudience");
    world_end(&w);
}

static void make_tokens_short(struct emulator_options *o)
{
    o->token_lifetime_ms = 1;
}

static void an_expired_token_is_called_expired(void **state)
{
    static const bool never;
    struct world w;

    (void)state;
    world_begin(&w, make_tokens_short);
    vk_loop_run_until(w.loop, &never, 5);
    assert_int_equal(world_arm(&w, "GET", WORLD_GROUP("web"), NULL), 401);
    assert_string_equal(world_error(&w), "ExpiredAuthenticationToken");
    world_end(&w);
}

static void the_token_endpoint_refuses_as_entra_does(void **state)
{
#define FORM "grant_type=client_credentials&client_id=client&client_secret=a%2Bb"
#define SCOPE "&scope=https%3A%2F%2Fmanagement.azure.com%2F.default"
    static const struct {
        const char *path, *form;
        int status;
        const char *error, *description_has;
    } cases[] = {
        {"/" WORLD_TENANT "/oauth2/v2.0/token", FORM SCOPE, 200, "", ""},
        {"/adfs/oauth2/token", FORM "&resource=https%3A%2F%2Fmanagement.azure.com", 200, "", ""},
        {"/other/oauth2/v2.0/token", FORM SCOPE, 400, "invalid_request", "AADSTS90002"},
        {"/" WORLD_TENANT "/oauth2/v2.0/token",
         "grant_type=client_credentials&client_id=client&client_secret=wrong" SCOPE, 401,
         "invalid_client", "AADSTS7000215"},
        {"/" WORLD_TENANT "/oauth2/v2.0/token",
         "grant_type=client_credentials&client_id=you&client_secret=a%2Bb" SCOPE, 400,
         "unauthorized_client", "AADSTS700016"},
        {"/" WORLD_TENANT "/oauth2/v2.0/token", "", 400, "unsupported_grant_type", "AADSTS70003"},
        {"/" WORLD_TENANT "/oauth2/v2.0/token", FORM "&scope=x", 400, "invalid_scope",
         "AADSTS1002012"},
    };
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int status = world_call(&w, w.arm, "POST", cases[i].path, cases[i].form, NULL, NULL, 0);

        if (status != cases[i].status ||
            !vk_streq(json_string_or(w.answer.body, "error", ""), cases[i].error) ||
            !strstr(json_string_or(w.answer.body, "error_description", ""),
                    cases[i].description_has))
            fail_msg("%s: %d %s", cases[i].form, status, w.answer.text);
        assert_null(strstr(w.answer.text, "a+b"));
    }
    world_end(&w);
}

static void imds_wants_its_header(void **state)
{
    static const struct http_header metadata = {"Metadata", "true"};
    static const char path[] = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource="
                               "https%3A%2F%2Fmanagement.azure.com%2F";
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(world_call(&w, w.imds, "GET", path, NULL, NULL, NULL, 0), 400);
    assert_string_equal(json_string_or(w.answer.body, "error", ""), "bad_request_102");
    assert_int_equal(world_call(&w, w.imds, "GET", path, NULL, NULL, &metadata, 1), 200);
    assert_string_equal(json_string_or(w.answer.body, "expires_in", ""), "3600");
    vk_free(w.token);
    w.token = vk_strdup(json_string_or(w.answer.body, "access_token", ""));
    assert_int_equal(world_arm(&w, "GET", WORLD_RG "/containerGroups" WORLD_VERSION, NULL), 200);
    world_end(&w);
}

static void what_sdks_read_first_is_there(void **state)
{
    static const struct {
        const char *path, *member;
    } cases[] = {
        {"/metadata/endpoints?api-version=2022-09-01", "resourceManager"},
        {"/" WORLD_TENANT "/v2.0/.well-known/openid-configuration", "token_endpoint"},
        {"/common/discovery/instance?api-version=1.1", "tenant_discovery_endpoint"},
        {WORLD_SUB "?api-version=2022-12-01", "subscriptionId"},
        {WORLD_SUB "/resourcegroups/burst?api-version=2022-09-01", "location"},
        {WORLD_SUB WORLD_PROVIDER "?api-version=2021-04-01", "registrationState"},
        {WORLD_PROVIDER "/operations" WORLD_VERSION, "value"},
        {WORLD_LOCATION "/usages" WORLD_VERSION, "value"},
        {WORLD_LOCATION "/capabilities" WORLD_VERSION, "value"},
        {WORLD_LOCATION "/cachedImages" WORLD_VERSION, "value"},
    };
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int status = world_arm(&w, "GET", cases[i].path, NULL);

        if (status != 200 || !json_get(w.answer.body, cases[i].member))
            fail_msg("%s: %d %s", cases[i].path, status, w.answer.text);
    }
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_front_refuses_as_arm_does),
        cmocka_unit_test(all_api_versions_of_known_clients_are_served),
        cmocka_unit_test(paths_compare_without_case),
        cmocka_unit_test(a_token_fits_one_audience),
        cmocka_unit_test(an_expired_token_is_called_expired),
        cmocka_unit_test(the_token_endpoint_refuses_as_entra_does),
        cmocka_unit_test(imds_wants_its_header),
        cmocka_unit_test(what_sdks_read_first_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
