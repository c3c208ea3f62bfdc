/* SPDX-License-Identifier: Apache-2.0 */
/* registry_client and image_configs against a registry in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/http_server.h"
#include "provider/image_configs.h"
#include "provider/registry_auth.h"

#define CONFIG "{\"config\":{\"Entrypoint\":[\"/app\"],\"Cmd\":[\"run\"],\"WorkingDir\":\"/srv\"}}"
#define DEADLINE_MS 60000

enum auth { AUTH_NONE, AUTH_BASIC, AUTH_BEARER };

struct world {
    struct vk_loop *loop;
    struct http_client *http;
    struct http_server *server;
    struct registry_client *client;
    struct image_configs *configs;
    struct vk_arena *arena;
    /* how the registry behaves */
    enum auth auth;
    bool redirect_blobs, corrupt_config, index, missing_platform, docker;
    int manifest_status;
    int64_t slow_ms;     /* that pass before a manifest is answered */
    const char *refusal; /* body of what is refused, or NULL */
    char base[64];
    /* what was asked */
    unsigned manifests, blobs, tokens;
    char blob_authorization[128];
    /* what came */
    bool done;
    unsigned answers;
    char entrypoint[64], cmd[64], reason[64], message[448];
    char accept[512], asked[256]; /* of the last manifest: header, path */
    enum vk_code code;
};

static char *digest_of(struct world *w, const char *text)
{
    char hex[65];

    crypto_sha256_hex(text, strlen(text), hex);
    return vk_arena_printf(w->arena, "sha256:%s", hex);
}

static const char *manifest(struct world *w)
{
    return vk_arena_printf(
        w->arena, "{\"schemaVersion\":2,%s\"config\":{\"mediaType\":\"%s\",\"digest\":\"%s\"}}",
        w->docker ? "\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\"," : "",
        w->docker ? "application/vnd.docker.container.image.v1+json"
                  : "application/vnd.oci.image.config.v1+json",
        digest_of(w, CONFIG));
}

static const char *index_document(struct world *w)
{
    return vk_arena_printf(
        w->arena,
        "{\"mediaType\":\"%s\",\"manifests\":["
        "{\"digest\":\"sha256:00\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}},"
        "{\"digest\":\"%s\",\"platform\":{\"os\":\"%s\",\"architecture\":\"amd64\"}}]}",
        w->docker ? "application/vnd.docker.distribution.manifest.list.v2+json"
                  : "application/vnd.oci.image.index.v1+json",
        digest_of(w, manifest(w)), w->missing_platform ? "windows" : "linux");
}

static bool is_allowed(struct world *w, struct http_exchange *x)
{
    const char *have = http1_header(http_exchange_head(x), "Authorization");

    /* base64 of user:pass */
    if (w->auth == AUTH_NONE || (w->auth == AUTH_BASIC && vk_streq(have, "Basic dXNlcjpwYXNz")) ||
        (w->auth == AUTH_BEARER && vk_streq(have, "Bearer T1")))
        return true;
    http_exchange_header(x, "WWW-Authenticate",
                         w->auth == AUTH_BASIC
                             ? "Basic realm=\"x\""
                             : vk_arena_printf(http_exchange_arena(x),
                                               "Bearer realm=\"%s/token\",service=\"s\","
                                               "scope=\"repository:app:pull\"",
                                               w->base));
    http_exchange_reply(x, 401, "application/json", vk_str_of(w->refusal ? w->refusal : "{}"));
    return false;
}

static void reply_manifest(struct world *w, struct http_exchange *x, const char *path)
{
    const char *text = w->index && !strstr(path, "sha256:") ? index_document(w) : manifest(w);

    w->manifests++;
    vk_strcpy_to(w->accept, sizeof(w->accept), http1_header(http_exchange_head(x), "Accept"));
    vk_strcpy_to(w->asked, sizeof(w->asked), path);
    if (w->slow_ms)
        vk_clock_advance(w->slow_ms);
    if (w->manifest_status)
        http_exchange_reply(x, w->manifest_status, "application/json",
                            vk_str_of(w->refusal ? w->refusal : text));
    else
        http_exchange_reply(x, 200,
                            w->docker ? "application/vnd.docker.distribution.manifest.v2+json"
                                      : "application/vnd.oci.image.manifest.v1+json",
                            vk_str_of(text));
}

