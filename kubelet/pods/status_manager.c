/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/status_manager.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/url.h"
#include "kubelet/pods/status_generate.h"
#include "kubelet/pods/status_patch.h"

#define MAX_IN_FLIGHT 64
/* Beside those. An idle API server answers hundreds a second through so few; a busy one gets what
 * the pods say next instead. */
#define MAX_MINOR_IN_FLIGHT 4
#define RETRY_INITIAL_MS 500
#define RETRY_MAX_MS 60000
#define MAX_PATCH_BYTES (1u << 20)
#define MAX_CONFLICTS 5

/* A status that is wanted, being written and acknowledged at once is one object. */
struct version {
    struct pod_status status;
    struct vk_arena *arena;
    unsigned refs;
};

/* What a patch is worth: each lane has a limit of its own, so that neither holds up the other. */
enum lane {
    LANE_NEWS,
    LANE_MINOR, /* nobody acts on it, and something better is likely to follow */
    LANES
};
static const size_t lane_limits[LANES] = {MAX_IN_FLIGHT, MAX_MINOR_IN_FLIGHT};

struct entry {
    struct status_manager *manager;
    struct pod *pod; /* as last seen */
    struct version *desired;
    struct version *sent;         /* while a patch is under way */
    struct version *acknowledged; /* newer than pod: the watch has not shown it yet */
    uint64_t acknowledged_rv;
    char *notes[STATUS_NOTES]; /* for annotations; or NULL */
    uint64_t sent_rv;          /* the version that the patch under way starts from; 0: any */
    uint64_t conflict_rv;      /* a patch from here met another version; 0: none did */
    unsigned conflicts;        /* in a row */
    struct rest_call *call;
    struct vk_list queue; /* in manager->queues[lane] */
    enum lane lane;       /* of its place in a queue, or of its call */
    struct vk_timer retry;
    struct backoff backoff;
    bool gone;     /* the API server knows no such pod */
    bool refused;  /* it will never take this version: wait for another */
    bool outdated; /* it has a newer version of the pod, which the watch is about to bring */
};

struct status_manager {
    struct vk_loop *loop;
    struct status_manager_config config;
    struct vk_arena *arena;
    struct vk_map *entries;       /* UID -> struct entry */
    struct vk_list queues[LANES]; /* entries that wait for their turn */
    size_t in_flight[LANES];
    bool stopped;
};

static void pump(struct status_manager *m);

static struct version *version_ref(struct version *v)
{
    v->refs++;
    return v;
}

static void version_unref(struct version *v)
{
    if (!v || --v->refs)
        return;
    vk_arena_free(v->arena);
    vk_free(v);
}

static void replace(struct version **slot, struct version *v)
{
    version_unref(*slot);
    *slot = v;
}

/* What the API server has, as far as we know. */
static const struct pod_status *base_of(const struct entry *e)
{
    return e->acknowledged ? &e->acknowledged->status : &e->pod->status;
}

/*
 * API servers hand out versions that grow, and promise that they may be compared (KEP-5504); with
 * them a watch event from before our patch is told from one after it.
 */
static uint64_t version_number(const char *text)
{
    int64_t n;

    return vk_str_int64(vk_str_of(text), 0, INT64_MAX, &n) ? (uint64_t)n : 0;
}

static uint64_t base_version(const struct entry *e)
{
    return e->acknowledged ? e->acknowledged_rv : version_number(e->pod->meta.resource_version);
}

static void entry_free(void *p)
{
    struct entry *e = p;

    vk_timer_disarm(&e->retry);
    vk_list_remove(&e->queue);
    if (e->call) {
        rest_cancel(e->call);
        e->manager->in_flight[e->lane]--;
    }
    version_unref(e->desired);
    version_unref(e->sent);
    version_unref(e->acknowledged);
    for (size_t i = 0; i < STATUS_NOTES; i++)
        vk_free(e->notes[i]);
    pod_unref(e->pod);
    vk_free(e);
}

static bool differs(const struct entry *e)
{
    struct vk_buf patch VK_BUF_AUTO;

    vk_buf_init(&patch, MAX_PATCH_BYTES);
    return status_patch_write(e->pod->meta.uid, NULL, NULL, base_of(e), &e->desired->status,
                              &patch);
}

static bool is_settled(const struct entry *e)
{
    return e->gone || e->refused || pod_is_going(e->pod) || (!e->call && !differs(e));
}

static bool all_wait_to_be_created(const struct json_array *list)
{
    const struct container_status *c = list->v;

    for (size_t i = 0; i < list->n; i++)
        if (c[i].state.kind != CONTAINER_WAITING ||
            !(vk_streq(c[i].state.reason, "ContainerCreating") ||
              vk_streq(c[i].state.reason, "PodInitializing")))
            return false;
    return true;
}

