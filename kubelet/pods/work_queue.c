/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/work_queue.h"

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"

#define DEFAULT_PER_TURN 16
#define DEFAULT_INITIAL_MS 1000
#define DEFAULT_MAX_MS 120000

struct item {
    struct work_queue *queue;
    char *key;
    struct vk_list ready; /* in queue->ready */
    struct vk_timer timer;
    int64_t due_ms; /* while the timer is armed */
    struct backoff backoff;
};

struct work_queue {
    struct vk_loop *loop;
    struct work_queue_config config;
    work_fn fn;
    void *user;
    struct vk_map *items; /* key -> struct item */
    struct vk_list ready;
    struct vk_timer turn;
};

static bool is_waiting(const struct item *i)
{
    return vk_list_is_linked(&i->ready) || vk_timer_is_armed(&i->timer);
}

static void item_free(void *p)
{
    struct item *i = p;

    vk_list_remove(&i->ready);
    vk_timer_disarm(&i->timer);
    vk_free(i->key);
    vk_free(i);
}

/* An item is kept while its key waits or has a back-off to remember. */
static void drop_if_idle(struct item *i)
{
    if (is_waiting(i) || i->backoff.attempts)
        return;
    vk_map_remove(i->queue->items, i->key);
    item_free(i);
}

static void make_ready(struct item *i)
{
    struct work_queue *q = i->queue;

    vk_timer_disarm(&i->timer);
    if (vk_list_is_linked(&i->ready))
        return;
    vk_list_add_tail(&q->ready, &i->ready);
    if (!vk_timer_is_armed(&q->turn))
        vk_timer_arm(&q->turn, 0);
}

static void on_due(void *user)
{
    make_ready(user);
}

static struct item *item_of(struct work_queue *q, const char *key)
{
    struct item *i = vk_map_get(q->items, key);

    if (i)
        return i;
    i = vk_calloc(1, sizeof(*i));
    i->queue = q;
    i->key = vk_strdup(key);
    i->backoff = (struct backoff){.initial_ms = q->config.initial_ms, .max_ms = q->config.max_ms};
    vk_list_init(&i->ready);
    vk_timer_init(&i->timer, q->loop, q->config.name, on_due, i);
    vk_map_put(q->items, key, i);
    return i;
}

static void on_turn(void *user)
{
    struct work_queue *q = user;

    for (unsigned n = 0; n < q->config.per_turn && !vk_list_is_empty(&q->ready); n++) {
        struct item *i = VK_LIST_ENTRY(q->ready.next, struct item, ready);
        char *key VK_AUTOFREE = vk_strdup(i->key);

        vk_list_remove(&i->ready);
        drop_if_idle(i);
        q->fn(q->user, key);
    }
    if (!vk_list_is_empty(&q->ready))
        vk_timer_arm(&q->turn, 0);
}

struct work_queue *work_queue_new(struct vk_loop *loop, const struct work_queue_config *config,
                                  work_fn fn, void *user)
{
    struct work_queue *q = vk_calloc(1, sizeof(*q));

    q->loop = loop;
    q->config = *config;
    if (!q->config.per_turn)
        q->config.per_turn = DEFAULT_PER_TURN;
    if (!q->config.initial_ms)
        q->config.initial_ms = DEFAULT_INITIAL_MS;
    if (!q->config.max_ms)
        q->config.max_ms = DEFAULT_MAX_MS;
    q->fn = fn;
    q->user = user;
    q->items = vk_map_new();
    vk_list_init(&q->ready);
    vk_timer_init(&q->turn, loop, q->config.name, on_turn, q);
    return q;
}

void work_queue_free(struct work_queue *q)
{
    if (!q)
        return;
    vk_timer_disarm(&q->turn);
    vk_map_free(q->items, item_free);
    vk_free(q);
}

void work_queue_add(struct work_queue *q, const char *key)
{
    make_ready(item_of(q, key));
}

static void wait_until(struct item *i, int64_t delay_ms)
{
    int64_t due = vk_mono_ms() + delay_ms;

    if (vk_list_is_linked(&i->ready) || (vk_timer_is_armed(&i->timer) && i->due_ms <= due))
        return;
    i->due_ms = due;
    vk_timer_arm(&i->timer, delay_ms);
}

void work_queue_add_after(struct work_queue *q, const char *key, int64_t delay_ms)
{
    if (delay_ms <= 0)
        work_queue_add(q, key);
    else
        wait_until(item_of(q, key), delay_ms);
}

int64_t work_queue_add_rate_limited(struct work_queue *q, const char *key, int64_t at_least_ms)
{
    struct item *i = item_of(q, key);
    int64_t delay = backoff_next_ms(&i->backoff);

    if (delay < at_least_ms)
        delay = at_least_ms;
    wait_until(i, delay);
    return delay;
}

void work_queue_forget(struct work_queue *q, const char *key)
{
    struct item *i = vk_map_get(q->items, key);

    if (!i)
        return;
    backoff_reset(&i->backoff);
    drop_if_idle(i);
}

void work_queue_remove(struct work_queue *q, const char *key)
{
    struct item *i = vk_map_remove(q->items, key);

    if (i)
        item_free(i);
}

unsigned work_queue_requeues(const struct work_queue *q, const char *key)
{
    const struct item *i = vk_map_get(q->items, key);

    return i ? i->backoff.attempts : 0;
}

size_t work_queue_len(const struct work_queue *q)
{
    size_t it = 0, n = 0;
    const char *key;
    void *value;

    while (vk_map_next(q->items, &it, &key, &value))
        n += is_waiting(value);
    return n;
}
