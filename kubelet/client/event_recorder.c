/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/event_recorder.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/crypto.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/url.h"
#include "kubelet/client/event_correlator.h"
#include "kubelet/client/event_queue.h"
#include "kubelet/client/recent_map.h"

/* What a burst of 1,000 pods tells of itself, in some 5 MB at most. */
#define MAX_WAITING 8192
/* Entries are a digest and a number: enough for every event that ACI counts of 1,000 groups. */
#define MAX_COUNTED 16384
#define MAX_MESSAGE 1024
#define MAX_REASON 128
#define MAX_TRIES 12
#define BACKOFF_INITIAL_MS 1000
#define BACKOFF_MAX_MS 30000
#define MAX_RETRY_AFTER_MS (10 * 60 * 1000)
#define MAX_BODY_BYTES (32u * 1024)
#define AGGREGATE_PREFIX "(combined from similar events): "

struct event_recorder {
    struct rest_client *client;
    struct event_correlator *correlator;
    struct recent_map *counted; /* key -> int64_t: count that is written or on its way */
    char *component, *host;
    struct event_queue *waiting;
    struct pending_event *current; /* is being sent, or waits to be sent again */
    uint64_t dropped;              /* in a row, since there was room for all */
    struct event_counts counts;    /* but for waiting */
    struct rest_call *call;
    struct vk_timer retry;
    struct backoff backoff;
};

static void send_next(struct event_recorder *r);

static void on_retry(void *user)
{
    send_next(user);
}

static void on_dropped(void *user, const struct pending_event *e)
{
    struct event_recorder *r = user;

    r->counts.no_room++;
    if (r->dropped++ == 0)
        log_warning("Events come faster than the API server takes them; some are dropped, repeats "
                    "first",
                    LI("waiting", MAX_WAITING));
    if (e->counted_key)
        recent_map_remove(r->counted, e->counted_key);
}

struct event_recorder *event_recorder_new(struct vk_loop *loop, struct rest_client *client,
                                          const char *component, const char *host)
{
    struct event_recorder *r = vk_calloc(1, sizeof(*r));

    r->client = client;
    r->correlator = event_correlator_new();
    r->counted = recent_map_new(MAX_COUNTED, sizeof(int64_t));
    r->component = vk_strdup(component);
    r->host = vk_strdup(host);
    r->waiting = event_queue_new(MAX_WAITING, on_dropped, r);
    vk_timer_init(&r->retry, loop, "event_recorder retry", on_retry, r);
    r->backoff = (struct backoff){.initial_ms = BACKOFF_INITIAL_MS, .max_ms = BACKOFF_MAX_MS};
    return r;
}

static void drop_current(struct event_recorder *r)
{
    event_free(vk_take(r->current));
}

void event_recorder_free(struct event_recorder *r)
{
    if (!r)
        return;
    rest_cancel(r->call);
    vk_timer_disarm(&r->retry);
    drop_current(r);
    event_queue_free(r->waiting);
    event_correlator_free(r->correlator);
    recent_map_free(r->counted);
    vk_free(r->component);
    vk_free(r->host);
    vk_free(r);
}

size_t event_recorder_waiting(const struct event_recorder *r)
{
    return vk_timer_is_armed(&r->retry) ? 0 : event_queue_len(r->waiting) + (r->current != NULL);
}

void event_recorder_count(const struct event_recorder *r, struct event_counts *ret)
{
    *ret = r->counts;
    ret->waiting = event_queue_len(r->waiting) + (r->current != NULL);
}

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

/* Events on objects without a namespace, the node, live in "default". */
static const char *event_namespace(const struct object_reference *about)
{
    return vk_str_empty(about->namespace_) ? "default" : about->namespace_;
}

static void write_reference(struct json_writer *w, const struct object_reference *about)
{
    json_begin_object(w, "involvedObject");
    json_put_string_if(w, "kind", about->kind);
    json_put_string_if(w, "namespace", about->namespace_);
    json_put_string_if(w, "name", about->name);
    json_put_string_if(w, "uid", about->uid);
    json_put_string_if(w, "apiVersion", about->api_version);
    json_put_string_if(w, "resourceVersion", about->resource_version);
    json_put_string_if(w, "fieldPath", about->field_path);
    json_end_object(w);
}

static void write_event(const struct event_recorder *r, const struct pending_event *e,
                        struct vk_buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "kind", "Event");
    json_put_string(&w, "apiVersion", "v1");
    json_begin_object(&w, "metadata");
    json_put_string(&w, "name", e->name);
    json_put_string(&w, "namespace", event_namespace(&e->about));
    json_end_object(&w);
    write_reference(&w, &e->about);
    json_put_string(&w, "reason", e->reason);
    json_put_string(&w, "message", e->message);
    json_begin_object(&w, "source");
    json_put_string(&w, "component", r->component);
    json_put_string(&w, "host", r->host);
    json_end_object(&w);
    json_put_time_s(&w, "firstTimestamp", e->first_ns);
    json_put_time_s(&w, "lastTimestamp", e->last_ns);
    json_put_int(&w, "count", e->count);
    json_put_string(&w, "type", e->type);
    json_put_string(&w, "reportingComponent", r->component);
    json_put_string(&w, "reportingInstance", r->host);
    json_end_object(&w);
}

