/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/reviews.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/map.h"
#include "base/secret.h"
#include "kubelet/server/expiring_cache.h"

#define ASK_MS 10000
/* Pauses between tries where the API server is away: 0.5 s and on by half more. */
static const int64_t pauses_ms[] = {500, 750, 1125};

struct reviews {
    struct vk_loop *loop;
    struct reviews_config config;
    struct expiring_cache *yes, *no;
    struct vk_map *under_way; /* key -> struct review */
};

struct review {
    struct reviews *owner;
    char *key, *asker;
    struct vk_buf body;
    struct vk_list waits;
    struct rest_call *call;
    struct vk_timer again;
    size_t tries;
};

/* An answer that is kept. */
struct kept {
    struct vk_arena *arena;
    struct review_answer answer;
};

static void kept_free(void *p)
{
    struct kept *k = p;

    vk_arena_free(k->arena);
    vk_free(k);
}

static void review_free(struct review *q)
{
    vk_timer_disarm(&q->again);
    rest_cancel(q->call);
    vk_buf_release_secret(&q->body);
    vk_free(q->key);
    vk_free(q->asker);
    vk_free(q);
}

static void review_free_unasked(void *p)
{
    review_free(p);
}

struct reviews *reviews_new(struct vk_loop *loop, const struct reviews_config *config)
{
    struct reviews *r = vk_calloc(1, sizeof(*r));

    r->loop = loop;
    r->config = *config;
    r->yes = expiring_cache_new(config->max_yes, kept_free);
    r->no = expiring_cache_new(config->max_no, kept_free);
    r->under_way = vk_map_new();
    return r;
}

void reviews_free(struct reviews *r)
{
    if (!r)
        return;
    vk_map_free(r->under_way, review_free_unasked);
    expiring_cache_free(r->yes);
    expiring_cache_free(r->no);
    vk_free(r);
}

void review_wait_init(struct review_wait *wait)
{
    *wait = (struct review_wait){0};
    vk_list_init(&wait->link_);
}

void review_wait_cancel(struct review_wait *wait)
{
    vk_list_remove(&wait->link_);
}

/* A callback may cancel other waits, and ask anew. */
static void tell(struct review *q, const struct review_answer *answer, const struct vk_err *err)
{
    while (!vk_list_is_empty(&q->waits)) {
        struct review_wait *wait = VK_LIST_ENTRY(q->waits.next, struct review_wait, link_);

        vk_list_remove(&wait->link_);
        wait->fn(wait->user, answer, err);
    }
}

static void finish(struct review *q, struct kept *kept, const struct vk_err *err)
{
    struct reviews *r = q->owner;
    bool is_kept = false;

    vk_map_remove(r->under_way, q->key);
    if (kept) {
        int64_t ttl_ms = kept->answer.yes ? r->config.yes_ttl_ms : r->config.no_ttl_ms;

        is_kept = ttl_ms > 0;
        if (is_kept)
            expiring_cache_put(kept->answer.yes ? r->yes : r->no, q->key, kept, ttl_ms);
    }
    tell(q, kept ? &kept->answer : NULL, err);
    if (kept && !is_kept)
        kept_free(kept);
    review_free(q);
}

static bool is_worth_another_try(const struct review *q, const struct vk_err *err)
{
    return q->tries <= VK_COUNT(pauses_ms) &&
           (err->code == VK_UNAVAILABLE || err->code == VK_THROTTLED || err->code == VK_INTERNAL);
}

static void on_answer(void *user, struct vk_str body, const struct vk_err *err)
{
    struct review *q = user;
    struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
    struct kept *kept;
    const struct json *root;
    struct vk_err failure;

    q->call = NULL;
    if (err) {
        if (is_worth_another_try(q, err))
            vk_timer_arm(&q->again, pauses_ms[q->tries - 1]);
        else
            finish(q, NULL, err);
        return;
    }
    kept = vk_calloc(1, sizeof(*kept));
    kept->arena = vk_arena_new_sized(256);
    if (json_parse(body, q->owner->config.max_answer_bytes, scratch, &root, &failure) < 0 ||
        q->owner->config.decode(root, kept->arena, &kept->answer, &failure) < 0) {
        kept_free(kept);
        vk_err_wrap(&failure, "%s", q->owner->config.what);
        finish(q, NULL, &failure);
        return;
    }
    finish(q, kept, NULL);
}

static void ask(void *user)
{
    struct review *q = user;
    const struct reviews_config *config = &q->owner->config;

    q->tries++;
    q->call = rest_start(config->client, &(struct rest_request){
                                             .method = "POST",
                                             .path = config->path,
                                             .body = vk_buf_str(&q->body),
                                             .changes_nothing = true,
                                             .deadline_ms = ASK_MS,
                                             .what = config->what,
                                             .on_done = on_answer,
                                             .user = q,
                                         });
}

static struct review *review_new(struct reviews *r, const char *key, const char *asker,
                                 struct vk_str body)
{
    struct review *q = vk_calloc(1, sizeof(*q));

    q->owner = r;
    q->key = vk_strdup(key);
    q->asker = vk_strdup(asker);
    vk_buf_init_secret(&q->body, body.n);
    vk_buf_addstr(&q->body, body);
    vk_list_init(&q->waits);
    vk_timer_init(&q->again, r->loop, "review", ask, q);
    vk_map_put(r->under_way, key, q);
    return q;
}

/* True: there is no room for another question, at all or of this asker's. */
static bool is_full(const struct reviews *r, const char *asker)
{
    const size_t max_of_one = r->config.max_of_one;
    size_t it = 0, of_one = 0;
    void *other;

    if (vk_map_len(r->under_way) >= r->config.max_under_way)
        return true;
    while (max_of_one && vk_map_next(r->under_way, &it, NULL, &other))
        of_one += vk_streq(((const struct review *)other)->asker, asker);
    return max_of_one && of_one >= max_of_one;
}

void reviews_ask(struct reviews *r, const char *key, const char *asker, struct vk_str body,
                 struct review_wait *wait)
{
    struct kept *kept = expiring_cache_get(r->yes, key);
    struct review *q = vk_map_get(r->under_way, key);
    bool is_new = !q;

    if (!kept)
        kept = expiring_cache_get(r->no, key);
    if (kept) {
        wait->fn(wait->user, &kept->answer, NULL);
        return;
    }
    if (is_new && is_full(r, asker)) {
        struct vk_err err;

        vk_err_set(&err, VK_THROTTLED, "%s: too many questions are under way", r->config.what);
        wait->fn(wait->user, NULL, &err);
        return;
    }
    if (is_new)
        q = review_new(r, key, asker, body);
    vk_list_add_tail(&q->waits, &wait->link_);
    if (is_new)
        ask(q);
}
