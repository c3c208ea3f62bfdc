/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/throttle.h"

#include <assert.h>

#include "aci/token_bucket.h"
#include "base/alloc.h"
#include "base/map.h"

/* One namespace's requests of one kind and priority. Exists while it has some. */
struct throttle_owner {
    struct vk_list link; /* in turn */
    struct vk_list tickets;
    char *name;
};

struct queue {
    struct vk_list owners; /* whose turn it is, first */
    struct vk_map *by_name;
    size_t waiting;
};

struct throttle {
    struct queue queues[THROTTLE_PRIORITIES][THROTTLE_KINDS];
    struct token_bucket buckets[THROTTLE_KINDS];
    struct sliding_window creates, deletes;
    bool is_creates_turn; /* a stop had the last one */
    size_t max_in_flight, waiting;
    size_t in_flight[THROTTLE_KINDS];
    uint64_t sent[THROTTLE_KINDS], throttled[THROTTLE_KINDS];
};

struct throttle *throttle_new(const struct throttle_limits *limits, int64_t now_ms)
{
    struct throttle *t = vk_calloc(1, sizeof(*t));
    for (int p = 0; p < THROTTLE_PRIORITIES; p++) {
        for (int k = 0; k < THROTTLE_KINDS; k++) {
            vk_list_init(&t->queues[p][k].owners);
            t->queues[p][k].by_name = vk_map_new();
        }
    }
    for (int k = 0; k < THROTTLE_KINDS; k++)
        token_bucket_init(&t->buckets[k], limits->buckets[k].size, limits->buckets[k].rate_per_s,
                          now_ms);
    sliding_window_init(&t->creates, limits->creates, limits->create_count);
    sliding_window_init(&t->deletes, limits->deletes, limits->delete_count);
    t->max_in_flight = limits->max_in_flight;
    return t;
}

void throttle_free(struct throttle *t)
{
    if (!t)
        return;
    assert(t->waiting == 0);
    for (int p = 0; p < THROTTLE_PRIORITIES; p++) {
        for (int k = 0; k < THROTTLE_KINDS; k++)
            vk_map_free(t->queues[p][k].by_name, NULL);
    }
    sliding_window_release(&t->creates);
    sliding_window_release(&t->deletes);
    vk_free(t);
}

static struct queue *queue_of(struct throttle *t, const struct throttle_ticket *ticket)
{
    return &t->queues[ticket->priority][ticket->kind];
}

static struct throttle_owner *owner_of(struct queue *q, const char *name)
{
    struct throttle_owner *owner = vk_map_get(q->by_name, name);
    if (owner)
        return owner;
    owner = vk_calloc(1, sizeof(*owner));
    owner->name = vk_strdup(name);
    vk_list_init(&owner->tickets);
    vk_list_init(&owner->link);
    vk_list_add_tail(&q->owners, &owner->link);
    (void)vk_map_put(q->by_name, name, owner);
    return owner;
}

static void enter(struct throttle *t, struct throttle_ticket *ticket, const char *name, bool first)
{
    struct queue *q = queue_of(t, ticket);
    struct throttle_owner *owner = owner_of(q, name ? name : "");
    ticket->owner_ = owner;
    ticket->state_ = TICKET_WAITING;
    vk_list_init(&ticket->link_);
    if (first)
        vk_list_add_head(&owner->tickets, &ticket->link_);
    else
        vk_list_add_tail(&owner->tickets, &ticket->link_);
    q->waiting++;
    t->waiting++;
}

bool throttle_enter(struct throttle *t, struct throttle_ticket *ticket, const char *owner,
                    int64_t now_ms)
{
    assert(ticket->state_ == TICKET_IDLE);
    if (t->waiting >= THROTTLE_MAX_WAITING)
        return false;
    ticket->queued_ms_ = now_ms;
    enter(t, ticket, owner, false);
    return true;
}

