/* SPDX-License-Identifier: Apache-2.0 */
/* The emulator put together: what all its request handlers share. */
#pragma once

#include "aci/emulator/faults.h"
#include "aci/emulator/groups.h"
#include "aci/emulator/lifecycle.h"
#include "aci/emulator/metrics.h"
#include "aci/emulator/operations.h"
#include "aci/emulator/options.h"
#include "aci/emulator/rate_limits.h"
#include "aci/emulator/request_stats.h"
#include "aci/emulator/stream_sessions.h"
#include "aci/emulator/tokens.h"
#include "base/http_server.h"
#include "base/list.h"

struct surroundings;

struct emulator {
    struct vk_loop *loop;                   /* borrowed */
    const struct emulator_options *options; /* borrowed */
    struct engine *engine;                  /* owned */
    struct storage_accounts *accounts;
    struct lifecycle *lifecycle;
    struct groups *groups;
    struct operations *operations;
    struct tokens *tokens;
    struct faults *faults;
    struct request_stats *stats;
    struct surroundings *surroundings;
    struct stream_sessions *sessions;
    struct metrics *metrics;
    struct vk_list realtime; /* struct realtime: the ports inside of sandboxes */
    struct engine_watch realtime_watch;
    struct vk_list streams; /* struct exec_stream */
    int64_t quota_groups, quota_cores;
    bool attach_replays; /* an attach first sends what was written before */
    struct rate_limits *rates;
    struct vk_list requests; /* struct arm_request being answered */
    struct vk_list puts;     /* struct put whose pulls or latency go on */
    struct http_server *arm, *control, *imds;
    /* What ARM appends to the URLs of operations; see operation_reply.c. */
    char *operation_signature;
};

/* Takes the engine, also on failure. Errors: a port that cannot be had, a bad certificate. */
VK_MUST_CHECK int emulator_new(struct vk_loop *loop, const struct emulator_options *options,
                               struct engine *engine, struct emulator **ret, struct vk_err *err);
/* Kills all containers. NULL is fine. */
void emulator_free(struct emulator *e);
