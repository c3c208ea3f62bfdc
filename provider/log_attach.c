/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/log_attach.h"

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/log.h"
#include "base/loop.h"

#define AGAIN_MS 30000
#define AGAIN_MAX_MS 600000

struct log_attach {
    struct container_groups *groups;
    struct exec_streams *streams;
    char *group, *container, *owner;
    const struct log_attach_events *events;
    void *user;
    struct exec_call *call;
    struct exec_stream *stream;
    bool is_open;
    struct backoff backoff;
    struct vk_timer timer; /* the next attempt */
};

static void again(struct log_attach *a, const struct vk_err *err)
{
    log_v(2, "Log is followed without its attachment", LS("group", a->group),
          LS("container", a->container), LS("err", err ? err->msg : ""));
    vk_timer_arm(&a->timer, backoff_next_ms(&a->backoff));
}

static void on_opened(void *user)
{
    struct log_attach *a = user;

    a->is_open = true;
    a->events->opened(a->user);
}

static void on_shown(void *user, struct vk_str bytes)
{
    struct log_attach *a = user;

    backoff_reset(&a->backoff);
    a->events->shown(a->user, bytes);
}

static void on_closed(void *user, const struct vk_err *err)
{
    struct log_attach *a = user;
    const bool was_open = a->is_open;

    a->stream = NULL;
    a->is_open = false;
    again(a, err);
    if (was_open)
        a->events->ended(a->user, !err);
}

static void on_endpoint(void *user, const struct exec_endpoint *endpoint, const struct vk_err *err)
{
    static const struct exec_stream_events events = {
        .opened = on_opened, .received = on_shown, .closed = on_closed};
    struct log_attach *a = user;

    a->call = NULL;
    if (err)
        again(a, err);
    else
        a->stream = exec_stream_open(a->streams, EXEC_STREAM_ATTACH, endpoint, &events, a);
}

static void on_timer(void *user)
{
    struct log_attach *a = user;
    const struct exec_target target = {
        .group = a->group, .container = a->container, .owner = a->owner};

    a->call = exec_attach(a->groups, &target, on_endpoint, a);
}

struct log_attach *log_attach_new(struct vk_loop *loop, struct container_groups *groups,
                                  struct exec_streams *streams, const struct exec_target *target,
                                  const struct log_attach_events *events, void *user)
{
    struct log_attach *a = vk_calloc(1, sizeof(*a));

    a->groups = groups;
    a->streams = streams;
    a->group = vk_strdup(target->group);
    a->container = vk_strdup(target->container);
    a->owner = target->owner ? vk_strdup(target->owner) : NULL;
    a->events = events;
    a->user = user;
    a->backoff = (struct backoff){.initial_ms = AGAIN_MS, .max_ms = AGAIN_MAX_MS};
    vk_timer_init(&a->timer, loop, "log attachment", on_timer, a);
    vk_timer_arm(&a->timer, 0);
    return a;
}

void log_attach_free(struct log_attach *a)
{
    if (!a)
        return;
    exec_call_cancel(a->call);
    exec_stream_cancel(a->stream);
    vk_timer_disarm(&a->timer);
    vk_free(a->group);
    vk_free(a->container);
    vk_free(a->owner);
    vk_free(a);
}

bool log_attach_is_open(const struct log_attach *a)
{
    return a && a->is_open;
}

void log_attach_pause(struct log_attach *a, bool paused)
{
    if (a && a->is_open)
        exec_stream_pause(a->stream, paused);
}
