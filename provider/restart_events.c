/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/restart_events.h"

#include "base/str.h"

#define MAX_EVENTS 4

static bool has_ended(const struct group_container_state *s)
{
    return s && vk_strieq(s->state, "Terminated");
}

bool container_was_restarted(const struct group_container_view *view)
{
    return view && (view->restart_count > 0 || has_ended(view->previous));
}

bool group_forbids_restarts(const struct container_group *group)
{
    return vk_strieq(group->restart_policy, "Never");
}

static void add_platform_end(const struct group_container *c,
                             const struct group_container_state *state, struct vk_arena *arena,
                             struct group_event *events, size_t *n)
{
    if (!has_ended(state) || !state->has_exit_code ||
        (state->exit_code != EXIT_PLATFORM_TERMINATED && state->exit_code != EXIT_PLATFORM_KILLED))
        return;
    events[(*n)++] = (struct group_event){
        .name = CONTAINER_TERMINATED_BY_PLATFORM,
        .type = "Warning",
        .message =
            vk_arena_printf(arena, "The Azure platform %s container %s (exit code %lld)",
                            state->exit_code == EXIT_PLATFORM_KILLED ? "killed" : "terminated",
                            c->name, (long long)state->exit_code),
        .count = 1,
        .first_ns = state->finish_ns,
        .last_ns = state->finish_ns,
    };
}

/* Documented for images alone; where ACI says it of a crash loop by itself, too, once is enough. */
static bool says_back_off(const struct group_container_view *view)
{
    const struct group_event *e = view->events.v;
    for (size_t i = 0; i < view->events.n; i++) {
        if (vk_streq(e[i].name, CONTAINER_BACK_OFF))
            return true;
    }
    return false;
}

static void add_back_off(const struct group_container *c, struct vk_arena *arena,
                         struct group_event *events, size_t *n)
{
    const struct group_container_state *current = c->view->current;
    if (!current || !vk_strieq(current->state, "Waiting") ||
        !vk_starts(current->detail_status ? current->detail_status : "", "CrashLoopBackOff") ||
        says_back_off(c->view))
        return;
    events[(*n)++] = (struct group_event){
        .name = CONTAINER_BACK_OFF,
        .type = "Warning",
        .message = vk_arena_printf(arena, "Back-off restarting failed container %s", c->name),
        .count = c->view->restart_count > 0 ? c->view->restart_count : 1,
    };
}

struct json_array restart_events(const struct container_group *group,
                                 const struct group_container *container, struct vk_arena *arena)
{
    const struct group_container_view *view = container->view;
    struct json_array out = {0};
    if (!view)
        return out;
    struct group_event *events = vk_arena_array(arena, MAX_EVENTS, sizeof(*events));
    add_platform_end(container, view->previous, arena, events, &out.n);
    add_platform_end(container, view->current, arena, events, &out.n);
    add_back_off(container, arena, events, &out.n);
    if (group_forbids_restarts(group) && container_was_restarted(view))
        events[out.n++] = (struct group_event){
            .name = CONTAINER_RESTARTED_BY_PLATFORM,
            .type = "Warning",
            .message = vk_arena_printf(arena,
                                       "Azure restarted container %s although restartPolicy is "
                                       "Never; its first end counts",
                                       container->name),
            .count = 1,
        };
    out.v = events;
    return out;
}
