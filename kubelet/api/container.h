/* SPDX-License-Identifier: Apache-2.0 */
/* core/v1 Container. Source: k8s v1.37.2 staging/src/k8s.io/api/core/v1/types.go. */
#pragma once

#include "base/json.h"

/* configMapKeyRef and secretKeyRef. */
struct key_selector {
    const char *name, *key;
    bool optional;
};
struct field_ref {
    const char *api_version, *field_path;
};
struct resource_field_ref {
    const char *container_name, *resource, *divisor;
};
struct env_var {
    const char *name;
    const char *value; /* NULL when absent: the empty string */
    /* At most one of the sources is set. */
    struct key_selector *config_map_key, *secret_key;
    struct field_ref *field;
    struct resource_field_ref *resource_field;
    bool has_unknown_source; /* valueFrom with a source we do not know (fileKeyRef ...) */
};
struct env_from_source {
    const char *prefix;
    const char *config_map, *secret; /* one of both */
    bool optional;
};
struct container_port {
    const char *name;
    int64_t container_port;
    int64_t host_port;    /* 0: none */
    const char *protocol; /* "TCP" when absent */
};
struct volume_mount {
    const char *name, *mount_path, *sub_path, *sub_path_expr, *mount_propagation,
        *recursive_read_only;
    bool read_only;
};
struct resource_list {
    struct json_pairs requests, limits; /* resource name -> quantity text */
};
struct http_header_field {
    const char *name, *value;
};
struct probe_handler {
    bool has_exec, has_http_get, has_tcp_socket, has_grpc;
    struct json_strs exec_command;
    /* port: number as text, or a port name */
    const char *http_path, *http_port, *http_host, *http_scheme, *http_protocol;
    struct json_array http_headers; /* struct http_header_field */
    const char *tcp_port, *tcp_host;
    int64_t grpc_port;
    const char *grpc_service, *grpc_mode;
    int64_t sleep_seconds; /* lifecycle handlers only */
    bool has_sleep;
};
struct probe {
    struct probe_handler handler;
    int64_t initial_delay_seconds, timeout_seconds, period_seconds, success_threshold,
        failure_threshold; /* Kubernetes' defaults are filled in by the API server */
    int64_t termination_grace_period_seconds;
    bool has_termination_grace_period;
};
struct lifecycle {
    struct probe_handler *post_start, *pre_stop;
    const char *stop_signal;
};
struct container_security_context {
    bool has_run_as_user, has_run_as_group, has_run_as_non_root, has_privileged,
        has_allow_privilege_escalation, has_read_only_root_filesystem;
    int64_t run_as_user, run_as_group;
    bool run_as_non_root, privileged, allow_privilege_escalation, read_only_root_filesystem;
    struct json_strs capabilities_add, capabilities_drop;
    const char *seccomp_type, *seccomp_localhost_profile, *app_armor_type, *proc_mount;
    bool has_se_linux_options, has_windows_options;
};
struct container {
    const char *name, *image, *image_pull_policy, *working_dir;
    struct json_strs command, args;
    struct json_array env;           /* struct env_var */
    struct json_array env_from;      /* struct env_from_source */
    struct json_array ports;         /* struct container_port */
    struct json_array volume_mounts; /* struct volume_mount */
    size_t volume_device_count;
    struct resource_list resources;
    struct probe *liveness_probe, *readiness_probe, *startup_probe;
    struct lifecycle *lifecycle;
    struct container_security_context *security_context;
    const char *restart_policy; /* init containers: "Always" makes a sidecar */
    const char *termination_message_path, *termination_message_policy;
    bool stdin_, stdin_once, tty;
};
/* A native sidecar: an init container that runs beside the containers. */
bool container_is_sidecar(const struct container *init_container);
extern const struct json_field container_fields[];
/* Shared with volumes and pods. */
extern const struct json_field field_ref_fields[], resource_field_ref_fields[],
    key_selector_fields[];
extern const struct json_field resource_list_fields[];
