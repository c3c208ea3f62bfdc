/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/offline.h"

#include "base/alloc.h"
#include "base/crypto.h"
#include "base/json_writer.h"
#include "kubelet/pods/environment.h"
#include "kubelet/pods/share_source.h"
#include "kubelet/pods/volume_files.h"

#define MAX_ASSUMED 128
/* What the downward API says of a node that nobody asked. */
#define NODE_ADDRESS "192.0.2.1"
#define NODE_CPU_MILLI 8000
#define NODE_MEMORY_BYTES (32ll << 30)

struct object {
    const char *kind, *namespace_, *name;
    struct vk_str text; /* Secrets: without values */
};
struct offline {
    struct vk_arena *arena;
    struct object *objects;
    size_t n, cap;
};

struct offline *offline_new(void)
{
    struct offline *o = vk_calloc(1, sizeof(*o));

    o->arena = vk_arena_new();
    return o;
}

void offline_free(struct offline *o)
{
    if (!o)
        return;
    vk_arena_free(o->arena);
    vk_free(o->objects);
    vk_free(o);
}

/* "data" of a Secret or ConfigMap under construction: each key once, a placeholder as its value. */
struct data {
    struct json_writer w;
    struct vk_buf text;
    enum object_kind kind;
    const char *name;
    struct vk_arena *arena;
    struct json_strs keys;
    size_t cap;
};

static void data_begin(struct data *d, enum object_kind kind, const char *name,
                       struct vk_arena *arena)
{
    *d = (struct data){.kind = kind, .name = name, .arena = arena};
    vk_buf_init(&d->text, OBJECT_MAX_BYTES);
    json_writer_init(&d->w, &d->text);
    json_begin_object(&d->w, NULL);
    json_begin_object(&d->w, "metadata");
    json_put_string(&d->w, "name", name);
    json_end_object(&d->w);
    json_begin_object(&d->w, "data");
}

static void data_add(struct data *d, const char *key)
{
    struct vk_buf encoded VK_BUF_AUTO;
    const char *value =
        vk_arena_printf(d->arena, "<%s %s, key %s>", object_kind_name(d->kind), d->name, key);

    for (size_t i = 0; i < d->keys.n; i++)
        if (vk_streq(d->keys.v[i], key))
            return;
    if (d->keys.n == d->cap) {
        const char **old = d->keys.v;

        d->cap = d->cap ? d->cap * 2 : 8;
        d->keys.v = vk_arena_array(d->arena, d->cap, sizeof(*d->keys.v));
        for (size_t i = 0; i < d->keys.n; i++)
            d->keys.v[i] = old[i];
    }
    d->keys.v[d->keys.n++] = key;
    vk_buf_init(&encoded, OBJECT_MAX_BYTES);
    crypto_base64(vk_str_of(value), &encoded);
    json_put_string(&d->w, key, d->kind == OBJECT_SECRET ? vk_buf_peek(&encoded) : value);
}

static struct vk_str data_end(struct data *d)
{
    struct vk_str out;

    json_end_object(&d->w);
    json_end_object(&d->w);
    out = vk_str_of(vk_arena_str(d->arena, vk_buf_str(&d->text)));
    vk_buf_release(&d->text);
    return out;
}

static struct vk_str masked_secret(const struct json *object, const char *name,
                                   struct vk_arena *arena)
{
    struct data d;

    data_begin(&d, OBJECT_SECRET, name, arena);
    for (const struct json *m = json_first(json_get(object, "data")); m; m = json_next(m))
        data_add(&d, vk_arena_strdup(arena, json_key(m)));
    for (const struct json *m = json_first(json_get(object, "stringData")); m; m = json_next(m))
        data_add(&d, vk_arena_strdup(arena, json_key(m)));
    return data_end(&d);
}

static struct vk_str text_of(const struct json *object, struct vk_arena *arena)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&out, OBJECT_MAX_BYTES);
    json_writer_init(&w, &out);
    json_put_value(&w, NULL, object);
    return vk_str_of(vk_arena_str(arena, vk_buf_str(&out)));
}

bool offline_add(struct offline *o, const struct json *object)
{
    static const char *const kinds[] = {"ConfigMap", "Secret", "PersistentVolumeClaim",
                                        "PersistentVolume"};
    const char *kind = json_string_or(object, "kind", "");
    const struct json *meta = json_get(object, "metadata");
    struct object *new;

    for (size_t i = 0; i < VK_COUNT(kinds); i++) {
        if (!vk_streq(kind, kinds[i]))
            continue;
        o->objects = vk_grow(o->objects, &o->cap, o->n + 1, sizeof(*o->objects));
        new = &o->objects[o->n++];
        new->kind = kinds[i];
        new->name = vk_arena_strdup(o->arena, json_string_or(meta, "name", ""));
        new->namespace_ = vk_arena_strdup(o->arena, json_string_or(meta, "namespace", ""));
        new->text = vk_streq(kind, "Secret") ? masked_secret(object, new->name, o->arena)
                                             : text_of(object, o->arena);
        return true;
    }
    return false;
}