static void reply_blob(struct world *w, struct http_exchange *x, const char *path)
{
    w->blobs++;
    if (w->redirect_blobs && !vk_starts(path, "/store/")) {
        http_exchange_header(x, "Location",
                             vk_arena_printf(http_exchange_arena(x), "%s/store/blobs", w->base));
        http_exchange_reply(x, 307, NULL, VK_STR(""));
        return;
    }
    vk_strcpy_to(w->blob_authorization, sizeof(w->blob_authorization),
                 http1_header(http_exchange_head(x), "Authorization"));
    http_exchange_reply(x, 200, "application/octet-stream",
                        w->corrupt_config ? VK_STR("{}") : VK_STR(CONFIG));
}

static void on_request(void *user, struct http_exchange *x)
{
    struct world *w = user;
    const char *path = http_exchange_head(x)->path;

    if (vk_streq(path, "/token")) {
        const char *have = http1_header(http_exchange_head(x), "Authorization");

        w->tokens++;
        if (vk_streq(have, "Basic dXNlcjpwYXNz"))
            http_exchange_reply(x, 200, "application/json", VK_STR("{\"access_token\":\"T1\"}"));
        else
            http_exchange_reply(x, 401, "application/json", VK_STR("{}"));
        return;
    }
    if (vk_starts(path, "/store/")) {
        reply_blob(w, x, path);
        return;
    }
    if (!is_allowed(w, x))
        return;
    if (strstr(path, "/manifests/"))
        reply_manifest(w, x, path);
    else
        reply_blob(w, x, path);
}

static void on_config(void *user, const struct image_config *config, const struct vk_err *err)
{
    struct world *w = user;

    w->done = true;
    w->answers++;
    w->code = err ? err->code : VK_OK;
    vk_strcpy_to(w->reason, sizeof(w->reason), err ? err->reason : "");
    vk_strcpy_to(w->message, sizeof(w->message), err ? err->msg : "");
    if (!err) {
        vk_strcpy_to(w->entrypoint, sizeof(w->entrypoint), config->entrypoint.v[0]);
        vk_strcpy_to(w->cmd, sizeof(w->cmd), config->cmd.v[0]);
    }
}

static int setup(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));
    struct vk_err err;
    const char *mirror;

    w->loop = vk_loop_new();
    w->http = http_client_new(w->loop);
    w->arena = vk_arena_new();
    if (http_server_new(w->loop,
                        &(struct http_server_config){
                            .listener = {.address = "127.0.0.1", .plain = true}, .max_body = 1024},
                        on_request, w, &w->server, &err) < 0)
        return -1;
    snprintf(w->base, sizeof(w->base), "http://127.0.0.1:%d", http_server_port(w->server));
    mirror = vk_arena_printf(w->arena, "*=%s", w->base);
    if (registry_client_new(w->http,
                            &(struct registry_client_config){.mirrors = &mirror, .mirror_count = 1},
                            &w->client, &err) < 0)
        return -1;
    w->configs = image_configs_new(w->loop, w->client, "linux", "amd64");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    image_configs_free(w->configs);
    registry_client_free(w->client);
    http_server_free(w->server);
    http_client_free(w->http);
    vk_loop_free(w->loop);
    vk_arena_free(w->arena);
    vk_free(w);
    return 0;
}

/* With the right pull secret for registry r.io when login is set. */
static void ask(struct world *w, const char *image, bool login)
{
    struct registry_credential credential = {
        .server = "https://r.io",
        .username = "user",
        .password = vk_arena_secret(w->arena, "pass", 4),
    };

    w->done = false;
    image_configs_get(w->configs, image, &credential, login, on_config, w);
    assert_true(vk_loop_run_until(w->loop, &w->done, DEADLINE_MS));
}

static void configuration_is_read_whatever_the_registry_asks(void **state)
{
    static const enum auth schemes[] = {AUTH_NONE, AUTH_BASIC, AUTH_BEARER};
    struct world *w = *state;

    for (unsigned i = 0; i < 24; i++) {
        const char *image = vk_arena_printf(w->arena, "r.io/app:%u", i);

        w->auth = schemes[i % 3];
        w->index = i & 1;
        w->redirect_blobs = i & 2;
        w->docker = i >= 12;
        ask(w, image, true);
        if (w->code)
            fail_msg("variant %u: %s", i, w->reason);
        assert_string_equal(w->entrypoint, "/app");
        assert_string_equal(w->cmd, "run");
        if (w->redirect_blobs)
            assert_string_equal(w->blob_authorization, "");
        for (const char *type = "index.v1\0manifest.list.v2\0manifest.v1\0manifest.v2\0"; *type;
             type += strlen(type) + 1)
            assert_non_null(strstr(w->accept, type));
    }
}

