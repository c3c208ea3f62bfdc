/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/leader_election.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/crypto.h"
#include "base/json_writer.h"
#include "base/log.h"

#define LEASE_LIMIT (256 * 1024)
#define RELEASE_DEADLINE_MS 5000
#define MAX_LEASE_S (24 * 3600)

struct leader_election {
    struct vk_loop *loop;
    struct rest_client *client;
    char *namespace_, *name;
    struct leader_state state;
    void (*leads)(void *user);
    void (*lost)(void *user, const struct vk_err *err);
    void *user;
    struct vk_timer step_timer, end_timer;
    struct rest_call *call;
    enum leader_step step; /* the call's */
    bool has_looked;
    bool is_failing; /* and it was said */
    bool is_ended;
    struct vk_err last_failure;
    char told_holder[LEADER_ID_MAX];
    bool is_releasing;
    void (*released)(void *user);
    void *released_user;
};

/* ---- the Lease as JSON ---- */

static bool read_time(const struct json *spec, const char *key, int64_t *ret)
{
    const char *text = json_string(json_get(spec, key));

    *ret = 0;
    return !text || vk_time_parse(vk_str_of(text), ret);
}

static int decode(struct vk_str body, struct leader_record *ret, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct leader_record record = {0};
    const struct json *lease, *spec;
    const char *version;

    if (json_parse(body, LEASE_LIMIT, arena, &lease, err) < 0)
        return -(int)err->code;
    spec = json_get(lease, "spec");
    version = json_string_or(json_get(lease, "metadata"), "resourceVersion", "");
    record.duration_s = json_int64_or(spec, "leaseDurationSeconds", 0);
    record.transitions = json_int64_or(spec, "leaseTransitions", 0);
    if (!vk_strcpy_to(record.holder, sizeof(record.holder),
                      json_string_or(spec, "holderIdentity", "")) ||
        !*version || !vk_strcpy_to(record.version, sizeof(record.version), version) ||
        !read_time(spec, "acquireTime", &record.acquired_ns) ||
        !read_time(spec, "renewTime", &record.renewed_ns) || record.duration_s < 0 ||
        record.duration_s > MAX_LEASE_S)
        return vk_err_set(err, VK_PROTOCOL, "the Lease holds what no election writes");
    *ret = record;
    return 0;
}

static void encode(const struct leader_election *e, const struct leader_record *record, bool is_new,
                   struct vk_buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "metadata");
    if (is_new) {
        json_put_string(&w, "name", e->name);
        json_put_string(&w, "namespace", e->namespace_);
    } else {
        json_put_string(&w, "resourceVersion", record->version);
    }
    json_end_object(&w);
    json_begin_object(&w, "spec");
    json_put_string(&w, "holderIdentity", *record->holder ? record->holder : NULL);
    json_put_int(&w, "leaseDurationSeconds", record->duration_s);
    json_put_time_us(&w, "acquireTime", record->acquired_ns);
    json_put_time_us(&w, "renewTime", record->renewed_ns);
    json_put_int(&w, "leaseTransitions", record->transitions);
    json_end_object(&w);
    json_end_object(&w);
}

/* ---- who leads ---- */

static void end(struct leader_election *e)
{
    struct vk_err err;

    e->is_ended = true;
    vk_timer_disarm(&e->step_timer);
    vk_timer_disarm(&e->end_timer);
    if (e->state.has_lost)
        vk_err_set(&err, VK_CONFLICT, "lease %s/%s: %s leads now", e->namespace_, e->name,
                   leader_election_holder(e));
    else
        vk_err_set(&err, VK_TIMEOUT, "lease %s/%s was not renewed for %lld ms%s%s", e->namespace_,
                   e->name, (long long)e->state.timing.renew_deadline_ms, e->is_failing ? ": " : "",
                   e->is_failing ? e->last_failure.msg : "");
    e->lost(e->user, &err);
}

/* Before each callback of the loop. */
static bool may_go_on(void *user)
{
    struct leader_election *e = user;

    if (!e->state.is_leader || leader_state_leads(&e->state, vk_mono_ms()))
        return true;
    if (!e->is_ended)
        end(e);
    return false;
}

