/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/container_logs.h"

#include "base/alloc.h"
#include "base/list.h"
#include "provider/log_lines.h"

#define POLL_MS 2000
/* Enough for most of what a container writes in one poll; more is fetched whole. */
#define FOLLOW_TAIL 1000
#define MAX_TEXT (8u << 20)
#define PIECE (64u << 10)

struct container_logs {
    struct vk_loop *loop;
    struct container_groups *groups;
    struct tracker *tracker;
    struct finished_logs *finished;
    struct vk_list streams;
};

struct log_stream {
    struct vk_list link;
    struct container_logs *owner;
    char group[GROUP_NAME_MAX + 1];
    char *uid, *container;
    struct container_log_options options;
    struct log_sink sink;
    provider_done_fn done;
    void *user;
    struct groups_call *call;
    struct vk_timer timer;
    struct log_cursor cursor;
    struct vk_buf out;  /* cut, not yet written */
    struct vk_buf kept; /* the copy of a finished container's log, when there is one */
    bool is_kept;
    int64_t left; /* of limit_bytes; -1: no limit */
    bool first, is_tail, is_final, ended;
    struct vk_err end_err;
};

static void stream_free(struct log_stream *s)
{
    vk_list_remove(&s->link);
    groups_call_cancel(s->call);
    vk_timer_disarm(&s->timer);
    vk_buf_release(&s->out);
    vk_buf_release(&s->kept);
    vk_free(s->uid);
    vk_free(s->container);
    vk_free(s);
}

static void end(struct log_stream *s, const struct vk_err *err)
{
    s->ended = true;
    s->end_err = err ? *err : (struct vk_err){0};
    vk_timer_arm(&s->timer, 0);
}

static bool has_no_group(const struct log_stream *s)
{
    const struct tracked_pod *pod = tracker_find(s->owner->tracker, s->uid);
    return !pod || !pod->exists;
}

/* The container ended for good, or nobody knows its group any more. */
static bool has_ended(const struct log_stream *s)
{
    const struct tracked_pod *pod = tracker_find(s->owner->tracker, s->uid);
    if (!pod || !pod->exists)
        return true;
    const struct container_status *c =
        pod->was_reported ? pod_status_container(&pod->status, s->container) : NULL;
    return c && c->state.kind == CONTAINER_TERMINATED;
}

static void fetch(struct log_stream *s, int64_t tail);

/* Writes until the sink is full; then log_stream_resume goes on. */
static void flush(struct log_stream *s)
{
    while (vk_buf_len(&s->out) > 0 && !s->sink.is_full(s->sink.user)) {
        struct vk_str piece = vk_buf_str(&s->out);
        if (piece.n > PIECE)
            piece.n = PIECE;
        if (s->left >= 0 && piece.n > (size_t)s->left)
            piece.n = (size_t)s->left;
        if (piece.n > 0)
            s->sink.write(s->sink.user, piece);
        if (s->left >= 0) {
            s->left -= (int64_t)piece.n;
            if (s->left == 0) {
                vk_buf_clear(&s->out);
                end(s, NULL);
                return;
            }
        }
        vk_buf_consume(&s->out, piece.n);
    }
    if (vk_buf_len(&s->out) > 0)
        return;
    if (!s->options.follow || s->is_final)
        end(s, NULL);
    else
        vk_timer_arm(&s->timer, POLL_MS);
}

/* As ACI cuts its tail. n < 0: all. */
static struct vk_str last_lines(struct vk_str text, int64_t n)
{
    size_t at = text.n;
    if (n < 0)
        return text;
    for (; n > 0 && at > 0; n--) {
        /* Over the newline that ends the line. */
        at--;
        while (at > 0 && text.p[at - 1] != '\n')
            at--;
    }
    return (struct vk_str){.p = text.p + at, .n = text.n - at};
}

