/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/authentication.c"

#include "base/clock.h"
#include "tests/unit/kubelet/fake_api_server.h"

#define TTL_MS 120000
#define YES                                                                                        \
    "{\"status\":{\"authenticated\":true,\"user\":{\"username\":\"system:serviceaccount:m:p\","    \
    "\"uid\":\"u1\",\"groups\":[\"g1\",\"system:authenticated\"],"                                 \
    "\"extra\":{\"k/one\":[\"v1\",\"v2\"]}}}}"
#define NO "{\"status\":{\"authenticated\":false,\"error\":\"invalid bearer token\"}}"

/* One request and what became of it. */
struct asker {
    struct authentication n;
    struct vk_arena *arena;
    struct http1_head head;
    const struct user_info *who;
    enum vk_code code;
    bool is_done;
};

static void on_done(void *user, const struct user_info *who, const struct vk_err *err)
{
    struct asker *k = user;

    assert_false(k->is_done);
    assert_true(!who != !err);
    k->is_done = true;
    k->who = who;
    k->code = err ? err->code : VK_OK;
}

static void ask(struct asker *k, struct authenticator *a, const struct tls_peer *peer,
                const char *authorization)
{
    static const struct tls_peer nobody;

    *k = (struct asker){.arena = vk_arena_new()};
    authentication_init(&k->n);
    k->n.fn = on_done;
    k->n.user = k;
    if (authorization) {
        k->head.headers[0] = (struct http1_header){"Authorization", authorization};
        k->head.header_count = 1;
    }
    authenticate(a, peer ? peer : &nobody, &k->head, k->arena, &k->n);
}

static void release(struct asker *k)
{
    vk_arena_free(k->arena);
}

static bool has_group(const struct user_info *who, const char *group)
{
    return is_member(&who->groups, group);
}

static void certificates_name_user_and_groups(void **state)
{
    static const struct {
        const char *name;
        struct tls_peer peer;
        bool anonymous;
        const char *user, *group; /* NULL: refused */
    } table[] = {
        {"verified",
         {.has_certificate = true,
          .verified = true,
          .common_name = "kube-apiserver-kubelet-client",
          .organizations = {"system:masters", "b"},
          .organization_count = 2,
          .fingerprint = "ab12"},
         false,
         "kube-apiserver-kubelet-client",
         "system:masters"},
        {"verified, no organisation",
         {.has_certificate = true, .verified = true, .common_name = "x"},
         false,
         "x",
         "system:authenticated"},
        {"verified without a name", {.has_certificate = true, .verified = true}, true, NULL, NULL},
        {"does not hold",
         {.has_certificate = true, .common_name = "x", .organizations = {"system:masters"}},
         false,
         NULL,
         NULL},
        {"does not hold, and anybody may come",
         {.has_certificate = true, .common_name = "x"},
         true,
         NULL,
         NULL},
        {"none", {0}, false, NULL, NULL},
        {"none, and anybody may come", {0}, true, "system:anonymous", "system:unauthenticated"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        struct authenticator *a = authenticator_new(
            NULL, &(struct authenticator_config){.allow_anonymous = table[i].anonymous});
        struct asker k;

        print_message("%s\n", table[i].name);
        ask(&k, a, &table[i].peer, NULL);
        assert_true(k.is_done);
        if (table[i].user) {
            assert_string_equal(k.who->name, table[i].user);
            assert_true(has_group(k.who, table[i].group));
            assert_int_equal(has_group(k.who, "system:authenticated"),
                             !vk_streq(table[i].user, "system:anonymous"));
        } else {
            assert_int_equal(k.code, VK_UNAUTHENTICATED);
        }
        release(&k);
        authenticator_free(a);
    }
}

static void the_certificate_is_the_credential_that_is_named(void **state)
{
    static const struct tls_peer peer = {.has_certificate = true,
                                         .verified = true,
                                         .common_name = "x",
                                         .uid = "u7",
                                         .fingerprint = "ab12"};
    struct authenticator *a = authenticator_new(NULL, &(struct authenticator_config){0});
    struct asker k;

    (void)state;
    ask(&k, a, &peer, NULL);
    assert_int_equal(k.who->extra_count, 1);
    assert_string_equal(k.who->extra[0].key, "authentication.kubernetes.io/credential-id");
    assert_string_equal(k.who->extra[0].values.v[0], "X509SHA256=ab12");
    assert_string_equal(k.who->uid, "u7");
    release(&k);
    authenticator_free(a);
}

static void headers_that_are_no_bearer_token_ask_nobody(void **state)
{
    static const char *const table[] = {
        "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearertoken", "token",
    };
    struct fake_api api;
    struct authenticator *a;

    (void)state;
    fake_start(&api, NULL, 0, NULL);
    a = authenticator_new(
        api.loop, &(struct authenticator_config){.client = api.rest, .token_ttl_ms = TTL_MS});
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        struct asker k;

        ask(&k, a, NULL, table[i]);
        assert_true(k.is_done);
        assert_int_equal(k.code, VK_UNAUTHENTICATED);
        release(&k);
    }
    authenticator_free(a);
    fake_stop(&api);
}