static void on_end_timer(void *user)
{
    struct leader_election *e = user;

    (void)may_go_on(e);
}

static void tell_holder(struct leader_election *e)
{
    const char *holder = leader_election_holder(e);

    if (e->state.is_leader || !*holder || vk_streq(holder, e->told_holder))
        return;
    (void)vk_strcpy_to(e->told_holder, sizeof(e->told_holder), holder);
    log_info("Standing by; another process leads", LS("lease", e->name), LS("leader", holder));
}

static void failed(struct leader_election *e, const struct vk_err *err)
{
    leader_state_failed(&e->state);
    /* Another one was faster, which the next look at the Lease tells. */
    if (err->code == VK_CONFLICT || err->code == VK_ALREADY_EXISTS)
        return;
    e->last_failure = *err;
    if (!e->is_failing && err->code == VK_FORBIDDEN)
        log_error("May not use the lease of the leader election, retrying; grant get, create and "
                  "patch of leases in its namespace",
                  LS("namespace", e->namespace_), LS("lease", e->name), LERR(err));
    else if (!e->is_failing)
        log_warning("Failed to use the lease of the leader election, retrying",
                    LS("lease", e->name), LERR(err));
    e->is_failing = true;
}

static void written(struct leader_election *e, const struct leader_record *record)
{
    const bool was_leader = e->state.is_leader;

    leader_state_written(&e->state, record, vk_mono_ms());
    if (!e->state.is_leader)
        return;
    vk_timer_arm(&e->end_timer, e->state.valid_mono_ms - vk_mono_ms());
    if (was_leader)
        return;
    log_info("Leading", LS("lease", e->name), LS("identity", e->state.identity));
    /* One that is about to end begins nothing. */
    if (!e->is_releasing)
        e->leads(e->user);
}

static void take_step(void *user);

static void step_again(struct leader_election *e, bool at_once)
{
    uint32_t random;

    if (e->is_ended)
        return;
    crypto_random(&random, sizeof(random));
    if (at_once || e->is_releasing)
        vk_timer_arm(&e->step_timer, 0);
    else
        vk_timer_arm(&e->step_timer,
                     leader_state_delay_ms(&e->state, vk_mono_ms(), (double)random / UINT32_MAX));
}

static void on_done(void *user, struct vk_str body, const struct vk_err *err)
{
    struct leader_election *e = user;
    struct leader_record record;
    struct vk_err failure;
    bool at_once = false;

    e->call = NULL;
    if (e->step == LEADER_CREATE)
        vk_crash_point("after-leader-create");
    else if (e->step == LEADER_WRITE)
        vk_crash_point("after-leader-write");
    if (err && err->code == VK_NOT_FOUND && e->step == LEADER_READ) {
        e->is_failing = false;
        at_once = leader_state_read(&e->state, NULL, vk_mono_ms());
    } else if (err) {
        failed(e, err);
    } else if (decode(body, &record, &failure) < 0) {
        failed(e, &failure);
    } else {
        e->is_failing = false;
        e->has_looked = true;
        if (e->step == LEADER_READ)
            at_once = leader_state_read(&e->state, &record, vk_mono_ms());
        else
            written(e, &record);
        tell_holder(e);
    }
    if (may_go_on(e))
        step_again(e, at_once);
}

static void send(struct leader_election *e, const struct leader_record *record, int64_t deadline_ms,
                 rest_done_fn on_answer)
{
    static const char *const methods[] = {
        [LEADER_READ] = "GET", [LEADER_CREATE] = "POST", [LEADER_WRITE] = "PATCH"};
    const bool is_new = e->step == LEADER_CREATE;
    char *path VK_AUTOFREE = vk_asprintf("/apis/coordination.k8s.io/v1/namespaces/%s/leases%s%s",
                                         e->namespace_, is_new ? "" : "/", is_new ? "" : e->name);
    char *what VK_AUTOFREE =
        vk_asprintf("%s lease %s/%s", methods[e->step], e->namespace_, e->name);
    struct vk_buf body VK_BUF_AUTO;

    vk_buf_init(&body, LEASE_LIMIT);
    if (record)
        encode(e, record, is_new, &body);
    if (is_new)
        vk_crash_point("before-leader-create");
    else if (e->step == LEADER_WRITE)
        vk_crash_point("before-leader-write");
    e->call = rest_start(e->client,
                         &(struct rest_request){
                             .method = methods[e->step],
                             .path = path,
                             .body = vk_buf_str(&body),
                             .patch = e->step == LEADER_WRITE ? REST_MERGE_PATCH : REST_NO_PATCH,
                             .deadline_ms = deadline_ms,
                             .what = what,
                             .on_done = on_answer,
                             .user = e,
                         });
}

