/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod refers to at the API server: ConfigMaps, Secrets and service account tokens, each
 * once; and what was read of it, by which environment_ and volume_files_ resolve without I/O.
 */
#pragma once

#include "base/secret.h"
#include "kubelet/api/pod.h"
#include "kubelet/pods/object_data.h"
#include "kubelet/pods/service_environment.h"

struct object_use {
    enum object_kind kind;
    const char *name;
    bool is_mandatory;          /* some use of it is not optional */
    bool is_pull_secret;        /* and used for nothing else: a missing one is skipped */
    struct object_data *object; /* holds a reference; NULL: there is none */
};
struct token_reference {
    const char *audience; /* NULL: the API server's */
    int64_t expiration_seconds;
    const struct vk_secret *token; /* in the arena; NULL until it was issued */
    int64_t expires_wall_ms;       /* 0: not known */
};
struct pod_references {
    const struct pod *pod; /* borrowed */
    struct object_use *objects;
    size_t object_count;
    struct token_reference *tokens;
    size_t token_count;
    /* What the environment says of Services. */
    const struct service_variable *services;
    size_t service_count;
    /* What the downward API says of the node. */
    const struct json_strs *node_ips;
    int64_t node_cpu_milli, node_memory_bytes;
};
/* Fills objects and tokens from the spec, nothing read yet. Lives in the arena, which drops the
 * references to objects when it is freed. */
void pod_references_collect(const struct pod *pod, struct vk_arena *arena,
                            struct pod_references *ret);
/* NULL: no such object exists. It must have been collected. */
const struct object_data *pod_references_object(const struct pod_references *r,
                                                enum object_kind kind, const char *name);
const struct vk_secret *pod_references_token(const struct pod_references *r, const char *audience,
                                             int64_t expiration_seconds);
