/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider that keeps its groups in memory, and the fixture that joins it with the fake API
 * server and the pods room.
 */
#pragma once

#include "tests/unit/kubelet/fake_pods_api.h"

#include "base/log.h"
#include "base/map.h"
#include "kubelet/pods/pods.h"

struct memory_group {
    char *name, *uid;
};
struct memory_provider {
    struct vk_loop *loop;
    const struct provider_upcalls *up;
    struct vk_map *groups; /* UID -> struct memory_group */
    bool synced, hold_create, hold_delete, run_at_once;
    size_t fail_creates, fail_deletes;
    struct vk_err error; /* of the failures */
    size_t fail_finds, fail_restarts;
    size_t creates, deletes, retires, forgets, finds, busy, most_busy, adoptions, restarts, looks;
    int64_t run; /* of what is reported: each began a second after the one before */
    bool last_may_exist;
    int64_t ended_at_ns; /* of containers that are reported as ended */
    bool runs_on;        /* of what is reported */
    char last_retired[64];
    struct vk_buf last_env; /* "NAME=value " of the first container created last */
    struct memory_call *held;
    /* Signals and commands in the order of their start: "stop c", "exec c: true". */
    struct vk_buf deeds;
    bool hold_stops;                       /* until memory_end_stops */
    bool runs_after_stop;                  /* what was stopped is at once reported to run anew */
    enum provider_stop_result stop_result; /* of the others, and then of these */
    struct vk_err stop_err;
    int exec_code;
    bool hold_execs; /* until memory_end_execs */
    size_t stops;
    struct container_stop *open_stops;
    struct memory_exec *open_execs;
};
struct memory_call {
    struct memory_provider *p;
    struct vk_timer timer;
    struct vk_err err;
    bool is_create, failed;
    char *uid, *name;
    provider_done_fn done;
    void *user;
    struct memory_call *next; /* a deletion that waits for this creation */
};

static inline struct pod_identity memory_id(const char *name, const char *uid)
{
    return (struct pod_identity){.namespace_ = "default", .name = name, .uid = uid};
}

/* The platform says: one container "c" in the given state. */
static FAKE_UNUSED void memory_report(struct memory_provider *p, const char *name, const char *uid,
                                      const char *phase, enum container_state_kind kind,
                                      int64_t exit_code)
{
    struct container_status c = {
        .name = "c",
        .image = "app:1",
        .image_id = "sha256:1",
        .container_id = "aci://1",
        .ready = kind == CONTAINER_RUNNING,
        .has_started = true,
        .started = kind == CONTAINER_RUNNING,
        .state = {.kind = kind,
                  .exit_code = exit_code,
                  .reason = kind == CONTAINER_TERMINATED ? "Completed" : NULL,
                  .started_at_ns = kind == CONTAINER_WAITING
                                       ? 0
                                       : (1700000000 + p->run) * 1000000000 + 123456789,
                  .finished_at_ns = kind == CONTAINER_TERMINATED ? p->ended_at_ns : 0},
    };
    const char *ip = "10.244.0.7";
    struct provider_pod_status s = {
        .id = memory_id(name, uid),
        .group_exists = true,
        .runs_on = p->runs_on,
        .status = {.phase = phase,
                   .pod_ip = ip,
                   .pod_ips = {.v = &ip, .n = 1},
                   .container_statuses = {.v = &c, .n = 1}},
    };

    if (kind == CONTAINER_STATE_NONE)
        s.status = (struct pod_status){0};
    p->up->status_changed(p->up->k, &s);
}

static FAKE_UNUSED void memory_lose(struct memory_provider *p, const char *name, const char *uid)
{
    struct provider_pod_status s = {.id = memory_id(name, uid)};
    struct memory_group *g = vk_map_remove(p->groups, uid);

    assert_non_null(g);
    vk_free(g->name);
    vk_free(g->uid);
    vk_free(g);
    p->up->status_changed(p->up->k, &s);
}

