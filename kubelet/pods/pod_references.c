/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/pod_references.h"

#include <string.h>

struct collector {
    struct pod_references *out;
    struct vk_arena *arena;
    size_t object_cap, token_cap;
};

static void *grow(struct collector *c, void *old, size_t n, size_t *cap, size_t size)
{
    void *p;

    if (n < *cap)
        return old;
    *cap = *cap ? *cap * 2 : 8;
    p = vk_arena_array(c->arena, *cap, size);
    if (n)
        memcpy(p, old, n * size);
    return p;
}

static struct object_use *find_object(const struct pod_references *r, enum object_kind kind,
                                      const char *name)
{
    for (size_t i = 0; i < r->object_count; i++)
        if (r->objects[i].kind == kind && vk_streq(r->objects[i].name, name))
            return &r->objects[i];
    return NULL;
}

static struct token_reference *find_token(const struct pod_references *r, const char *audience,
                                          int64_t expiration_seconds)
{
    for (size_t i = 0; i < r->token_count; i++)
        if (r->tokens[i].expiration_seconds == expiration_seconds &&
            vk_streq(r->tokens[i].audience, audience))
            return &r->tokens[i];
    return NULL;
}

static struct object_use *use_object(struct collector *c, enum object_kind kind, const char *name)
{
    struct pod_references *r = c->out;
    struct object_use *u;

    if (vk_str_empty(name))
        return NULL;
    u = find_object(r, kind, name);
    if (u)
        return u;
    r->objects = grow(c, r->objects, r->object_count, &c->object_cap, sizeof(*u));
    u = &r->objects[r->object_count++];
    *u = (struct object_use){.kind = kind, .name = name};
    return u;
}

static void use(struct collector *c, enum object_kind kind, const char *name, bool optional)
{
    struct object_use *u = use_object(c, kind, name);

    if (!u)
        return;
    u->is_mandatory |= !optional;
    u->is_pull_secret = false;
}

static void use_projection(struct collector *c, enum object_kind kind,
                           const struct object_projection *p)
{
    if (p)
        use(c, kind, p->name, p->optional);
}

static void use_token(struct collector *c, const struct token_projection *t)
{
    struct pod_references *r = c->out;

    if (!t || find_token(r, t->audience, t->expiration_seconds))
        return;
    r->tokens = grow(c, r->tokens, r->token_count, &c->token_cap, sizeof(*r->tokens));
    r->tokens[r->token_count++] = (struct token_reference){
        .audience = t->audience, .expiration_seconds = t->expiration_seconds};
}

static void collect_containers(struct collector *c, const struct json_array *list)
{
    const struct container *containers = list->v;

    for (size_t i = 0; i < list->n; i++) {
        const struct env_from_source *from = containers[i].env_from.v;
        const struct env_var *env = containers[i].env.v;

        for (size_t k = 0; k < containers[i].env_from.n; k++) {
            use(c, OBJECT_CONFIG_MAP, from[k].config_map, from[k].optional);
            use(c, OBJECT_SECRET, from[k].secret, from[k].optional);
        }
        for (size_t k = 0; k < containers[i].env.n; k++) {
            if (env[k].config_map_key)
                use(c, OBJECT_CONFIG_MAP, env[k].config_map_key->name,
                    env[k].config_map_key->optional);
            if (env[k].secret_key)
                use(c, OBJECT_SECRET, env[k].secret_key->name, env[k].secret_key->optional);
        }
    }
}

static void collect_volumes(struct collector *c, const struct pod *pod)
{
    const struct json_array *list = &pod->spec.volumes;
    const struct volume *v = list->v;

    for (size_t i = 0; i < list->n; i++) {
        const struct projection_source *s;

        if (!pod_mounts_volume(pod, v[i].name))
            continue;
        use_projection(c, OBJECT_CONFIG_MAP, v[i].config_map);
        use_projection(c, OBJECT_SECRET, v[i].secret);
        if (!v[i].projected)
            continue;
        s = v[i].projected->sources.v;
        for (size_t k = 0; k < v[i].projected->sources.n; k++) {
            use_projection(c, OBJECT_CONFIG_MAP, s[k].config_map);
            use_projection(c, OBJECT_SECRET, s[k].secret);
            use_token(c, s[k].service_account_token);
        }
    }
}

static void drop_objects(void *p)
{
    struct pod_references *r = p;

    for (size_t i = 0; i < r->object_count; i++)
        object_data_unref(r->objects[i].object);
}

void pod_references_collect(const struct pod *pod, struct vk_arena *arena,
                            struct pod_references *ret)
{
    struct collector c = {.out = ret, .arena = arena};

    *ret = (struct pod_references){.pod = pod};
    collect_containers(&c, &pod->spec.init_containers);
    collect_containers(&c, &pod->spec.containers);
    collect_volumes(&c, pod);
    for (size_t i = 0; i < pod->spec.image_pull_secrets.n; i++) {
        const char *name = pod->spec.image_pull_secrets.v[i];

        if (!find_object(ret, OBJECT_SECRET, name)) {
            struct object_use *u = use_object(&c, OBJECT_SECRET, name);

            if (u)
                u->is_pull_secret = true;
        }
    }
    vk_arena_on_free(arena, drop_objects, ret);
}

const struct object_data *pod_references_object(const struct pod_references *r,
                                                enum object_kind kind, const char *name)
{
    const struct object_use *u = find_object(r, kind, name);

    return u ? u->object : NULL;
}

const struct vk_secret *pod_references_token(const struct pod_references *r, const char *audience,
                                             int64_t expiration_seconds)
{
    const struct token_reference *t = find_token(r, audience, expiration_seconds);

    return t ? t->token : NULL;
}