static void write_patch(const struct pending_event *e, struct vk_buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_int(&w, "count", e->count);
    json_put_time_s(&w, "lastTimestamp", e->last_ns);
    json_put_string(&w, "message", e->message);
    json_end_object(&w);
}

static void give_up(struct event_recorder *r, struct pending_event *e, const struct vk_err *err)
{
    r->counts.refused++;
    log_v(2, "Dropped an event", LS("object", text_or_empty(e->about.name)),
          LS("reason", e->reason), LERR(err));
    if (e->counted_key)
        recent_map_remove(r->counted, e->counted_key);
    drop_current(r);
}

static void try_later(struct event_recorder *r, struct pending_event *e, const struct vk_err *err)
{
    int64_t delay = backoff_next_ms(&r->backoff);

    if (++e->tries >= MAX_TRIES)
        give_up(r, e, err);
    if (err->retry_after_ms > delay)
        delay = err->retry_after_ms < MAX_RETRY_AFTER_MS ? err->retry_after_ms : MAX_RETRY_AFTER_MS;
    vk_timer_arm(&r->retry, delay);
}

/* What the API server's refusal leads to; false when nothing is left to do for the event. */
static bool change_step(struct pending_event *e, const struct vk_err *err)
{
    if (e->step == EVENT_CREATE && err->code == VK_ALREADY_EXISTS && e->counted_key) {
        e->step = EVENT_COMPARE;
        return true;
    }
    /* Events expire, by default after an hour. */
    if (e->step != EVENT_CREATE && err->code == VK_NOT_FOUND) {
        e->step = EVENT_CREATE;
        return true;
    }
    return false;
}

/* EVENT_COMPARE: true when the Event's count is behind ours. */
static bool has_grown(const struct pending_event *e, struct vk_str body)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *event;
    struct vk_err ignored;

    if (json_parse(body, body.n, arena, &event, &ignored) < 0)
        return false;
    return json_int64_or(event, "count", 0) < e->count;
}

static void on_done(void *user, struct vk_str body, const struct vk_err *err)
{
    struct event_recorder *r = user;
    struct pending_event *e = r->current;

    if (e->step == EVENT_CREATE)
        vk_crash_point("after-event-create");
    else if (e->step != EVENT_COMPARE)
        vk_crash_point("after-event-patch");
    r->call = NULL;
    if (!err) {
        backoff_reset(&r->backoff);
        if (e->step == EVENT_COMPARE && has_grown(e, body))
            e->step = EVENT_PATCH_GREW;
        else
            drop_current(r);
    } else if (change_step(e, err)) {
        e->tries++;
        if (e->tries >= MAX_TRIES)
            give_up(r, e, err);
    } else if (vk_err_is_transient(err) && err->code != VK_CONFLICT) {
        try_later(r, e, err);
        return;
    } else {
        give_up(r, e, err);
    }
    send_next(r);
}

static void build_path(const struct pending_event *e, struct vk_buf *path)
{
    vk_buf_adds(path, "/api/v1/namespaces/");
    url_encode(path, vk_str_of(event_namespace(&e->about)));
    vk_buf_adds(path, "/events");
    if (e->step != EVENT_CREATE) {
        vk_buf_addc(path, '/');
        url_encode(path, vk_str_of(e->name));
    }
}

/* All are written: what was lost meanwhile is told once. */
static void tell_dropped(struct event_recorder *r)
{
    if (r->dropped)
        log_warning("Events were dropped, since they came faster than the API server took them",
                    LI("dropped", r->dropped));
    r->dropped = 0;
}

static void send_next(struct event_recorder *r)
{
    struct vk_buf body VK_BUF_AUTO;
    struct vk_buf path VK_BUF_AUTO;
    struct rest_request request = {.on_done = on_done, .user = r};
    char what[400];
    struct pending_event *e;

    vk_buf_init(&body, MAX_BODY_BYTES);
    vk_buf_init(&path, 1024);
    if (r->call || vk_timer_is_armed(&r->retry))
        return;
    if (!r->current)
        r->current = event_queue_take(r->waiting);
    if (!r->current) {
        tell_dropped(r);
        return;
    }
    e = r->current;
    build_path(e, &path);
    switch (e->step) {
    case EVENT_CREATE:
        vk_crash_point("before-event-create");
        request.method = "POST";
        write_event(r, e, &body);
        break;
    case EVENT_COMPARE:
        /* A node may create and patch events, not read them; a patch of nothing reads as well. */
        request.method = "PATCH";
        request.patch = REST_MERGE_PATCH;
        vk_buf_adds(&body, "{}");
        break;
    case EVENT_PATCH:
    case EVENT_PATCH_GREW:
    default:
        vk_crash_point("before-event-patch");
        request.method = "PATCH";
        request.patch = REST_MERGE_PATCH;
        write_patch(e, &body);
        break;
    }
    snprintf(what, sizeof(what), "record event %s of %s/%s", e->reason,
             text_or_empty(e->about.namespace_), text_or_empty(e->about.name));
    request.path = vk_buf_peek(&path);
    request.body = vk_buf_str(&body);
    request.what = what;
    r->call = rest_start(r->client, &request);
}

