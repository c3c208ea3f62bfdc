/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/container_stop.h"

#include <string.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/list.h"
#include "provider/exec_shell.h"
#include "provider/group_identity.h"

/* Within 50 bytes, see exec_stream.h. The screen repeats the line; only the shell joins the parts
 * of a word. `kill` is the shell's own: no other program has to be in the image. */
#define LINE "echo te''ll;kill -TERM 1||echo refu''sed\n"
#define TELL "tell"
#define REFUSED "refused"
#define SCREEN_MAX ((size_t)4096)
/* A line that wraps would tear the words. */
#define ROWS 24
#define COLUMNS 200
/* From the POST until the shell answers, but for the wait for a turn under ARM's limits. */
#define ANSWER_MS 20000
#define RETRY_INITIAL_MS 1000
#define RETRY_MAX_MS 8000
/* A container that does not run is a conflict too: its status will tell. */
#define CONFLICTS_MAX 3

struct container_stops {
    struct vk_loop *loop;
    struct container_groups *groups;
    struct exec_streams *streams;
    struct vk_list waiting, active; /* the oldest first */
    size_t active_count;
    bool is_possible;
};

struct container_stop {
    struct vk_list link;
    struct container_stops *owner;
    provider_stop_fn done;
    void *user;
    char group[GROUP_NAME_MAX + 1];
    char *container, *namespace_;
    bool is_active;
    bool is_told; /* the shell runs the line, or did */
    struct exec_call *call;
    struct exec_stream *stream;
    struct vk_buf screen;
    struct vk_timer timer; /* the next try, the answer to come, or the result to tell */
    bool has_result;
    enum provider_stop_result result;
    struct backoff backoff;
    struct vk_err err;
};

static void start_next(struct container_stops *stops);

static void stop_free(struct container_stop *s)
{
    struct container_stops *stops = s->owner;

    vk_list_remove(&s->link);
    if (s->is_active)
        stops->active_count--;
    exec_call_cancel(s->call);
    exec_stream_cancel(s->stream);
    vk_timer_disarm(&s->timer);
    vk_buf_release(&s->screen);
    vk_free(s->container);
    vk_free(s->namespace_);
    vk_free(s);
}

void container_stop_cancel(struct container_stop *s)
{
    struct container_stops *stops = s->owner;

    stop_free(s);
    start_next(stops);
}

/* On the next turn, since it may be found out inside another's call. */
static void finish(struct container_stop *s, enum provider_stop_result result)
{
    exec_call_cancel(vk_take(s->call));
    exec_stream_cancel(vk_take(s->stream));
    s->has_result = true;
    s->result = result;
    vk_timer_arm(&s->timer, 0);
}

static void refuse(struct container_stop *s, enum vk_code code, const char *what)
{
    const struct vk_str words = vk_str_trim(vk_buf_str(&s->screen));

    (void)vk_err_set(&s->err, code, "container %s can't be sent a SIGTERM: %s%s%.*s", s->container,
                     what, words.n ? ": " : "", (int)(words.n < 200 ? words.n : 200), words.p);
    finish(s, PROVIDER_STOP_REFUSED);
}

static void fail(struct container_stop *s, const struct vk_err *err)
{
    if (err->code == VK_NOT_FOUND) {
        finish(s, PROVIDER_STOP_ENDED);
        return;
    }
    s->err = *err;
    if (err->code == VK_CONFLICT && s->backoff.attempts >= CONFLICTS_MAX) {
        finish(s, PROVIDER_STOP_TOLD);
    } else if (vk_err_is_transient(err)) {
        int64_t delay = backoff_next_ms(&s->backoff);

        vk_timer_arm(&s->timer, delay < err->retry_after_ms ? err->retry_after_ms : delay);
    } else {
        finish(s, PROVIDER_STOP_REFUSED);
    }
}

static bool shows(const struct container_stop *s, const char *word)
{
    const struct vk_str all = vk_buf_str(&s->screen);

    return memmem(all.p, all.n, word, strlen(word)) != NULL;
}

static void on_received(void *user, struct vk_str bytes)
{
    struct container_stop *s = user;

    if (vk_buf_len(&s->screen) + bytes.n <= SCREEN_MAX)
        vk_buf_addstr(&s->screen, bytes);
    if (shows(s, REFUSED)) {
        refuse(s, VK_UNSUPPORTED, "its shell may not signal the main process");
    } else if (!s->is_told && shows(s, TELL)) {
        s->is_told = true;
        vk_timer_disarm(&s->timer);
        start_next(s->owner);
    }
}

