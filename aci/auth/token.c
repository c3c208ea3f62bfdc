/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/auth/token.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"

/* Refresh this long before the end, or after three quarters of a short life. */
#define REFRESH_AHEAD_MS (5ll * 60 * 1000)
/* A token that ends within this time is not handed out: the request must still arrive. */
#define MARGIN_MS 2000
#define AWAY_MAX_MS 8000

struct token_waiter {
    struct vk_list link;
    struct token_source *source;
    token_fn fn;
    void *user;
};

struct token_source {
    struct token_fetcher fetcher;
    char *scope;
    struct vk_secret token;
    int64_t refresh_mono_ms, end_mono_ms;
    bool fetching;
    struct vk_err failure; /* of the last fetch; code VK_OK when it succeeded */
    int64_t retry_mono_ms;
    struct backoff backoff;
    struct vk_list waiters;
    struct vk_timer deliver; /* answers waiters from the cache or the remembered failure */
};

static bool has_good_token(const struct token_source *s)
{
    return !vk_secret_is_empty(&s->token) && vk_mono_ms() < s->end_mono_ms;
}

static void deliver(struct token_source *s)
{
    const bool good = has_good_token(s);
    struct vk_err failure = s->failure;
    if (!good && failure.code != VK_OK && failure.retry_after_ms == 0) {
        const int64_t left = s->retry_mono_ms - vk_mono_ms();
        failure.retry_after_ms = left > 0 ? left : 0;
    }
    /* Callbacks may add waiters (they wait for the next delivery) or cancel others. */
    struct vk_list ready;
    vk_list_init(&ready);
    while (!vk_list_is_empty(&s->waiters)) {
        struct vk_list *first = s->waiters.next;
        vk_list_remove(first);
        vk_list_add_tail(&ready, first);
    }
    while (!vk_list_is_empty(&ready)) {
        struct token_waiter *w = VK_LIST_ENTRY(ready.next, struct token_waiter, link);
        vk_list_remove(&w->link);
        const token_fn fn = w->fn;
        void *user = w->user;
        vk_free(w);
        if (good)
            fn(user, vk_secret_reveal(&s->token), NULL);
        else
            fn(user, VK_STR(""), &failure);
    }
}

static void start_fetch(struct token_source *s);

static void on_fetched(void *user, struct vk_str token, int64_t lifetime_ms,
                       const struct vk_err *err)
{
    struct token_source *s = user;
    s->fetching = false;
    const int64_t now = vk_mono_ms();
    if (err) {
        s->failure = *err;
        int64_t wait = backoff_next_ms(&s->backoff);
        if (err->code != VK_UNAUTHENTICATED && wait > AWAY_MAX_MS)
            wait = AWAY_MAX_MS;
        if (err->retry_after_ms > wait)
            wait = err->retry_after_ms;
        s->retry_mono_ms = now + wait;
        log_v(2, "Token request failed", LS("source", s->fetcher.ops->name), LERR(err),
              LI("retryMs", wait));
    } else {
        vk_secret_set(&s->token, token.p, token.n);
        const int64_t ahead =
            lifetime_ms / 4 < REFRESH_AHEAD_MS ? lifetime_ms / 4 : REFRESH_AHEAD_MS;
        const int64_t margin = lifetime_ms / 8 < MARGIN_MS ? lifetime_ms / 8 : MARGIN_MS;
        s->refresh_mono_ms = now + lifetime_ms - ahead;
        s->end_mono_ms = now + lifetime_ms - margin;
        s->failure = (struct vk_err){0};
        s->retry_mono_ms = 0;
        backoff_reset(&s->backoff);
        log_v(2, "Got a token", LS("source", s->fetcher.ops->name), LI("lifetimeMs", lifetime_ms));
    }
    deliver(s);
}

static void start_fetch(struct token_source *s)
{
    if (s->fetching || vk_mono_ms() < s->retry_mono_ms)
        return;
    s->fetching = true;
    s->fetcher.ops->fetch(s->fetcher.p, s->scope, on_fetched, s);
}

static void on_deliver(void *user)
{
    struct token_source *s = user;
    if (!s->fetching || has_good_token(s))
        deliver(s);
}

struct token_source *token_source_new(struct vk_loop *loop, struct token_fetcher fetcher,
                                      const char *scope)
{
    assert(fetcher.ops && scope);
    struct token_source *s = vk_calloc(1, sizeof(*s));
    s->fetcher = fetcher;
    s->scope = vk_strdup(scope);
    s->backoff = (struct backoff){.initial_ms = 1000, .max_ms = 60000};
    vk_list_init(&s->waiters);
    vk_timer_init(&s->deliver, loop, "token", on_deliver, s);
    return s;
}

void token_source_free(struct token_source *s)
{
    if (!s)
        return;
    if (s->fetching)
        s->fetcher.ops->cancel(s->fetcher.p);
    s->fetcher.ops->free(s->fetcher.p);
    vk_timer_disarm(&s->deliver);
    VK_LIST_FOREACH(it, &s->waiters)
    {
        struct token_waiter *w = VK_LIST_ENTRY(it, struct token_waiter, link);
        vk_list_remove(it);
        vk_free(w);
    }
    vk_secret_release(&s->token);
    vk_free(s->scope);
    vk_free(s);
}

struct vk_str token_source_peek(struct token_source *s)
{
    if (!has_good_token(s))
        return VK_STR("");
    if (vk_mono_ms() >= s->refresh_mono_ms)
        start_fetch(s);
    return vk_secret_reveal(&s->token);
}

struct token_waiter *token_source_get(struct token_source *s, token_fn fn, void *user)
{
    struct token_waiter *w = vk_calloc(1, sizeof(*w));
    *w = (struct token_waiter){.source = s, .fn = fn, .user = user};
    vk_list_init(&w->link);
    vk_list_add_tail(&s->waiters, &w->link);
    if (!has_good_token(s) || vk_mono_ms() >= s->refresh_mono_ms)
        start_fetch(s);
    if (!s->fetching || has_good_token(s))
        vk_timer_arm(&s->deliver, 0);
    return w;
}

void token_waiter_cancel(struct token_waiter *w)
{
    if (!w)
        return;
    vk_list_remove(&w->link);
    vk_free(w);
}

void token_source_invalidate(struct token_source *s, struct vk_str token)
{
    if (vk_str_eq(vk_secret_reveal(&s->token), token))
        vk_secret_release(&s->token);
}