/* The registry's own words are what a user needs; whatever they are, they do no harm. */
static void what_the_registry_says_is_told(void **state)
{
    static const struct {
        enum auth auth;
        int status;
        const char *body, *reason, *text;
    } rows[] = {
        {AUTH_NONE, 404, "{\"errors\":[{\"code\":\"C\",\"message\":\"manifest unknown\"}]}",
         "InaccessibleImage", "not found: tag or digest '1' (manifest unknown)"},
        {AUTH_NONE, 403, "{\"errors\":[{\"code\":\"DENIED\"}]}", "InaccessibleImage",
         "denies access to the image (DENIED)"},
        {AUTH_NONE, 503, "{\"errors\":[{\"message\":\"come \\u00fc\\nback\"}]}",
         "RegistryUnavailable", "the registry answers 503 (come ???back)"},
        {AUTH_NONE, 429, "{\"errors\":[{\"message\":\"You have reached your limit\"}]}",
         "RegistryUnavailable", "(You have reached your limit)"},
        {AUTH_NONE, 404, "<html>", "InaccessibleImage", "tag or digest '1'"},
        {AUTH_NONE, 404, "{\"errors\":[]}", "InaccessibleImage", "tag or digest '1'"},
        {AUTH_BASIC, 0, "{\"errors\":[{\"message\":\"who are you\"}]}", "InaccessibleImage",
         "name a pull secret (who are you)"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        w->auth = rows[i].auth;
        w->manifest_status = rows[i].status;
        w->refusal = rows[i].body;
        ask(w, "r.io/app:1", false);
        assert_string_equal(w->reason, rows[i].reason);
        if (!strstr(w->message, rows[i].text) || !strstr(w->message, "r.io/app"))
            fail_msg("row %zu: %s", i, w->message);
    }
}

static void what_is_wrong_is_told_apart(void **state)
{
    struct world *w = *state;

    w->auth = AUTH_BASIC;
    ask(w, "r.io/a:1", false);
    assert_string_equal(w->reason, "InaccessibleImage");
    w->auth = AUTH_BEARER;
    ask(w, "r.io/a:2", false);
    assert_string_equal(w->reason, "InaccessibleImage");
    w->auth = AUTH_NONE;
    w->manifest_status = 404;
    ask(w, "r.io/a:3", false);
    assert_string_equal(w->reason, "InaccessibleImage");
    w->manifest_status = 503;
    ask(w, "r.io/a:4", false);
    assert_string_equal(w->reason, "RegistryUnavailable");
    assert_int_equal(w->code, VK_UNAVAILABLE);
    w->manifest_status = 0;
    w->corrupt_config = true;
    ask(w, "r.io/a:5", false);
    assert_string_equal(w->reason, "RegistryUnavailable");
    w->corrupt_config = false;
    w->index = w->missing_platform = true;
    ask(w, "r.io/a:6", false);
    assert_int_equal(w->code, VK_NOT_FOUND);
    ask(w, "Bad Name", false);
    assert_int_equal(w->code, VK_INVALID);
}

static void a_tag_is_read_once_and_again_when_it_is_old(void **state)
{
    struct world *w = *state;
    bool all = false;

    for (unsigned i = 0; i < 30; i++)
        image_configs_get(w->configs, "r.io/app:burst", NULL, 0, on_config, w);
    while (w->answers < 30)
        vk_loop_run_until(w->loop, &all, 10);
    assert_int_equal(w->manifests, 1);
    vk_clock_freeze(vk_mono_ms(), vk_wall_ms());
    ask(w, "r.io/app:burst", false);
    assert_int_equal(w->manifests, 1);
    vk_clock_advance(61000);
    ask(w, "r.io/app:burst", false);
    assert_int_equal(w->manifests, 2);
    vk_clock_thaw();
}

/* A digest never changes what it stands for: it is read once. */
static void a_digest_is_read_once_for_good(void **state)
{
    struct world *w = *state;
    const char *image = vk_arena_printf(w->arena, "r.io/app:1@%s", digest_of(w, manifest(w)));

    ask(w, image, false);
    assert_int_equal(w->code, VK_OK);
    assert_int_equal(w->manifests, 1);
    assert_non_null(strstr(w->asked, "/v2/app/manifests/sha256:"));
    vk_clock_freeze(vk_mono_ms(), vk_wall_ms());
    vk_clock_advance(24 * 3600 * 1000);
    ask(w, image, false);
    assert_int_equal(w->code, VK_OK);
    vk_clock_thaw();
    assert_int_equal(w->manifests, 1);
    /* Something else under that digest is not believed. */
    w->docker = true;
    ask(w, vk_arena_printf(w->arena, "r.io/other@%s", strchr(image, '@') + 1), false);
    assert_string_equal(w->reason, "RegistryUnavailable");
    assert_non_null(strstr(w->message, "does not match its digest"));
}

static void a_mirror_answers_for_its_registry_alone(void **state)
{
    struct world *w = *state;
    struct registry_client *client;
    struct image_configs *configs;
    struct vk_err err;
    const char *lines[] = {vk_arena_printf(w->arena, "docker.io=%s", w->base),
                           "r.io=http://127.0.0.1:1"};

    assert_int_equal(
        registry_client_new(w->http,
                            &(struct registry_client_config){.mirrors = lines, .mirror_count = 2},
                            &client, &err),
        0);
    configs = image_configs_new(w->loop, client, "linux", "amd64");
    w->done = false;
    image_configs_get(configs, "busybox", NULL, 0, on_config, w);
    assert_true(vk_loop_run_until(w->loop, &w->done, DEADLINE_MS));
    assert_int_equal(w->code, VK_OK);
    assert_string_equal(w->asked, "/v2/library/busybox/manifests/latest");
    w->done = false;
    image_configs_get(configs, "r.io/app:1", NULL, 0, on_config, w);
    assert_true(vk_loop_run_until(w->loop, &w->done, DEADLINE_MS));
    assert_string_equal(w->reason, "RegistryUnavailable");
    assert_non_null(strstr(w->message, "image r.io/app at the mirror http://127.0.0.1:1: "));
    assert_int_equal(w->manifests, 1);
    image_configs_free(configs);
    registry_client_free(client);
}

/* The deadline is that of the whole, not of each of its requests. */
static void a_registry_that_takes_too_long_is_given_up(void **state)
{
    struct world *w = *state;

    vk_clock_freeze(vk_mono_ms(), vk_wall_ms());
    w->index = true;
    w->slow_ms = 14000;
    ask(w, "r.io/app:1", false);
    assert_int_equal(w->code, VK_OK);
    w->slow_ms = 16000;
    ask(w, "r.io/app:2", false);
    vk_clock_thaw();
    assert_int_equal(w->code, VK_UNAVAILABLE);
    assert_string_equal(w->reason, "RegistryUnavailable");
    assert_non_null(strstr(w->message, "within 30 s"));
    assert_int_equal(w->blobs, 1);
}

static void credentials_do_not_share_what_they_read(void **state)
{
    struct world *w = *state;

    w->auth = AUTH_BASIC;
    ask(w, "r.io/secret:1", true);
    assert_int_equal(w->code, VK_OK);
    ask(w, "r.io/secret:1", false);
    assert_string_equal(w->reason, "InaccessibleImage");
}

static void a_cancelled_query_gets_no_answer(void **state)
{
    struct world *w = *state;
    struct image_config_query *q =
        image_configs_get(w->configs, "r.io/app:1", NULL, 0, on_config, w);

    image_config_cancel(q);
    ask(w, "r.io/app:2", false);
    ask(w, "r.io/app:1", false);
    assert_int_equal(w->answers, 2);
}

static void challenges_are_parsed(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct registry_challenge c;
    struct vk_err err;

    (void)state;
    assert_int_equal(registry_challenge_parse("Bearer realm=\"https://a/t?x=1\" , service=s,"
                                              "scope=\"repository:a:pull,push\"",
                                              arena, &c, &err),
                     0);
    assert_string_equal(c.realm, "https://a/t?x=1");
    assert_string_equal(registry_token_url(&c, "a", arena),
                        "https://a/t?x=1&service=s&scope=repository%3Aa%3Apull%2Cpush");
    assert_int_equal(registry_challenge_parse("Bearer service=\"x\"", arena, &c, &err),
                     -VK_PROTOCOL);
    assert_int_equal(registry_challenge_parse("Bearer realm=\"file:///x\"", arena, &c, &err),
                     -VK_PROTOCOL);
    assert_int_equal(registry_challenge_parse("Negotiate", arena, &c, &err), -VK_UNSUPPORTED);
    assert_int_equal(registry_challenge_parse("Bearer realm=\"https://open", arena, &c, &err),
                     -VK_PROTOCOL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(configuration_is_read_whatever_the_registry_asks),
        TEST(what_is_wrong_is_told_apart),
        TEST(what_the_registry_says_is_told),
        TEST(a_digest_is_read_once_for_good),
        TEST(a_mirror_answers_for_its_registry_alone),
        TEST(a_registry_that_takes_too_long_is_given_up),
        TEST(a_tag_is_read_once_and_again_when_it_is_old),
        TEST(credentials_do_not_share_what_they_read),
        TEST(a_cancelled_query_gets_no_answer),
        cmocka_unit_test(challenges_are_parsed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