static void on_closed(void *user, const struct vk_err *err)
{
    struct container_stop *s = user;

    s->stream = NULL;
    if (s->is_told)
        finish(s, err ? PROVIDER_STOP_TOLD : PROVIDER_STOP_ENDED);
    else if (err)
        fail(s, err);
    else
        refuse(s, VK_UNSUPPORTED, "its image has no usable " EXEC_SHELL_PROGRAM);
}

static void on_endpoint(void *user, const struct exec_endpoint *endpoint, const struct vk_err *err)
{
    static const struct exec_stream_events events = {.received = on_received, .closed = on_closed};
    struct container_stop *s = user;

    s->call = NULL;
    if (err) {
        fail(s, err);
        return;
    }
    s->stream = exec_stream_open(s->owner->streams, EXEC_STREAM_EXEC, endpoint, &events, s);
    (void)exec_stream_send(s->stream, VK_STR(LINE));
    vk_timer_arm(&s->timer, ANSWER_MS);
}

static void post(struct container_stop *s)
{
    const struct exec_target target = {.group = s->group,
                                       .container = s->container,
                                       .owner = s->namespace_,
                                       .priority = THROTTLE_STOP};

    vk_buf_clear(&s->screen);
    s->call =
        exec_start(s->owner->groups, &target, EXEC_SHELL_PROGRAM, ROWS, COLUMNS, on_endpoint, s);
}

static void on_timer(void *user)
{
    struct container_stop *s = user;

    if (s->has_result) {
        struct container_stops *stops = s->owner;
        const provider_stop_fn done = s->done;
        const enum provider_stop_result result = s->result;
        const struct vk_err err = s->err;
        void *done_user = s->user;

        stop_free(s);
        start_next(stops);
        done(done_user, result, result == PROVIDER_STOP_REFUSED ? &err : NULL);
    } else if (s->stream) {
        refuse(s, VK_TIMEOUT, "its shell does not answer");
    } else {
        post(s);
    }
}

/* The oldest that was told makes room: its end is to be found out otherwise. */
static void make_room(struct container_stops *stops)
{
    VK_LIST_FOREACH(it, &stops->active)
    {
        struct container_stop *s = VK_LIST_ENTRY(it, struct container_stop, link);

        if (s->is_told && !s->has_result) {
            finish(s, PROVIDER_STOP_TOLD);
            return;
        }
    }
}

static void start_next(struct container_stops *stops)
{
    while (!vk_list_is_empty(&stops->waiting)) {
        struct container_stop *s = VK_LIST_ENTRY(stops->waiting.next, struct container_stop, link);

        if (stops->active_count >= CONTAINER_STOPS_MAX) {
            make_room(stops);
            return;
        }
        vk_list_remove(&s->link);
        vk_list_add_tail(&stops->active, &s->link);
        s->is_active = true;
        stops->active_count++;
        vk_timer_arm(&s->timer, 0);
    }
}

struct container_stop *container_stop_start(struct container_stops *stops,
                                            const struct pod_identity *id, const char *container,
                                            provider_stop_fn done, void *user)
{
    struct container_stop *s = vk_calloc(1, sizeof(*s));

    s->owner = stops;
    s->done = done;
    s->user = user;
    s->container = vk_strdup(container);
    s->namespace_ = vk_strdup(id->namespace_);
    s->backoff = (struct backoff){.initial_ms = RETRY_INITIAL_MS, .max_ms = RETRY_MAX_MS};
    group_name(id->namespace_, id->name, id->uid, s->group);
    vk_buf_init(&s->screen, SCREEN_MAX);
    vk_timer_init(&s->timer, stops->loop, "container stop", on_timer, s);
    vk_list_init(&s->link);
    vk_list_add_tail(&stops->waiting, &s->link);
    if (stops->is_possible)
        start_next(stops);
    else
        finish(s, PROVIDER_STOP_REFUSED);
    return s;
}

struct container_stops *container_stops_new(struct vk_loop *loop, struct container_groups *groups,
                                            struct exec_streams *streams, bool is_possible)
{
    struct container_stops *stops = vk_calloc(1, sizeof(*stops));

    stops->loop = loop;
    stops->groups = groups;
    stops->streams = streams;
    stops->is_possible = is_possible;
    vk_list_init(&stops->waiting);
    vk_list_init(&stops->active);
    return stops;
}

static void free_all(struct vk_list *list)
{
    while (!vk_list_is_empty(list))
        stop_free(VK_LIST_ENTRY(list->next, struct container_stop, link));
}

void container_stops_free(struct container_stops *stops)
{
    if (!stops)
        return;
    free_all(&stops->waiting);
    free_all(&stops->active);
    vk_free(stops);
}
