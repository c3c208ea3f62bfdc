/* SPDX-License-Identifier: Apache-2.0 */
/* metav1.ObjectMeta as far as we use it, and the reading of metav1.Status. */
#pragma once

#include "base/json.h"

struct owner_reference {
    const char *api_version, *kind, *name, *uid;
    bool controller;
};

struct object_meta {
    const char *name, *namespace_, *uid, *resource_version, *generate_name;
    int64_t generation;
    struct json_pairs labels, annotations;
    int64_t creation_timestamp_ns;
    int64_t deletion_timestamp_ns; /* 0: not being deleted */
    int64_t deletion_grace_period_seconds;
    bool has_deletion_grace_period;
    struct json_array owner_references; /* struct owner_reference */
    struct json_strs finalizers;
};
extern const struct json_field object_meta_fields[];

/* Value of a label or annotation, or NULL. */
const char *pairs_get(const struct json_pairs *pairs, const char *key);

/*
 * Turns an API server's answer (metav1.Status body, or any text) into err: code by HTTP status,
 * reason by status.reason, retry_after_ms by details.retryAfterSeconds. what: "get pod
 * default/web".
 */
int meta_status_error(struct vk_err *err, int http_status, struct vk_str body,
                      int64_t retry_after_ms, const char *what);