static inline void memory_group_add(struct memory_provider *p, const char *name, const char *uid)
{
    struct memory_group *g = vk_calloc(1, sizeof(*g));

    g->name = vk_strdup(name);
    g->uid = vk_strdup(uid);
    assert_null(vk_map_put(p->groups, uid, g));
}

static inline void memory_group_free(void *v)
{
    struct memory_group *g = v;

    vk_free(g->name);
    vk_free(g->uid);
    vk_free(g);
}

static inline void memory_complete(void *user)
{
    struct memory_call *call = user;
    struct memory_provider *p = call->p;

    p->busy--;
    if (!call->failed && call->is_create) {
        if (vk_map_get(p->groups, call->uid))
            p->adoptions++;
        else
            memory_group_add(p, call->name, call->uid);
    }
    if (!call->failed && !call->is_create) {
        struct memory_group *g = vk_map_remove(p->groups, call->uid);

        if (g)
            memory_group_free(g);
    }
    call->done(call->user, call->failed ? &call->err : NULL);
    if (call->next)
        vk_timer_arm(&call->next->timer, 0);
    if (!call->failed && call->is_create && p->run_at_once)
        memory_report(p, call->name, call->uid, "Running", CONTAINER_RUNNING, 0);
    vk_free(call->uid);
    vk_free(call->name);
    vk_free(call);
}

static inline void memory_start_call(struct memory_provider *p, bool is_create, const char *name,
                                     const char *uid, provider_done_fn done, void *user)
{
    struct memory_call *call = vk_calloc(1, sizeof(*call));
    size_t *fail = is_create ? &p->fail_creates : &p->fail_deletes;

    call->p = p;
    call->is_create = is_create;
    call->name = vk_strdup(name);
    call->uid = vk_strdup(uid);
    call->done = done;
    call->user = user;
    if (*fail) {
        --*fail;
        call->failed = true;
        call->err = p->error;
    }
    p->busy++;
    if (p->busy > p->most_busy)
        p->most_busy = p->busy;
    vk_timer_init(&call->timer, p->loop, "memory provider", memory_complete, call);
    if (!is_create && p->held && p->held->is_create && vk_streq(p->held->uid, uid))
        p->held->next = call;
    else if (is_create ? p->hold_create : p->hold_delete)
        p->held = call;
    else
        vk_timer_arm(&call->timer, 0);
}

static FAKE_UNUSED void memory_release_held(struct memory_provider *p)
{
    struct memory_call *call = vk_take(p->held);

    assert_non_null(call);
    vk_timer_arm(&call->timer, 0);
}

static inline void memory_create(void *user, struct resolved_pod *pod, provider_done_fn done,
                                 void *done_user)
{
    struct memory_provider *p = user;

    p->creates++;
    p->last_may_exist = pod->may_exist;
    vk_buf_clear(&p->last_env);
    for (size_t i = 0; i < pod->containers[0].env_count; i++) {
        const struct resolved_env *e = &pod->containers[0].env[i];

        vk_buf_printf(&p->last_env, "%s=%s ", e->name, e->secret ? "(secret)" : e->value);
    }
    memory_start_call(p, true, pod->pod->meta.name, pod->pod->meta.uid, done, done_user);
    resolved_pod_free(pod);
}

static inline void memory_delete(void *user, const struct pod_identity *id, provider_done_fn done,
                                 void *done_user)
{
    struct memory_provider *p = user;

    p->deletes++;
    memory_start_call(p, false, id->name, id->uid, done, done_user);
}

static inline void memory_retire(void *user, const struct pod_identity *id, provider_done_fn done,
                                 void *done_user)
{
    struct memory_provider *p = user;

    p->retires++;
    vk_strcpy_to(p->last_retired, sizeof(p->last_retired), id->name);
    memory_start_call(p, false, id->name, id->uid, done, done_user);
}

static inline void memory_forget(void *user, const struct pod_identity *id)
{
    struct memory_provider *p = user;

    assert_null(vk_map_get(p->groups, id->uid));
    p->forgets++;
}

