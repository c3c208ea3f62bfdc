/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/tracked_pod.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/crypto.h"
#include "provider/resources.h"

/* Our clock and Azure's. */
#define CLOCKS_DIFFER_NS (30ll * 1000000000)
/* From the call to the end of the last container: its turn among ARM's writes, and grace. */
#define RESTART_TAKES_NS (900ll * 1000000000)
/* A pod that flaps for days must not grow: the oldest half is forgotten, and the event recorder's
 * deterministic names still keep repeats from becoming new Events. */
#define MAX_EVENTS 128
#define EVENT_KEY_MAX (64u << 10)

struct tracked_pod *tracked_pod_new(const struct pod_identity *id)
{
    struct tracked_pod *pod = vk_calloc(1, sizeof(*pod));
    vk_list_init(&pod->link);
    pod->namespace_ = vk_strdup(id->namespace_);
    pod->name = vk_strdup(id->name);
    pod->uid = vk_strdup(id->uid);
    group_name(id->namespace_, id->name, id->uid, pod->group);
    return pod;
}

void tracked_pod_free(struct tracked_pod *pod)
{
    if (!pod)
        return;
    assert(!pod->write);
    vk_list_remove(&pod->link);
    groups_call_cancel(pod->read);
    vk_arena_free(pod->status_arena);
    vk_free(pod->events);
    vk_free(pod->namespace_);
    vk_free(pod->name);
    vk_free(pod->uid);
    vk_free(pod);
}

struct pod_identity tracked_pod_identity(const struct tracked_pod *pod)
{
    return (struct pod_identity){.namespace_ = pod->namespace_, .name = pod->name, .uid = pod->uid};
}

struct provider_pod_status tracked_pod_report(const struct tracked_pod *pod, bool group_exists,
                                              struct vk_arena *arena)
{
    return (struct provider_pod_status){
        .id = tracked_pod_identity(pod),
        .group_exists = group_exists,
        .status = pod->status,
        .runs_on = pod->runs_on,
        .size = pod->cpu_milli
                    ? resources_text(pod->cpu_milli / 10, pod->memory_bytes / 100000000, arena)
                    : NULL,
    };
}

void tracked_pod_note_group(struct tracked_pod *pod, const struct container_group *group)
{
    const struct group_container *c = group->containers.v;
    pod->exists = true;
    pod->missing = 0;
    pod->cpu_milli = pod->memory_bytes = 0;
    for (size_t i = 0; i < group->containers.n; i++) {
        pod->cpu_milli += c[i].cpu_milli;
        pod->memory_bytes += c[i].memory_bytes;
    }
}

bool tracked_pod_take_hint(struct tracked_pod *pod, int64_t now_mono_ms)
{
    if (!pod->exists || pod->finished || tracked_pod_is_denied(pod))
        return false;
    const int64_t soonest = pod->last_read_mono_ms + TRACKED_POD_HINT_MS;
    tracked_pod_read_at(pod, soonest > now_mono_ms ? soonest : now_mono_ms);
    return true;
}

bool tracked_pod_set_status(struct tracked_pod *pod, const struct pod_status *status)
{
    if (pod->was_reported && pod_status_equal(&pod->status, status))
        return false;
    struct vk_arena *arena = vk_arena_new();
    pod_status_copy(&pod->status, status, arena);
    vk_arena_free(pod->status_arena);
    pod->status_arena = arena;
    pod->was_reported = true;
    return true;
}

static uint64_t hash_event(const struct group_event *event, const char *where)
{
    struct vk_buf key;
    vk_buf_init(&key, EVENT_KEY_MAX);
    vk_buf_printf(&key, "%lld\n%s\n%s\n%.8192s", (long long)event->first_ns, where,
                  event->name ? event->name : "", event->message ? event->message : "");
    uint8_t digest[32];
    crypto_sha256(vk_buf_peek(&key), vk_buf_len(&key), digest);
    vk_buf_release(&key);
    uint64_t hash;
    memcpy(&hash, digest, sizeof(hash));
    return hash;
}

void tracked_pod_note_restart(struct tracked_pod *pod, int64_t now_wall_ns)
{
    if (pod)
        pod->restart_asked_ns = now_wall_ns;
}

bool tracked_pod_ended_by_us(const struct tracked_pod *pod, int64_t finish_ns)
{
    const int64_t asked_ns = pod->restart_asked_ns;
    return asked_ns && finish_ns > asked_ns - CLOCKS_DIFFER_NS &&
           finish_ns < asked_ns + RESTART_TAKES_NS;
}

bool tracked_pod_note_event(struct tracked_pod *pod, const struct group_event *event,
                            const char *where)
{
    const uint64_t hash = hash_event(event, where);
    for (size_t i = 0; i < pod->event_count; i++) {
        if (pod->events[i].hash == hash) {
            const bool grew = event->count > pod->events[i].count;
            if (grew)
                pod->events[i].count = event->count;
            return grew;
        }
    }
    if (pod->event_count >= MAX_EVENTS) {
        const size_t kept = MAX_EVENTS / 2;
        memmove(pod->events, pod->events + (pod->event_count - kept), kept * sizeof(*pod->events));
        pod->event_count = kept;
    }
    pod->events = vk_grow(pod->events, &pod->event_cap, pod->event_count + 1, sizeof(*pod->events));
    pod->events[pod->event_count++] = (struct tracked_event){.hash = hash, .count = event->count};
    return true;
}
