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
#include "base/list.h"
#include "base/log.h"
#include "base/url.h"
#include "kubelet/client/event_correlator.h"
#include "kubelet/client/recent_map.h"

#define MAX_WAITING 1000
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

enum event_step {
    STEP_CREATE,
    STEP_PATCH,      /* counts up an Event that this process created */
    STEP_COMPARE,    /* a counted event exists already: read its count ... */
    STEP_PATCH_GREW, /* ... and raise it */
};

/* One event on its way; lives in its own arena. */
struct pending_event {
    struct vk_list link;
    struct vk_arena *arena;
    struct object_reference about;
    const char *type, *reason, *message, *name;
    int64_t count, first_ns, last_ns;
    enum event_step step;
    char *counted_key; /* NULL: not counted by the platform */
    unsigned tries;
};

struct event_recorder {
    struct rest_client *client;
    struct event_correlator *correlator;
    struct recent_map *counted; /* key -> int64_t: count that is written or on its way */
    char *component, *host;
    struct vk_list waiting; /* the first one is being sent */
    size_t waiting_count;
    struct rest_call *call;
    struct vk_timer retry;
    struct backoff backoff;
};

static void send_next(struct event_recorder *r);

static void on_retry(void *user)
{
    send_next(user);
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
    vk_list_init(&r->waiting);
    vk_timer_init(&r->retry, loop, "event_recorder retry", on_retry, r);
    r->backoff = (struct backoff){.initial_ms = BACKOFF_INITIAL_MS, .max_ms = BACKOFF_MAX_MS};
    return r;
}

static void drop(struct event_recorder *r, struct pending_event *e)
{
    vk_list_remove(&e->link);
    r->waiting_count--;
    vk_arena_free(e->arena);
}

void event_recorder_free(struct event_recorder *r)
{
    if (!r)
        return;
    rest_cancel(r->call);
    vk_timer_disarm(&r->retry);
    VK_LIST_FOREACH(link, &r->waiting)
    drop(r, VK_LIST_ENTRY(link, struct pending_event, link));
    event_correlator_free(r->correlator);
    recent_map_free(r->counted);
    vk_free(r->component);
    vk_free(r->host);
    vk_free(r);
}