/* Manifests often leave the namespace to kubectl. */
static const struct object *find(const struct offline *o, const char *kind, const char *namespace_,
                                 const char *name)
{
    for (size_t i = 0; i < o->n; i++) {
        const struct object *x = &o->objects[i];

        if (vk_streq(x->kind, kind) && vk_streq(x->name, name) &&
            (!*x->namespace_ || vk_str_empty(namespace_) || vk_streq(x->namespace_, namespace_)))
            return x;
    }
    return NULL;
}

struct resolution {
    const struct offline *offline;
    struct vk_arena *arena;
    struct pod_references *refs;
    struct json_strs *assumed;
};

static void assume(struct resolution *r, const char *text)
{
    if (r->assumed->n < MAX_ASSUMED)
        r->assumed->v[r->assumed->n++] = text;
}

/* The keys that env names, and whether all keys are asked for. */
static void collect_env(const struct json_array *containers, struct data *d, bool *whole)
{
    const struct container *c = containers->v;
    bool secret = d->kind == OBJECT_SECRET;

    for (size_t i = 0; i < containers->n; i++) {
        const struct env_var *env = c[i].env.v;
        const struct env_from_source *from = c[i].env_from.v;

        for (size_t k = 0; k < c[i].env.n; k++) {
            const struct key_selector *s = secret ? env[k].secret_key : env[k].config_map_key;

            if (s && vk_streq(s->name, d->name))
                data_add(d, s->key);
        }
        for (size_t k = 0; k < c[i].env_from.n; k++)
            *whole |= vk_streq(secret ? from[k].secret : from[k].config_map, d->name);
    }
}

static void collect_projection(const struct object_projection *p, struct data *d, bool *whole)
{
    const struct key_to_path *items;

    if (!p || !vk_streq(p->name, d->name))
        return;
    items = p->items.v;
    for (size_t i = 0; i < p->items.n; i++)
        data_add(d, items[i].key);
    *whole |= p->items.n == 0;
}

static void collect_volumes(const struct json_array *volumes, struct data *d, bool *whole)
{
    const struct volume *v = volumes->v;
    bool secret = d->kind == OBJECT_SECRET;

    for (size_t i = 0; i < volumes->n; i++) {
        const struct projection_source *s = v[i].projected ? v[i].projected->sources.v : NULL;

        collect_projection(secret ? v[i].secret : v[i].config_map, d, whole);
        for (size_t k = 0; s && k < v[i].projected->sources.n; k++)
            collect_projection(secret ? s[k].secret : s[k].config_map, d, whole);
    }
}

/* An object with the keys that the pod names; one more where it takes all keys. */
static struct vk_str made_up(struct resolution *r, const struct object_use *use)
{
    const struct pod_spec *spec = &r->refs->pod->spec;
    struct data d;
    bool whole = false;

    data_begin(&d, use->kind, use->name, r->arena);
    collect_env(&spec->containers, &d, &whole);
    collect_env(&spec->init_containers, &d, &whole);
    collect_volumes(&spec->volumes, &d, &whole);
    if (whole)
        data_add(&d, "UNKNOWN");
    assume(r, vk_arena_printf(
                  r->arena, "%s %s is not in the input: %s", object_kind_name(use->kind), use->name,
                  whole ? "one key stands for those it has" : "placeholders stand for its values"));
    return data_end(&d);
}

static int fill_object(struct resolution *r, struct object_use *use, struct vk_err *err)
{
    const struct object *x =
        find(r->offline, object_kind_name(use->kind), r->refs->pod->meta.namespace_, use->name);

    if (use->is_pull_secret) {
        assume(r,
               vk_arena_printf(r->arena, "the credentials of pull secret %s are added", use->name));
        return 0;
    }
    if (!x && !use->is_mandatory) {
        assume(r, vk_arena_printf(r->arena, "optional %s %s is not in the input and left out",
                                  object_kind_name(use->kind), use->name));
        return 0;
    }
    return object_data_parse(use->kind, x ? x->text : made_up(r, use), &use->object, err);
}

static void fill_token(struct resolution *r, struct token_reference *t)
{
    const char *text =
        vk_arena_printf(r->arena, "<token for %s>", t->audience ? t->audience : "the API server");

    t->token = vk_arena_secret(r->arena, text, strlen(text));
}

/* The claim and its volume from the input; false where they are not there. */
static int find_claimed(struct resolution *r, const struct volume *v, bool *ret_found,
                        struct share_source *ret, struct vk_err *err)
{
    const struct pod *pod = r->refs->pod;
    const struct object *claim = find(r->offline, "PersistentVolumeClaim", pod->meta.namespace_,
                                      v->persistent_volume_claim->claim_name);
    const struct object *volume;
    struct vk_err unbound;
    const char *name;

