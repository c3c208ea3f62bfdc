/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/object_data.h"

#include <string.h>

#include "base/alloc.h"
#include "base/crypto.h"
#include "base/json.h"
#include "base/secret.h"

const char *object_kind_name(enum object_kind kind)
{
    return kind == OBJECT_SECRET ? "Secret" : "ConfigMap";
}

/* The tree's copy of a secret must not outlive it in freed memory. */
static void wipe_text(const char *text)
{
    vk_wipe((void *)(uintptr_t)text, strlen(text));
}

static void wipe_members(const struct json *object)
{
    for (const struct json *v = json_first(object); v; v = json_next(v))
        if (json_string(v))
            wipe_text(json_string(v));
}

static struct vk_str keep(struct object_data *o, struct vk_str value)
{
    const struct vk_secret *s;

    if (!value.n)
        return (struct vk_str){.p = "", .n = 0};
    if (o->kind == OBJECT_CONFIG_MAP)
        return (struct vk_str){.p = vk_arena_str(o->arena_, value), .n = value.n};
    s = vk_arena_secret(o->arena_, value.p, value.n);
    return vk_secret_reveal(s);
}

static int read_members(struct object_data *o, const struct json *members, bool base64,
                        struct object_entry *out, struct vk_err *err)
{
    size_t n = 0;

    for (const struct json *v = json_first(members); v; v = json_next(v)) {
        struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
        struct vk_str value = vk_str_of(json_string(v));

        if (!json_string(v))
            return vk_err_set(err, VK_INVALID, "%s %s: value of key %s is no text",
                              object_kind_name(o->kind), o->name, json_key(v));
        if (base64) {
            if (!crypto_base64_decode(value, scratch, &value))
                return vk_err_set(err, VK_INVALID, "%s %s: value of key %s is no base64",
                                  object_kind_name(o->kind), o->name, json_key(v));
        }
        out[n++] = (struct object_entry){
            .key = vk_arena_strdup(o->arena_, json_key(v)),
            .value = keep(o, value),
            .is_binary = base64 && o->kind == OBJECT_CONFIG_MAP,
        };
        o->bytes += value.n;
        if (o->kind == OBJECT_SECRET && value.n)
            vk_wipe((void *)(uintptr_t)value.p, value.n);
    }
    o->n += n;
    return 0;
}

static int read_object(struct object_data *o, const struct json *doc, struct vk_err *err)
{
    const struct json *data = json_get(doc, "data"), *binary = json_get(doc, "binaryData");
    struct object_entry *entries;

    o->name =
        vk_arena_strdup(o->arena_, json_string_or(json_get(doc, "metadata"), "name", "(unnamed)"));
    o->type = vk_arena_strdup(o->arena_, json_string_or(doc, "type", ""));
    entries = vk_arena_array(o->arena_, json_len(data) + json_len(binary) + 1, sizeof(*entries));
    o->entries = entries;
    if (o->kind == OBJECT_SECRET)
        return read_members(o, data, true, entries, err);
    if (read_members(o, data, false, entries, err) < 0)
        return -(int)err->code;
    return read_members(o, binary, true, entries + o->n, err);
}

int object_data_parse(enum object_kind kind, struct vk_str raw, struct object_data **ret,
                      struct vk_err *err)
{
    struct vk_arena *tree VK_ARENA_AUTO = vk_arena_new();
    struct object_data *o;
    const struct json *doc;
    int rc;

    if (json_parse(raw, OBJECT_MAX_BYTES, tree, &doc, err) < 0)
        return vk_err_wrap(err, "%s", object_kind_name(kind));
    o = vk_calloc(1, sizeof(*o));
    o->kind = kind;
    o->refs_ = 1;
    o->arena_ = vk_arena_new();
    rc = read_object(o, doc, err);
    if (kind == OBJECT_SECRET)
        wipe_members(json_get(doc, "data"));
    if (rc < 0) {
        object_data_unref(o);
        return rc;
    }
    *ret = o;
    return 0;
}

struct object_data *object_data_ref(struct object_data *o)
{
    o->refs_++;
    return o;
}

void object_data_unref(struct object_data *o)
{
    if (!o || --o->refs_)
        return;
    vk_arena_free(o->arena_);
    vk_free(o);
}

const struct object_entry *object_data_get(const struct object_data *o, const char *key)
{
    for (size_t i = 0; i < o->n; i++)
        if (vk_streq(o->entries[i].key, key))
            return &o->entries[i];
    return NULL;
}