/* Out of its queue. Who had its turn goes to the end. */
static void take_out(struct throttle *t, struct throttle_ticket *ticket)
{
    struct queue *q = queue_of(t, ticket);
    struct throttle_owner *owner = ticket->owner_;
    vk_list_remove(&ticket->link_);
    ticket->owner_ = NULL;
    q->waiting--;
    t->waiting--;
    vk_list_remove(&owner->link);
    if (!vk_list_is_empty(&owner->tickets)) {
        vk_list_add_tail(&q->owners, &owner->link);
        return;
    }
    (void)vk_map_remove(q->by_name, owner->name);
    vk_free(owner->name);
    vk_free(owner);
}

static struct throttle_ticket *first_of(const struct queue *q)
{
    if (vk_list_is_empty(&q->owners))
        return NULL;
    const struct throttle_owner *owner = VK_LIST_ENTRY(q->owners.next, struct throttle_owner, link);
    return VK_LIST_ENTRY(owner->tickets.next, struct throttle_ticket, link_);
}

static struct sliding_window *window_of(struct throttle *t, const struct throttle_ticket *ticket)
{
    if (!ticket->is_group_write || ticket->kind == THROTTLE_READS)
        return NULL;
    return ticket->kind == THROTTLE_DELETES ? &t->deletes : &t->creates;
}

/* Users' requests find some tokens left by the tracker, which never stops asking. */
static int64_t reserve_of(const struct throttle *t, const struct throttle_ticket *ticket)
{
    const struct token_bucket *b = &t->buckets[ticket->kind];
    return ticket->priority >= THROTTLE_TRACK ? b->size / 20 : 0;
}

static int64_t wait_of(struct throttle *t, const struct throttle_ticket *ticket, int64_t now_ms)
{
    const struct sliding_window *window = window_of(t, ticket);
    const int64_t own = window ? sliding_window_wait_ms(window, now_ms) : 0;
    if (own < 0)
        return -1;
    const int64_t bucket =
        token_bucket_wait_ms(&t->buckets[ticket->kind], now_ms, reserve_of(t, ticket));
    return own > bucket ? own : bucket;
}

static size_t total_in_flight(const struct throttle *t)
{
    size_t n = 0;
    for (int k = 0; k < THROTTLE_KINDS; k++)
        n += t->in_flight[k];
    return n;
}

static void go(struct throttle *t, struct throttle_ticket *ticket, int64_t now_ms)
{
    take_out(t, ticket);
    ticket->state_ = TICKET_GONE;
    token_bucket_take(&t->buckets[ticket->kind], now_ms);
    struct sliding_window *window = window_of(t, ticket);
    if (window) {
        sliding_window_take(window);
    }
    if (ticket->kind == THROTTLE_WRITES)
        t->is_creates_turn = ticket->priority == THROTTLE_STOP;
    t->in_flight[ticket->kind]++;
    t->sent[ticket->kind]++;
}

/* The most urgent first; stops and creates in turn. */
static int priority_at(const struct throttle *t, int place)
{
    if (!t->is_creates_turn)
        return place;
    return place == THROTTLE_STOP     ? THROTTLE_CREATE
           : place == THROTTLE_CREATE ? THROTTLE_STOP
                                      : place;
}

struct throttle_ticket *throttle_next(struct throttle *t, int64_t now_ms, bool reads_only,
                                      int64_t *ret_wait_ms)
{
    const bool is_full = t->max_in_flight && total_in_flight(t) >= t->max_in_flight;
    int64_t soonest = -1;
    for (int place = 0; place < THROTTLE_PRIORITIES; place++) {
        const int p = priority_at(t, place);
        /* The end of some request under way wakes the others. */
        if (is_full && p > THROTTLE_USER)
            break;
        for (int k = 0; k < (reads_only ? 1 : THROTTLE_KINDS); k++) {
            struct throttle_ticket *ticket = first_of(&t->queues[p][k]);
            if (!ticket)
                continue;
            const int64_t wait = wait_of(t, ticket, now_ms);
            if (wait == 0) {
                go(t, ticket, now_ms);
                return ticket;
            }
            if (wait > 0 && (soonest < 0 || wait < soonest))
                soonest = wait;
        }
    }
    *ret_wait_ms = soonest;
    return NULL;
}

