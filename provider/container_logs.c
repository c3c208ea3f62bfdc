/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/container_logs.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "provider/log_attach.h"
#include "provider/log_pace.h"
#include "provider/log_recall.h"

/* Enough for most of what a container writes in one poll; more is fetched whole. */
#define FOLLOW_TAIL 1000
#define MAX_TEXT (8u << 20)
#define PIECE (64u << 10)
/* While so much waits for clients in all, one more holds no more than its share, and what follows
 * is read again when that was written. */
#define HELD_MAX (2u << 20)
#define SHARE (128u << 10)
/* Of what the attachment shows to a client that does not read; then its peer waits, too. */
#define STALLED_MAX (128u << 10)
/* From a log that lost its place to the end of the attachment. */
#define ATTACH_END_MS 2000
/* ACI's times of states have whole seconds. */
#define PREVIOUS_SLACK_NS (2 * 1000000000ll)
/* How long a log that lost its place is read again before it counts: its container may be another
 * one by now, which the tracker has to find out. */
#define HOLD_MAX_MS 60000

struct container_logs {
    struct vk_loop *loop;
    struct container_logs_config config;
    struct vk_list streams;
    unsigned followers;
};

/* What became of the run of the container that is followed. */
enum run { RUN_GOES_ON, RUN_ENDED, RUN_REPLACED };

struct log_stream {
    struct vk_list link;
    struct container_logs *owner;
    char group[GROUP_NAME_MAX + 1];
    char *uid, *namespace_, *container;
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
    int64_t
        previous_end_ns; /* of the run before the present one, which is asked for; 0: it is not */
    bool first, is_final, ended;
    int64_t tail;     /* of the last read; -1: none, it was whole */
    bool has_more;    /* than its share: the rest of the answer was dropped */
    int64_t until_ns; /* then, of what is not followed: where it ends; 0: not known */
    struct vk_err end_err;
    /* Following. */
    struct log_attach *attach; /* NULL: not followed */
    struct log_pace pace;
    struct log_recall recall;
    bool attach_is_whole; /* it ended as it does when the container ends */
    bool waits;           /* for its end */
    int64_t lines_shown;  /* since the last read began */
    bool knows_run, was_replaced;
    int64_t restart_count;
    enum run run;               /* when the last read began */
    int64_t held_since_mono_ms; /* 0: its place is known */
};

static void stream_free(struct log_stream *s)
{
    vk_list_remove(&s->link);
    if (s->options.follow)
        s->owner->followers--;
    groups_call_cancel(s->call);
    log_attach_free(s->attach);
    vk_timer_disarm(&s->timer);
    vk_buf_release(&s->out);
    vk_buf_release(&s->kept);
    log_recall_release(&s->recall);
    vk_free(s->uid);
    vk_free(s->namespace_);
    vk_free(s->container);
    vk_free(s);
}

static void end(struct log_stream *s, const struct vk_err *err)
{
    s->ended = true;
    s->end_err = err ? *err : (struct vk_err){0};
    vk_timer_arm(&s->timer, 0);
}

