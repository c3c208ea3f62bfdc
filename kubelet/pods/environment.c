/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/environment.h"

#include <string.h>

#include "base/buf.h"
#include "kubelet/pods/downward_api.h"
#include "kubelet/pods/expansion.h"

/* One value; the kernel takes 128 KiB (MAX_ARG_STRLEN). */
#define MAX_VALUE_BYTES (1u << 20)

struct variable {
    const char *name;
    struct vk_str value;
    bool is_secret, is_implied;
};
struct environment {
    const struct pod_references *references;
    const struct container *container;
    struct vk_arena *arena;
    struct variable *v;
    size_t n, cap;
    bool used_secret; /* the last expansion read one */
};

static struct variable *find(const struct environment *e, struct vk_str name)
{
    for (size_t i = 0; i < e->n; i++)
        if (vk_str_is(name, e->v[i].name))
            return &e->v[i];
    return NULL;
}

static void set(struct environment *e, const char *name, struct vk_str value, bool is_secret)
{
    struct variable *v = find(e, vk_str_of(name));

    if (!v) {
        if (e->n == e->cap) {
            struct variable *old = e->v;

            e->cap = e->cap ? e->cap * 2 : 16;
            e->v = vk_arena_array(e->arena, e->cap, sizeof(*e->v));
            if (e->n)
                memcpy(e->v, old, e->n * sizeof(*e->v));
        }
        v = &e->v[e->n++];
        v->name = name;
        v->is_implied = false;
    }
    v->value = value;
    v->is_secret = is_secret;
}

int reference_is_missing(struct vk_err *err, const struct pod *pod, enum object_kind kind,
                         const char *name, const char *key)
{
    static const char *const reasons[2][2] = {
        [OBJECT_CONFIG_MAP] = {"MandatoryConfigMapNotFound", "MandatoryConfigMapKeyNotFound"},
        [OBJECT_SECRET] = {"MandatorySecretNotFound", "MandatorySecretKeyNotFound"},
    };

    if (key)
        vk_err_set(err, VK_NOT_FOUND, "%s %s/%s has no key \"%s\", which the pod refers to",
                   object_kind_name(kind), pod->meta.namespace_, name, key);
    else
        vk_err_set(err, VK_NOT_FOUND, "%s %s/%s, which the pod refers to, does not exist",
                   object_kind_name(kind), pod->meta.namespace_, name);
    return vk_err_reason(err, reasons[kind][key ? 1 : 0]);
}

static int add_all_of(struct environment *e, enum object_kind kind, const char *name,
                      const struct env_from_source *from, struct vk_err *err)
{
    const struct pod_references *r = e->references;
    const struct object_data *o;

    if (vk_str_empty(name))
        return 0;
    o = pod_references_object(r, kind, name);
    if (!o)
        return from->optional ? 0 : reference_is_missing(err, r->pod, kind, name, NULL);
    for (size_t i = 0; i < o->n; i++) {
        const struct object_entry *entry = &o->entries[i];

        if (entry->is_binary)
            continue;
        set(e, vk_arena_printf(e->arena, "%s%s", from->prefix ? from->prefix : "", entry->key),
            entry->value, kind == OBJECT_SECRET);
    }
    return 0;
}

/* *ret_skip: the key is optional and missing. */
static int read_key(const struct environment *e, enum object_kind kind,
                    const struct key_selector *selector, struct vk_str *ret, bool *ret_skip,
                    struct vk_err *err)
{
    const struct pod_references *r = e->references;
    const struct object_data *o = pod_references_object(r, kind, selector->name);
    const struct object_entry *entry = o ? object_data_get(o, selector->key) : NULL;

    if (entry && !entry->is_binary) {
        *ret = entry->value;
        return 0;
    }
    if (selector->optional) {
        *ret_skip = true;
        return 0;
    }
    return reference_is_missing(err, r->pod, kind, selector->name, o ? selector->key : NULL);
}

static struct vk_str value_of_service(const struct pod_references *r, struct vk_str name)
{
    for (size_t i = 0; i < r->service_count; i++)
        if (vk_str_is(name, r->services[i].name))
            return vk_str_of(r->services[i].value);
    return (struct vk_str){0};
}

static struct vk_str lookup(void *user, struct vk_str name)
{
    struct environment *e = user;
    const struct variable *v = find(e, name);

    if (!v)
        return value_of_service(e->references, name);
    e->used_secret |= v->is_secret;
    return v->value.p ? v->value : VK_STR("");
}

static int expand(struct environment *e, const char *text, struct vk_str *ret, struct vk_err *err)
{
    struct vk_buf out VK_BUF_AUTO;
    int rc = 0;

    e->used_secret = false;
    vk_buf_init_secret(&out, MAX_VALUE_BYTES);
    expansion_expand(vk_str_of(text), lookup, e, &out);
    if (out.failed)
        rc = vk_err_set(err, VK_TOO_LARGE, "over %u bytes after $(VAR) was expanded",
                        MAX_VALUE_BYTES);
    else if (e->used_secret && vk_buf_len(&out))
        *ret = vk_secret_reveal(vk_arena_secret(e->arena, vk_buf_peek(&out), vk_buf_len(&out)));
    else
        *ret = vk_str_of(vk_arena_str(e->arena, vk_buf_str(&out)));
    return rc;
}

