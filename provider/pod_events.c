/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/pod_events.h"

#include "base/alloc.h"
#include "base/str.h"
#include "provider/restart_events.h"

static void report(struct tracked_pod *pod, const struct json_array *events, const char *container,
                   const struct provider_upcalls *upcalls)
{
    const struct group_event *e = events->v;
    for (size_t i = 0; i < events->n; i++) {
        if (!e[i].name || !tracked_pod_note_event(pod, &e[i], container ? container : ""))
            continue;
        if (vk_streq(e[i].name, CONTAINER_TERMINATED_BY_PLATFORM) &&
            tracked_pod_ended_by_us(pod, e[i].last_ns))
            continue;
        const struct pod_identity id = tracked_pod_identity(pod);
        upcalls->event(upcalls->k, &id, container,
                       vk_streq(e[i].type, "Warning") ? "Warning" : "Normal", e[i].name,
                       e[i].message ? e[i].message : "", e[i].count, e[i].first_ns, e[i].last_ns);
    }
}

void pod_events_report(struct tracked_pod *pod, const struct container_group *group,
                       const struct provider_upcalls *upcalls, struct vk_arena *arena)
{
    const struct json_array *lists[] = {&group->init_containers, &group->containers};
    report(pod, &group->events, NULL, upcalls);
    for (size_t l = 0; l < VK_COUNT(lists); l++) {
        const struct group_container *c = lists[l]->v;
        for (size_t i = 0; i < lists[l]->n; i++) {
            if (!c[i].view)
                continue;
            report(pod, &c[i].view->events, c[i].name, upcalls);
            const struct json_array restarts = restart_events(group, &c[i], arena);
            report(pod, &restarts, c[i].name, upcalls);
        }
    }
}
