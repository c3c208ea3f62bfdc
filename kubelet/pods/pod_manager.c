/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/pod_manager.h"

#include "base/alloc.h"
#include "base/map.h"

struct record {
    struct pod *pod;
    uint64_t list; /* the LIST that saw it last */
};

struct pod_manager {
    struct vk_loop *loop;
    struct rest_client *client;
    char *node_name;
    const struct pod_manager_events *events;
    void *user;
    struct list_watch *watch;
    struct vk_map *by_uid;  /* UID -> struct record */
    struct vk_map *by_name; /* "namespace/name" -> struct record, borrowed */
    uint64_t list;          /* number of the LIST under way, or of the last one */
    bool synced;
};

static void record_free(void *p)
{
    struct record *r = p;

    pod_unref(r->pod);
    vk_free(r);
}

/* The UID of an object whose other fields may be unreadable. */
static const char *uid_of(struct vk_str raw, struct vk_arena *arena)
{
    const struct json *doc;
    struct vk_err err;

    if (json_parse(raw, POD_MAX_BYTES, arena, &doc, &err) < 0)
        return NULL;
    return json_string(json_get(json_get(doc, "metadata"), "uid"));
}

static int on_upsert(void *user, struct vk_str raw, struct vk_err *err)
{
    struct pod_manager *m = user;
    struct record *r;
    struct pod *pod;
    int rc = pod_parse(raw, &pod, err);

    if (rc < 0) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const char *uid = uid_of(raw, arena);

        /* A known pod that can't be read any more is not gone: its last readable state counts. */
        r = uid ? vk_map_get(m->by_uid, uid) : NULL;
        if (r)
            r->list = m->list;
        return rc;
    }
    if (vk_str_empty(pod->meta.uid) || vk_str_empty(pod->meta.name)) {
        pod_unref(pod);
        return vk_err_set(err, VK_INVALID, "pod without metadata.uid or metadata.name");
    }
    r = vk_map_get(m->by_uid, pod->meta.uid);
    if (!r) {
        r = vk_calloc(1, sizeof(*r));
        vk_map_put(m->by_uid, pod->meta.uid, r);
    }
    pod_unref(r->pod);
    r->pod = pod;
    r->list = m->list;
    vk_map_put(m->by_name, pod_key(pod), r);
    m->events->changed(m->user, pod, !m->synced);
    return 0;
}

static void remove_record(struct pod_manager *m, struct record *r)
{
    vk_map_remove(m->by_uid, r->pod->meta.uid);
    if (vk_map_get(m->by_name, pod_key(r->pod)) == r)
        vk_map_remove(m->by_name, pod_key(r->pod));
    m->events->removed(m->user, r->pod);
    record_free(r);
}

static int on_deleted(void *user, struct vk_str raw, struct vk_err *err)
{
    struct pod_manager *m = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *uid = uid_of(raw, arena);
    struct record *r;

    if (!uid)
        return vk_err_set(err, VK_INVALID, "deleted pod without a readable metadata.uid");
    r = vk_map_get(m->by_uid, uid);
    if (r)
        remove_record(m, r);
    return 0;
}

static void on_list_begin(void *user)
{
    struct pod_manager *m = user;

    m->list++;
}

static void on_list_end(void *user)
{
    struct pod_manager *m = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    size_t gone = 0, it = 0;
    const char **uids = vk_arena_array(arena, vk_map_len(m->by_uid) + 1, sizeof(*uids));
    const char *key;
    void *value;

    while (vk_map_next(m->by_uid, &it, &key, &value)) {
        const struct record *r = value;

        if (r->list != m->list)
            uids[gone++] = vk_arena_strdup(arena, key);
    }
    for (size_t i = 0; i < gone; i++)
        remove_record(m, vk_map_get(m->by_uid, uids[i]));
    if (!m->synced) {
        m->synced = true;
        m->events->synced(m->user);
    }
}

struct pod_manager *pod_manager_new(struct vk_loop *loop, struct rest_client *client,
                                    const char *node_name, const struct pod_manager_events *events,
                                    void *user)
{
    struct pod_manager *m = vk_calloc(1, sizeof(*m));

    m->loop = loop;
    m->client = client;
    m->node_name = vk_strdup(node_name);
    m->events = events;
    m->user = user;
    m->by_uid = vk_map_new();
    m->by_name = vk_map_new();
    return m;
}

void pod_manager_start(struct pod_manager *m)
{
    static const struct list_watch_events events = {
        .upsert = on_upsert,
        .deleted = on_deleted,
        .list_begin = on_list_begin,
        .list_end = on_list_end,
    };
    char *selector VK_AUTOFREE = vk_asprintf("spec.nodeName=%s", m->node_name);
    char *what VK_AUTOFREE = vk_asprintf("pods of node %s", m->node_name);
    struct list_watch_config config = {
        .path = "/api/v1/pods",
        .field_selector = selector,
        .what = what,
        .max_object_bytes = POD_MAX_BYTES,
    };

    if (!m->watch)
        m->watch = list_watch_new(m->loop, m->client, &config, &events, m);
}

void pod_manager_stop(struct pod_manager *m)
{
    if (m->watch)
        list_watch_free(vk_take(m->watch));
}

void pod_manager_free(struct pod_manager *m)
{
    if (!m)
        return;
    pod_manager_stop(m);
    vk_map_free(m->by_name, NULL);
    vk_map_free(m->by_uid, record_free);
    vk_free(m->node_name);
    vk_free(m);
}

bool pod_manager_has_synced(const struct pod_manager *m)
{
    return m->synced;
}

void pod_manager_watch_counts(const struct pod_manager *m, struct list_watch_counts *ret)
{
    *ret = (struct list_watch_counts){0};
    if (m->watch)
        list_watch_count(m->watch, ret);
}

const struct vk_err *pod_manager_error(const struct pod_manager *m)
{
    return m->watch ? list_watch_error(m->watch) : NULL;
}

const struct pod *pod_manager_get(const struct pod_manager *m, const char *uid)
{
    const struct record *r = vk_map_get(m->by_uid, uid);

    return r ? r->pod : NULL;
}

const struct pod *pod_manager_get_by_name(const struct pod_manager *m, const char *namespace_,
                                          const char *name)
{
    char *key VK_AUTOFREE = vk_asprintf("%s/%s", namespace_, name);
    const struct record *r = vk_map_get(m->by_name, key);

    return r ? r->pod : NULL;
}

const struct pod *pod_manager_next(const struct pod_manager *m, size_t *it)
{
    const char *key;
    void *value;

    if (!vk_map_next(m->by_uid, it, &key, &value))
        return NULL;
    return ((const struct record *)value)->pod;
}

size_t pod_manager_len(const struct pod_manager *m)
{
    return vk_map_len(m->by_uid);
}
