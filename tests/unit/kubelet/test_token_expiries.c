/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/token_expiries.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "kubelet/pods/token_claims.h"
#include "tests/unit/kubelet/memory_provider.h"

#define DAY_MS (24ll * 3600 * 1000)
#define EXP_MS 1800000000000ll

struct fixture {
    struct world *w;
    struct token_expiries *tokens;
    struct pod *pod;
    int64_t now_ms;
};

static int setup(void **state)
{
    struct fixture *f = vk_calloc(1, sizeof(*f));
    struct vk_err err;

    f->w = world_new();
    f->now_ms = vk_wall_ms();
    f->tokens = token_expiries_new(f->w->loop, f->w->events);
    if (pod_parse(
            VK_STR("{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"u1\"},"
                   "\"spec\":{\"containers\":[]}}"),
            &f->pod, &err) < 0)
        fail_msg("%s", err.msg);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    pod_unref(f->pod);
    token_expiries_free(f->tokens);
    world_free(f->w);
    vk_free(f);
    return 0;
}

static struct token_expiry_counts counts_of(const struct fixture *f)
{
    struct token_expiry_counts c;

    token_expiries_count(f->tokens, &c);
    return c;
}

static void turn(struct fixture *f)
{
    static const bool never;

    for (int i = 0; i < 5; i++)
        vk_loop_run_until(f->w->loop, &never, 0);
}

static void note(struct fixture *f, int64_t in_ms)
{
    const struct token_reference tokens[] = {
        {.audience = "far", .expires_wall_ms = f->now_ms + 365 * DAY_MS},
        {.audience = "vault", .expires_wall_ms = f->now_ms + in_ms},
        {.audience = "unknown"}};

    token_expiries_note(f->tokens, f->pod, tokens, VK_COUNT(tokens));
}

static void give(struct fixture *f, int64_t in_ms)
{
    note(f, in_ms);
    token_expiries_take(f->tokens, "u1");
}

static void one_event_comes_when_four_fifths_of_the_life_are_over(void **state)
{
    struct fixture *f = *state;

    give(f, 10 * DAY_MS);
    turn(f);
    assert_int_equal(counts_of(f).expiring, 0);
    assert_true(counts_of(f).first_expiry_wall_ms >= f->now_ms + 10 * DAY_MS);
    give(f, 400);
    assert_int_equal(counts_of(f).expiring, 0);
    FAKE_EVENTUALLY(&f->w->api, counts_of(f).expiring == 1);
    assert_true(vk_wall_ms() >= f->now_ms + 320);
    FAKE_EVENTUALLY(&f->w->api, strstr(vk_buf_peek(&f->w->api.event_log), "TokenExpiresSoon: the "
                                                                          "token for vault"));
    assert_null(strstr(strstr(vk_buf_peek(&f->w->api.event_log), "vault") + 1, "vault"));
}

static void a_pod_that_is_gone_or_got_new_tokens_is_forgotten(void **state)
{
    struct fixture *f = *state;

    give(f, DAY_MS);
    token_expiries_forget(f->tokens, "u1");
    assert_int_equal(counts_of(f).first_expiry_wall_ms, 0);
    token_expiries_forget(f->tokens, "u1");
    give(f, DAY_MS);
    give(f, 2 * DAY_MS);
    assert_int_equal(counts_of(f).first_expiry_wall_ms, f->now_ms + 2 * DAY_MS);
    token_expiries_note(f->tokens, f->pod, NULL, 0);
    token_expiries_take(f->tokens, "u1");
    assert_int_equal(counts_of(f).first_expiry_wall_ms, 0);
    token_expiries_free(NULL);
}

static void tokens_of_a_group_that_was_refused_do_not_count(void **state)
{
    struct fixture *f = *state;

    note(f, DAY_MS);
    assert_int_equal(counts_of(f).first_expiry_wall_ms, 0);
    note(f, 2 * DAY_MS);
    token_expiries_take(f->tokens, "u1");
    assert_int_equal(counts_of(f).first_expiry_wall_ms, f->now_ms + 2 * DAY_MS);
    /* An update: the group runs on with the tokens that it has. */
    note(f, 9 * DAY_MS);
    assert_int_equal(counts_of(f).first_expiry_wall_ms, f->now_ms + 2 * DAY_MS);
    token_expiries_note(f->tokens, f->pod, NULL, 0);
    assert_int_equal(counts_of(f).first_expiry_wall_ms, f->now_ms + 2 * DAY_MS);
    token_expiries_forget(f->tokens, "u1");
    token_expiries_take(f->tokens, "u1");
    assert_int_equal(counts_of(f).first_expiry_wall_ms, 0);
}

static void what_a_former_process_knew_is_in_the_annotation(void **state)
{
    struct fixture *f = *state;
    struct pod *pod;
    char text[VK_TIME_MAX];
    struct vk_err err;

    assert_false(token_expiries_text(f->tokens, "u1", text));
    give(f, 2 * DAY_MS);
    assert_true(token_expiries_text(f->tokens, "u1", text));
    if (pod_parse(
            vk_str_of("{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"u2\","
                      "\"annotations\":{\"aci-kubelet.io/token-expiry\":"
                      "\"2026-01-02T00:00:00Z\"}},\"spec\":{\"containers\":[]},\"status\":{"
                      "\"startTime\":\"2026-01-01T00:00:00Z\"}}"),
            &pod, &err) < 0)
        fail_msg("%s", err.msg);
    token_expiries_restore(f->tokens, f->pod);
    token_expiries_restore(f->tokens, pod);
    pod_unref(pod);
    assert_true(token_expiries_text(f->tokens, "u2", text));
    assert_string_equal(text, "2026-01-02T00:00:00Z");
    FAKE_EVENTUALLY(&f->w->api, counts_of(f).expiring == 1);
    FAKE_EVENTUALLY(&f->w->api,
                    strstr(vk_buf_peek(&f->w->api.event_log), "a token expires at 2026"));
}

static void the_expiry_is_read_from_the_token(void **state)
{
    static const struct {
        const char *claims;
        int64_t expected_ms; /* 0: none */
    } rows[] = {{"{\"aud\":[\"vault\"],\"exp\":1800000000,\"iat\":1}", EXP_MS},
                {"{\"exp\":\"soon\"}", 0},
                {"{\"exp\":0}", 0},
                {"{\"exp\":-5}", 0},
                {"{\"exp\":9223372036854775807}", 0},
                {"{}", 0},
                {"no JSON", 0}};
    static const char *const bad[] = {"", "the-token", "a.b", "a.%%%.c", "..", "a..c"};
    int64_t ms = -1;

    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_buf token VK_BUF_AUTO;

        vk_buf_init(&token, 4096);
        vk_buf_adds(&token, "eyJhbGciOiJSUzI1NiJ9.");
        crypto_base64url(vk_str_of(rows[i].claims), &token);
        vk_buf_adds(&token, ".c2ln");
        ms = -1;
        assert_int_equal(token_claims_expiry_ms(vk_buf_str(&token), &ms), rows[i].expected_ms != 0);
        assert_int_equal(ms, rows[i].expected_ms ? rows[i].expected_ms : -1);
    }
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_false(token_claims_expiry_ms(vk_str_of(bad[i]), &ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_event_comes_when_four_fifths_of_the_life_are_over,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_pod_that_is_gone_or_got_new_tokens_is_forgotten, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(tokens_of_a_group_that_was_refused_do_not_count, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_a_former_process_knew_is_in_the_annotation, setup,
                                        teardown),
        cmocka_unit_test(the_expiry_is_read_from_the_token),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
