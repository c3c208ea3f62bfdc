/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/services.h"

#include "base/alloc.h"
#include "base/map.h"
#include "kubelet/client/list_watch.h"

/* Pods that need no Services shall not wait for ever for an API server that does not give them. */
#define PATIENCE_MS 5000

struct record {
    struct service *service;
    uint64_t list; /* the LIST that saw it last */
};
struct services {
    struct vk_loop *loop;
    struct rest_client *client;
    struct pod_api_server api_server;
    struct list_watch *watch;
    struct vk_map *records; /* "namespace/name" -> struct record */
    uint64_t list;
    bool synced;
    struct vk_timer patience;
    void (*ready)(void *user); /* NULL once it was called */
    void *user;
};

static void record_free(void *p)
{
    struct record *r = p;

    if (!r)
        return;
    service_free(r->service);
    vk_free(r);
}

static char *key_of(const struct service *s)
{
    return vk_asprintf("%s/%s", s->namespace_, s->name);
}

static int on_upsert(void *user, struct vk_str raw, struct vk_err *err)
{
    struct services *s = user;
    struct record *r = vk_calloc(1, sizeof(*r));
    int rc = service_parse(raw, &r->service, err);

    if (rc < 0) {
        vk_free(r);
        return rc;
    }
    char *key VK_AUTOFREE = key_of(r->service);
    r->list = s->list;
    record_free(vk_map_put(s->records, key, r));
    return 0;
}

static int on_deleted(void *user, struct vk_str raw, struct vk_err *err)
{
    struct services *s = user;
    struct service *gone;
    int rc = service_parse(raw, &gone, err);

    if (rc < 0)
        return rc;
    char *key VK_AUTOFREE = key_of(gone);
    record_free(vk_map_remove(s->records, key));
    service_free(gone);
    return 0;
}

static void on_list_begin(void *user)
{
    struct services *s = user;

    s->list++;
}

static void tell_ready(void *user)
{
    struct services *s = user;
    void (*ready)(void *) = s->ready;

    vk_timer_disarm(&s->patience);
    s->ready = NULL;
    if (ready)
        ready(s->user);
}

static void on_list_end(void *user)
{
    struct services *s = user;
    size_t it = 0;
    const char *key;
    void *value;

    while (vk_map_next(s->records, &it, &key, &value)) {
        const struct record *r = value;

        if (r->list != s->list)
            record_free(vk_map_remove(s->records, key));
    }
    s->synced = true;
    tell_ready(s);
}

struct services *services_new(struct vk_loop *loop, struct rest_client *client,
                              const struct pod_api_server *api_server)
{
    struct services *s = vk_calloc(1, sizeof(*s));

    s->loop = loop;
    s->client = client;
    s->api_server = *api_server;
    s->records = vk_map_new();
    vk_timer_init(&s->patience, loop, "services are late", tell_ready, s);
    return s;
}

void services_start(struct services *s, void (*ready)(void *user), void *user)
{
    static const struct list_watch_events events = {
        .upsert = on_upsert,
        .deleted = on_deleted,
        .list_begin = on_list_begin,
        .list_end = on_list_end,
    };
    static const struct list_watch_config config = {
        .path = "/api/v1/services", .what = "services", .max_object_bytes = SERVICE_MAX_BYTES};

    if (s->watch)
        return;
    s->ready = ready;
    s->user = user;
    vk_timer_arm(&s->patience, PATIENCE_MS);
    s->watch = list_watch_new(s->loop, s->client, &config, &events, s);
}

void services_stop(struct services *s)
{
    vk_timer_disarm(&s->patience);
    s->ready = NULL;
    list_watch_free(vk_take(s->watch));
}

void services_free(struct services *s)
{
    if (!s)
        return;
    services_stop(s);
    vk_map_free(s->records, record_free);
    vk_free(s);
}

static int refuse(const struct services *s, struct vk_err *err)
{
    const struct vk_err *why = s->watch ? list_watch_error(s->watch) : NULL;

    if (!why)
        return vk_err_set(err, VK_UNAVAILABLE, "the cluster's Services are not known yet");
    *err = *why;
    if (why->code == VK_FORBIDDEN)
        return vk_err_wrap(err, "the pod's environment names the cluster's Services, which this "
                                "identity may not list and watch; see deploy/manifests/rbac.yaml");
    return vk_err_wrap(err, "the cluster's Services are not known");
}

int services_environment(const struct services *s, const struct pod *pod, struct vk_arena *arena,
                         const struct service_variable **ret, size_t *ret_count, struct vk_err *err)
{
    const struct service **list;
    size_t n = 0, it = 0;
    const char *key;
    void *value;

    if (!s->synced)
        return refuse(s, err);
    list = vk_arena_array(arena, vk_map_len(s->records) + 1, sizeof(*list));
    while (vk_map_next(s->records, &it, &key, &value))
        list[n++] = ((const struct record *)value)->service;
    service_environment(pod, list, n, &s->api_server, arena, ret, ret_count);
    return 0;
}
