/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often the pods of one controller may fail because this node can't run them. A ReplicaSet or a
 * StatefulSet makes a new pod for each one that failed, at once and without end, and the scheduler
 * may bind it here again: some 15 pods a second. The first fails at once, those after it in
 * doubling distances. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "kubelet/api/meta.h"

struct refusal_pace;

/* The distance to the first and the greatest one; 0: 1 s and 2 min. */
struct refusal_pace *refusal_pace_new(int64_t initial_ms, int64_t max_ms);
/* NULL is fine. */
void refusal_pace_free(struct refusal_pace *p);

/*
 * A pod of that controller (its UID) would fail. 0: it may, and that is noted. Else for how many ms
 * it waits before it asks again; another one may be faster then. now_ms: monotonic. A controller
 * whose pods have not failed for a while after they could starts over.
 */
int64_t refusal_pace_wait(struct refusal_pace *p, const char *controller, int64_t now_ms);

/*
 * The controller that replaces a failed pod, with no end; NULL: there is none. A Job's ends by its
 * backoffLimit and has a back-off of its own. Borrows.
 */
const struct owner_reference *refusal_controller(const struct object_meta *pod);
/* Its failed pods come back to this node for sure: no scheduler comes in between. */
bool refusal_is_daemon(const struct owner_reference *controller);