/* Answered by fn on the next turn; failed while *fail is left. */
static inline void memory_ask(struct memory_provider *p, const struct pod_identity *id,
                              size_t *fail, vk_timer_fn fn, provider_done_fn done, void *user)
{
    struct memory_call *call = vk_calloc(1, sizeof(*call));

    *call = (struct memory_call){.p = p,
                                 .name = vk_strdup(id->name),
                                 .uid = vk_strdup(id->uid),
                                 .failed = *fail > 0,
                                 .err = p->error,
                                 .done = done,
                                 .user = user};
    *fail -= call->failed;
    vk_timer_init(&call->timer, p->loop, "memory provider", fn, call);
    vk_timer_arm(&call->timer, 0);
}

static inline void memory_found(void *user)
{
    struct memory_call *call = user;
    struct memory_provider *p = call->p;
    const bool is_there = vk_map_get(p->groups, call->uid) != NULL;

    if (!call->failed && !is_there)
        (void)vk_err_set(&call->err, VK_NOT_FOUND, "no such group");
    call->done(call->user, call->failed || !is_there ? &call->err : NULL);
    if (!call->failed && is_there)
        memory_report(p, call->name, call->uid, "Running", CONTAINER_RUNNING, 0);
    vk_free(call->uid);
    vk_free(call->name);
    vk_free(call);
}

static inline void memory_find(void *user, const struct pod_identity *id, provider_done_fn done,
                               void *done_user)
{
    struct memory_provider *p = user;

    p->finds++;
    memory_ask(p, id, &p->fail_finds, memory_found, done, done_user);
}

static inline void memory_restarted(void *user)
{
    struct memory_call *call = user;
    struct memory_provider *p = call->p;

    p->busy--;
    p->run += !call->failed;
    call->done(call->user, call->failed ? &call->err : NULL);
    if (!call->failed)
        memory_report(p, call->name, call->uid, "Running", CONTAINER_RUNNING, 0);
    vk_free(call->uid);
    vk_free(call->name);
    vk_free(call);
}

static inline void memory_restart(void *user, const struct pod_identity *id, provider_done_fn done,
                                  void *done_user)
{
    struct memory_provider *p = user;

    p->restarts++;
    p->busy++;
    memory_ask(p, id, &p->fail_restarts, memory_restarted, done, done_user);
}

static inline void memory_look(void *user, const struct pod_identity *id)
{
    (void)id;
    ((struct memory_provider *)user)->looks++;
}

static inline bool memory_is_synced(void *user)
{
    const struct memory_provider *p = user;

    return p->synced;
}

struct container_stop {
    char *name, *uid;
    struct memory_provider *p;
    struct vk_timer timer;
    provider_stop_fn done;
    void *user;
    struct container_stop *next;
};
struct memory_exec {
    struct memory_provider *p;
    struct vk_timer timer;
    const struct exec_events *events;
    void *user;
    struct memory_exec *next;
};

#define MEMORY_UNLINK(list, one)                                                                   \
    for (__typeof__(list) *at_ = &(list); *at_; at_ = *at_ ? &(*at_)->next : at_)                  \
        if (*at_ == (one))                                                                         \
    *at_ = (one)->next

static inline void memory_stop_cancel(void *user, struct container_stop *s)
{
    struct memory_provider *p = user;

    MEMORY_UNLINK(p->open_stops, s);
    vk_timer_disarm(&s->timer);
    vk_free(s->name);
    vk_free(s->uid);
    vk_free(s);
}

static inline void memory_stopped(void *user)
{
    struct container_stop *s = user;
    struct memory_provider *p = s->p;
    const provider_stop_fn done = s->done;
    void *done_user = s->user;

    if (p->runs_after_stop) {
        char *name VK_AUTOFREE = vk_strdup(s->name), *uid VK_AUTOFREE = vk_strdup(s->uid);

        p->run++; /* the report may cancel this stop */
        memory_report(p, name, uid, "Running", CONTAINER_RUNNING, 0);
        return;
    }
    memory_stop_cancel(p, s);
    done(done_user, p->stop_result, p->stop_result == PROVIDER_STOP_REFUSED ? &p->stop_err : NULL);
}