/* Groups have one address, so both are the same. */
static bool is_pod_address(const struct field_ref *field)
{
    return vk_streq(field->field_path, "status.podIP") ||
           vk_streq(field->field_path, "status.podIPs");
}

static int add_variable(struct environment *e, const struct env_var *v, struct vk_err *err)
{
    struct vk_str value = VK_STR("");
    const char *text = "";
    bool skip = false, is_secret = false;
    int rc = 0;

    if (v->has_unknown_source)
        rc = vk_err_set(err, VK_UNSUPPORTED,
                        "valueFrom: none of configMapKeyRef, secretKeyRef, fieldRef and "
                        "resourceFieldRef, which are "
                        "all that is known before a container runs; use one of them");
    else if (!vk_str_empty(v->value)) {
        rc = expand(e, v->value, &value, err);
        is_secret = e->used_secret;
    } else if (v->field && is_pod_address(v->field)) {
        value = VK_STR(RESOLVED_POD_ADDRESS);
    } else if (v->field) {
        rc = downward_api_field(e->references, v->field, e->arena, &text, err);
        value = vk_str_of(text);
    } else if (v->resource_field) {
        rc = downward_api_resource(e->references, v->resource_field, e->container, e->arena, &text,
                                   err);
        value = vk_str_of(text);
    } else if (v->config_map_key) {
        rc = read_key(e, OBJECT_CONFIG_MAP, v->config_map_key, &value, &skip, err);
    } else if (v->secret_key) {
        rc = read_key(e, OBJECT_SECRET, v->secret_key, &value, &skip, err);
        is_secret = true;
    }
    if (rc < 0)
        return vk_err_wrap(err, "environment variable %s of container %s", v->name,
                           e->container->name);
    if (!skip)
        set(e, v->name, value, is_secret);
    return 0;
}

static void add_services(struct environment *e)
{
    const struct pod_references *r = e->references;

    for (size_t i = 0; i < r->service_count; i++) {
        const struct vk_str name = vk_str_of(r->services[i].name);

        if (find(e, name))
            continue;
        set(e, r->services[i].name, vk_str_of(r->services[i].value), false);
        find(e, name)->is_implied = true;
    }
}

/*
 * What the container runtime of a node adds, and nothing refers to by $(HOSTNAME). The platform
 * names the host as it likes: of the name that a pod asks for, mostly one of a StatefulSet or an
 * indexed Job, this variable is what is left, and where programs look for their ordinal.
 */
static void add_hostname(struct environment *e)
{
    const struct pod_spec *spec = &e->references->pod->spec;
    const char *name =
        vk_str_empty(spec->hostname_override) ? spec->hostname : spec->hostname_override;
    struct variable *v;

    if (vk_str_empty(name) || find(e, VK_STR("HOSTNAME")))
        return;
    set(e, "HOSTNAME", vk_str_of(name), false);
    v = find(e, VK_STR("HOSTNAME"));
    v->is_implied = true;
}

static int fill(struct environment *e, struct vk_err *err)
{
    const struct container *c = e->container;
    const struct env_from_source *from = c->env_from.v;
    const struct env_var *env = c->env.v;

    for (size_t i = 0; i < c->env_from.n; i++) {
        if (add_all_of(e, OBJECT_CONFIG_MAP, from[i].config_map, &from[i], err) < 0 ||
            add_all_of(e, OBJECT_SECRET, from[i].secret, &from[i], err) < 0)
            return vk_err_wrap(err, "envFrom of container %s", c->name);
    }
    for (size_t i = 0; i < c->env.n; i++)
        if (add_variable(e, &env[i], err) < 0)
            return -(int)err->code;
    add_services(e);
    return 0;
}

static int expand_strings(struct environment *e, const struct json_strs *in, const char *what,
                          struct json_strs *ret, struct vk_err *err)
{
    const char **out = vk_arena_array(e->arena, in->n + 1, sizeof(*out));

    for (size_t i = 0; i < in->n; i++) {
        struct vk_str value;

        if (expand(e, in->v[i], &value, err) < 0)
            return vk_err_wrap(err, "%s of container %s", what, e->container->name);
        out[i] = value.p;
    }
    *ret = (struct json_strs){.v = out, .n = in->n};
    return 0;
}

int environment_resolve(const struct pod_references *r, const struct container *c,
                        struct vk_arena *arena, struct resolved_container *ret, struct vk_err *err)
{
    struct environment e = {.references = r, .container = c, .arena = arena};
    struct resolved_container out = {.spec = c};
    struct resolved_env *env;

    if (fill(&e, err) < 0 || expand_strings(&e, &c->command, "command", &out.command, err) < 0 ||
        expand_strings(&e, &c->args, "args", &out.args, err) < 0)
        return -(int)err->code;
    add_hostname(&e);
    env = vk_arena_array(arena, e.n + 1, sizeof(*env));
    for (size_t i = 0; i < e.n; i++) {
        const struct variable *v = &e.v[i];

        env[i].name = v->name;
        env[i].is_implied = v->is_implied;
        if (v->is_secret)
            env[i].secret = vk_arena_secret(arena, v->value.p, v->value.n);
        else
            env[i].value = v->value.p ? vk_arena_str(arena, v->value) : "";
    }
    out.env = env;
    out.env_count = e.n;
    *ret = out;
    return 0;
}