struct token_world {
    struct fake_api api;
    struct authenticator *a;
};

static void token_world_start(struct token_world *w, const struct fake_step *steps, size_t count)
{
    fake_start(&w->api, steps, count, NULL);
    w->a = authenticator_new(
        w->api.loop, &(struct authenticator_config){.client = w->api.rest, .token_ttl_ms = TTL_MS});
}

static void token_world_stop(struct token_world *w)
{
    authenticator_free(w->a);
    fake_stop(&w->api);
    vk_clock_thaw();
}

static void the_api_server_says_whose_a_token_is(void **state)
{
    static const struct fake_step steps[] = {{.body = YES}};
    struct token_world w;
    struct asker k;

    (void)state;
    token_world_start(&w, steps, 1);
    ask(&k, w.a, NULL, "bearer se\"cret");
    assert_false(k.is_done);
    fake_run_until(&w.api, &k.is_done);
    assert_string_equal(vk_buf_peek(&w.api.asked),
                        "POST /apis/authentication.k8s.io/v1/tokenreviews [application/json] "
                        "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\","
                        "\"spec\":{\"token\":\"se\\\"cret\"}}\n");
    assert_string_equal(k.who->name, "system:serviceaccount:m:p");
    assert_string_equal(k.who->uid, "u1");
    assert_int_equal(k.who->groups.n, 2);
    assert_string_equal(k.who->extra[0].key, "k/one");
    assert_string_equal(k.who->extra[0].values.v[1], "v2");
    release(&k);
    token_world_stop(&w);
}

/* Of a websocket, with these subprotocols. */
static void ask_by_protocol(struct asker *k, struct authenticator *a, const char *protocols)
{
    static const struct tls_peer nobody;

    *k = (struct asker){.arena = vk_arena_new()};
    authentication_init(&k->n);
    k->n.fn = on_done;
    k->n.user = k;
    k->head.headers[0] = (struct http1_header){"Connection", "Upgrade"};
    k->head.headers[1] = (struct http1_header){"Upgrade", "websocket"};
    k->head.headers[2] = (struct http1_header){"Sec-WebSocket-Protocol", protocols};
    k->head.header_count = 3;
    authenticate(a, &nobody, &k->head, k->arena, &k->n);
}

static void a_token_among_the_subprotocols_counts_as_one_of_the_header(void **state)
{
    static const struct fake_step steps[] = {{.body = YES}};
    struct token_world w;
    struct asker k;

    (void)state;
    token_world_start(&w, steps, 1);
    w.a->config.allow_anonymous = true;
    /* Neither anybody nor a question. */
    ask_by_protocol(&k, w.a, "base64url.bearer.authorization.k8s.io.!,v4.channel.k8s.io");
    assert_true(k.is_done);
    assert_int_equal(k.code, VK_UNAUTHENTICATED);
    release(&k);
    ask_by_protocol(&k, w.a, "base64url.bearer.authorization.k8s.io.c2VjcmV0,v4.channel.k8s.io");
    fake_run_until(&w.api, &k.is_done);
    assert_non_null(strstr(vk_buf_peek(&w.api.asked), "\"spec\":{\"token\":\"secret\"}"));
    assert_string_equal(k.who->name, "system:serviceaccount:m:p");
    release(&k);
    /* The same token, so nobody is asked again. */
    ask(&k, w.a, NULL, "Bearer secret");
    assert_true(k.is_done && k.who);
    release(&k);
    token_world_stop(&w);
}

