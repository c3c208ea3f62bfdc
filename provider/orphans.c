/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/orphans.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/log.h"

#define SOON_MS 5000
/* A pod that was just bound, or whose group we just deleted, is not suspected yet. */
#define MIN_AGE_MS 5000
#define MAX_QUESTIONS 8
#define MAX_DELETIONS 4
#define FEW 10
#define SHARE_PERCENT 20

enum orphan_step { ORPHAN_WAITS, ORPHAN_ASKED, ORPHAN_CONFIRMED, ORPHAN_DELETING };

/* One candidate of the sweep under way; names are its own, since the pod may be forgotten. */
struct orphan {
    struct vk_list link;
    struct orphans *owner;
    char *uid;
    enum orphan_step step;
    struct groups_call *deletion;
};

struct orphans {
    struct vk_loop *loop;
    struct container_groups *groups;
    struct tracker *tracker;
    int64_t sweep_ms;
    struct vk_list candidates;
    size_t questions, deletions, confirmed;
    uint64_t sweep; /* number of the sweep under way or of the last one */
    uint64_t previous_sweep;
    int64_t due_mono_ms;
    uint64_t removed;
    bool is_sweeping, is_deciding, stopped;
    struct vk_timer step_timer;
};

static void step(void *user);

static struct tracked_pod *pod_of(const struct orphan *c)
{
    return tracker_find(c->owner->tracker, c->uid);
}

/* Still unwanted? The kubelet may have asked for the pod while we asked about it. */
static bool is_candidate(const struct tracked_pod *pod)
{
    return pod && pod->exists && !pod->wanted && !pod->write;
}

static void orphan_free(struct orphan *c)
{
    vk_list_remove(&c->link);
    groups_call_cancel(c->deletion);
    vk_free(c->uid);
    vk_free(c);
}

static void drop(struct orphan *c)
{
    struct tracked_pod *pod = pod_of(c);
    if (pod)
        pod->being_checked = false;
    orphan_free(c);
}

static void on_answer(void *user, bool exists, const struct vk_err *err)
{
    struct orphan *c = user;
    struct orphans *o = c->owner;
    o->questions--;
    if (o->stopped) {
        drop(c);
        return;
    }
    vk_timer_arm(&o->step_timer, 0);
    struct tracked_pod *pod = pod_of(c);
    if (err || exists || !is_candidate(pod)) {
        if (err)
            log_v(2, "Asking for a group's pod failed", LS("podUID", c->uid), LERR(err));
        else if (exists && pod)
            pod->wanted = true;
        drop(c);
        return;
    }
    c->step = ORPHAN_CONFIRMED;
    o->confirmed++;
}

static void ask(struct orphans *o, struct orphan *c)
{
    const struct provider_upcalls *upcalls = tracker_upcalls(o->tracker);
    const struct tracked_pod *pod = pod_of(c);
    if (!upcalls || !is_candidate(pod)) {
        drop(c);
        return;
    }
    const struct pod_identity id = tracked_pod_identity(pod);
    c->step = ORPHAN_ASKED;
    o->questions++;
    upcalls->pod_exists(upcalls->k, &id, on_answer, c);
}

static void on_removed(void *user, const struct vk_err *err)
{
    struct orphan *c = user;
    struct orphans *o = c->owner;
    vk_crash_point("after-orphan-delete");
    c->deletion = NULL;
    o->deletions--;
    struct tracked_pod *pod = pod_of(c);
    if (err) {
        log_warning("Removing an orphaned container group failed, trying again", LERR(err),
                    LS("podUID", c->uid));
    } else {
        o->removed++;
        if (pod)
            tracker_group_deleted(o->tracker, pod);
    }
    drop(c);
    vk_timer_arm(&o->step_timer, 0);
}

static void remove_group(struct orphans *o, struct orphan *c)
{
    const struct tracked_pod *pod = pod_of(c);
    if (!is_candidate(pod)) {
        drop(c);
        return;
    }
    log_info("Removing an orphaned container group", LS("group", pod->group),
             LS("namespace", pod->namespace_), LS("pod", pod->name), LS("podUID", pod->uid));
    vk_crash_point("before-orphan-delete");
    c->step = ORPHAN_DELETING;
    o->deletions++;
    c->deletion = container_groups_delete(o->groups, pod->group, on_removed, c);
}

static bool is_too_many(const struct orphans *o, size_t n)
{
    return n > FEW && n * 100 > tracker_listed_count(o->tracker) * SHARE_PERCENT;
}