/* is_counted: it may have reached ACI's own limits. */
static void land(struct throttle *t, struct throttle_ticket *ticket, int64_t now_ms,
                 bool is_counted)
{
    assert(ticket->state_ == TICKET_GONE);
    ticket->state_ = TICKET_IDLE;
    t->in_flight[ticket->kind]--;
    struct sliding_window *window = window_of(t, ticket);
    if (window)
        sliding_window_end(window, now_ms, is_counted);
}

void throttle_done(struct throttle *t, struct throttle_ticket *ticket, int64_t now_ms,
                   const struct throttle_answer *answer)
{
    land(t, ticket, now_ms, !answer || !answer->is_throttled);
    if (!answer)
        return;
    struct token_bucket *bucket = &t->buckets[ticket->kind];
    struct sliding_window *window = window_of(t, ticket);
    if (answer->remaining >= 0)
        token_bucket_learn(bucket, now_ms, answer->remaining, (int64_t)t->in_flight[ticket->kind]);
    const int64_t own[] = {answer->remaining_5m, answer->remaining_1h};
    for (size_t i = 0; window && i < VK_COUNT(own); i++) {
        if (own[i] >= 0)
            sliding_window_learn(window, i, now_ms, own[i]);
    }
    if (!answer->is_throttled)
        return;
    t->throttled[ticket->kind]++;
    if (answer->is_group_limit && window)
        sliding_window_pause(window, now_ms, answer->retry_after_ms);
    else
        token_bucket_pause(bucket, now_ms, answer->retry_after_ms);
}

void throttle_again(struct throttle *t, struct throttle_ticket *ticket, const char *owner)
{
    assert(ticket->state_ == TICKET_IDLE);
    enter(t, ticket, owner, true);
}

void throttle_leave(struct throttle *t, struct throttle_ticket *ticket, int64_t now_ms)
{
    if (ticket->state_ == TICKET_WAITING)
        take_out(t, ticket);
    else if (ticket->state_ == TICKET_GONE)
        land(t, ticket, now_ms, true);
    ticket->state_ = TICKET_IDLE;
}

bool throttle_is_waiting(const struct throttle_ticket *ticket)
{
    return ticket->state_ == TICKET_WAITING;
}

static int64_t longest_wait(const struct queue *q, int64_t now_ms)
{
    int64_t longest = 0;
    VK_LIST_FOREACH(it, &q->owners)
    {
        const struct throttle_owner *owner = VK_LIST_ENTRY(it, struct throttle_owner, link);
        const struct throttle_ticket *ticket =
            VK_LIST_ENTRY(owner->tickets.next, struct throttle_ticket, link_);
        if (now_ms - ticket->queued_ms_ > longest)
            longest = now_ms - ticket->queued_ms_;
    }
    return longest;
}

void throttle_describe(struct throttle *t, int64_t now_ms, struct throttle_state *ret)
{
    *ret = (struct throttle_state){0};
    for (int k = 0; k < THROTTLE_KINDS; k++) {
        for (int p = 0; p < THROTTLE_PRIORITIES; p++) {
            const int64_t wait = longest_wait(&t->queues[p][k], now_ms);
            ret->waiting[p] += t->queues[p][k].waiting;
            if (wait > ret->longest_wait_ms[p])
                ret->longest_wait_ms[p] = wait;
        }
        ret->in_flight[k] = t->in_flight[k];
        ret->size[k] = t->buckets[k].size;
        ret->left[k] = token_bucket_left(&t->buckets[k], now_ms);
        ret->sent[k] = t->sent[k];
        ret->throttled[k] = t->throttled[k];
    }
}