/* The pod was accepted and all is well: what the pod's phase says already. */
static bool is_first_word(const struct pod_status *from, const struct pod_status *to)
{
    return from->container_statuses.n == 0 && vk_streq(from->phase, "Pending") &&
           vk_streq(to->phase, "Pending") && vk_str_empty(to->reason) &&
           all_wait_to_be_created(&to->init_container_statuses) &&
           all_wait_to_be_created(&to->container_statuses);
}

/* That a new generation was seen, as after each deletion, and it changed nothing. */
static bool is_generation_alone(const struct entry *e)
{
    struct vk_buf patch VK_BUF_AUTO;
    struct pod_status from = *base_of(e);

    from.observed_generation = e->desired->status.observed_generation;
    vk_buf_init(&patch, MAX_PATCH_BYTES);
    return !status_patch_write(e->pod->meta.uid, NULL, NULL, &from, &e->desired->status, &patch);
}

static enum lane lane_of(const struct entry *e)
{
    bool is_minor = is_first_word(base_of(e), &e->desired->status) || is_generation_alone(e);

    return is_minor ? LANE_MINOR : LANE_NEWS;
}

/* See pod_is_going: a write to it may hit another one. */
static void give_up(struct entry *e)
{
    struct status_manager *m = e->manager;

    vk_list_remove(&e->queue);
    vk_timer_disarm(&e->retry);
    if (!e->call)
        return;
    rest_cancel(vk_take(e->call));
    replace(&e->sent, NULL);
    m->in_flight[e->lane]--;
    pump(m);
}

static void kick(struct entry *e)
{
    struct status_manager *m = e->manager;
    enum lane lane;

    if (pod_is_going(e->pod)) {
        give_up(e);
        return;
    }
    if (m->stopped || e->call || e->gone || e->refused || vk_timer_is_armed(&e->retry))
        return;
    lane = lane_of(e);
    if (vk_list_is_linked(&e->queue) && lane == e->lane)
        return;
    vk_list_remove(&e->queue);
    e->lane = lane;
    vk_list_add_tail(&m->queues[lane], &e->queue);
    pump(m);
}

static void on_retry(void *user)
{
    kick(user);
}

static uint64_t version_of_answer(struct vk_str body)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *doc;
    struct vk_err err;

    if (json_parse(body, POD_MAX_BYTES, arena, &doc, &err) < 0)
        return 0;
    return version_number(json_string(json_get(json_get(doc, "metadata"), "resourceVersion")));
}

static void retry_later(struct entry *e, const struct vk_err *err)
{
    int64_t delay = backoff_next_ms(&e->backoff);

    if (delay < err->retry_after_ms)
        delay = err->retry_after_ms;
    log_v(2, "Failed to patch the pod's status, trying again", LS("pod", pod_key(e->pod)),
          LS("podUID", e->pod->meta.uid), LI("delayMs", delay), LERR(err));
    vk_timer_arm(&e->retry, delay);
}

static void on_failure(struct entry *e, const struct vk_err *err)
{
    switch (err->code) {
    case VK_NOT_FOUND:
        e->gone = true;
        return;
    case VK_INVALID:
    case VK_TOO_LARGE:
    case VK_UNSUPPORTED:
        log_error("The API server refuses the pod's status", LS("pod", pod_key(e->pod)),
                  LS("podUID", e->pod->meta.uid), LERR(err));
        e->refused = !e->desired || e->desired == e->sent;
        return;
    case VK_CONFLICT:
        /* Another pod of this name, or a write of somebody else. */
        if (e->sent_rv)
            e->conflict_rv = e->sent_rv;
        e->conflicts++;
        if (e->sent_rv && base_version(e) != e->sent_rv)
            return; /* the watch was faster than the answer */
        e->outdated = true;
        break;
    case VK_OK:
    case VK_ALREADY_EXISTS:
    case VK_UNAUTHENTICATED:
    case VK_FORBIDDEN:
    case VK_THROTTLED:
    case VK_TIMEOUT:
    case VK_UNAVAILABLE:
    case VK_CANCELLED:
    case VK_PROTOCOL:
    case VK_INTERNAL:
        break;
    }
    retry_later(e, err);
}

static void on_success(struct entry *e, struct vk_str body)
{
    uint64_t rv = version_of_answer(body);

    backoff_reset(&e->backoff);
    e->conflict_rv = 0;
    e->conflicts = 0;
    /* The same version means that the API server saw nothing to change: it has what we want. */
    if (rv >= version_number(e->pod->meta.resource_version)) {
        replace(&e->acknowledged, version_ref(e->sent));
        e->acknowledged_rv = rv;
    } else {
        replace(&e->acknowledged, NULL);
    }
}

