/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/tracker.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "provider/group_to_status.h"
#include "provider/pod_events.h"

#define TICK_BUSY_MS 50
#define TICK_IDLE_MS 250
/* A change is seen within a second: this pause, the LIST itself, a GET. */
#define LIST_BUSY_MS 500
#define LIST_IDLE_MS 10000
#define READ_FIRST_MS 250
#define READ_TRANSITION_MAX_MS 2000
/* A pod that waits for its image or for capacity this long is read more seldom. */
#define LONG_TRANSITION_MS 120000
#define READ_LONG_TRANSITION_MS 15000
/* Groups at rest are read in turn, one each 80 ms: 1,000 of them in 80 s. More share 17 reads a
 * second, which with the lists is below 80 % of what ARM allows. */
#define STEADY_ROUND_MIN_MS 2000
#define STEADY_STEP_MS 80
#define STEADY_STEP_MIN_MS 59
#define STEADY_ROUND_MS 80000
#define READ_RETRY_MS 2000
#define MAX_READS_IN_FLIGHT 48
/* What ARM refills a second. */
#define ARM_READS_PER_S 25
#define READ_DENIED_MS 30000 /* LIST shows it, GET does not find it */
/* ARM may answer 404 for a moment after it accepted a group. */
#define SETTLE_MS 10000

struct tracker {
    struct vk_loop *loop;
    struct tracker_config config;
    const struct provider_upcalls *upcalls;
    char *cluster_id, *node_name;
    struct vk_map *by_uid;
    struct vk_list pods;
    struct vk_timer tick;
    size_t reads_in_flight, transition_count, steady_count;
    int64_t steady_due_mono_ms;

    struct groups_call *list;
    uint64_t list_number;
    int64_t list_started_mono_ms, list_due_mono_ms;
    int64_t list_asked_mono_ms; /* somebody waits for a LIST at that time; 0: nobody */
    size_t listing_count, listed_count, list_pages;
    struct backoff list_backoff;
    struct vk_err list_err;
    bool synced;
};

static void on_tick(void *user);

struct tracker *tracker_new(struct vk_loop *loop, const struct tracker_config *config)
{
    struct tracker *t = vk_calloc(1, sizeof(*t));
    t->loop = loop;
    t->config = *config;
    t->by_uid = vk_map_new();
    vk_list_init(&t->pods);
    t->list_backoff = (struct backoff){.initial_ms = 1000, .max_ms = 30000};
    vk_timer_init(&t->tick, loop, "tracker", on_tick, t);
    return t;
}

static void remove_pod(struct tracker *t, struct tracked_pod *pod)
{
    if (pod->read)
        t->reads_in_flight--;
    (void)vk_map_remove(t->by_uid, pod->uid);
    tracked_pod_free(pod);
}

void tracker_start(struct tracker *t, const struct provider_start *start)
{
    assert(!t->upcalls);
    t->upcalls = start->upcalls;
    t->cluster_id = vk_strdup(start->cluster_id);
    t->node_name = vk_strdup(start->node_name);
    vk_timer_arm(&t->tick, 0);
}

void tracker_stop(struct tracker *t)
{
    t->upcalls = NULL;
    vk_timer_disarm(&t->tick);
    groups_call_cancel(t->list);
    t->list = NULL;
    VK_LIST_FOREACH(it, &t->pods)
    {
        struct tracked_pod *pod = VK_LIST_ENTRY(it, struct tracked_pod, link);
        groups_call_cancel(pod->read);
        pod->read = NULL;
    }
    t->reads_in_flight = 0;
}

void tracker_free(struct tracker *t)
{
    if (!t)
        return;
    tracker_stop(t);
    VK_LIST_FOREACH(it, &t->pods)
    {
        remove_pod(t, VK_LIST_ENTRY(it, struct tracked_pod, link));
    }
    vk_map_free(t->by_uid, NULL);
    vk_free(t->cluster_id);
    vk_free(t->node_name);
    vk_free(t);
}

bool tracker_is_synced(const struct tracker *t)
{
    return t->synced;
}

void tracker_list_by(struct tracker *t, int64_t mono_ms)
{
    if (t->list_asked_mono_ms == 0 || mono_ms < t->list_asked_mono_ms)
        t->list_asked_mono_ms = mono_ms;
}

const struct vk_err *tracker_list_error(const struct tracker *t)
{
    return t->list_err.code == VK_OK ? NULL : &t->list_err;
}

size_t tracker_listed_count(const struct tracker *t)
{
    return t->listed_count;
}