static void equal_tokens_under_way_are_asked_for_once_then_kept_for_their_time(void **state)
{
    static const struct fake_step steps[] = {{.body = YES}, {.body = NO}};
    struct token_world w;
    struct asker k[4];

    (void)state;
    token_world_start(&w, steps, 2);
    for (size_t i = 0; i < 3; i++)
        ask(&k[i], w.a, NULL, "Bearer t");
    authentication_cancel(&k[1].n);
    fake_run_until(&w.api, &k[2].is_done);
    assert_true(k[0].is_done && k[0].who);
    assert_false(k[1].is_done);
    assert_int_equal(w.api.next, 1);

    vk_clock_freeze(vk_mono_ms(), vk_wall_ms());
    vk_clock_advance(TTL_MS - 1000);
    ask(&k[3], w.a, NULL, "Bearer t");
    assert_true(k[3].is_done && k[3].who);
    release(&k[3]);
    vk_clock_advance(2000);
    ask(&k[3], w.a, NULL, "Bearer t");
    assert_false(k[3].is_done);
    vk_clock_thaw();
    fake_run_until(&w.api, &k[3].is_done);
    assert_int_equal(k[3].code, VK_UNAUTHENTICATED);
    for (size_t i = 0; i < 4; i++)
        release(&k[i]);
    token_world_stop(&w);
}

static void a_refused_token_is_remembered_for_a_short_time(void **state)
{
    static const struct fake_step steps[] = {{.body = NO}, {.body = YES}};
    struct token_world w;
    struct asker k;

    (void)state;
    token_world_start(&w, steps, 2);
    ask(&k, w.a, NULL, "Bearer t");
    fake_run_until(&w.api, &k.is_done);
    assert_int_equal(k.code, VK_UNAUTHENTICATED);
    release(&k);
    ask(&k, w.a, NULL, "Bearer t");
    assert_int_equal(k.code, VK_UNAUTHENTICATED);
    release(&k);
    vk_clock_freeze(vk_mono_ms() + BAD_TOKEN_MS, vk_wall_ms());
    ask(&k, w.a, NULL, "Bearer t");
    assert_false(k.is_done);
    vk_clock_thaw();
    fake_run_until(&w.api, &k.is_done);
    assert_non_null(k.who);
    release(&k);
    token_world_stop(&w);
}