static void tell_written(struct entry *e)
{
    const struct status_manager_config *config = &e->manager->config;
    char *uid VK_AUTOFREE = vk_strdup(e->pod->meta.uid);

    if (config->written)
        config->written(config->user, uid);
}

static void on_done(void *user, struct vk_str body, const struct vk_err *err)
{
    struct entry *e = user;
    struct status_manager *m = e->manager;

    vk_crash_point("after-status-patch");
    e->call = NULL;
    m->in_flight[e->lane]--;
    e->outdated = false;
    if (err)
        on_failure(e, err);
    else
        on_success(e, body);
    replace(&e->sent, NULL);
    if (is_settled(e))
        tell_written(e);
    else
        kick(e);
    pump(m);
}

/*
 * A patch that names the version it starts from can't meet the pod when its deletion has begun: see
 * pod_is_going. Where the watch brings no other version for a whole back-off, or
 * somebody writes to the pod all the time, the patch goes without; 0 then.
 */
static uint64_t version_to_name(const struct entry *e)
{
    const uint64_t version = base_version(e);

    return version == e->conflict_rv || e->conflicts >= MAX_CONFLICTS ? 0 : version;
}

static void start_patch(struct entry *e)
{
    struct status_manager *m = e->manager;
    struct vk_buf patch VK_BUF_AUTO, path VK_BUF_AUTO;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json_pairs annotations =
        status_annotations(e->pod, m->config.deletion_cost, e->notes, arena);
    char *what VK_AUTOFREE = NULL, *version VK_AUTOFREE = NULL;

    vk_buf_init(&patch, MAX_PATCH_BYTES);
    vk_buf_init(&path, 4096);
    e->sent_rv = version_to_name(e);
    if (e->sent_rv)
        version = vk_asprintf("%" PRIu64, e->sent_rv);
    if (!status_patch_write(e->pod->meta.uid, version, &annotations, base_of(e),
                            &e->desired->status, &patch))
        return;
    vk_buf_adds(&path, "/api/v1/namespaces/");
    url_encode(&path, vk_str_of(e->pod->meta.namespace_));
    vk_buf_adds(&path, "/pods/");
    url_encode(&path, vk_str_of(e->pod->meta.name));
    vk_buf_adds(&path, "/status");
    if (patch.failed || path.failed) {
        log_error("The pod's status is too large to be written", LS("pod", pod_key(e->pod)),
                  LS("podUID", e->pod->meta.uid));
        e->refused = true;
        return;
    }
    what = vk_asprintf("patch status of pod %s", pod_key(e->pod));
    e->sent = version_ref(e->desired);
    m->in_flight[e->lane]++;
    vk_crash_point("before-status-patch");
    e->call = rest_start(m->config.client, &(struct rest_request){
                                               .method = "PATCH",
                                               .path = vk_buf_peek(&path),
                                               .body = vk_buf_str(&patch),
                                               .patch = REST_STRATEGIC_MERGE_PATCH,
                                               .metadata_only = true,
                                               .what = what,
                                               .on_done = on_done,
                                               .user = e,
                                           });
}

static void pump(struct status_manager *m)
{
    for (enum lane lane = 0; lane < LANES; lane++) {
        struct vk_list *queue = &m->queues[lane];

        while (!m->stopped && m->in_flight[lane] < lane_limits[lane] && !vk_list_is_empty(queue)) {
            struct entry *e = VK_LIST_ENTRY(queue->next, struct entry, queue);

            vk_list_remove(&e->queue);
            start_patch(e);
        }
    }
}

static struct entry *entry_of(struct status_manager *m, const struct pod *pod)
{
    struct entry *e = vk_map_get(m->entries, pod->meta.uid);

    if (e)
        return e;
    e = vk_calloc(1, sizeof(*e));
    e->manager = m;
    e->pod = pod_ref(pod);
    e->backoff = (struct backoff){.initial_ms = RETRY_INITIAL_MS, .max_ms = RETRY_MAX_MS};
    vk_list_init(&e->queue);
    vk_timer_init(&e->retry, m->loop, "pod status retry", on_retry, e);
    vk_map_put(m->entries, pod->meta.uid, e);
    return e;
}

static void set_pod(struct entry *e, const struct pod *pod)
{
    struct pod *old = e->pod;

    e->pod = pod_ref(pod);
    pod_unref(old);
    if (e->acknowledged && version_number(pod->meta.resource_version) > e->acknowledged_rv)
        replace(&e->acknowledged, NULL);
    if (e->outdated && base_version(e) != e->conflict_rv) {
        e->outdated = false;
        vk_timer_disarm(&e->retry);
    }
}

