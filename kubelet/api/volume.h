/* SPDX-License-Identifier: Apache-2.0 */
/* core/v1 Volume. Source: k8s v1.37.2 staging/src/k8s.io/api/core/v1/types.go. */
#pragma once

#include "kubelet/api/container.h"

struct key_to_path {
    const char *key, *path;
    int64_t mode;
    bool has_mode;
};
/* configMap and secret volumes and projections alike. */
struct object_projection {
    const char *name;
    struct json_array items; /* struct key_to_path; none: all keys */
    bool optional;
    int64_t default_mode;
    bool has_default_mode;
};
struct downward_api_file {
    const char *path;
    struct field_ref *field;
    struct resource_field_ref *resource_field;
    int64_t mode;
    bool has_mode;
};
struct downward_api_volume {
    struct json_array items; /* struct downward_api_file */
    int64_t default_mode;
    bool has_default_mode;
};
struct token_projection {
    const char *audience; /* NULL: the API server's */
    int64_t expiration_seconds;
    const char *path;
};
struct projection_source {
    /* exactly one */
    struct object_projection *secret, *config_map;
    struct downward_api_volume *downward_api;
    struct token_projection *service_account_token;
    bool has_unknown; /* clusterTrustBundle, podCertificate ... */
};
struct projected_volume {
    struct json_array sources; /* struct projection_source */
    int64_t default_mode;
    bool has_default_mode;
};
struct empty_dir_volume {
    const char *medium, *size_limit;
};
struct azure_file_volume {
    const char *secret_name, *share_name;
    bool read_only;
};
struct csi_volume {
    const char *driver;
    bool read_only;
    struct json_pairs attributes;
    const char *secret_name;
};
struct persistent_volume_claim_volume {
    const char *claim_name;
    bool read_only;
};
struct git_repo_volume {
    const char *repository, *revision, *directory;
};
struct volume {
    const char *name;
    /* exactly one; unknown_kind names a source that has no struct here ("hostPath", "nfs" ...) */
    struct empty_dir_volume *empty_dir;
    struct object_projection *secret, *config_map;
    struct downward_api_volume *downward_api;
    struct projected_volume *projected;
    struct azure_file_volume *azure_file;
    struct csi_volume *csi;
    struct persistent_volume_claim_volume *persistent_volume_claim;
    struct git_repo_volume *git_repo;
    const char *unknown_kind;
};
extern const struct json_field volume_fields[];
/* A json_decode_fn: an array of volumes into a struct json_array of struct volume. */
int volumes_decode(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                   struct vk_err *err);