static void what_the_api_server_does_not_confirm_is_nobody(void **state)
{
    static const struct {
        struct fake_step steps[1];
        enum vk_code code;
    } table[] = {
        {{{.status = 403, .body = "{\"kind\":\"Status\",\"code\":403}"}}, VK_FORBIDDEN},
        {{{.body = "{}"}}, VK_UNAUTHENTICATED},
        {{{.body = "{\"status\":{\"authenticated\":\"true\"}}"}}, VK_UNAUTHENTICATED},
        {{{.body = "{\"status\":{\"authenticated\":true}}"}}, VK_PROTOCOL},
        {{{.body = "no json"}}, VK_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(table); i++) {
        struct token_world w;
        struct asker k;

        token_world_start(&w, table[i].steps, 1);
        ask(&k, w.a, NULL, "Bearer t");
        fake_run_until(&w.api, &k.is_done);
        assert_null(k.who);
        assert_int_equal(k.code, table[i].code);
        release(&k);
        token_world_stop(&w);
    }
}

static void an_api_server_that_is_away_is_asked_again_and_the_answer_not_remembered(void **state)
{
    static const struct fake_step steps[] = {{.status = 503, .body = ""},
                                             {.status = 503, .body = ""},
                                             {.status = 503, .body = ""},
                                             {.status = 503, .body = ""},
                                             {.body = YES}};
    struct token_world w;
    struct asker k;

    (void)state;
    token_world_start(&w, steps, VK_COUNT(steps));
    ask(&k, w.a, NULL, "Bearer t");
    fake_run_until(&w.api, &k.is_done);
    assert_null(k.who);
    assert_int_equal(w.api.next, 4);
    release(&k);
    ask(&k, w.a, NULL, "Bearer t");
    fake_run_until(&w.api, &k.is_done);
    assert_non_null(k.who);
    release(&k);
    token_world_stop(&w);
}

static void invented_tokens_do_not_flood_the_api_server(void **state)
{
    struct token_world w;
    struct asker *k = vk_calloc(MAX_UNDER_WAY + 1, sizeof(*k));
    char text[64];

    (void)state;
    token_world_start(&w, NULL, 0);
    for (int i = 0; i <= MAX_UNDER_WAY; i++) {
        struct tls_peer peer = {0};

        snprintf(text, sizeof(text), "Bearer t%d", i);
        snprintf(peer.address, sizeof(peer.address), "10.0.0.%d", i);
        ask(&k[i], w.a, &peer, text);
        assert_int_equal(k[i].is_done, i == MAX_UNDER_WAY);
    }
    assert_int_equal(k[MAX_UNDER_WAY].code, VK_THROTTLED);
    for (int i = 0; i <= MAX_UNDER_WAY; i++) {
        authentication_cancel(&k[i].n);
        release(&k[i]);
    }
    vk_free(k);
    token_world_stop(&w);
}

static void tokens_that_one_address_invents_leave_room_for_others(void **state)
{
    static const struct tls_peer stranger = {.address = "10.0.0.1"},
                                 other = {.address = "10.0.0.2"};
    struct token_world w;
    struct asker *k = vk_calloc(MAX_OF_ONE + 3, sizeof(*k));
    char text[64];

    (void)state;
    token_world_start(&w, NULL, 0);
    for (int i = 0; i <= MAX_OF_ONE; i++) {
        snprintf(text, sizeof(text), "Bearer t%d", i);
        ask(&k[i], w.a, &stranger, text);
        assert_int_equal(k[i].is_done, i == MAX_OF_ONE);
    }
    assert_int_equal(k[MAX_OF_ONE].code, VK_THROTTLED);
    /* One that is asked about already costs nothing; and the others are not kept out. */
    ask(&k[MAX_OF_ONE + 1], w.a, &stranger, "Bearer t0");
    ask(&k[MAX_OF_ONE + 2], w.a, &other, "Bearer mine");
    assert_false(k[MAX_OF_ONE + 1].is_done || k[MAX_OF_ONE + 2].is_done);
    for (int i = 0; i < MAX_OF_ONE + 3; i++) {
        authentication_cancel(&k[i].n);
        release(&k[i]);
    }
    vk_free(k);
    token_world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_name_user_and_groups),
        cmocka_unit_test(the_certificate_is_the_credential_that_is_named),
        cmocka_unit_test(headers_that_are_no_bearer_token_ask_nobody),
        cmocka_unit_test(the_api_server_says_whose_a_token_is),
        cmocka_unit_test(a_token_among_the_subprotocols_counts_as_one_of_the_header),
        cmocka_unit_test(equal_tokens_under_way_are_asked_for_once_then_kept_for_their_time),
        cmocka_unit_test(a_refused_token_is_remembered_for_a_short_time),
        cmocka_unit_test(what_the_api_server_does_not_confirm_is_nobody),
        cmocka_unit_test(an_api_server_that_is_away_is_asked_again_and_the_answer_not_remembered),
        cmocka_unit_test(invented_tokens_do_not_flood_the_api_server),
        cmocka_unit_test(tokens_that_one_address_invents_leave_room_for_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
