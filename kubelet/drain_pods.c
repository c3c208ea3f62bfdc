/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/drain_pods.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/url.h"
#include "kubelet/api/meta.h"

#define LIST_LIMIT (64u << 20)
#define PAGE "100"
#define MAX_REMOVING 16
#define BUDGET_PAUSE_MS 5000
#define PATH_LIMIT 16384
/* Of names in a message. */
#define NAMES_SHOWN 10

struct drain_pods {
    struct drain_pods_config config;
    struct vk_map *by_uid;
    struct rest_call *list;
    uint64_t list_number;
    size_t removing;
    bool daemons; /* whom the removals under way are about */
};

static void pod_free(void *v)
{
    struct drain_pod *pod = v;

    rest_cancel(pod->call);
    vk_free(pod->namespace_);
    vk_free(pod->name);
    vk_free(pod->uid);
    vk_free(pod);
}

struct drain_pods *drain_pods_new(const struct drain_pods_config *config)
{
    struct drain_pods *p = vk_calloc(1, sizeof(*p));

    p->config = *config;
    p->by_uid = vk_map_new();
    return p;
}

void drain_pods_free(struct drain_pods *p)
{
    if (!p)
        return;
    rest_cancel(p->list);
    vk_map_free(p->by_uid, pod_free);
    vk_free(p);
}

static void note_owner(struct drain_pod *pod, const struct json *metadata)
{
    const struct json *owners = json_get(metadata, "ownerReferences");

    pod->is_managed = pod->is_daemon = false;
    for (const struct json *o = json_first(owners); o; o = json_next(o)) {
        if (!json_bool_or(o, "controller", false))
            continue;
        pod->is_managed = true;
        pod->is_daemon = vk_streq(json_string_or(o, "kind", ""), "DaemonSet");
    }
}

static void note_pod(struct drain_pods *p, const struct json *object)
{
    const struct json *metadata = json_get(object, "metadata");
    const char *uid = json_string_or(metadata, "uid", "");
    const char *phase = json_string_or(json_get(object, "status"), "phase", "");
    struct drain_pod *pod = vk_map_get(p->by_uid, uid);

    if (!pod) {
        pod = vk_calloc(1, sizeof(*pod));
        pod->all = p;
        pod->namespace_ = vk_strdup(json_string_or(metadata, "namespace", ""));
        pod->name = vk_strdup(json_string_or(metadata, "name", ""));
        pod->uid = vk_strdup(uid);
        vk_map_put(p->by_uid, uid, pod);
    }
    note_owner(pod, metadata);
    pod->is_finished = vk_streq(phase, "Succeeded") || vk_streq(phase, "Failed");
    pod->is_going = json_string(json_get(metadata, "deletionTimestamp")) != NULL;
    pod->seen_in = p->list_number;
}

static void forget(struct drain_pods *p, struct drain_pod *pod)
{
    if (pod->call)
        p->removing--;
    (void)vk_map_remove(p->by_uid, pod->uid);
    pod_free(pod);
}

/* What the list did not name is gone. */
static void forget_absent(struct drain_pods *p)
{
    bool again = true;

    while (again) {
        size_t it = 0;
        const char *uid;
        void *value;

        again = false;
        while (!again && vk_map_next(p->by_uid, &it, &uid, &value)) {
            struct drain_pod *pod = value;

            if (pod->seen_in == p->list_number)
                continue;
            forget(p, pod);
            again = true;
        }
    }
}

static void list_page(struct drain_pods *p, const char *continue_);

static void on_page(void *user, struct vk_str body, const struct vk_err *err)
{
    struct drain_pods *p = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *page;
    const char *more;
    struct vk_err bad;

    p->list = NULL;
    if (!err && json_parse(body, LIST_LIMIT, arena, &page, &bad) < 0) {
        bad.code = VK_UNAVAILABLE;
        err = &bad;
    }
    if (err) {
        p->config.listed(p->config.user, err);
        return;
    }
    for (const struct json *i = json_first(json_get(page, "items")); i; i = json_next(i))
        note_pod(p, i);
    more = json_string_or(json_get(page, "metadata"), "continue", "");
    if (!vk_str_empty(more)) {
        list_page(p, more);
        return;
    }
    forget_absent(p);
    p->config.listed(p->config.user, NULL);
}

static void list_page(struct drain_pods *p, const char *continue_)
{
    struct vk_buf path VK_BUF_AUTO;

    vk_buf_init(&path, PATH_LIMIT);
    vk_buf_adds(&path, "/api/v1/pods?limit=" PAGE "&fieldSelector=spec.nodeName%3D");
    url_encode(&path, vk_str_of(p->config.node_name));
    if (!vk_str_empty(continue_)) {
        vk_buf_adds(&path, "&continue=");
        url_encode(&path, vk_str_of(continue_));
    }
    p->list = rest_start(p->config.client, &(struct rest_request){.method = "GET",
                                                                  .path = vk_buf_peek(&path),
                                                                  .what = "list the node's pods",
                                                                  .on_done = on_page,
                                                                  .user = p});
}

void drain_pods_list(struct drain_pods *p)
{
    if (p->list)
        return;
    p->list_number++;
    list_page(p, NULL);
}

