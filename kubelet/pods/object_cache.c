/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/object_cache.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/url.h"

/* How long an answer serves other pods. A pod that starts may see a ConfigMap this much late, as it
 * may with a kubelet's own cache. */
#define FRESH_MS 5000
#define MAX_CACHED_BYTES (16u << 20)

struct slot {
    struct object_cache *cache;
    char *key;
    enum object_kind kind;
    struct rest_call *call;     /* while it is being read */
    struct vk_list readers;     /* struct object_read */
    struct object_data *object; /* the answer, until `expiry` fires */
    struct vk_timer expiry;
    struct vk_timer hand_out; /* answers readers that found the object here */
};

struct object_read {
    struct vk_list link;
    object_done_fn done;
    void *user;
};

struct object_cache {
    struct vk_loop *loop;
    struct rest_client *client;
    struct vk_map *slots; /* "kind/namespace/name" -> struct slot */
    size_t bytes;
};

static void slot_free(void *p)
{
    struct slot *s = p;

    vk_timer_disarm(&s->expiry);
    vk_timer_disarm(&s->hand_out);
    if (s->call)
        rest_cancel(s->call);
    if (s->object)
        s->cache->bytes -= s->object->bytes;
    object_data_unref(s->object);
    vk_free(s->key);
    vk_free(s);
}

static void drop_if_idle(struct slot *s)
{
    if (s->call || s->object || !vk_list_is_empty(&s->readers))
        return;
    vk_map_remove(s->cache->slots, s->key);
    slot_free(s);
}

static void forget_object(struct slot *s)
{
    if (!s->object)
        return;
    s->cache->bytes -= s->object->bytes;
    object_data_unref(vk_take(s->object));
    vk_timer_disarm(&s->expiry);
}

static void on_expiry(void *user)
{
    struct slot *s = user;

    /* Readers that were promised the object still get it. */
    if (!vk_list_is_empty(&s->readers)) {
        vk_timer_arm(&s->expiry, FRESH_MS);
        return;
    }
    forget_object(s);
    drop_if_idle(s);
}

/* A callback may cancel other readers or ask for the same object again. */
static void answer(struct slot *s, struct object_data *object, const struct vk_err *err)
{
    struct vk_list batch;

    vk_list_init(&batch);
    while (!vk_list_is_empty(&s->readers)) {
        struct vk_list *node = s->readers.next;

        vk_list_remove(node);
        vk_list_add_tail(&batch, node);
    }
    while (!vk_list_is_empty(&batch)) {
        struct object_read *r = VK_LIST_ENTRY(batch.next, struct object_read, link);

        vk_list_remove(&r->link);
        r->done(r->user, object, err);
        vk_free(r);
    }
}

static void on_hand_out(void *user)
{
    struct slot *s = user;
    struct object_data *o = object_data_ref(s->object);

    answer(s, o, NULL);
    object_data_unref(o);
}

static void on_done(void *user, struct vk_str body, const struct vk_err *err)
{
    struct slot *s = user;
    struct object_data *o = NULL;
    struct vk_err bad;

    s->call = NULL;
    if (!err && object_data_parse(s->kind, body, &o, &bad) < 0)
        err = &bad;
    if (o && s->cache->bytes + o->bytes <= MAX_CACHED_BYTES) {
        s->object = object_data_ref(o);
        s->cache->bytes += o->bytes;
        vk_timer_arm(&s->expiry, FRESH_MS);
    }
    answer(s, o, err);
    object_data_unref(o);
    drop_if_idle(s);
}

static struct slot *slot_of(struct object_cache *c, enum object_kind kind, const char *namespace_,
                            const char *name)
{
    char *key VK_AUTOFREE = vk_asprintf("%d/%s/%s", (int)kind, namespace_, name);
    struct slot *s = vk_map_get(c->slots, key);

    if (s)
        return s;
    s = vk_calloc(1, sizeof(*s));
    s->cache = c;
    s->kind = kind;
    vk_list_init(&s->readers);
    vk_timer_init(&s->expiry, c->loop, "cached object expires", on_expiry, s);
    vk_timer_init(&s->hand_out, c->loop, "cached object is handed out", on_hand_out, s);
    vk_map_put(c->slots, key, s);
    s->key = vk_take(key);
    return s;
}

static void start_read(struct slot *s, const char *namespace_, const char *name)
{
    const char *resource = s->kind == OBJECT_SECRET ? "secrets" : "configmaps";
    char *what VK_AUTOFREE =
        vk_asprintf("get %s %s/%s", object_kind_name(s->kind), namespace_, name);
    struct vk_buf path VK_BUF_AUTO;

    vk_buf_init(&path, 8192);
    vk_buf_adds(&path, "/api/v1/namespaces/");
    url_encode(&path, vk_str_of(namespace_));
    vk_buf_printf(&path, "/%s/", resource);
    url_encode(&path, vk_str_of(name));
    s->call = rest_start(s->cache->client, &(struct rest_request){
                                               .method = "GET",
                                               .path = vk_buf_peek(&path),
                                               .what = what,
                                               .on_done = on_done,
                                               .user = s,
                                           });
}

struct object_read *object_cache_get(struct object_cache *c, enum object_kind kind,
                                     const char *namespace_, const char *name, object_done_fn done,
                                     void *user)
{
    struct slot *s = slot_of(c, kind, namespace_, name);
    struct object_read *r = vk_calloc(1, sizeof(*r));

    r->done = done;
    r->user = user;
    vk_list_init(&r->link);
    vk_list_add_tail(&s->readers, &r->link);
    if (s->object)
        vk_timer_arm(&s->hand_out, 0);
    else if (!s->call)
        start_read(s, namespace_, name);
    return r;
}

void object_read_cancel(struct object_read *r)
{
    if (!r)
        return;
    vk_list_remove(&r->link);
    vk_free(r);
}

struct object_cache *object_cache_new(struct vk_loop *loop, struct rest_client *client)
{
    struct object_cache *c = vk_calloc(1, sizeof(*c));

    c->loop = loop;
    c->client = client;
    c->slots = vk_map_new();
    return c;
}

void object_cache_free(struct object_cache *c)
{
    if (!c)
        return;
    vk_map_free(c->slots, slot_free);
    vk_free(c);
}