    *ret_found = false;
    if (!claim || share_source_bound_volume(pod, v, claim->text, r->arena, &name, &unbound) < 0)
        return 0;
    volume = find(r->offline, "PersistentVolume", NULL, name);
    if (!volume)
        return 0;
    *ret_found = true;
    return share_source_of_persistent_volume(pod, v, volume->text, r->arena, ret, err);
}

static int fill_share(struct resolution *r, const struct volume *v, struct resolved_share *ret,
                      struct vk_err *err)
{
    struct share_source s = {.volume = v->name, .share = "placeholder"};
    bool known = true;

    if (v->persistent_volume_claim) {
        if (find_claimed(r, v, &known, &s, err) < 0)
            return -(int)err->code;
    } else if (share_source_of_volume(r->refs->pod, v, r->arena, &s, err) < 0) {
        return -(int)err->code;
    }
    assume(r, known ? vk_arena_printf(r->arena, "volume %s: Secret %s gives the account's key",
                                      v->name, s.secret_name)
                    : vk_arena_printf(r->arena,
                                      "volume %s: claim %s is taken for one of file.csi.azure.com",
                                      v->name, v->persistent_volume_claim->claim_name));
    *ret = (struct resolved_share){
        .volume = v->name,
        .account = s.account ? s.account : "placeholder",
        .share = s.share,
        .key = vk_arena_secret(r->arena, "<key>", 5),
        .read_only = s.read_only,
    };
    return 0;
}

static int fill_shares(struct resolution *r, struct resolved_pod *out, struct vk_err *err)
{
    const struct json_array *list = &r->refs->pod->spec.volumes;
    struct resolved_share *shares = vk_arena_array(r->arena, list->n + 1, sizeof(*shares));
    const struct volume *v = list->v;

    for (size_t i = 0; i < list->n; i++)
        if (share_source_is(&v[i]) && fill_share(r, &v[i], &shares[out->share_count++], err) < 0)
            return -(int)err->code;
    out->shares = shares;
    return 0;
}

static int fill_containers(struct resolution *r, const struct json_array *spec,
                           const struct resolved_container **ret, struct vk_err *err)
{
    const struct container *c = spec->v;
    struct resolved_container *out = vk_arena_array(r->arena, spec->n + 1, sizeof(*out));

    for (size_t i = 0; i < spec->n; i++)
        if (environment_resolve(r->refs, &c[i], r->arena, &out[i], err) < 0)
            return -(int)err->code;
    *ret = out;
    return 0;
}

static int fill(struct resolution *r, struct resolved_pod *out, struct vk_err *err)
{
    const struct pod_spec *spec = &r->refs->pod->spec;

    for (size_t i = 0; i < r->refs->object_count; i++)
        if (fill_object(r, &r->refs->objects[i], err) < 0)
            return -(int)err->code;
    for (size_t i = 0; i < r->refs->token_count; i++)
        fill_token(r, &r->refs->tokens[i]);
    out->container_count = spec->containers.n;
    out->init_container_count = spec->init_containers.n;
    if (fill_containers(r, &spec->init_containers, &out->init_containers, err) < 0 ||
        fill_containers(r, &spec->containers, &out->containers, err) < 0 ||
        volume_files_resolve(r->refs, r->arena, &out->volumes, &out->volume_count, err) < 0)
        return -(int)err->code;
    return fill_shares(r, out, err);
}

int offline_resolve(const struct offline *o, const struct pod *pod, struct resolved_pod **ret,
                    struct json_strs *ret_assumed, struct vk_err *err)
{
    struct vk_arena *arena = vk_arena_new();
    struct resolved_pod *out = vk_arena_alloc(arena, sizeof(*out));
    struct json_strs *ips = vk_arena_alloc(arena, sizeof(*ips));
    struct json_strs assumed = {.v = vk_arena_array(arena, MAX_ASSUMED, sizeof(*assumed.v))};
    struct resolution r = {.offline = o,
                           .arena = arena,
                           .refs = vk_arena_alloc(arena, sizeof(*r.refs)),
                           .assumed = &assumed};

    ips->v = vk_arena_array(arena, 1, sizeof(*ips->v));
    ips->v[ips->n++] = NODE_ADDRESS;
    pod_references_collect(pod, arena, r.refs);
    r.refs->node_ips = ips;
    r.refs->node_cpu_milli = NODE_CPU_MILLI;
    r.refs->node_memory_bytes = NODE_MEMORY_BYTES;
    if (fill(&r, out, err) < 0) {
        vk_arena_free(arena);
        return -(int)err->code;
    }
    out->pod = pod_ref(pod);
    out->arena_ = arena;
    *ret = out;
    *ret_assumed = assumed;
    return 0;
}