static void on_logs(void *user, struct vk_str content, const struct vk_err *err)
{
    struct log_stream *s = user;
    s->call = NULL;
    if (err && !s->first && (err->code == VK_NOT_FOUND || !vk_err_is_transient(err))) {
        end(s, err->code == VK_NOT_FOUND ? NULL : err);
        return;
    }
    if (err && s->first) {
        struct vk_err failure = *err;
        if (err->code == VK_NOT_FOUND && has_no_group(s)) {
            (void)vk_err_set(&failure, VK_NOT_FOUND,
                             "the pod has no container group, and no copy of the log of container "
                             "%s is kept",
                             s->container);
            (void)vk_err_reason(&failure, err->reason);
        }
        end(s, &failure);
        return;
    }
    if (err) {
        vk_timer_arm(&s->timer, POLL_MS);
        return;
    }
    if (!s->first && s->is_tail && log_lines_has_gap(content, &s->cursor)) {
        fetch(s, -1);
        return;
    }
    /* Without following nothing comes later, so that a last line without newline counts. */
    const bool whole = s->is_final || !s->options.follow;
    log_lines_cut(content, s->options.timestamps, s->options.since_wall_ns, whole, &s->cursor,
                  &s->out);
    if (s->first && s->options.tail_lines >= 0) {
        const size_t wanted = last_lines(vk_buf_str(&s->out), s->options.tail_lines).n;
        vk_buf_consume(&s->out, vk_buf_len(&s->out) - wanted);
    }
    s->first = false;
    flush(s);
}

static void fetch(struct log_stream *s, int64_t tail)
{
    s->is_tail = tail >= 0;
    s->call =
        container_groups_logs(s->owner->groups, s->group, s->container, tail, true, on_logs, s);
}

static bool take_kept(struct log_stream *s)
{
    struct vk_str text;
    if (!finished_logs_find(s->owner->finished, s->uid, s->container, &text))
        return false;
    vk_buf_addstr(&s->kept, text);
    s->is_kept = true;
    return true;
}

static void on_timer(void *user)
{
    struct log_stream *s = user;
    if (s->ended) {
        const provider_done_fn done = s->done;
        void *done_user = s->user;
        const struct vk_err err = s->end_err;
        stream_free(s);
        done(done_user, err.code == VK_OK ? NULL : &err);
        return;
    }
    if (s->is_kept) {
        s->is_final = true;
        on_logs(s, last_lines(vk_buf_str(&s->kept), s->options.tail_lines), NULL);
        return;
    }
    /* What is fetched after the end was known is complete. */
    s->is_final = has_ended(s);
    fetch(s, FOLLOW_TAIL);
}

struct log_stream *container_logs_start(struct container_logs *l, const struct pod_identity *id,
                                        const char *container,
                                        const struct container_log_options *options,
                                        const struct log_sink *sink, provider_done_fn done,
                                        void *user)
{
    struct log_stream *s = vk_calloc(1, sizeof(*s));
    s->owner = l;
    group_name(id->namespace_, id->name, id->uid, s->group);
    s->uid = vk_strdup(id->uid);
    s->container = vk_strdup(container);
    s->options = *options;
    s->sink = *sink;
    s->done = done;
    s->user = user;
    s->left = options->limit_bytes > 0 ? options->limit_bytes : -1;
    s->first = true;
    vk_buf_init(&s->out, MAX_TEXT);
    vk_buf_init(&s->kept, FINISHED_LOG_MAX + 1);
    vk_timer_init(&s->timer, l->loop, "container-logs", on_timer, s);
    vk_list_init(&s->link);
    vk_list_add_tail(&l->streams, &s->link);
    if (options->previous) {
        struct vk_err err;
        (void)vk_err_set(&err, VK_UNSUPPORTED,
                         "Azure Container Instances keeps no log of a container's former runs");
        end(s, &err);
    } else if (take_kept(s)) {
        vk_timer_arm(&s->timer, 0);
    } else {
        /*
         * Lines written at once share a time, and a position counts them: following starts from the
         * whole text, whatever the tail. tail=0 still needs an answer that can be an error.
         */
        fetch(s, options->follow ? -1 : options->tail_lines == 0 ? 1 : options->tail_lines);
    }
    return s;
}

void log_stream_resume(struct log_stream *s)
{
    if (!s->ended && !s->call && vk_buf_len(&s->out) > 0)
        flush(s);
}

void log_stream_cancel(struct log_stream *s)
{
    if (s)
        stream_free(s);
}

struct container_logs *container_logs_new(struct vk_loop *loop, struct container_groups *groups,
                                          struct tracker *tracker, struct finished_logs *finished)
{
    struct container_logs *l = vk_calloc(1, sizeof(*l));
    l->loop = loop;
    l->groups = groups;
    l->tracker = tracker;
    l->finished = finished;
    vk_list_init(&l->streams);
    return l;
}

void container_logs_free(struct container_logs *l)
{
    if (!l)
        return;
    VK_LIST_FOREACH(it, &l->streams)
    {
        stream_free(VK_LIST_ENTRY(it, struct log_stream, link));
    }
    vk_free(l);
}