const char *tracker_cluster_id(const struct tracker *t)
{
    return t->cluster_id;
}

const char *tracker_node_name(const struct tracker *t)
{
    return t->node_name;
}

const struct provider_upcalls *tracker_upcalls(const struct tracker *t)
{
    return t->upcalls;
}

struct tracked_pod *tracker_find(const struct tracker *t, const char *uid)
{
    return vk_map_get(t->by_uid, uid);
}

struct tracked_pod *tracker_get(struct tracker *t, const struct pod_identity *id)
{
    struct tracked_pod *pod = vk_map_get(t->by_uid, id->uid);
    if (pod)
        return pod;
    pod = tracked_pod_new(id);
    pod->tracker = t;
    (void)vk_map_put(t->by_uid, pod->uid, pod);
    vk_list_add_tail(&t->pods, &pod->link);
    return pod;
}

void tracker_foreach(struct tracker *t, void (*fn)(void *user, struct tracked_pod *pod), void *user)
{
    VK_LIST_FOREACH(it, &t->pods)
    {
        fn(user, VK_LIST_ENTRY(it, struct tracked_pod, link));
    }
}

static void wake(struct tracker *t)
{
    if (t->upcalls)
        vk_timer_arm(&t->tick, 0);
}

void tracker_hint(struct tracker *t, const char *uid)
{
    struct tracked_pod *pod = tracker_find(t, uid);
    if (pod && tracked_pod_take_hint(pod, vk_mono_ms()))
        wake(t);
}

static void enter_transition(struct tracked_pod *pod)
{
    if (!pod->in_transition)
        pod->transition_since_mono_ms = vk_mono_ms();
    pod->in_transition = true;
    pod->read_interval_ms = READ_FIRST_MS;
}

void tracker_group_exists(struct tracker *t, struct tracked_pod *pod)
{
    pod->exists = true;
    pod->uncertain = false;
    pod->refused = false;
    pod->finished = false;
    pod->missing = 0;
    pod->provisioning[0] = '\0';
    pod->exists_since_mono_ms = vk_mono_ms();
    enter_transition(pod);
    pod->read_due_mono_ms = vk_mono_ms() + READ_FIRST_MS;
    /* Of a burst, LIST tells who moved on; not everybody needs a first look at once. */
    pod->last_read_mono_ms = vk_mono_ms();
    wake(t);
}

void tracker_group_deleted(struct tracker *t, struct tracked_pod *pod)
{
    (void)t;
    pod->exists = false;
    pod->wanted = false;
    pod->uncertain = false;
    pod->suspect = false;
    pod->in_transition = false;
}

void tracker_forget(struct tracker *t, struct tracked_pod *pod)
{
    if (pod->write || pod->pins)
        pod->forgotten = true;
    else
        remove_pod(t, pod);
}

void tracker_release(struct tracker *t, struct tracked_pod *pod)
{
    if (pod->forgotten && !pod->write && !pod->pins)
        remove_pod(t, pod);
}

bool tracker_is_ours(const struct tracker *t, const struct tracked_pod *pod,
                     const struct container_group *group)
{
    struct group_identity id;
    return group_identity_read(group, &id) && vk_streq(id.cluster, t->cluster_id) &&
           vk_streq(id.node, t->node_name) && vk_streq(id.uid, pod->uid);
}

static void report(struct tracker *t, struct tracked_pod *pod, bool group_exists)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct provider_pod_status status = tracked_pod_report(pod, group_exists, arena);
    t->upcalls->status_changed(t->upcalls->k, &status);
}

static bool is_settled(const char *provisioning)
{
    return vk_streq(provisioning, "Succeeded") || vk_streq(provisioning, "Failed") ||
           vk_streq(provisioning, "Canceled");
}

/* Decides when to look again. */
static void reschedule(struct tracked_pod *pod, bool changed)
{
    const int64_t now = vk_mono_ms();
    const bool pending = vk_streq(pod->status.phase, "Pending") || !pod->was_reported;
    const bool ended =
        vk_streq(pod->status.phase, "Succeeded") || vk_streq(pod->status.phase, "Failed");
    pod->finished = ended && !pod->may_run_again;
    if (!ended && (pending || !is_settled(pod->provisioning))) {
        if (changed || !pod->in_transition) {
            enter_transition(pod);
        } else {
            const bool is_long = now - pod->transition_since_mono_ms > LONG_TRANSITION_MS;
            const int64_t most = is_long ? READ_LONG_TRANSITION_MS : READ_TRANSITION_MAX_MS;
            const int64_t next = pod->read_interval_ms * 3 / 2;
            pod->read_interval_ms = next < most ? next : most;
        }
    } else {
        pod->in_transition = false;
        pod->read_interval_ms = STEADY_ROUND_MIN_MS;
    }
    pod->read_due_mono_ms = now + pod->read_interval_ms;
}