static int64_t count_lines(struct vk_str text)
{
    int64_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

/* ACI counts a last line without newline, too. */
static bool is_shorter(struct vk_str text, int64_t lines)
{
    return count_lines(text) + (text.n > 0 && text.p[text.n - 1] != '\n') < lines;
}

static bool has_no_group(const struct log_stream *s)
{
    const struct tracked_pod *pod = tracker_find(s->owner->config.tracker, s->uid);
    return !pod || !pod->exists;
}

static enum run look_at_run(struct log_stream *s)
{
    const struct tracked_pod *pod = tracker_find(s->owner->config.tracker, s->uid);
    const struct container_status *c;

    if (!pod || !pod->exists)
        return RUN_ENDED;
    c = pod->was_reported ? pod_status_container(&pod->status, s->container) : NULL;
    if (!c)
        return RUN_GOES_ON;
    if (s->knows_run && c->restart_count != s->restart_count)
        return RUN_REPLACED;
    s->knows_run = true;
    s->restart_count = c->restart_count;
    if (c->state.kind == CONTAINER_TERMINATED ||
        (c->state.kind == CONTAINER_WAITING && c->last_state.kind == CONTAINER_TERMINATED))
        return RUN_ENDED;
    return RUN_GOES_ON;
}

/* The next read, unless something else comes before it. */
static void schedule(struct log_stream *s)
{
    int64_t wait;

    if (s->ended || s->call || s->waits || s->has_more || vk_buf_len(&s->out) > 0)
        return;
    wait = log_pace_due_mono_ms(&s->pace, s->owner->followers) - vk_mono_ms();
    vk_timer_arm(&s->timer, wait > 0 ? wait : 0);
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
    /* One great answer is no reason to keep its memory. */
    vk_buf_release(&s->out);
    vk_buf_init(&s->out, MAX_TEXT);
    log_attach_pause(s->attach, false);
    if (s->has_more)
        vk_timer_arm(&s->timer, 0);
    else if (!s->options.follow || s->is_final)
        end(s, NULL);
    else
        schedule(s);
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

/* The container ended, and its log does not hold all that its attachment showed. */
static bool recall_rest(struct log_stream *s, struct vk_str content)
{
    return s->attach_is_whole && log_recall_rest(&s->recall, content, s->options.timestamps,
                                                 s->options.since_wall_ns, &s->cursor, &s->out);
}

static void on_failure(struct log_stream *s, const struct vk_err *err)
{
    struct vk_err failure = *err;

    if (s->first && err->code == VK_NOT_FOUND && has_no_group(s)) {
        (void)vk_err_set(&failure, VK_NOT_FOUND,
                         "the pod has no container group, and no copy of the log of container "
                         "%s is kept",
                         s->container);
        (void)vk_err_reason(&failure, err->reason);
    }
    if (s->first) {
        end(s, &failure);
    } else if (err->code == VK_NOT_FOUND) {
        (void)recall_rest(s, VK_STR(""));
        s->is_final = true;
        flush(s);
    } else if (!vk_err_is_transient(err)) {
        end(s, &failure);
    } else if (s->has_more) {
        vk_timer_arm(&s->timer, LOG_PACE_POLL_MS);
    } else {
        log_pace_has_read(&s->pace, vk_mono_ms(), false);
        schedule(s);
    }
}

/* Until the group was read after the log had lost its place. */
static bool may_be_another_run(struct log_stream *s)
{
    const struct tracked_pod *pod = tracker_find(s->owner->config.tracker, s->uid);
    const int64_t now = vk_mono_ms();

    if (!s->held_since_mono_ms)
        s->held_since_mono_ms = now;
    return pod && (pod->read || pod->last_read_mono_ms <= s->held_since_mono_ms) &&
           now - s->held_since_mono_ms < HOLD_MAX_MS;
}

/*
 * The log does not hold the place any more up to which it was read: the container wrote more than
 * ACI keeps, or it ended, whereupon ACI keeps little, or it is another run's log already. True:
 * what is to be done was done.
 */
static bool handle_gap(struct log_stream *s, struct vk_str content)
{
    if (!s->options.follow)
        return false;
    s->has_more = false;
    if (recall_rest(s, content)) {
        s->is_final = true;
        flush(s);
        return true;
    }
    /* Whatever it is, it ended the attachment: that may only come later than this answer. */
    if (log_attach_is_open(s->attach) && !s->waits) {
        s->waits = true;
        vk_timer_arm(&s->timer, ATTACH_END_MS);
        return true;
    }
    if (look_at_run(s) == RUN_REPLACED || s->was_replaced) {
        end(s, NULL);
        return true;
    }
    if (!s->is_final && !log_attach_is_open(s->attach) && may_be_another_run(s)) {
        tracker_hint(s->owner->config.tracker, s->uid);
        log_pace_has_read(&s->pace, vk_mono_ms(), false);
        schedule(s);
        return true;
    }
    return false;
}

static bool previous_is_gone(const struct log_stream *s, struct vk_err *err)
{
    (void)vk_err_set(err, VK_NOT_FOUND,
                     "Azure Container Instances keeps only the log of a container's last run: of "
                     "container %s that is the present one, and the log before it is gone",
                     s->container);
    return false;
}

static size_t share_of(const struct log_stream *s)
{
    size_t held = 0;

    /* The tail of the first answer is its end. */
    if (s->first && s->options.tail_lines >= 0)
        return SIZE_MAX;
    VK_LIST_FOREACH(it, &s->owner->streams)
    held += vk_buf_len(&VK_LIST_ENTRY(it, struct log_stream, link)->out);
    return held < HELD_MAX ? SIZE_MAX : SHARE;
}

static void take_content(struct log_stream *s, struct vk_str content)
{
    const struct log_cursor before = s->cursor;
    /* Without following nothing comes later, so that a last line without newline counts. */
    const bool whole = s->is_final || !s->options.follow;
    struct vk_str rest;
    bool found;

    s->waits = false;
    if (s->until_ns)
        content = log_lines_until(content, s->until_ns);
    rest = log_lines_cut_some(content, s->options.timestamps, s->options.since_wall_ns, whole,
                              share_of(s), &s->cursor, &s->out);
    /* A last line that waits for its end is no more than that. */
    s->has_more = memchr(rest.p, '\n', rest.n) || (whole && rest.n > 0);
    if (s->has_more && !s->options.follow)
        s->until_ns = log_lines_end_ns(content);
    content.n -= rest.n;
    log_recall_has_read(&s->recall, content);
    found = before.last_ns != s->cursor.last_ns || before.seen_at_last != s->cursor.seen_at_last;
    log_pace_has_read(&s->pace, vk_mono_ms(), found);
    if (found && s->run == RUN_GOES_ON)
        s->was_replaced = false;
    if (s->first && s->options.tail_lines >= 0) {
        const size_t wanted = last_lines(vk_buf_str(&s->out), s->options.tail_lines).n;
        vk_buf_consume(&s->out, vk_buf_len(&s->out) - wanted);
    }
    s->first = false;
    flush(s);
}

static void on_logs(void *user, struct vk_str content, const struct vk_err *err)
{
    struct log_stream *s = user;
    const bool is_whole = s->tail < 0 || (!err && is_shorter(content, s->tail));
    const bool has_gap = !err && !s->first && log_lines_has_gap(content, is_whole, &s->cursor);

    s->call = NULL;
    if (err) {
        on_failure(s, err);
        return;
    }
    if (has_gap && !is_whole) {
        fetch(s, -1);
        return;
    }
    if (has_gap && handle_gap(s, content))
        return;
    if (s->previous_end_ns && log_lines_end_ns(content) > s->previous_end_ns + PREVIOUS_SLACK_NS) {
        struct vk_err gone;
        (void)previous_is_gone(s, &gone);
        end(s, &gone);
        return;
    }
    if (!has_gap)
        s->held_since_mono_ms = 0;
    if (s->run == RUN_REPLACED) {
        /* The log goes on where it was read: either it, or what is known of the run, is old. */
        s->was_replaced = s->cursor.has_position;
        s->knows_run = false;
    }
    take_content(s, content);
}

static void fetch(struct log_stream *s, int64_t tail)
{
    s->tail = tail;
    s->lines_shown = 0;
    log_pace_reads(&s->pace, vk_mono_ms());
    log_recall_reads(&s->recall);
    s->call = container_groups_logs(s->owner->config.groups, s->group, s->container, tail, true,
                                    on_logs, s);
}

/* ACI keeps one log: that of the last run, until the next one begins. */
static bool find_previous(struct log_stream *s, struct vk_err *err)
{
    const struct tracked_pod *pod = tracker_find(s->owner->config.tracker, s->uid);
    const struct container_status *c =
        pod && pod->was_reported ? pod_status_container(&pod->status, s->container) : NULL;

    if (!c || c->state.kind != CONTAINER_WAITING || c->last_state.kind != CONTAINER_TERMINATED)
        return previous_is_gone(s, err);
    s->previous_end_ns = c->last_state.finished_at_ns;
    return true;
}

static bool take_kept(struct log_stream *s)
{
    struct vk_str text;
    if (!finished_logs_find(s->owner->config.finished, s->uid, s->container, &text))
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
    s->run = look_at_run(s);
    s->is_final = s->run == RUN_ENDED;
    if (s->has_more)
        fetch(s, -1);
    else
        fetch(s, s->pace.attached && s->lines_shown < FOLLOW_TAIL ? 2 * s->lines_shown + 100
                                                                  : FOLLOW_TAIL);
}

/* --- the attachment --- */

static void on_attach_opened(void *user)
{
    struct log_stream *s = user;

    s->attach_is_whole = false;
    s->pace.attached = true;
    log_recall_begin(&s->recall);
    /* What was written until now may not be shown. */
    log_pace_want(&s->pace);
    schedule(s);
}

static void on_attach_shown(void *user, struct vk_str bytes)
{
    struct log_stream *s = user;
    const int64_t lines = count_lines(bytes);

    s->lines_shown += lines;
    log_recall_show(&s->recall, bytes);
    if (lines)
        log_pace_hint(&s->pace);
    if (vk_buf_len(&s->out) == 0)
        schedule(s);
    else if (vk_buf_len(&s->recall.shown) > STALLED_MAX)
        log_attach_pause(s->attach, true);
}

static void on_attach_ended(void *user, bool is_whole)
{
    struct log_stream *s = user;

    s->attach_is_whole = is_whole;
    s->pace.attached = false;
    s->waits = false;
    if (is_whole)
        tracker_hint(s->owner->config.tracker, s->uid);
    log_pace_want(&s->pace);
    schedule(s);
}

static void follow(struct log_stream *s)
{
    static const struct log_attach_events events = {
        .opened = on_attach_opened, .shown = on_attach_shown, .ended = on_attach_ended};
    const struct exec_target target = {
        .group = s->group, .container = s->container, .owner = s->namespace_};
    const struct container_logs_config *config = &s->owner->config;

    s->run = look_at_run(s);
    s->is_final = s->run == RUN_ENDED && !has_no_group(s);
    if (s->run == RUN_GOES_ON)
        s->attach =
            log_attach_new(s->owner->loop, config->groups, config->streams, &target, &events, s);
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
    s->namespace_ = vk_strdup(id->namespace_);
    s->container = vk_strdup(container);
    s->options = *options;
    s->options.follow = options->follow && !options->previous;
    options = &s->options;
    s->sink = *sink;
    s->done = done;
    s->user = user;
    s->left = options->limit_bytes > 0 ? options->limit_bytes : -1;
    s->first = true;
    vk_buf_init(&s->out, MAX_TEXT);
    vk_buf_init(&s->kept, FINISHED_LOG_MAX + 1);
    log_recall_init(&s->recall);
    if (options->follow)
        l->followers++;
    vk_timer_init(&s->timer, l->loop, "container-logs", on_timer, s);
    vk_list_init(&s->link);
    vk_list_add_tail(&l->streams, &s->link);
    if (options->previous && !find_previous(s, &s->end_err)) {
        const struct vk_err err = s->end_err;
        end(s, &err);
    } else if (take_kept(s)) {
        vk_timer_arm(&s->timer, 0);
    } else {
        /*
         * Lines written at once share a time, and a position counts them: following starts from the
         * whole text, whatever the tail. tail=0 still needs an answer that can be an error.
         */
        if (options->follow)
            follow(s);
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

struct container_logs *container_logs_new(struct vk_loop *loop,
                                          const struct container_logs_config *config)
{
    struct container_logs *l = vk_calloc(1, sizeof(*l));
    l->loop = loop;
    l->config = *config;
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
