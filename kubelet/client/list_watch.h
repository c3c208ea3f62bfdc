/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reflector: keeps a consumer in step with one resource by LIST in pages and WATCH with bookmarks.
 * 410 Gone lists again; every failure backs off with jitter; a watch that says nothing past its
 * timeout is cut. Source: k8s v1.37.2 client-go tools/cache/reflector.go.
 */
#pragma once

#include "kubelet/client/rest.h"

struct list_watch;

struct list_watch_events {
    /* An object was added or changed. raw: its JSON, borrowed. An error is logged with the object
     * and skipped. */
    int (*upsert)(void *user, struct vk_str raw, struct vk_err *err);
    /* raw: last state of the deleted object. */
    int (*deleted)(void *user, struct vk_str raw, struct vk_err *err);
    /*
     * A full LIST begins and has ended: between both, each live object came by upsert; what did not
     * come is gone. ended is called only for a complete list.
     */
    void (*list_begin)(void *user);
    void (*list_end)(void *user);
};
struct list_watch_config {
    const char *path;           /* "/api/v1/pods" */
    const char *field_selector; /* "spec.nodeName=x", or NULL */
    const char *label_selector;
    const char *what;        /* "pods of node x", for messages */
    size_t max_object_bytes; /* 0: 4 MiB */
    int64_t page_size;       /* 0: 500 */
    int64_t watch_timeout_s; /* 0: 300 to 600, random */
};
struct list_watch *list_watch_new(struct vk_loop *loop, struct rest_client *client,
                                  const struct list_watch_config *config,
                                  const struct list_watch_events *events, void *user);
void list_watch_free(struct list_watch *lw);
/* A complete LIST arrived at least once. */
bool list_watch_has_synced(const struct list_watch *lw);
/* The last error while it does not work, or NULL: for node conditions and readyz. */
const struct vk_err *list_watch_error(const struct list_watch *lw);
/* For metrics, since the beginning. A list of several pages is one. */
struct list_watch_counts {
    uint64_t lists, watches, failures; /* of watches */
};
void list_watch_count(const struct list_watch *lw, struct list_watch_counts *ret);
