/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/container_state.h"

#include <ctype.h>

#include "base/alloc.h"
#include "base/str.h"
#include "provider/restart_events.h"

/* k8s v1.37.2 pkg/kubelet/kubelet_pods.go: a container whose end nobody saw. */
#define UNKNOWN_EXIT_CODE 137
#define UNKNOWN_REASON "ContainerStatusUnknown"
#define EXIT_KILLED 137
#define REASON_MAX 64

/* "CrashLoopBackOff: Back-off restarting failed" -> reason and the rest; text that does not start
 * with one word is a message only. */
static void split_detail(const char *detail, struct vk_arena *arena, const char **reason,
                         const char **message)
{
    *reason = NULL;
    *message = NULL;
    if (vk_str_empty(detail))
        return;
    size_t n = 0;
    while (isalnum((unsigned char)detail[n]))
        n++;
    const bool one_word = n > 0 && n <= REASON_MAX && isupper((unsigned char)detail[0]) &&
                          (detail[n] == '\0' || detail[n] == ':');
    if (!one_word) {
        *message = detail;
        return;
    }
    *reason = vk_arena_strndup(arena, detail, n);
    if (detail[n] == ':') {
        const struct vk_str rest = vk_str_trim(vk_str_of(detail + n + 1));
        *message = rest.n ? vk_arena_str(arena, rest) : NULL;
    }
}

static const struct group_event *event_at(const struct json_array *events, size_t i)
{
    return (const struct group_event *)events->v + i;
}

static bool mentions(const char *text, const char *word)
{
    return text && strcasestr(text, word) != NULL;
}

/* The reason of a kubelet as a word of its own: "room" is none. */
static bool says_oom_killed(const char *text)
{
    static const char word[] = "OOMKilled";
    const size_t n = sizeof(word) - 1;
    for (const char *at = text; at && (at = strcasestr(at, word)); at += n) {
        if ((at == text || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[n]))
            return true;
    }
    return false;
}

/* The text between the first pair of double quotes, when it carries a digest. */
static const char *quoted_digest(const char *message, struct vk_arena *arena)
{
    const char *open = message ? strchr(message, '"') : NULL;
    const char *close = open ? strchr(open + 1, '"') : NULL;
    if (!close)
        return NULL;
    const char *image = vk_arena_strndup(arena, open + 1, (size_t)(close - open - 1));
    return strstr(image, "@sha256:") ? image : NULL;
}

static const char *image_id_of(const struct group_container_view *view, struct vk_arena *arena)
{
    for (size_t i = view ? view->events.n : 0; i-- > 0;) {
        const struct group_event *e = event_at(&view->events, i);
        if (!vk_streq(e->name, "Pulling") && !vk_streq(e->name, "Pulled"))
            continue;
        const char *found = quoted_digest(e->message, arena);
        if (found)
            return found;
    }
    return "";
}

/* Events come oldest first, but a repeated one keeps its place: the later time decides. */
static const struct group_event *latest_trouble(const struct json_array *events)
{
    const struct group_event *latest = NULL;
    for (size_t i = 0; i < events->n; i++) {
        const struct group_event *e = event_at(events, i);
        const bool trouble = vk_streq(e->type, "Warning") || vk_streq(e->name, "BackOff") ||
                             vk_streq(e->name, "Failed");
        const bool cure = vk_streq(e->name, "Pulled") || vk_streq(e->name, "Started");
        if (trouble && (!latest || e->last_ns >= latest->last_ns))
            latest = e;
        else if (cure && latest && e->last_ns >= latest->last_ns)
            latest = NULL;
    }
    return latest;
}

static void read_waiting(const struct group_container_view *view,
                         const struct container_state_context *context, struct vk_arena *arena,
                         struct container_state *ret)
{
    const struct group_container_state *current = view ? view->current : NULL;
    ret->kind = CONTAINER_WAITING;
    if (current)
        split_detail(current->detail_status, arena, &ret->reason, &ret->message);
    const struct group_event *trouble = view ? latest_trouble(&view->events) : NULL;
    if (!trouble && context->events)
        trouble = latest_trouble(context->events);
    if (!ret->reason && trouble && mentions(trouble->message, "pull")) {
        ret->reason = vk_streq(trouble->name, "BackOff") ? "ImagePullBackOff" : "ErrImagePull";
        ret->message = trouble->message;
    }
    /* "Waiting" beside nothing is how ACI says that it has not come to this container yet. */
    if (!ret->reason || vk_streq(ret->reason, "Waiting"))
        ret->reason = context->waiting_reason;
    if (!ret->message && trouble)
        ret->message = trouble->message;
}