static void handle_group(struct tracker *t, struct tracked_pod *pod,
                         const struct container_group *group)
{
    pod->pins++;
    tracked_pod_note_group(pod, group);
    (void)vk_strcpy_to(pod->provisioning, sizeof(pod->provisioning),
                       group->provisioning_state ? group->provisioning_state : "");
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod_status status;
    group_to_status(group, arena, &status);
    const bool runs_on = group_runs_on(group, &status);
    const bool changed = tracked_pod_set_status(pod, &status) || runs_on != pod->runs_on;
    pod->runs_on = runs_on;
    pod->may_run_again = group_may_run_again(group, &status);
    reschedule(pod, changed);
    if (t->upcalls)
        pod_events_report(pod, group, t->upcalls, arena);
    if (changed && t->upcalls)
        report(t, pod, true);
    pod->pins--;
    tracker_release(t, pod);
}

static void handle_missing(struct tracker *t, struct tracked_pod *pod)
{
    const int64_t now = vk_mono_ms();
    const bool told = tracked_pod_is_denied(pod);
    const bool settles = pod->accepted_mono_ms && now - pod->accepted_mono_ms < SETTLE_MS;
    if (!told && (settles || pod->missing == 0)) {
        pod->missing = 1;
        tracked_pod_read_at(pod, now + READ_RETRY_MS / 2);
        return;
    }
    pod->missing = TRACKED_POD_DENIED;
    pod->in_transition = false;
    pod->read_due_mono_ms = now + READ_DENIED_MS;
    if (told)
        return;
    pod->exists = false;
    log_v(1, "Container group vanished", LS("group", pod->group), LS("podUID", pod->uid));
    pod->pins++;
    report(t, pod, false);
    pod->was_reported = false;
    pod->pins--;
    tracker_release(t, pod);
}

static void on_read(void *user, const struct container_group *group, const struct vk_err *err)
{
    struct tracked_pod *pod = user;
    struct tracker *t = pod->tracker;
    pod->read = NULL;
    t->reads_in_flight--;
    const int64_t now = vk_mono_ms();
    if (pod->write || !pod->exists || !t->upcalls)
        return;
    if (group && tracker_is_ours(t, pod, group)) {
        handle_group(t, pod, group);
    } else if (group || err->code == VK_NOT_FOUND) {
        handle_missing(t, pod);
    } else {
        log_v(2, "Reading a container group failed", LS("group", pod->group), LERR(err));
        tracked_pod_read_at(pod, now + READ_RETRY_MS);
    }
}

static void start_read(struct tracker *t, struct tracked_pod *pod, int64_t now)
{
    pod->suspect = false;
    pod->last_read_mono_ms = now;
    /* Until the answer says otherwise; also where the answer is thrown away. */
    pod->read_due_mono_ms = now + READ_RETRY_MS;
    t->reads_in_flight++;
    const struct groups_turn turn = {.priority = THROTTLE_TRACK};
    pod->read = container_groups_get(t->config.groups, pod->group, turn, on_read, pod);
}

static bool can_read(const struct tracked_pod *pod)
{
    return pod->exists && !pod->read && !pod->write;
}

enum urgency { URGENCY_SUSPECT, URGENCY_TRANSITION, URGENCY_STEADY, URGENCY_NONE };

/* LIST tells when a group has settled; few in transition are looked at more often. */
static enum urgency urgency_of(const struct tracker *t, const struct tracked_pod *pod, int64_t now)
{
    if (!can_read(pod))
        return URGENCY_NONE;
    if (tracked_pod_is_denied(pod))
        return now >= pod->read_due_mono_ms ? URGENCY_STEADY : URGENCY_NONE;
    if (pod->suspect)
        return now >= pod->read_due_mono_ms ? URGENCY_SUSPECT : URGENCY_NONE;
    if (pod->in_transition) {
        const int64_t spread = (int64_t)t->transition_count * 2000 / ARM_READS_PER_S;
        const bool due = now >= pod->read_due_mono_ms && now - pod->last_read_mono_ms >= spread;
        return due ? URGENCY_TRANSITION : URGENCY_NONE;
    }
    if (pod->finished || now < t->steady_due_mono_ms ||
        now - pod->last_read_mono_ms < STEADY_ROUND_MIN_MS)
        return URGENCY_NONE;
    return URGENCY_STEADY;
}