static void on_released(void *user, struct vk_str body, const struct vk_err *err)
{
    struct leader_election *e = user;

    (void)body;
    e->call = NULL;
    if (err)
        log_warning("Failed to give the lease of the leader election back; it runs out by itself",
                    LS("lease", e->name), LERR(err));
    else
        log_info("Gave the lease of the leader election back", LS("lease", e->name));
    e->released(e->released_user);
}

static void release_now(struct leader_election *e)
{
    struct leader_record record;

    vk_timer_disarm(&e->end_timer);
    if (!leader_state_release(&e->state, vk_wall_ns(), &record)) {
        e->is_ended = true;
        e->released(e->released_user);
        return;
    }
    e->step = LEADER_WRITE;
    send(e, &record, RELEASE_DEADLINE_MS, on_released);
}

static void take_step(void *user)
{
    struct leader_election *e = user;
    struct leader_record record;

    if (e->call || e->is_ended)
        return;
    if (e->is_releasing) {
        release_now(e);
        return;
    }
    e->step = leader_state_next(&e->state, vk_mono_ms(), vk_wall_ns(), &record);
    send(e, e->step == LEADER_READ ? NULL : &record, e->state.timing.renew_deadline_ms / 2,
         on_done);
}

struct leader_election *leader_election_new(struct vk_loop *loop, struct rest_client *client,
                                            const struct leader_election_config *config)
{
    struct leader_election *e = vk_calloc(1, sizeof(*e));
    char host[65] = "unknown", uuid[37];
    char *identity VK_AUTOFREE = NULL;

    e->loop = loop;
    e->client = client;
    e->namespace_ = vk_strdup(config->lease.namespace_);
    e->name = vk_strdup(config->lease.name);
    e->leads = config->leads;
    e->lost = config->lost;
    e->user = config->user;
    (void)gethostname(host, sizeof(host) - 1);
    crypto_uuid4(uuid);
    identity = config->identity ? vk_strdup(config->identity) : vk_asprintf("%s_%s", host, uuid);
    leader_state_init(&e->state, &config->lease.timing, identity);
    vk_timer_init(&e->step_timer, loop, "leader election", take_step, e);
    vk_timer_init(&e->end_timer, loop, "end of leadership", on_end_timer, e);
    vk_loop_guard(loop, may_go_on, e);
    return e;
}

void leader_election_start(struct leader_election *e)
{
    log_info("Waiting to lead", LS("lease", e->name), LS("namespace", e->namespace_),
             LS("identity", e->state.identity));
    vk_timer_arm(&e->step_timer, 0);
}

void leader_election_release(struct leader_election *e, void (*done)(void *user), void *user)
{
    e->is_releasing = true;
    e->released = done;
    e->released_user = user;
    /* A write under way ends first: behind the release it would take the Lease again. */
    if (!e->call)
        vk_timer_arm(&e->step_timer, 0);
}

void leader_election_free(struct leader_election *e)
{
    if (!e)
        return;
    vk_loop_guard(e->loop, NULL, NULL);
    vk_timer_disarm(&e->step_timer);
    vk_timer_disarm(&e->end_timer);
    rest_cancel(e->call);
    vk_free(e->namespace_);
    vk_free(e->name);
    vk_free(e);
}

bool leader_election_works(const struct leader_election *e)
{
    return e->has_looked && !e->is_failing;
}

const char *leader_election_name(const struct leader_election *e)
{
    return e->name;
}

bool leader_election_leads(const struct leader_election *e)
{
    return leader_state_leads(&e->state, vk_mono_ms());
}

const char *leader_election_holder(const struct leader_election *e)
{
    return e->state.has_seen ? e->state.seen.holder : "";
}
