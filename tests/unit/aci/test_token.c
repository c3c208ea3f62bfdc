/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "aci/auth/token.h"
#include "base/alloc.h"
#include "base/clock.h"

/* A fetcher that answers when the test says so. */
struct hand {
    token_fetched_fn done;
    void *user;
    unsigned fetches, cancels;
    bool freed;
};

static void hand_fetch(void *p, const char *scope, token_fetched_fn done, void *user)
{
    struct hand *h = p;
    assert_string_equal(scope, "the-scope");
    assert_null(h->done);
    h->done = done;
    h->user = user;
    h->fetches++;
}

static void hand_cancel(void *p)
{
    struct hand *h = p;
    h->done = NULL;
    h->cancels++;
}

static void hand_free(void *p)
{
    struct hand *h = p;
    h->freed = true;
}

static const struct token_fetcher_ops hand_ops = {"hand", hand_fetch, hand_cancel, hand_free};

static void answer(struct hand *h, const char *token, int64_t lifetime_ms)
{
    const token_fetched_fn done = h->done;
    assert_non_null(done);
    h->done = NULL;
    done(h->user, vk_str_of(token), lifetime_ms, NULL);
}

static void answer_no(struct hand *h, enum vk_code code, int64_t retry_after_ms)
{
    const token_fetched_fn done = h->done;
    assert_non_null(done);
    struct vk_err err;
    (void)vk_err_set(&err, code, "no");
    err.retry_after_ms = retry_after_ms;
    h->done = NULL;
    done(h->user, VK_STR(""), 0, &err);
}

struct caller {
    unsigned calls;
    char token[32];
    struct vk_err err;
    bool done;
};

static void on_token(void *user, struct vk_str token, const struct vk_err *err)
{
    struct caller *c = user;
    c->calls++;
    c->done = true;
    c->err = err ? *err : (struct vk_err){0};
    (void)snprintf(c->token, sizeof(c->token), "%.*s", (int)token.n, token.p);
}

struct world {
    struct vk_loop *loop;
    struct hand hand;
    struct token_source *source;
};

static int setup(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));
    vk_clock_freeze(1000000, 1700000000000);
    w->loop = vk_loop_new();
    w->source = token_source_new(w->loop, (struct token_fetcher){&hand_ops, &w->hand}, "the-scope");
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    token_source_free(w->source);
    assert_true(w->hand.freed);
    vk_clock_thaw();
    vk_loop_free(w->loop);
    vk_free(w);
    return 0;
}

static void callers_share_one_request(void **state)
{
    struct world *w = *state;
    struct caller a = {0}, b = {0}, c = {0};
    (void)token_source_get(w->source, on_token, &a);
    (void)token_source_get(w->source, on_token, &b);
    token_waiter_cancel(token_source_get(w->source, on_token, &c));
    assert_int_equal(w->hand.fetches, 1);
    assert_int_equal(a.calls, 0);
    answer(&w->hand, "t1", 3600000);
    assert_string_equal(a.token, "t1");
    assert_string_equal(b.token, "t1");
    assert_int_equal(c.calls, 0);
    assert_true(vk_str_is(token_source_peek(w->source), "t1"));
    assert_int_equal(w->hand.fetches, 1);
}

static void a_token_near_its_end_is_refreshed_behind_its_use(void **state)
{
    struct world *w = *state;
    struct caller a = {0};
    (void)token_source_get(w->source, on_token, &a);
    answer(&w->hand, "t1", 3600000);
    vk_clock_advance(3600000 - 5 * 60 * 1000 + 1);
    assert_true(vk_str_is(token_source_peek(w->source), "t1"));
    assert_int_equal(w->hand.fetches, 2);
    answer(&w->hand, "t2", 3600000);
    assert_true(vk_str_is(token_source_peek(w->source), "t2"));
    vk_clock_advance(3600000);
    assert_int_equal(token_source_peek(w->source).n, 0);
}

static void an_invalidated_token_is_not_used_again(void **state)
{
    struct world *w = *state;
    struct caller a = {0}, b = {0};
    (void)token_source_get(w->source, on_token, &a);
    answer(&w->hand, "t1", 3600000);
    token_source_invalidate(w->source, VK_STR("an older one"));
    assert_true(vk_str_is(token_source_peek(w->source), "t1"));
    token_source_invalidate(w->source, VK_STR("t1"));
    assert_int_equal(token_source_peek(w->source).n, 0);
    (void)token_source_get(w->source, on_token, &b);
    answer(&w->hand, "t2", 3600000);
    assert_string_equal(b.token, "t2");
}

static void a_refusal_is_remembered_until_the_back_off_is_over(void **state)
{
    struct world *w = *state;
    struct caller a = {0}, b = {0}, c = {0};
    (void)token_source_get(w->source, on_token, &a);
    answer_no(&w->hand, VK_UNAUTHENTICATED, 20000);
    assert_int_equal(a.err.code, VK_UNAUTHENTICATED);
    (void)token_source_get(w->source, on_token, &b);
    assert_int_equal(b.calls, 0);
    assert_true(vk_loop_run_until(w->loop, &b.done, 60000));
    assert_int_equal(b.err.code, VK_UNAUTHENTICATED);
    assert_int_equal(w->hand.fetches, 1);
    vk_clock_advance(20001);
    (void)token_source_get(w->source, on_token, &c);
    assert_int_equal(w->hand.fetches, 2);
    answer(&w->hand, "t1", 1000);
    assert_string_equal(c.token, "t1");
}

/* Fails ten fetches in a row; gives how long the last failure keeps others from asking. */
static int64_t last_wait_ms(struct world *w, enum vk_code code)
{
    int64_t waited = 0;
    for (int i = 0; i < 10; i++) {
        const unsigned before = w->hand.fetches;
        struct caller c = {0};
        for (waited = 0; w->hand.fetches == before; waited += 500) {
            vk_clock_advance(500);
            struct token_waiter *waiter = token_source_get(w->source, on_token, &c);
            if (w->hand.fetches == before)
                token_waiter_cancel(waiter);
        }
        answer_no(&w->hand, code, 0);
    }
    return waited;
}

static void an_authority_that_is_away_is_asked_more_often_than_one_that_refuses(void **state)
{
    struct world *w = *state;
    assert_in_range(last_wait_ms(w, VK_UNAUTHENTICATED), 40000, 90000);
    assert_in_range(last_wait_ms(w, VK_UNAVAILABLE), 4000, 8500);
    assert_in_range(last_wait_ms(w, VK_TIMEOUT), 4000, 8500);
}

static void freeing_cancels_the_request_under_way(void **state)
{
    struct world *w = *state;
    struct caller a = {0};
    (void)token_source_get(w->source, on_token, &a);
    token_source_free(w->source);
    assert_int_equal(w->hand.cancels, 1);
    assert_int_equal(a.calls, 0);
    w->hand.freed = false;
    w->source = token_source_new(w->loop, (struct token_fetcher){&hand_ops, &w->hand}, "the-scope");
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(callers_share_one_request),
        WITH_WORLD(a_token_near_its_end_is_refreshed_behind_its_use),
        WITH_WORLD(an_invalidated_token_is_not_used_again),
        WITH_WORLD(a_refusal_is_remembered_until_the_back_off_is_over),
        WITH_WORLD(an_authority_that_is_away_is_asked_more_often_than_one_that_refuses),
        WITH_WORLD(freeing_cancels_the_request_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