/* How long after one group at rest the next has its turn. */
static int64_t steady_step(const struct tracker *t)
{
    const int64_t n = t->steady_count > 0 ? (int64_t)t->steady_count : 1;
    int64_t step = STEADY_ROUND_MS / n;
    if (step < STEADY_STEP_MIN_MS)
        step = STEADY_STEP_MIN_MS;
    if (step > STEADY_STEP_MS)
        step = STEADY_STEP_MS;
    return n * step < STEADY_ROUND_MIN_MS ? STEADY_ROUND_MIN_MS / n : step;
}

/* Percent of ARM's bucket that is left. */
static int64_t reads_left(const struct tracker *t)
{
    struct throttle_state state;
    arm_client_describe(t->config.arm, &state);
    const int64_t size = state.size[THROTTLE_READS];
    return size > 0 ? state.left[THROTTLE_READS] * 100 / size : 100;
}

static void start_reads(struct tracker *t, int64_t now, int64_t left)
{
    /* What stays for what is more urgent, in percent. */
    static const int64_t reserves[] = {0, 15, 30};
    if (t->steady_due_mono_ms < now - 2 * TICK_IDLE_MS)
        t->steady_due_mono_ms = now - 2 * TICK_IDLE_MS;
    for (int level = URGENCY_SUSPECT; level < URGENCY_NONE; level++) {
        VK_LIST_FOREACH(it, &t->pods)
        {
            struct tracked_pod *pod = VK_LIST_ENTRY(it, struct tracked_pod, link);
            if (t->reads_in_flight >= MAX_READS_IN_FLIGHT || left < reserves[level])
                return;
            if ((int)urgency_of(t, pod, now) != level)
                continue;
            if (level == URGENCY_STEADY)
                t->steady_due_mono_ms += steady_step(t);
            start_read(t, pod, now);
            /* Whoever was just read goes to the end of the queue. */
            vk_list_remove(&pod->link);
            vk_list_add_tail(&t->pods, &pod->link);
        }
    }
}

/* A GET that was sent after this LIST began knows better. */
static void note_provisioning(const struct tracker *t, struct tracked_pod *pod, const char *now_is)
{
    if (vk_streq(pod->provisioning, now_is) ||
        (is_settled(pod->provisioning) && pod->last_read_mono_ms >= t->list_started_mono_ms))
        return;
    const bool is_news = is_settled(now_is) || is_settled(pod->provisioning);
    (void)vk_strcpy_to(pod->provisioning, sizeof(pod->provisioning), now_is);
    /* Pending, then Creating: nothing that a GET would tell is worth one yet. */
    if (is_news)
        tracked_pod_read_at(pod, vk_mono_ms());
}

static void on_item(void *user, const struct container_group *group)
{
    struct tracker *t = user;
    struct group_identity id;
    if (!group_identity_read(group, &id) || !vk_streq(id.cluster, t->cluster_id) ||
        !vk_streq(id.node, t->node_name))
        return;
    char name[GROUP_NAME_MAX + 1];
    group_name(id.namespace_, id.pod, id.uid, name);
    if (!vk_strieq(name, group->name)) {
        log_v(2, "A group has another name than its tags ask for", LS("group", group->name));
        return;
    }
    t->listing_count++;
    struct tracked_pod *pod = tracker_get(
        t, &(struct pod_identity){.namespace_ = id.namespace_, .name = id.pod, .uid = id.uid});
    pod->listed_in = t->list_number;
    if (pod->write)
        return;
    const int64_t now = vk_mono_ms();
    const bool is_denied = tracked_pod_is_denied(pod);
    if (!pod->exists) {
        pod->exists = true;
        pod->exists_since_mono_ms = now;
        pod->suspect = !is_denied;
        pod->read_due_mono_ms = is_denied ? pod->read_due_mono_ms : now;
    }
    if (!is_denied)
        note_provisioning(t, pod, group->provisioning_state ? group->provisioning_state : "");
}

