/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/volume_files.h"

#include <stdlib.h>
#include <string.h>

#include "kubelet/pods/downward_api.h"
#include "kubelet/pods/environment.h"

#define DEFAULT_MODE 0644

struct files {
    const struct pod_references *references;
    struct vk_arena *arena;
    struct resolved_file *v;
    size_t n, cap;
    int64_t default_mode;
};

static bool is_safe_path(const char *path)
{
    struct vk_str rest = vk_str_of(path);

    if (!rest.n || path[0] == '/')
        return false;
    while (rest.n) {
        struct vk_str part = vk_str_cut(rest, '/', &rest);

        if (!part.n || vk_str_is(part, ".") || vk_str_is(part, ".."))
            return false;
    }
    return path[strlen(path) - 1] != '/';
}

static int put(struct files *f, const char *path, struct vk_str content, bool is_secret,
               int64_t mode, struct vk_err *err)
{
    struct resolved_file *file = NULL;

    if (vk_str_empty(path) || !is_safe_path(path))
        return vk_err_set(err, VK_INVALID, "path \"%s\" does not stay inside the volume",
                          path ? path : "");
    for (size_t i = 0; i < f->n && !file; i++)
        if (vk_streq(f->v[i].path, path))
            file = &f->v[i];
    if (!file) {
        if (f->n == f->cap) {
            struct resolved_file *old = f->v;

            f->cap = f->cap ? f->cap * 2 : 8;
            f->v = vk_arena_array(f->arena, f->cap, sizeof(*f->v));
            if (f->n)
                memcpy(f->v, old, f->n * sizeof(*f->v));
        }
        file = &f->v[f->n++];
    }
    *file = (struct resolved_file){.path = path,
                                   .content = content.p ? content : VK_STR(""),
                                   .is_secret = is_secret,
                                   .mode = mode};
    return 0;
}

static int add_object(struct files *f, enum object_kind kind, const struct object_projection *p,
                      struct vk_err *err)
{
    const struct pod_references *r = f->references;
    const struct object_data *o = pod_references_object(r, kind, p->name);
    const struct key_to_path *items = p->items.v;
    bool is_secret = kind == OBJECT_SECRET;

    if (!o)
        return p->optional ? 0 : reference_is_missing(err, r->pod, kind, p->name, NULL);
    for (size_t i = 0; !p->items.n && i < o->n; i++)
        if (put(f, o->entries[i].key, o->entries[i].value, is_secret, f->default_mode, err) < 0)
            return -(int)err->code;
    for (size_t i = 0; i < p->items.n; i++) {
        const struct object_entry *entry = object_data_get(o, items[i].key);

        if (!entry && p->optional)
            continue;
        if (!entry)
            return reference_is_missing(err, r->pod, kind, p->name, items[i].key);
        if (put(f, items[i].path, entry->value, is_secret,
                items[i].has_mode ? items[i].mode : f->default_mode, err) < 0)
            return -(int)err->code;
    }
    return 0;
}

static int add_downward(struct files *f, const struct downward_api_volume *d, struct vk_err *err)
{
    const struct downward_api_file *item = d->items.v;

    for (size_t i = 0; i < d->items.n; i++) {
        const char *text = "";
        int rc = 0;

        if (item[i].field)
            rc = downward_api_field(f->references, item[i].field, f->arena, &text, err);
        else if (item[i].resource_field)
            rc = downward_api_resource(f->references, item[i].resource_field, NULL, f->arena, &text,
                                       err);
        if (rc < 0)
            return vk_err_wrap(err, "file %s", item[i].path);
        if (put(f, item[i].path, vk_str_of(text), false,
                item[i].has_mode ? item[i].mode : f->default_mode, err) < 0)
            return -(int)err->code;
    }
    return 0;
}

static int add_token(struct files *f, const struct token_projection *t, struct vk_err *err)
{
    const struct vk_secret *token =
        pod_references_token(f->references, t->audience, t->expiration_seconds);

    if (!token)
        return vk_err_set(err, VK_UNAVAILABLE, "no token was issued for file %s", t->path);
    return put(f, t->path, vk_secret_reveal(token), true, f->default_mode, err);
}

static int add_projected(struct files *f, const struct projected_volume *p, struct vk_err *err)
{
    const struct projection_source *s = p->sources.v;

    for (size_t i = 0; i < p->sources.n; i++) {
        int rc = 0;

        if (s[i].secret)
            rc = add_object(f, OBJECT_SECRET, s[i].secret, err);
        else if (s[i].config_map)
            rc = add_object(f, OBJECT_CONFIG_MAP, s[i].config_map, err);
        else if (s[i].downward_api)
            rc = add_downward(f, s[i].downward_api, err);
        else if (s[i].service_account_token)
            rc = add_token(f, s[i].service_account_token, err);
        else
            rc = vk_err_set(
                err, VK_UNSUPPORTED,
                "source %zu of the projected volume is none of secret, configMap, downwardAPI and "
                "serviceAccountToken; use one of them",
                i);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int64_t mode_of(bool has, int64_t mode)
{
    return has ? mode : DEFAULT_MODE;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(((const struct resolved_file *)a)->path, ((const struct resolved_file *)b)->path);
}

/* *ret_is_files: the volume is one of ours. */
static int resolve_volume(struct files *f, const struct volume *v, bool *ret_is_files,
                          struct vk_err *err)
{
    const struct object_projection *object = v->secret ? v->secret : v->config_map;

    *ret_is_files = true;
    if (object) {
        f->default_mode = mode_of(object->has_default_mode, object->default_mode);
        return add_object(f, v->secret ? OBJECT_SECRET : OBJECT_CONFIG_MAP, object, err);
    }
    if (v->downward_api) {
        f->default_mode = mode_of(v->downward_api->has_default_mode, v->downward_api->default_mode);
        return add_downward(f, v->downward_api, err);
    }
    if (v->projected) {
        f->default_mode = mode_of(v->projected->has_default_mode, v->projected->default_mode);
        return add_projected(f, v->projected, err);
    }
    *ret_is_files = false;
    return 0;
}

int volume_files_resolve(const struct pod_references *r, struct vk_arena *arena,
                         const struct resolved_volume **ret, size_t *ret_count, struct vk_err *err)
{
    const struct json_array *list = &r->pod->spec.volumes;
    const struct volume *volumes = list->v;
    struct resolved_volume *out = vk_arena_array(arena, list->n + 1, sizeof(*out));
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++) {
        struct files f = {.references = r, .arena = arena};
        bool is_files;

        if (!pod_mounts_volume(r->pod, volumes[i].name))
            continue;
        if (resolve_volume(&f, &volumes[i], &is_files, err) < 0)
            return vk_err_wrap(err, "volume %s", volumes[i].name);
        if (!is_files)
            continue;
        if (f.n)
            qsort(f.v, f.n, sizeof(*f.v), compare_paths);
        out[n++] =
            (struct resolved_volume){.name = volumes[i].name, .files = f.v, .file_count = f.n};
    }
    *ret = out;
    *ret_count = n;
    return 0;
}