static inline struct container_stop *memory_stop(void *user, const struct pod_identity *id,
                                                 const char *container, provider_stop_fn done,
                                                 void *done_user)
{
    struct memory_provider *p = user;
    struct container_stop *s = vk_calloc(1, sizeof(*s));

    vk_buf_printf(&p->deeds, "stop %s\n", container);
    p->stops++;
    s->name = vk_strdup(id->name);
    s->uid = vk_strdup(id->uid);
    s->p = p;
    s->done = done;
    s->user = done_user;
    s->next = p->open_stops;
    p->open_stops = s;
    vk_timer_init(&s->timer, p->loop, "memory stop", memory_stopped, s);
    if (!p->hold_stops)
        vk_timer_arm(&s->timer, 0);
    return s;
}

static FAKE_UNUSED void memory_end_stops(struct memory_provider *p)
{
    for (struct container_stop *s = p->open_stops; s; s = s->next)
        vk_timer_arm(&s->timer, 0);
}

static inline void memory_exec_cancel(void *user, struct exec_session *session)
{
    struct memory_provider *p = user;
    struct memory_exec *s = (struct memory_exec *)session;

    MEMORY_UNLINK(p->open_execs, s);
    vk_timer_disarm(&s->timer);
    vk_free(s);
}

static inline void memory_exec_ended(void *user)
{
    struct memory_exec *s = user;
    struct memory_provider *p = s->p;
    const struct exec_result result = {.exit_code = p->exec_code};
    const struct exec_events *events = s->events;
    void *receiver = s->user;

    memory_exec_cancel(p, (struct exec_session *)s);
    events->output(receiver, VK_STR("output"));
    events->finished(receiver, &result, NULL);
}

static inline struct exec_session *memory_exec(void *user, const struct exec_request *request,
                                               const struct exec_events *events, void *receiver)
{
    struct memory_provider *p = user;
    struct memory_exec *s = vk_calloc(1, sizeof(*s));

    vk_buf_printf(&p->deeds, "exec %s: %s\n", request->container, request->command[0]);
    s->p = p;
    s->events = events;
    s->user = receiver;
    s->next = p->open_execs;
    p->open_execs = s;
    vk_timer_init(&s->timer, p->loop, "memory exec", memory_exec_ended, s);
    if (!p->hold_execs)
        vk_timer_arm(&s->timer, 5);
    return (struct exec_session *)s;
}

static FAKE_UNUSED void memory_end_execs(struct memory_provider *p)
{
    for (struct memory_exec *s = p->open_execs; s; s = s->next)
        vk_timer_arm(&s->timer, 0);
}

static const struct provider_ops memory_ops = {
    .name = "memory",
    .create_pod = memory_create,
    .find_pod = memory_find,
    .delete_pod = memory_delete,
    .retire_pod = memory_retire,
    .run_in_container = memory_exec,
    .exec_cancel = memory_exec_cancel,
    .stop_container = memory_stop,
    .stop_container_cancel = memory_stop_cancel,
    .is_synced = memory_is_synced,
    .forget_pod = memory_forget,
    .restart_pod = memory_restart,
    .look_at_pod = memory_look,
};

struct world {
    struct vk_loop *loop;
    struct fake_api api;
    struct memory_provider memory;
    struct provider provider;
    struct event_recorder *events;
    struct pods *pods;
    struct pod_retries retries;
    int64_t finished_group_ttl_ms;
};

static FAKE_UNUSED void world_start_pods(struct world *w)
{
    const char *ips[] = {"10.240.0.2"};

    w->pods = pods_new(w->loop, &(struct pods_config){
                                    .client = w->api.rest,
                                    .events = w->events,
                                    .http = w->api.http,
                                    .provider = &w->provider,
                                    .node_name = "burst-1",
                                    .node_ips = {.v = ips, .n = 1},
                                    .retries = w->retries,
                                    .finished_group_ttl_ms = w->finished_group_ttl_ms,
                                });
    w->memory.up = pods_upcalls(w->pods);
}