static const char *container_id(const struct container_state_context *context, const char *name,
                                int64_t restarts, struct vk_arena *arena)
{
    return vk_arena_printf(arena, "aci://%s/%s/%lld", context->group_hash, name,
                           (long long)(restarts < 0 ? 0 : restarts));
}

static void explain_exit_code(struct container_state *ret)
{
    static const struct {
        int64_t exit_code;
        const char *reason, *message;
    } known[] = {
        {EXIT_PLATFORM_TERMINATED, "TerminatedByPlatform",
         "The Azure platform terminated the container (exit code 7147)"},
        {EXIT_PLATFORM_KILLED, "KilledByPlatform",
         "The Azure platform killed the container (exit code 7148)"},
        {EXIT_KILLED, NULL,
         "Exit code 137 stands for SIGKILL, mostly sent for using more memory than the limit"},
    };
    const bool says_nothing = !ret->reason || vk_streq(ret->reason, "Error");
    for (size_t i = 0; i < VK_COUNT(known) && says_nothing; i++) {
        if (ret->exit_code != known[i].exit_code)
            continue;
        if (known[i].reason)
            ret->reason = known[i].reason;
        if (!ret->message)
            ret->message = known[i].message;
    }
    if (!ret->reason)
        ret->reason = ret->exit_code == 0 ? "Completed" : "Error";
}

static void read_terminated(const struct group_container_state *state, const char *id,
                            struct vk_arena *arena, struct container_state *ret)
{
    ret->kind = CONTAINER_TERMINATED;
    ret->started_at_ns = state->start_ns;
    ret->finished_at_ns = state->finish_ns;
    ret->container_id = id;
    split_detail(state->detail_status, arena, &ret->reason, &ret->message);
    if (!state->has_exit_code) {
        ret->exit_code = UNKNOWN_EXIT_CODE;
        ret->reason = UNKNOWN_REASON;
        if (!ret->message)
            ret->message = "ACI did not report an exit code";
        return;
    }
    ret->exit_code = state->exit_code;
    if (says_oom_killed(state->detail_status))
        ret->reason = "OOMKilled";
    explain_exit_code(ret);
}

/* False: ACI tells of no other end than the current one. */
static bool read_first_end(const struct group_container_view *view,
                           const struct container_state_context *context, const char *name,
                           struct vk_arena *arena, struct container_status *ret)
{
    static const struct group_container_state unseen = {.state = "Terminated"};
    const struct group_container_state *end = view->previous;
    if (!end || !vk_strieq(end->state, "Terminated")) {
        if (view->current && vk_strieq(view->current->state, "Terminated"))
            return false;
        end = &unseen;
    }
    ret->container_id = container_id(context, name, view->restart_count - 1, arena);
    read_terminated(end, ret->container_id, arena, &ret->state);
    ret->ready = context->is_init && end->has_exit_code && end->exit_code == 0;
    return true;
}

void container_state_read(const struct group_container *container,
                          const struct container_state_context *context, struct vk_arena *arena,
                          struct container_status *ret)
{
    const struct group_container_view *view = container->view;
    const struct group_container_state *current = view ? view->current : NULL;
    const struct group_container_state *previous = view ? view->previous : NULL;
    const int64_t restarts = view ? view->restart_count : 0;
    const char *id = container_id(context, container->name, restarts, arena);
    *ret = (struct container_status){
        .name = container->name,
        .image = container->image ? container->image : "",
        .image_id = image_id_of(view, arena),
        .restart_count = restarts,
        .has_started = true,
    };
    if (context->never_restarts && container_was_restarted(view) &&
        read_first_end(view, context, container->name, arena, ret))
        return;
    if (current && vk_strieq(current->state, "Running")) {
        ret->state =
            (struct container_state){.kind = CONTAINER_RUNNING, .started_at_ns = current->start_ns};
        ret->started = true;
        ret->ready = !context->is_init;
        ret->container_id = id;
    } else if (current && vk_strieq(current->state, "Terminated")) {
        read_terminated(current, id, arena, &ret->state);
        ret->ready = context->is_init && current->has_exit_code && current->exit_code == 0;
        ret->container_id = id;
    } else {
        read_waiting(view, context, arena, &ret->state);
        if (restarts > 0 || (previous && vk_strieq(previous->state, "Terminated")))
            ret->container_id = container_id(context, container->name, restarts - 1, arena);
        else
            ret->image_id = "";
    }
    if (previous && vk_strieq(previous->state, "Terminated"))
        read_terminated(previous, container_id(context, container->name, restarts - 1, arena),
                        arena, &ret->last_state);
}
