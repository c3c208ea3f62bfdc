/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container group as ACI answers it, decoded leniently: unknown members are ignored, odd values
 * count as absent, so that one strange field never hides a pod's state. Source:
 * Microsoft.Container- Instance 2025-09-01 and 2023-05-01; LIST carries no instanceView.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/vk_err.h"

#define CONTAINER_GROUP_MAX_BYTES (4u << 20)

struct group_event {
    const char *name, *message, *type; /* "Pulling", ..., "Normal" or "Warning" */
    int64_t count, first_ns, last_ns;  /* 0: not said */
};
/* ContainerState. state: Waiting, Running, Terminated, or another word; NULL when absent. */
struct group_container_state {
    const char *state, *detail_status;
    int64_t start_ns, finish_ns; /* 0: unknown */
    int64_t exit_code;
    bool has_exit_code;
};
struct group_container_view {
    int64_t restart_count;
    struct group_container_state *current, *previous; /* NULL when absent */
    struct json_array events;                         /* struct group_event */
};
struct group_container {
    const char *name, *image;
    int64_t cpu_milli, memory_bytes;   /* what it asks for, and what is paid for */
    struct group_container_view *view; /* NULL when the answer has none */
};
struct container_group {
    const char *id, *name, *location;
    struct json_pairs tags;
    const char *provisioning_state; /* Pending Creating Succeeded Failed Deleting ... */
    const char *restart_policy;     /* Always OnFailure Never; NULL: not said */
    const char *ip;                 /* NULL while there is none (0.0.0.0 counts as none) */
    const char *state;        /* instanceView.state: Pending Running Stopped Succeeded Failed */
    struct json_array events; /* struct group_event of the group itself */
    struct json_array containers, init_containers; /* struct group_container */
};

/* Errors: VK_INVALID, VK_TOO_LARGE. The group's text lives in the arena; needs at least a name. */
VK_MUST_CHECK int container_group_parse(struct vk_str text, struct vk_arena *arena,
                                        struct container_group *ret, struct vk_err *err);
/* A tag's value, or NULL. Tag names compare case-insensitively, as ARM does. */
const char *container_group_tag(const struct container_group *group, const char *key);
