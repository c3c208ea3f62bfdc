/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/leader_state.h"

#include "base/str.h"

/* client-go's JitterFactor. */
#define JITTER 1.2
/* What a Lease given back lasts: nobody has to wait for it. client-go's release(). */
#define RELEASED_DURATION_S 1

int leader_timing_check(const struct leader_timing *t, struct vk_err *err)
{
    if (t->lease_duration_ms % 1000 != 0)
        return vk_err_set(err, VK_INVALID,
                          "the lease duration must be whole seconds, as the Lease holds it");
    if (t->lease_duration_ms <= t->renew_deadline_ms)
        return vk_err_set(err, VK_INVALID,
                          "the lease duration must be longer than the renew deadline, so that a "
                          "leader stops before another one begins");
    if ((double)t->renew_deadline_ms <= JITTER * (double)t->retry_period_ms)
        return vk_err_set(err, VK_INVALID,
                          "the renew deadline must be more than 1.2 times the retry period");
    return 0;
}

void leader_state_init(struct leader_state *s, const struct leader_timing *timing,
                       const char *identity)
{
    *s = (struct leader_state){.timing = *timing};
    (void)vk_strcpy_to(s->identity, sizeof(s->identity), identity);
}

static bool is_ours(const struct leader_state *s)
{
    return s->has_seen && vk_streq(s->seen.holder, s->identity);
}

/* Somebody else holds it, as far as we may tell. */
static bool is_held(const struct leader_state *s, int64_t now_mono_ms)
{
    return *s->seen.holder && !is_ours(s) &&
           now_mono_ms < s->seen_mono_ms + s->seen.duration_s * 1000;
}

enum leader_step leader_state_next(struct leader_state *s, int64_t now_mono_ms, int64_t now_ns,
                                   struct leader_record *ret)
{
    const struct leader_record *seen = &s->seen;
    struct leader_record record = {.acquired_ns = now_ns, .renewed_ns = now_ns};

    s->sent_mono_ms = now_mono_ms;
    if (!s->is_fresh)
        return LEADER_READ;
    (void)vk_strcpy_to(record.holder, sizeof(record.holder), s->identity);
    record.duration_s = s->timing.lease_duration_ms / 1000;
    if (!s->is_absent) {
        record.transitions = is_ours(s) ? seen->transitions : seen->transitions + 1;
        if (is_ours(s))
            record.acquired_ns = seen->acquired_ns;
        (void)vk_strcpy_to(record.version, sizeof(record.version), seen->version);
    }
    *ret = record;
    return s->is_absent ? LEADER_CREATE : LEADER_WRITE;
}

/* The version changes with labels too; only the record is a sign of life. */
static bool is_same(const struct leader_record *a, const struct leader_record *b)
{
    return vk_streq(a->holder, b->holder) && a->acquired_ns == b->acquired_ns &&
           a->renewed_ns == b->renewed_ns && a->duration_s == b->duration_s &&
           a->transitions == b->transitions;
}

static void note(struct leader_state *s, const struct leader_record *record, int64_t now_mono_ms)
{
    if (!s->has_seen || !is_same(record, &s->seen))
        s->seen_mono_ms = now_mono_ms;
    s->seen = *record;
    s->has_seen = s->is_fresh = true;
    s->is_absent = false;
}

bool leader_state_read(struct leader_state *s, const struct leader_record *record,
                       int64_t now_mono_ms)
{
    if (!record) {
        s->is_fresh = s->is_absent = true;
        s->has_seen = false;
        return true;
    }
    note(s, record, now_mono_ms);
    /* Whoever has it took it from us, whatever our clock says. */
    if (s->is_leader && !is_ours(s))
        s->has_lost = true;
    s->is_fresh = !s->has_lost && !is_held(s, now_mono_ms);
    return s->is_fresh;
}

void leader_state_written(struct leader_state *s, const struct leader_record *record,
                          int64_t now_mono_ms)
{
    note(s, record, now_mono_ms);
    if (!is_ours(s))
        return;
    s->valid_mono_ms = s->sent_mono_ms + s->timing.renew_deadline_ms;
    s->is_leader = true;
}

void leader_state_failed(struct leader_state *s)
{
    /* What was seen stays: the time of a lease runs on while the API server is away. */
    s->is_fresh = false;
}

bool leader_state_leads(const struct leader_state *s, int64_t now_mono_ms)
{
    return s->is_leader && !s->has_lost && now_mono_ms < s->valid_mono_ms;
}

int64_t leader_state_delay_ms(const struct leader_state *s, int64_t now_mono_ms, double random)
{
    const int64_t period_ms = s->timing.retry_period_ms;
    int64_t passed_ms;

    if (!s->is_leader)
        return period_ms + (int64_t)(random * JITTER * (double)period_ms);
    passed_ms = now_mono_ms - s->sent_mono_ms;
    return passed_ms < period_ms ? period_ms - passed_ms : 0;
}

bool leader_state_release(const struct leader_state *s, int64_t now_ns, struct leader_record *ret)
{
    if (!s->is_leader || s->has_lost || !is_ours(s))
        return false;
    *ret = (struct leader_record){
        .acquired_ns = now_ns,
        .renewed_ns = now_ns,
        .duration_s = RELEASED_DURATION_S,
        .transitions = s->seen.transitions,
    };
    (void)vk_strcpy_to(ret->version, sizeof(ret->version), s->seen.version);
    return true;
}