size_t event_recorder_waiting(const struct event_recorder *r)
{
    return vk_timer_is_armed(&r->retry) ? 0 : r->waiting_count;
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

static struct pending_event *first_waiting(struct event_recorder *r)
{
    return VK_LIST_ENTRY(r->waiting.next, struct pending_event, link);
}

static void give_up(struct event_recorder *r, struct pending_event *e, const struct vk_err *err)
{
    log_v(2, "Dropped an event", LS("object", text_or_empty(e->about.name)),
          LS("reason", e->reason), LERR(err));
    if (e->counted_key)
        recent_map_remove(r->counted, e->counted_key);
    drop(r, e);
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
    if (e->step == STEP_CREATE && err->code == VK_ALREADY_EXISTS && e->counted_key) {
        e->step = STEP_COMPARE;
        return true;
    }
    /* Events expire, by default after an hour. */
    if (e->step != STEP_CREATE && err->code == VK_NOT_FOUND) {
        e->step = STEP_CREATE;
        return true;
    }
    return false;
}

/* STEP_COMPARE: true when the Event's count is behind ours. */
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
    struct pending_event *e = first_waiting(r);

    if (e->step == STEP_CREATE)
        vk_crash_point("after-event-create");
    else if (e->step != STEP_COMPARE)
        vk_crash_point("after-event-patch");
    r->call = NULL;
    if (!err) {
        backoff_reset(&r->backoff);
        if (e->step == STEP_COMPARE && has_grown(e, body))
            e->step = STEP_PATCH_GREW;
        else
            drop(r, e);
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
    if (e->step != STEP_CREATE) {
        vk_buf_addc(path, '/');
        url_encode(path, vk_str_of(e->name));
    }
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
    if (r->call || vk_list_is_empty(&r->waiting) || vk_timer_is_armed(&r->retry))
        return;
    e = first_waiting(r);
    build_path(e, &path);
    switch (e->step) {
    case STEP_CREATE:
        vk_crash_point("before-event-create");
        request.method = "POST";
        write_event(r, e, &body);
        break;
    case STEP_COMPARE:
        /* A node may create and patch events, not read them; a patch of nothing reads as well. */
        request.method = "PATCH";
        request.patch = REST_MERGE_PATCH;
        vk_buf_adds(&body, "{}");
        break;
    case STEP_PATCH:
    case STEP_PATCH_GREW:
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

static const char *copy(struct vk_arena *arena, const char *text)
{
    return text ? vk_arena_strdup(arena, text) : NULL;
}

static const char *cut(struct vk_arena *arena, const char *text, size_t max_bytes)
{
    char *to = vk_arena_alloc(arena, max_bytes + 1);

    vk_strcpy_to(to, max_bytes + 1, text_or_empty(text));
    return to;
}

static struct pending_event *enqueue(struct event_recorder *r, const struct object_reference *about,
                                     const char *type, const char *reason, const char *message)
{
    struct vk_arena *arena = vk_arena_new();
    struct pending_event *e = vk_arena_alloc(arena, sizeof(*e));

    e->arena = arena;
    e->about = (struct object_reference){
        .kind = copy(arena, about->kind),
        .namespace_ = copy(arena, about->namespace_),
        .name = copy(arena, about->name),
        .uid = copy(arena, about->uid),
        .api_version = copy(arena, about->api_version),
        .field_path = copy(arena, about->field_path),
        .resource_version = copy(arena, about->resource_version),
    };
    e->type = cut(arena, type, 16);
    e->reason = cut(arena, reason, MAX_REASON);
    e->message = cut(arena, message, MAX_MESSAGE);
    vk_list_init(&e->link);
    vk_list_add_tail(&r->waiting, &e->link);
    r->waiting_count++;
    return e;
}

/* All that tells events apart but reason and message. The source is the same for all of ours. */
static char *object_key(const struct object_reference *about, const char *type)
{
    return vk_asprintf("%s\n%s\n%s\n%s\n%s\n%s", text_or_empty(about->kind),
                       text_or_empty(about->namespace_), text_or_empty(about->name),
                       text_or_empty(about->uid), text_or_empty(about->field_path), type);
}

static bool has_room(const struct event_recorder *r, const struct object_reference *about,
                     const char *reason)
{
    if (r->waiting_count < MAX_WAITING)
        return true;
    log_v(2, "Dropped an event: too many are waiting", LS("object", text_or_empty(about->name)),
          LS("reason", reason));
    return false;
}

void event_recorder_emit(struct event_recorder *r, const struct object_reference *about,
                         const char *type, const char *reason, const char *message)
{
    char *object VK_AUTOFREE = object_key(about, type);
    int64_t now_ns = vk_wall_ns();
    struct correlated_event correlated;
    struct pending_event *e;

    if (!has_room(r, about, reason) ||
        !event_correlate(r->correlator, object, text_or_empty(about->name), reason,
                         text_or_empty(message), now_ns, &correlated))
        return;
    e = enqueue(r, about, type, reason, message);
    if (correlated.is_aggregate)
        e->message =
            cut(e->arena, vk_arena_printf(e->arena, AGGREGATE_PREFIX "%s", text_or_empty(message)),
                MAX_MESSAGE);
    e->name = vk_arena_strdup(e->arena, correlated.name);
    e->count = correlated.count;
    e->first_ns = correlated.first_ns;
    e->last_ns = now_ns;
    e->step = correlated.count > 1 ? STEP_PATCH : STEP_CREATE;
    send_next(r);
}

void event_recorder_emit_counted(struct event_recorder *r, const struct object_reference *about,
                                 const char *type, const char *reason, const char *message,
                                 const char *key, int64_t count, int64_t first_ns, int64_t last_ns)
{
    char *object VK_AUTOFREE = object_key(about, type);
    int64_t now_ns = vk_wall_ns();
    const int64_t *known;
    struct pending_event *e;
    char name[254], digest[65];

    crypto_sha256_hex(key, strlen(key), digest);
    digest[32] = '\0';
    count = count > 0 ? count : 1;
    known = recent_map_peek(r->counted, digest);
    if (known)
        known = recent_map_touch(r->counted, digest);
    if ((known && *known >= count) || !has_room(r, about, reason) ||
        !event_correlator_take(r->correlator, object, now_ns))
        return;
    e = enqueue(r, about, type, reason, message);
    event_name(name, text_or_empty(about->name), digest);
    e->name = vk_arena_strdup(e->arena, name);
    e->counted_key = vk_arena_strdup(e->arena, digest);
    e->count = count;
    e->first_ns = first_ns ? first_ns : now_ns;
    e->last_ns = last_ns ? last_ns : now_ns;
    e->step = known ? STEP_PATCH_GREW : STEP_CREATE;
    *(int64_t *)recent_map_touch(r->counted, digest) = count;
    send_next(r);
}