/* All questions are answered: remove, or wait for a second sweep to confirm. */
static void decide(struct orphans *o)
{
    o->is_deciding = false;
    const bool cautious = is_too_many(o, o->confirmed);
    size_t held_back = 0;
    VK_LIST_FOREACH(it, &o->candidates)
    {
        struct orphan *c = VK_LIST_ENTRY(it, struct orphan, link);
        struct tracked_pod *pod = pod_of(c);
        if (!is_candidate(pod)) {
            drop(c);
            continue;
        }
        const bool again = o->previous_sweep != 0 && pod->confirmed_in == o->previous_sweep;
        pod->confirmed_in = o->sweep;
        if (cautious && !again) {
            held_back++;
            drop(c);
        }
    }
    if (held_back)
        log_warning("Many container groups have no pod; they are removed if the next sweep says so "
                    "too",
                    LI("groups", held_back), LI("listed", tracker_listed_count(o->tracker)));
}

static void end_sweep(struct orphans *o)
{
    o->is_sweeping = false;
    o->previous_sweep = o->sweep;
    o->due_mono_ms = vk_mono_ms() + o->sweep_ms;
    tracker_list_by(o->tracker, o->due_mono_ms);
}

static void step(void *user)
{
    struct orphans *o = user;
    if (!o->is_sweeping || o->stopped)
        return;
    bool waiting = false;
    VK_LIST_FOREACH(it, &o->candidates)
    {
        struct orphan *c = VK_LIST_ENTRY(it, struct orphan, link);
        if (c->step == ORPHAN_WAITS && o->questions < MAX_QUESTIONS)
            ask(o, c);
        else
            waiting |= c->step == ORPHAN_WAITS;
    }
    if (waiting || o->questions > 0)
        return;
    if (o->is_deciding)
        decide(o);
    VK_LIST_FOREACH(jt, &o->candidates)
    {
        struct orphan *c = VK_LIST_ENTRY(jt, struct orphan, link);
        if (c->step == ORPHAN_CONFIRMED && o->deletions < MAX_DELETIONS)
            remove_group(o, c);
    }
    if (vk_list_is_empty(&o->candidates))
        end_sweep(o);
}

static void add_candidate(void *user, struct tracked_pod *pod)
{
    struct orphans *o = user;
    if (!is_candidate(pod) || pod->being_checked ||
        vk_mono_ms() - pod->exists_since_mono_ms < MIN_AGE_MS)
        return;
    pod->being_checked = true;
    struct orphan *c = vk_calloc(1, sizeof(*c));
    c->owner = o;
    c->uid = vk_strdup(pod->uid);
    vk_list_init(&c->link);
    vk_list_add_tail(&o->candidates, &c->link);
}

static void note_new(void *user, struct tracked_pod *pod)
{
    struct orphans *o = user;
    const int64_t soon = vk_mono_ms() + SOON_MS;
    /* Never confirmed and never asked about: first seen by this LIST or the one before. */
    if (is_candidate(pod) && pod->confirmed_in == 0 &&
        vk_mono_ms() - pod->exists_since_mono_ms < MIN_AGE_MS && soon < o->due_mono_ms)
        o->due_mono_ms = soon;
}

void orphans_on_listed(struct orphans *o)
{
    if (o->stopped || o->is_sweeping)
        return;
    if (o->due_mono_ms == 0)
        o->due_mono_ms = vk_mono_ms() + SOON_MS;
    tracker_foreach(o->tracker, note_new, o);
    if (vk_mono_ms() < o->due_mono_ms) {
        tracker_list_by(o->tracker, o->due_mono_ms);
        return;
    }
    o->sweep++;
    o->confirmed = 0;
    tracker_foreach(o->tracker, add_candidate, o);
    o->is_sweeping = true;
    o->is_deciding = true;
    vk_timer_arm(&o->step_timer, 0);
}

struct orphans *orphans_new(struct vk_loop *loop, struct container_groups *groups,
                            struct tracker *tracker, int64_t sweep_ms)
{
    struct orphans *o = vk_calloc(1, sizeof(*o));
    o->loop = loop;
    o->groups = groups;
    o->tracker = tracker;
    o->sweep_ms = sweep_ms;
    vk_list_init(&o->candidates);
    vk_timer_init(&o->step_timer, loop, "orphans", step, o);
    return o;
}

size_t orphans_settle(struct orphans *o)
{
    o->stopped = true;
    vk_timer_disarm(&o->step_timer);
    return o->deletions;
}

void orphans_stop(struct orphans *o)
{
    o->stopped = true;
    vk_timer_disarm(&o->step_timer);
    VK_LIST_FOREACH(it, &o->candidates)
    {
        struct orphan *c = VK_LIST_ENTRY(it, struct orphan, link);
        /* An answer may still come: it drops the candidate. */
        if (c->step != ORPHAN_ASKED)
            drop(c);
    }
}

void orphans_free(struct orphans *o)
{
    if (!o)
        return;
    orphans_stop(o);
    VK_LIST_FOREACH(it, &o->candidates)
    {
        drop(VK_LIST_ENTRY(it, struct orphan, link));
    }
    vk_free(o);
}

uint64_t orphans_removed(const struct orphans *o)
{
    return o->removed;
}
