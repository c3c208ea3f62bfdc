/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/event_queue.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"

/* In the order in which they make room. */
enum rank { RANK_REPEAT, RANK_NORMAL, RANK_WARNING };
#define RANKS 3

struct event_queue {
    struct vk_list waiting[RANKS];
    struct vk_map *by_name; /* "namespace/name" of the Event -> struct pending_event */
    size_t len, max;
    uint64_t number;
    void (*dropped)(void *user, const struct pending_event *e);
    void *user;
};

struct event_queue *event_queue_new(size_t max_waiting,
                                    void (*dropped)(void *user, const struct pending_event *e),
                                    void *user)
{
    struct event_queue *q = vk_calloc(1, sizeof(*q));

    for (size_t i = 0; i < RANKS; i++)
        vk_list_init(&q->waiting[i]);
    q->by_name = vk_map_new();
    q->max = max_waiting;
    q->dropped = dropped;
    q->user = user;
    return q;
}

void event_free(struct pending_event *e)
{
    vk_free(e);
}

void event_queue_free(struct event_queue *q)
{
    if (!q)
        return;
    for (size_t i = 0; i < RANKS; i++)
        VK_LIST_FOREACH(link, &q->waiting[i])
    event_free(VK_LIST_ENTRY(link, struct pending_event, link));
    vk_map_free(q->by_name, NULL);
    vk_free(q);
}

static char *key_of(const struct pending_event *e)
{
    return vk_asprintf("%s/%s", e->about.namespace_ ? e->about.namespace_ : "", e->name);
}

static enum rank rank_of(const struct pending_event *e)
{
    if (!vk_streq(e->type, "Normal"))
        return RANK_WARNING;
    return e->step == EVENT_CREATE ? RANK_NORMAL : RANK_REPEAT;
}

/* Both passes over the texts of an event: with to NULL, how much room they need; then their copies.
 */
static size_t pack(const char **text, char *to)
{
    size_t n;

    if (!*text)
        return 0;
    n = strlen(*text) + 1;
    if (to) {
        memcpy(to, *text, n);
        *text = to;
    }
    return n;
}

static size_t pack_all(struct pending_event *e, char *to)
{
    const char **texts[] = {
        &e->about.kind,
        &e->about.namespace_,
        &e->about.name,
        &e->about.uid,
        &e->about.api_version,
        &e->about.field_path,
        &e->about.resource_version,
        &e->type,
        &e->reason,
        &e->message,
        &e->name,
        &e->counted_key,
    };
    size_t n = 0;

    for (size_t i = 0; i < VK_COUNT(texts); i++)
        n += pack(texts[i], to ? to + n : NULL);
    return n;
}

static struct pending_event *copy(const struct pending_event *e)
{
    struct pending_event from = *e;
    struct pending_event *out;

    from.type = e->type ? e->type : "";
    from.reason = e->reason ? e->reason : "";
    from.message = e->message ? e->message : "";
    out = vk_malloc(sizeof(*out) + pack_all(&from, NULL));
    *out = from;
    (void)pack_all(out, (char *)(out + 1));
    vk_list_init(&out->link);
    return out;
}

static void take_out(struct event_queue *q, struct pending_event *e)
{
    char *key VK_AUTOFREE = key_of(e);

    vk_list_remove(&e->link);
    (void)vk_map_remove(q->by_name, key);
    q->len--;
}

/* False: what is new is worth no more than anything that waits. */
static bool make_room(struct event_queue *q, enum rank rank)
{
    for (enum rank r = RANK_REPEAT; r < rank; r++) {
        struct pending_event *oldest;

        if (vk_list_is_empty(&q->waiting[r]))
            continue;
        oldest = VK_LIST_ENTRY(q->waiting[r].next, struct pending_event, link);
        take_out(q, oldest);
        q->dropped(q->user, oldest);
        event_free(oldest);
        return true;
    }
    return false;
}

/* The Event will be written with what is true by then. */
static struct pending_event *merge(struct event_queue *q, const struct pending_event *e,
                                   struct pending_event *waiting)
{
    struct pending_event newer = *waiting;
    struct pending_event *merged;

    newer.message = e->message;
    newer.count = e->count;
    newer.last_ns = e->last_ns;
    merged = copy(&newer);
    vk_list_add_tail(&waiting->link, &merged->link); /* in its place in the order */
    take_out(q, waiting);
    event_free(waiting);
    return merged;
}

void event_queue_add(struct event_queue *q, const struct pending_event *e)
{
    char *key VK_AUTOFREE = key_of(e);
    struct pending_event *waiting = vk_map_get(q->by_name, key);
    const enum rank rank = rank_of(e);
    struct pending_event *added;

    if (waiting) {
        added = merge(q, e, waiting);
    } else if (q->len >= q->max && !make_room(q, rank)) {
        q->dropped(q->user, e);
        return;
    } else {
        added = copy(e);
        added->number = q->number++;
        vk_list_add_tail(&q->waiting[rank], &added->link);
    }
    (void)vk_map_put(q->by_name, key, added);
    q->len++;
}

struct pending_event *event_queue_take(struct event_queue *q)
{
    struct pending_event *oldest = NULL;

    for (size_t i = 0; i < RANKS; i++) {
        struct pending_event *e;

        if (vk_list_is_empty(&q->waiting[i]))
            continue;
        e = VK_LIST_ENTRY(q->waiting[i].next, struct pending_event, link);
        if (!oldest || e->number < oldest->number)
            oldest = e;
    }
    if (oldest)
        take_out(q, oldest);
    return oldest;
}

size_t event_queue_len(const struct event_queue *q)
{
    return q->len;
}