/* Groups that a complete LIST did not name: a GET confirms it where it matters. */
static void note_absent(struct tracker *t)
{
    VK_LIST_FOREACH(it, &t->pods)
    {
        struct tracked_pod *pod = VK_LIST_ENTRY(it, struct tracked_pod, link);
        if (pod->listed_in == t->list_number || pod->write || pod->pins)
            continue;
        const bool known_before = pod->exists_since_mono_ms < t->list_started_mono_ms;
        if (pod->exists && known_before && tracked_pod_is_denied(pod)) {
            pod->exists = false;
            pod->missing = 0;
        } else if (pod->exists && known_before && !pod->suspect) {
            tracked_pod_read_at(pod, vk_mono_ms());
        } else if (!pod->exists && !pod->wanted && !pod->uncertain && !pod->being_checked) {
            remove_pod(t, pod);
        }
    }
}

/* Each page costs a read: when they are short, at most a quarter of the rate goes to lists. */
static int64_t list_interval(const struct tracker *t, bool busy, int64_t left)
{
    if (!busy)
        return LIST_IDLE_MS;
    const int64_t fair = left < 50 ? (int64_t)t->list_pages * 4000 / ARM_READS_PER_S : 0;
    return fair > LIST_BUSY_MS ? fair : LIST_BUSY_MS;
}

/* LIST tells no more than existence: what the pods do follows by GET. */
static void become_synced(struct tracker *t)
{
    t->synced = true;
    VK_LIST_FOREACH(it, &t->pods)
    {
        struct tracked_pod *pod = VK_LIST_ENTRY(it, struct tracked_pod, link);
        if (pod->exists && t->upcalls)
            report(t, pod, true);
    }
    if (t->upcalls)
        t->upcalls->synced(t->upcalls->k);
}

static void on_listed(void *user, const struct groups_listing *listing, const struct vk_err *err)
{
    struct tracker *t = user;
    t->list = NULL;
    const int64_t now = vk_mono_ms();
    t->list_pages = listing->pages;
    if (err) {
        if (t->list_err.code != err->code || !vk_streq(t->list_err.reason, err->reason))
            log_warning("Listing container groups failed, trying again", LERR(err),
                        LS("reason", err->reason));
        t->list_err = *err;
        const int64_t wait = backoff_next_ms(&t->list_backoff);
        t->list_due_mono_ms = now + (err->retry_after_ms > wait ? err->retry_after_ms : wait);
        wake(t);
        return;
    }
    if (t->list_err.code != VK_OK)
        log_info("Listing container groups works again", LI("groups", t->listing_count));
    t->list_err = (struct vk_err){0};
    backoff_reset(&t->list_backoff);
    t->listed_count = t->listing_count;
    t->list_due_mono_ms = now;
    if (listing->skipped == 0)
        note_absent(t);
    if (!t->synced)
        become_synced(t);
    if (t->config.on_listed && t->upcalls)
        t->config.on_listed(t->config.user);
    wake(t);
}

/* True while something is about to change. Who waits for long, as for an image, is read alone. */
static bool count_pods(struct tracker *t, int64_t now)
{
    bool is_busy = false;
    t->transition_count = 0;
    t->steady_count = 0;
    VK_LIST_FOREACH(it, &t->pods)
    {
        const struct tracked_pod *pod = VK_LIST_ENTRY(it, struct tracked_pod, link);
        if (!pod->exists)
            continue;
        is_busy |= pod->suspect;
        is_busy |= pod->in_transition && now - pod->transition_since_mono_ms < LONG_TRANSITION_MS;
        if (pod->in_transition)
            t->transition_count++;
        else if (!pod->finished)
            t->steady_count++;
    }
    return is_busy;
}

static void on_tick(void *user)
{
    struct tracker *t = user;
    const int64_t now = vk_mono_ms();
    const bool busy = count_pods(t, now);
    /* list_due_mono_ms is the end of the last good LIST, or when a failed one is tried again. */
    const bool failing = t->list_err.code != VK_OK || !t->synced;
    const int64_t left = reads_left(t);
    const int64_t pause = failing ? 0 : list_interval(t, busy, left);
    const bool asked = !failing && t->list_asked_mono_ms != 0 && now >= t->list_asked_mono_ms;
    if (!t->list && (asked || now >= t->list_due_mono_ms + pause)) {
        t->list_asked_mono_ms = 0;
        t->list_number++;
        t->listing_count = 0;
        t->list_started_mono_ms = now;
        t->list = container_groups_list(t->config.groups, on_item, on_listed, t);
    }
    /* While ARM is away the LIST that waits is the probe. */
    if (arm_client_away_since_mono_ms(t->config.arm) == 0)
        start_reads(t, now, left);
    vk_timer_arm(&t->tick, busy ? TICK_BUSY_MS : TICK_IDLE_MS);
}