static void tell(struct drain_pod *pod, const char *what, const char *why)
{
    char *text VK_AUTOFREE =
        vk_asprintf("%s pod %s/%s%s%s", what, pod->namespace_, pod->name, *why ? ": " : "", why);

    pod->all->config.progress(pod->all->config.user, text);
}

static void on_removed(void *user, struct vk_str body, const struct vk_err *err)
{
    struct drain_pod *pod = user;
    struct drain_pods *p = pod->all;

    (void)body;
    pod->call = NULL;
    p->removing--;
    if (!err || err->code == VK_NOT_FOUND) {
        pod->is_going = true;
    } else if (err->code == VK_THROTTLED) {
        if (!pod->was_told)
            tell(pod, "held back:", err->msg);
        pod->was_told = true;
        pod->due_mono_ms =
            vk_mono_ms() +
            (err->retry_after_ms > BUDGET_PAUSE_MS ? err->retry_after_ms : BUDGET_PAUSE_MS);
    } else if (vk_err_is_transient(err)) {
        /* A conflict says that the name is another pod's by now: the next list tells. */
        pod->due_mono_ms = vk_mono_ms() + BUDGET_PAUSE_MS;
    } else {
        p->config.failed(p->config.user, err);
        return;
    }
    drain_pods_remove(p, p->daemons);
}

static void write_body(const struct drain_pod *pod, bool evicts, struct vk_buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "apiVersion", evicts ? "policy/v1" : "v1");
    json_put_string(&w, "kind", evicts ? "Eviction" : "DeleteOptions");
    if (evicts) {
        json_begin_object(&w, "metadata");
        json_put_string(&w, "name", pod->name);
        json_put_string(&w, "namespace", pod->namespace_);
        json_end_object(&w);
        json_begin_object(&w, "deleteOptions");
    }
    json_begin_object(&w, "preconditions");
    json_put_string(&w, "uid", pod->uid);
    json_end_object(&w);
    if (evicts)
        json_end_object(&w);
    json_end_object(&w);
}

static void remove_one(struct drain_pod *pod)
{
    struct drain_pods *p = pod->all;
    struct vk_buf path VK_BUF_AUTO, body VK_BUF_AUTO;
    const bool evicts = !pod->is_daemon;
    char *what VK_AUTOFREE =
        vk_asprintf("%s pod %s/%s", evicts ? "evict" : "delete", pod->namespace_, pod->name);

    vk_buf_init(&path, PATH_LIMIT);
    vk_buf_init(&body, PATH_LIMIT);
    vk_buf_adds(&path, "/api/v1/namespaces/");
    url_encode(&path, vk_str_of(pod->namespace_));
    vk_buf_adds(&path, "/pods/");
    url_encode(&path, vk_str_of(pod->name));
    if (evicts)
        vk_buf_adds(&path, "/eviction");
    write_body(pod, evicts, &body);
    if (!pod->was_told)
        tell(pod, evicts ? "evicting" : "deleting", "");
    p->removing++;
    pod->call = rest_start(p->config.client, &(struct rest_request){
                                                 .method = evicts ? "POST" : "DELETE",
                                                 .path = vk_buf_peek(&path),
                                                 .body = vk_buf_str(&body),
                                                 .what = what,
                                                 .on_done = on_removed,
                                                 .user = pod,
                                             });
}

void drain_pods_remove(struct drain_pods *p, bool daemons)
{
    const int64_t now = vk_mono_ms();
    size_t it = 0;
    const char *uid;
    void *value;

    p->daemons = daemons;
    while (p->removing < MAX_REMOVING && vk_map_next(p->by_uid, &it, &uid, &value)) {
        struct drain_pod *pod = value;

        if (pod->is_daemon == daemons && !pod->is_going && !pod->call && now >= pod->due_mono_ms)
            remove_one(pod);
    }
}

size_t drain_pods_count(const struct drain_pods *p, bool daemons)
{
    size_t it = 0, n = 0;
    const char *uid;
    void *value;

    while (vk_map_next(p->by_uid, &it, &uid, &value)) {
        const struct drain_pod *pod = value;

        n += pod->is_daemon == daemons;
    }
    return n;
}

void drain_pods_unmanaged(const struct drain_pods *p, char *out, size_t size)
{
    struct vk_buf text VK_BUF_AUTO;
    size_t it = 0, n = 0;
    const char *uid;
    void *value;

    vk_buf_init(&text, PATH_LIMIT);
    while (vk_map_next(p->by_uid, &it, &uid, &value)) {
        const struct drain_pod *pod = value;

        if (pod->is_managed || pod->is_finished || pod->is_going)
            continue;
        if (n++ < NAMES_SHOWN)
            vk_buf_printf(&text, "%s%s/%s", n > 1 ? ", " : "", pod->namespace_, pod->name);
    }
    if (n > NAMES_SHOWN)
        vk_buf_printf(&text, " and %zu more", n - NAMES_SHOWN);
    (void)vk_strcpy_to(out, size, vk_buf_peek(&text));
}

bool drain_pods_is_daemon(const struct drain_pods *p, const char *uid)
{
    const struct drain_pod *pod = vk_map_get(p->by_uid, uid);

    return pod && pod->is_daemon;
}
