/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a container group PUT, decoded: what the life cycle and the validation read. What is
 * answered later is written from the kept tree by group_view, which never touches secrets.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "aci/emulator/engine.h"
#include "base/json.h"

struct port_spec {
    int64_t port;
    const char *protocol; /* NULL: TCP */
};
struct env_spec {
    const char *name, *value, *secure_value;
};
/* 0: not given. Units: thousandths of a CPU; bytes, a GB being 10^9. */
struct resource_spec {
    int64_t cpu_milli, memory_bytes;
    bool gpu;
};
struct mount_spec {
    const char *name, *path, *sub_path;
    bool read_only;
};
struct security_spec {
    bool privileged, allow_escalation, has_allow_escalation;
    struct json_strs add, drop;
    int64_t run_as_user, run_as_group;
    bool has_user, has_group;
};
/* 0: not given. */
struct probe_spec {
    struct json_strs command;
    const struct engine_http *http; /* or NULL */
    int64_t initial_delay_s, period_s, failure_threshold, timeout_s;
};
struct container_spec {
    const char *name;
    struct container_spec_properties {
        const char *image;
        struct json_strs command;
        struct json_array ports;  /* struct port_spec */
        struct json_array env;    /* struct env_spec */
        struct json_array mounts; /* struct mount_spec */
        struct {
            struct resource_spec requests, limits;
        } resources;
        const struct security_spec *security; /* or NULL */
        const struct probe_spec *liveness;    /* or NULL */
    } properties;
};
struct volume_spec {
    const char *name;
    bool empty_dir, secret, secret_reference;
    const struct engine_git *git_repo; /* or NULL */
    struct engine_file *files;         /* secret; content wiped with the arena */
    size_t file_count;
    struct azure_file_spec {
        const char *share, *account, *key, *key_reference;
        bool read_only;
    } *azure_file; /* or NULL */
};
struct credential_spec {
    const char *server, *username, *password, *password_reference, *identity;
};
struct ip_spec {
    const char *type, *dns_name_label;
    struct json_array ports; /* struct port_spec */
};
struct subnet_spec {
    const char *id;
};
struct dns_spec {
    struct json_strs name_servers;
    const char *search_domains, *options;
};

struct group_spec {
    struct vk_arena *arena;  /* owned */
    const struct json *root; /* the whole body, secrets included; lives in the arena */
    const char *location;
    struct json_pairs tags;
    struct json_strs zones;
    struct group_spec_properties {
        struct json_array containers;      /* struct container_spec */
        struct json_array init_containers; /* struct container_spec */
        struct json_array volumes;         /* struct volume_spec */
        struct json_array credentials;     /* struct credential_spec */
        struct json_array subnets;         /* struct subnet_spec */
        const struct ip_spec *ip;          /* or NULL */
        const struct dns_spec *dns;        /* or NULL */
        const char *os_type, *restart_policy, *sku, *priority;
    } properties;
};

/* Owns: the caller frees with group_spec_free. Errors: 400 InvalidRequestContent naming the member.
 */
VK_MUST_CHECK int group_spec_parse(struct vk_str body, struct group_spec **ret, struct vk_err *err);
/* NULL is fine. Wipes secrets. */
void group_spec_free(struct group_spec *spec);

/* "Always", "OnFailure" or "Never". */
const char *group_spec_restart_policy(const struct group_spec *spec);
/* Sums of the containers' requests. */
struct resource_spec group_spec_requests(const struct group_spec *spec);
/* The i-th container, init containers first; NULL behind the last. */
const struct container_spec *group_spec_container(const struct group_spec *spec, size_t index,
                                                  bool *ret_is_init);
size_t group_spec_container_count(const struct group_spec *spec);
/* Credential for an image's registry, or NULL. An image without a registry is at index.docker.io or
 * docker.io. */
const struct credential_spec *group_spec_credential(const struct group_spec *spec,
                                                    const char *image);
