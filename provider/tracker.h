/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Knows which groups exist and how their pods are. ARM allows 25 reads a second, so one GET per pod
 * and tick does not scale: LIST, each second while something changes, shows existence and
 * provisioningState of all; GET goes first to groups that a LIST change or a write made suspect,
 * then to groups in transition, then round robin to the rest, each within 90 s at 1,000 groups. All
 * of it stays below 80 % of ARM's reads. Reports upwards only what changed. GET decides: a group
 * that it does not find twice in a row is gone, whatever LIST goes on showing.
 */
#pragma once

#include "base/loop.h"
#include "provider/tracked_pod.h"

struct tracker;

struct tracker_config {
    struct container_groups *groups; /* borrowed */
    struct arm_client *arm;          /* borrowed; tells what is left of ARM's buckets */
    void (*on_listed)(void *user); /* after each complete LIST, for the orphan sweep; may be NULL */
    void *user;
};
struct tracker *tracker_new(struct vk_loop *loop, const struct tracker_config *config);
/* Begins with a LIST; the synced upcall follows once one succeeded. Text is copied. */
void tracker_start(struct tracker *t, const struct provider_start *start);
/* No upcall and no read afterwards. */
void tracker_stop(struct tracker *t);
/* No write may be under way. NULL is fine. */
void tracker_free(struct tracker *t);

/* One complete LIST was read. */
bool tracker_is_synced(const struct tracker *t);
/* The next LIST begins at that time at the latest, unless lists fail: then it waits for its turn.
 */
void tracker_list_by(struct tracker *t, int64_t mono_ms);
/* Why the last LIST failed, or NULL. */
const struct vk_err *tracker_list_error(const struct tracker *t);
/* How many groups of this node the last LIST named. */
size_t tracker_listed_count(const struct tracker *t);
const char *tracker_cluster_id(const struct tracker *t);
const char *tracker_node_name(const struct tracker *t);
/* NULL before the start and after the stop. */
const struct provider_upcalls *tracker_upcalls(const struct tracker *t);

/* NULL when it is not known. */
struct tracked_pod *tracker_find(const struct tracker *t, const char *uid);
/* Finds, or starts to remember. */
struct tracked_pod *tracker_get(struct tracker *t, const struct pod_identity *id);
/* fn must not remove pods. */
void tracker_foreach(struct tracker *t, void (*fn)(void *user, struct tracked_pod *pod),
                     void *user);

/*
 * Something beside ACI's answers says that the pod's containers may have changed: its group is read
 * next, 2 s after its last read at the soonest.
 */
void tracker_hint(struct tracker *t, const char *uid);
/* The group exists (adopted, or its PUT was accepted): read it from now on. */
void tracker_group_exists(struct tracker *t, struct tracked_pod *pod);
/* The group was deleted by us: nothing is reported any more. */
void tracker_group_deleted(struct tracker *t, struct tracked_pod *pod);
/* Removes the pod, now or when its write ended (the writer calls tracker_release then). */
void tracker_forget(struct tracker *t, struct tracked_pod *pod);
/* A write ended: removes the pod if it was forgotten meanwhile. */
void tracker_release(struct tracker *t, struct tracked_pod *pod);
/* True when the group is this pod's: uid, cluster and node tags are ours. */
bool tracker_is_ours(const struct tracker *t, const struct tracked_pod *pod,
                     const struct container_group *group);