/* All that tells events apart but reason and message. The source is the same for all of ours. */
static char *object_key(const struct object_reference *about, const char *type)
{
    return vk_asprintf("%s\n%s\n%s\n%s\n%s\n%s", text_or_empty(about->kind),
                       text_or_empty(about->namespace_), text_or_empty(about->name),
                       text_or_empty(about->uid), text_or_empty(about->field_path), type);
}

/* The texts are cut, so that what waits is bounded in bytes too. */
static void enqueue(struct event_recorder *r, struct pending_event *e)
{
    char type[16 + 1], reason[MAX_REASON + 1], message[MAX_MESSAGE + 1];

    vk_strcpy_to(type, sizeof(type), text_or_empty(e->type));
    vk_strcpy_to(reason, sizeof(reason), text_or_empty(e->reason));
    vk_strcpy_to(message, sizeof(message), text_or_empty(e->message));
    e->type = type;
    e->reason = reason;
    e->message = message;
    event_queue_add(r->waiting, e);
    send_next(r);
}

void event_recorder_emit(struct event_recorder *r, const struct object_reference *about,
                         const char *type, const char *reason, const char *message)
{
    char *object VK_AUTOFREE = object_key(about, type);
    char *combined VK_AUTOFREE = NULL;
    int64_t now_ns = vk_wall_ns();
    struct correlated_event correlated;
    struct pending_event e;

    if (!event_correlate(r->correlator, object, text_or_empty(about->name), reason,
                         text_or_empty(message), now_ns, &correlated)) {
        r->counts.over_budget++;
        return;
    }
    if (correlated.is_aggregate)
        combined = vk_asprintf(AGGREGATE_PREFIX "%s", text_or_empty(message));
    e = (struct pending_event){
        .about = *about,
        .type = type,
        .reason = reason,
        .message = combined ? combined : message,
        .name = correlated.name,
        .count = correlated.count,
        .first_ns = correlated.first_ns,
        .last_ns = now_ns,
        .step = correlated.count > 1 ? EVENT_PATCH : EVENT_CREATE,
    };
    enqueue(r, &e);
}

/* Of what the platform tells of one container in one second, since its times are no finer. */
static int64_t place_in_a_life(const char *reason)
{
    static const char *const life[] = {"Pulling", "Pulled", "Created", "Started", "Killing"};

    for (size_t i = 0; i < VK_COUNT(life); i++)
        if (vk_streq(reason, life[i]))
            return (int64_t)i;
    return VK_COUNT(life);
}

/*
 * kubectl shows Events of one second in the order of their names, which begin with their time for
 * all who use client-go. Nothing of this process is in the name.
 */
static void counted_name(char out[254], const struct object_reference *about, const char *reason,
                         int64_t first_ns, const char *digest)
{
    char suffix[40];

    if (first_ns > 0)
        snprintf(suffix, sizeof(suffix), "%016" PRIx64 "%.16s",
                 (uint64_t)(first_ns + place_in_a_life(reason)), digest);
    else
        snprintf(suffix, sizeof(suffix), "%.16s", digest);
    event_name(out, text_or_empty(about->name), suffix);
}

void event_recorder_emit_counted(struct event_recorder *r, const struct object_reference *about,
                                 const char *type, const char *reason, const char *message,
                                 const char *key, int64_t count, int64_t first_ns, int64_t last_ns)
{
    char *object VK_AUTOFREE = object_key(about, type);
    int64_t now_ns = vk_wall_ns();
    const int64_t *known;
    struct pending_event e;
    char name[254], digest[65];

    crypto_sha256_hex(key, strlen(key), digest);
    digest[32] = '\0';
    count = count > 0 ? count : 1;
    known = recent_map_peek(r->counted, digest);
    if (known)
        known = recent_map_touch(r->counted, digest);
    if (known && *known >= count)
        return;
    if (!event_correlator_take(r->correlator, object, now_ns)) {
        r->counts.over_budget++;
        return;
    }
    counted_name(name, about, reason, first_ns, digest);
    e = (struct pending_event){
        .about = *about,
        .type = type,
        .reason = reason,
        .message = message,
        .name = name,
        .counted_key = digest,
        .count = count,
        .first_ns = first_ns ? first_ns : now_ns,
        .last_ns = last_ns ? last_ns : now_ns,
        .step = known ? EVENT_PATCH_GREW : EVENT_CREATE,
    };
    *(int64_t *)recent_map_touch(r->counted, digest) = count;
    enqueue(r, &e);
}
