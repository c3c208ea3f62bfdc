/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/meta.h"

#include <string.h>

#include "base/alloc.h"

/* metav1.Status is small; whatever is larger is not one. */
#define MAX_STATUS_BYTES (64u * 1024)
/* A longer wait that a server names is not believed. */
#define MAX_RETRY_AFTER_S 3600

static const struct json_field owner_reference_fields[] = {
    JSON_STR(struct owner_reference, api_version, "apiVersion", 0),
    JSON_STR(struct owner_reference, kind, "kind", 0),
    JSON_STR(struct owner_reference, name, "name", 0),
    JSON_STR(struct owner_reference, uid, "uid", 0),
    JSON_BOOLEAN(struct owner_reference, controller, "controller"),
    JSON_END,
};
const struct json_field object_meta_fields[] = {
    JSON_STR(struct object_meta, name, "name", 0),
    JSON_STR(struct object_meta, namespace_, "namespace", 0),
    JSON_STR(struct object_meta, uid, "uid", 0),
    JSON_STR(struct object_meta, resource_version, "resourceVersion", 0),
    JSON_STR(struct object_meta, generate_name, "generateName", 0),
    JSON_INT(struct object_meta, generation, "generation", 0, INT64_MIN, INT64_MAX),
    JSON_MAP(struct object_meta, labels, "labels"),
    JSON_MAP(struct object_meta, annotations, "annotations"),
    JSON_TIME(struct object_meta, creation_timestamp_ns, "creationTimestamp"),
    JSON_TIME(struct object_meta, deletion_timestamp_ns, "deletionTimestamp"),
    JSON_INT_HAS(struct object_meta, deletion_grace_period_seconds, has_deletion_grace_period,
                 "deletionGracePeriodSeconds", INT64_MIN, INT64_MAX),
    JSON_ARR(struct object_meta, owner_references, "ownerReferences", owner_reference_fields,
             struct owner_reference),
    JSON_STRINGS(struct object_meta, finalizers, "finalizers"),
    JSON_END,
};

const char *pairs_get(const struct json_pairs *pairs, const char *key)
{
    for (size_t i = 0; i < pairs->n; i++) {
        if (vk_streq(pairs->v[i].key, key))
            return pairs->v[i].value;
    }
    return NULL;
}

/* The first line of text, without control characters, at most as long as an error's message. */
static const char *one_line(struct vk_str text, struct vk_arena *arena)
{
    size_t n = 0;
    char *line;

    text = vk_str_trim(text);
    while (n < text.n && n < 300 && text.p[n] != '\n' && text.p[n] != '\r')
        n++;
    line = vk_arena_str(arena, (struct vk_str){.p = text.p, .n = n});
    for (char *p = line; p < line + n; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
    }
    return line;
}

static void apply_status(struct vk_err *err, const struct json *status)
{
    int64_t seconds = json_int64_or(json_get(status, "details"), "retryAfterSeconds", 0);
    const char *reason = json_string_or(status, "reason", "");

    if (err->retry_after_ms == 0 && seconds > 0)
        err->retry_after_ms = (seconds < MAX_RETRY_AFTER_S ? seconds : MAX_RETRY_AFTER_S) * 1000;
    vk_err_reason(err, reason);
    if (vk_streq(reason, "AlreadyExists"))
        err->code = VK_ALREADY_EXISTS;
    else if (vk_streq(reason, "Expired") || vk_streq(reason, "Gone"))
        err->code = VK_CONFLICT;
}

int meta_status_error(struct vk_err *err, int http_status, struct vk_str body,
                      int64_t retry_after_ms, const char *what)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *status = NULL;
    enum vk_code code = vk_code_of_http(http_status);
    struct vk_err ignored;
    const char *text;

    if (json_parse(body, MAX_STATUS_BYTES, arena, &status, &ignored) < 0)
        status = NULL;
    text = json_string(json_get(status, "message"));
    text = one_line(text ? vk_str_of(text) : status ? VK_STR("") : body, arena);
    vk_err_set(err, code == VK_OK ? VK_PROTOCOL : code, "%s: %s (HTTP %d)", what,
               *text ? text : "the API server gave no reason", http_status);
    err->http_status = http_status;
    err->retry_after_ms = retry_after_ms;
    apply_status(err, status);
    return -(int)err->code;
}