/* Makes the wanted version anew; the old one stays where nothing changed. */
static void generate(struct entry *e, const struct pod_status *platform)
{
    struct status_manager *m = e->manager;
    struct version *v = vk_calloc(1, sizeof(*v));

    v->refs = 1;
    v->arena = vk_arena_new();
    status_generate(
        &(struct status_inputs){
            .pod = e->pod,
            .platform = platform,
            .previous = e->desired ? &e->desired->status : &e->pod->status,
            .node_ips = &m->config.node_ips,
            .now_ns = vk_wall_ns(),
            .judge = m->config.judge,
            .judge_user = m->config.user,
        },
        v->arena, &v->status);
    if (e->desired && pod_status_equal(&e->desired->status, &v->status)) {
        version_unref(v);
    } else {
        replace(&e->desired, v);
        e->refused = false;
    }
    if (m->config.generated)
        m->config.generated(m->config.user, e->pod, &e->desired->status);
}

void status_manager_set(struct status_manager *m, const struct pod *pod,
                        const struct pod_status *platform)
{
    struct entry *e = entry_of(m, pod);

    set_pod(e, pod);
    generate(e, platform);
    kick(e);
}

void status_manager_observe(struct status_manager *m, const struct pod *pod)
{
    struct entry *e = vk_map_get(m->entries, pod->meta.uid);
    bool was_settled;

    if (!e)
        return;
    was_settled = is_settled(e);
    set_pod(e, pod);
    /* Readiness gates, the generation, and an end that others decided are read from the object. */
    generate(e, &e->desired->status);
    kick(e);
    /* A patch whose answer was lost, or one that is not wanted any more. */
    if (!was_settled && is_settled(e))
        tell_written(e);
}

void status_manager_refresh(struct status_manager *m, const char *uid)
{
    struct entry *e = vk_map_get(m->entries, uid);

    if (!e)
        return;
    generate(e, &e->desired->status);
    kick(e);
}

void status_manager_note(struct status_manager *m, const char *uid, enum status_note note,
                         const char *text)
{
    struct entry *e = vk_map_get(m->entries, uid);

    if (!e || vk_streq(e->notes[note], text))
        return;
    vk_free(e->notes[note]);
    e->notes[note] = vk_strdup(text);
}

const struct pod_status *status_manager_get(const struct status_manager *m, const char *uid)
{
    const struct entry *e = vk_map_get(m->entries, uid);

    return e ? &e->desired->status : NULL;
}

bool status_manager_is_written(const struct status_manager *m, const char *uid)
{
    const struct entry *e = vk_map_get(m->entries, uid);

    return !e || is_settled(e);
}

size_t status_manager_busy(const struct status_manager *m)
{
    size_t n = 0;

    for (enum lane lane = 0; lane < LANES; lane++) {
        n += m->in_flight[lane];
        VK_LIST_FOREACH(link, &m->queues[lane])
        n++;
    }
    return n;
}

void status_manager_forget(struct status_manager *m, const char *uid)
{
    struct entry *e = vk_map_remove(m->entries, uid);

    if (!e)
        return;
    if (m->config.forgotten)
        m->config.forgotten(m->config.user, uid);
    entry_free(e);
    pump(m);
}

struct status_manager *status_manager_new(struct vk_loop *loop,
                                          const struct status_manager_config *config)
{
    struct status_manager *m = vk_calloc(1, sizeof(*m));
    const struct json_strs *ips = &config->node_ips;
    const char **copy;

    m->loop = loop;
    m->config = *config;
    m->arena = vk_arena_new();
    copy = vk_arena_array(m->arena, ips->n + 1, sizeof(*copy));
    for (size_t i = 0; i < ips->n; i++)
        copy[i] = vk_arena_strdup(m->arena, ips->v[i]);
    m->config.node_ips = (struct json_strs){.v = copy, .n = ips->n};
    m->entries = vk_map_new();
    for (enum lane lane = 0; lane < LANES; lane++)
        vk_list_init(&m->queues[lane]);
    return m;
}

void status_manager_stop(struct status_manager *m)
{
    size_t it = 0;
    const char *uid;
    void *value;

    m->stopped = true;
    while (vk_map_next(m->entries, &it, &uid, &value)) {
        struct entry *e = value;

        vk_timer_disarm(&e->retry);
        if (!e->call)
            continue;
        rest_cancel(vk_take(e->call));
        m->in_flight[e->lane]--;
    }
}

void status_manager_free(struct status_manager *m)
{
    if (!m)
        return;
    vk_map_free(m->entries, entry_free);
    vk_arena_free(m->arena);
    vk_free(m);
}
