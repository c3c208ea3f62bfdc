/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyed work queue with a back-off per key, in the loop. A key waits at most once: adding it again
 * moves it forward, never back. A turn handles a bounded number of keys so that the loop stays
 * responsive. The verbs are client-go's (util/workqueue).
 */
#pragma once

#include "base/loop.h"

struct work_queue;

/* May add, forget and remove any key, this one too. key: borrowed for the call. */
typedef void (*work_fn)(void *user, const char *key);

struct work_queue_config {
    const char *name;           /* static text, for dumps */
    unsigned per_turn;          /* keys handled before the loop gets its turn; 0: 16 */
    int64_t initial_ms, max_ms; /* back-off of add_rate_limited; 0: 1 s and 2 min */
};
struct work_queue *work_queue_new(struct vk_loop *loop, const struct work_queue_config *config,
                                  work_fn fn, void *user);
/* No call of fn afterwards. NULL is fine. */
void work_queue_free(struct work_queue *q);

/* As soon as possible, never from inside this call. */
void work_queue_add(struct work_queue *q, const char *key);
/* Not before delay_ms; an earlier time that the key already has stays. */
void work_queue_add_after(struct work_queue *q, const char *key, int64_t delay_ms);
/* After the key's next back-off, but not before at_least_ms (a peer's Retry-After). Returns the
 * delay. */
int64_t work_queue_add_rate_limited(struct work_queue *q, const char *key, int64_t at_least_ms);
/* The key's back-off starts over. What waits goes on waiting. */
void work_queue_forget(struct work_queue *q, const char *key);
/* Nothing waits for this key any more, and its back-off is forgotten. */
void work_queue_remove(struct work_queue *q, const char *key);
/* Failures in a row: add_rate_limited since the last forget. */
unsigned work_queue_requeues(const struct work_queue *q, const char *key);
/* Keys that wait, now or for a time. */
size_t work_queue_len(const struct work_queue *q);
