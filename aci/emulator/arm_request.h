/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request to ARM or to an identity endpoint, from its route to its answer. It outlives its
 * client: work that was begun is finished, only the answer goes nowhere.
 */
#pragma once

#include "aci/emulator/emulator.h"

struct arm_request;
struct route;
typedef void (*arm_handler_fn)(struct arm_request *r);

struct arm_request {
    struct vk_list link;
    struct emulator *emulator;
    struct http_exchange *x; /* NULL once the client went away */
    struct vk_arena *arena;  /* owned */
    struct vk_str body;      /* once it is kept: in the arena */
    const struct route *route;
    const char *method, *path, *query, *host; /* in the arena */
    /* What the path names; NULL where it does not. */
    const char *tenant, *subscription, *resource_group, *group, *container, *location, *operation;
    const char *api_version;
    char request_id[37], correlation_id[37];
    int64_t began_us;
    const struct fault_action *fault; /* ordered for it, or NULL */
    struct vk_timer delay;
    void *data; /* the handler's, in the arena */
};

/* A request whose answer is given later stays in emulator->requests. */
struct arm_request *arm_request_new(struct emulator *e, struct http_exchange *x);
/* Without an answer: at the end of the process. */
void arm_request_free(struct arm_request *r);

/* A query parameter (name case-insensitive), decoded, or NULL. */
const char *arm_request_query(struct arm_request *r, const char *name);
const char *arm_request_header(const struct arm_request *r, const char *name);
struct vk_str arm_request_body(const struct arm_request *r);
/* The body is good from now on also after the client went away. */
void arm_request_keep_body(struct arm_request *r);
/* "https://HOST" as the client addressed it. */
const char *arm_request_origin(struct arm_request *r);

/* Answers; each frees the request. Headers come before. */
void arm_reply_header(struct arm_request *r, const char *name, const char *value);
void arm_reply_json(struct arm_request *r, int status, struct vk_str body);
void arm_reply_empty(struct arm_request *r, int status);
void arm_reply_error(struct arm_request *r, const struct vk_err *err);
/* The last known or current state of a group. */
void arm_reply_group(struct arm_request *r, int status, const struct group *g);
/* The same text, in the request's arena. */
struct vk_str arm_reply_render(struct arm_request *r, const struct group *g);
