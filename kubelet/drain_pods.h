/* SPDX-License-Identifier: Apache-2.0 */
/* The pods of a node that is being drained: listed again and again, evicted or deleted. */
#pragma once

#include "base/map.h"
#include "kubelet/client/rest.h"

/* One pod, from the first list that names it until one that does not. */
struct drain_pod {
    struct drain_pods *all;
    char *namespace_, *name, *uid;
    bool is_daemon;      /* a DaemonSet's: evicting it only brings the next one */
    bool is_managed;     /* some controller makes it anew elsewhere */
    bool is_finished;    /* Succeeded or Failed */
    bool is_going;       /* deletion was asked for */
    bool was_told;       /* that its budget holds it back */
    uint64_t seen_in;    /* number of the last list */
    int64_t due_mono_ms; /* of the next try */
    struct rest_call *call;
};

struct drain_pods_config {
    struct rest_client *client;
    const char *node_name;
    void (*progress)(void *user, const char *text);
    /* A list is complete; err: it failed. */
    void (*listed)(void *user, const struct vk_err *err);
    /* A removal is refused for good. */
    void (*failed)(void *user, const struct vk_err *err);
    void *user;
};
struct drain_pods;
struct drain_pods *drain_pods_new(const struct drain_pods_config *config);
/* NULL is fine. */
void drain_pods_free(struct drain_pods *p);

/* Begins a list unless one is under way. */
void drain_pods_list(struct drain_pods *p);
/*
 * Those of DaemonSets or the others: asks for the removal of each that is not going yet, 16 at a
 * time; call it again after each list. Others are evicted, 429 is tried again after 5 s.
 */
void drain_pods_remove(struct drain_pods *p, bool daemons);
size_t drain_pods_count(const struct drain_pods *p, bool daemons);
/* Names of pods, not finished, that no controller would make anew; "" when there are none. */
void drain_pods_unmanaged(const struct drain_pods *p, char *out, size_t size);
bool drain_pods_is_daemon(const struct drain_pods *p, const char *uid);
