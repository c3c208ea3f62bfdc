/* SPDX-License-Identifier: Apache-2.0 */
/* core/v1 PodStatus, read from the API server and written by us. Source: k8s v1.37.2
 * api/core/v1/types.go. */
#pragma once

#include "base/json.h"
#include "base/json_writer.h"
#include "kubelet/api/container.h"

enum container_state_kind {
    CONTAINER_STATE_NONE,
    CONTAINER_WAITING,
    CONTAINER_RUNNING,
    CONTAINER_TERMINATED,
};
struct container_state {
    enum container_state_kind kind;
    const char *reason, *message;
    int64_t exit_code, signal;
    int64_t started_at_ns, finished_at_ns; /* 0: unknown */
    const char *container_id;              /* terminated only */
};
struct container_status {
    const char *name, *image, *image_id, *container_id;
    struct container_state state, last_state;
    bool ready;
    bool has_started, started;
    int64_t restart_count;
    struct resource_list resources; /* what it was given; no news by itself */
};
struct pod_condition {
    const char *type, *status /* "True", "False", "Unknown" */, *reason, *message;
    int64_t last_transition_ns, last_probe_ns;
    int64_t observed_generation;
};
struct pod_status {
    const char *phase; /* Pending Running Succeeded Failed Unknown; NULL: not set */
    const char *reason, *message, *host_ip, *pod_ip, *qos_class, *nominated_node_name;
    struct json_strs pod_ips, host_ips;
    int64_t start_time_ns;
    int64_t observed_generation;
    struct json_array conditions; /* struct pod_condition */
    /* struct container_status */
    struct json_array container_statuses, init_container_statuses, ephemeral_container_statuses;
};
extern const struct json_field pod_status_fields[];

const struct pod_condition *pod_status_condition(const struct pod_status *s, const char *type);
const struct container_status *pod_status_container(const struct pod_status *s, const char *name);
/* Reasons of a container that runs and is told to wait, for its postStart hook. */
#define CONTAINER_HOOK_RUNS "PostStartHookRunning"
#define CONTAINER_HOOK_FAILED "PostStartHookError"
/* It runs, whatever it waits for. */
bool container_status_runs(const struct container_status *c);
/* Deep copy into an arena. */
void pod_status_copy(struct pod_status *dst, const struct pod_status *src, struct vk_arena *arena);
/*
 * Everything that Kubernetes would call semantically equal, but for resources of containers: they
 * come with a new state, and API servers before 1.33 do not keep them.
 */
bool pod_status_equal(const struct pod_status *a, const struct pod_status *b);
/* Writes the members of a status object (between its braces). */
void pod_status_write(struct json_writer *w, const struct pod_status *s);