static FAKE_UNUSED struct world *world_new(void)
{
    struct world *w = vk_calloc(1, sizeof(*w));

    log_init(LOG_TEXT, 0);
    w->loop = vk_loop_new();
    fake_api_init(&w->api, w->loop);
    w->memory.loop = w->loop;
    w->memory.groups = vk_map_new();
    w->memory.synced = true;
    vk_buf_init(&w->memory.last_env, 64 * 1024);
    vk_buf_init(&w->memory.deeds, 64 * 1024);
    w->provider = (struct provider){.ops = &memory_ops, .p = &w->memory};
    w->retries = (struct pod_retries){
        .initial_ms = 20, .max_ms = 40, .image_initial_ms = 200, .image_max_ms = 400};
    w->events = event_recorder_new(w->loop, w->api.rest, "aci-kubelet", "burst-1");
    world_start_pods(w);
    return w;
}

/* The process dies and comes again: groups and the API server stay. */
static FAKE_UNUSED void world_stop_pods(struct world *w)
{
    pods_stop(w->pods);
    FAKE_EVENTUALLY(&w->api, w->memory.busy == 0);
    pods_free(w->pods);
    w->pods = NULL;
}

static FAKE_UNUSED void world_free(struct world *w)
{
    if (w->pods)
        world_stop_pods(w);
    event_recorder_free(w->events);
    fake_api_release(&w->api);
    vk_map_free(w->memory.groups, memory_group_free);
    vk_buf_release(&w->memory.last_env);
    vk_buf_release(&w->memory.deeds);
    vk_loop_free(w->loop);
    vk_free(w);
}

/* A member of the status that the API server has, as text; "" when absent. Path with dots. */
static FAKE_UNUSED const char *world_status(struct world *w, const char *name, const char *path)
{
    static char out[512];
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct fake_pod *p = fake_find(&w->api, "default", name);
    struct vk_str rest = vk_str_of(path);
    const struct json *v;
    struct vk_err err;

    out[0] = 0;
    if (!p)
        return "(no pod)";
    assert_int_equal(json_parse(vk_str_of(p->status), FAKE_LIMIT, arena, &v, &err), 0);
    while (rest.n && v) {
        struct vk_str part = vk_str_cut(rest, '.', &rest);
        const char *key = vk_arena_str(arena, part);
        int64_t index;

        if (json_type_of(v) == JSON_ARRAY && vk_str_int64(part, 0, 100, &index)) {
            v = json_first(v);
            while (v && index--)
                v = json_next(v);
        } else if (json_type_of(v) == JSON_ARRAY) {
            v = fake_by_key(v, "type", key);
        } else {
            v = json_get(v, key);
        }
    }
    if (v && json_string(v)) {
        vk_strcpy_to(out, sizeof(out), json_string(v));
    } else if (v) {
        struct vk_buf text VK_BUF_AUTO;
        struct json_writer w2;

        vk_buf_init(&text, FAKE_LIMIT);
        json_writer_init(&w2, &text);
        json_put_value(&w2, NULL, v);
        vk_strcpy_to(out, sizeof(out), vk_buf_peek(&text));
    }
    return out;
}

static FAKE_UNUSED size_t world_count(struct world *w, enum pod_worker_state state)
{
    size_t counts[POD_WORKER_STATES];

    pods_count(w->pods, counts);
    return counts[state];
}

static FAKE_UNUSED size_t world_workers(struct world *w)
{
    size_t counts[POD_WORKER_STATES], n = 0;

    pods_count(w->pods, counts);
    for (size_t i = 0; i < POD_WORKER_STATES; i++)
        n += counts[i];
    return n;
}

static FAKE_UNUSED bool world_told(struct world *w, const char *text)
{
    return strstr(vk_buf_peek(&w->api.event_log), text) != NULL;
}

#define SPEC_ALWAYS                                                                                \
    "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"Always\",\"containers\":[{\"name\":\"c\","      \
    "\"image\":\"app:1\"}]}"
#define SPEC_NEVER                                                                                 \
    "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\","       \
    "\"image\":\"app:1\"}]}"
