/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/list_watch.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/url.h"
#include "kubelet/api/json_span.h"
#include "kubelet/api/meta.h"
#include "kubelet/client/watch_decoder.h"

#define DEFAULT_OBJECT_BYTES (4u << 20)
#define DEFAULT_PAGE_SIZE 500
#define LIST_DEADLINE_MS 60000
#define SILENCE_MARGIN_MS 30000
/*
 * An API server ends the watch of one node's pods when ten events wait for it, which a burst on one
 * node reaches; the pause before the next one is a pause of the burst. client-go takes 800 ms, for
 * thousands of clients at once.
 */
#define BACKOFF_INITIAL_MS 200
#define BACKOFF_MAX_MS 30000
/* A longer wait that a server asks for is not believed. */
#define MAX_RETRY_AFTER_MS (10 * 60 * 1000)
/* A watch that ends sooner, and empty, was not a watch: client-go calls it very short. */
#define VERY_SHORT_MS 1000
/* A connection that fails does so within the time to connect; after it a watch counts as standing.
 */
#define SETTLED_MS 6000
/* Then the resourceVersion itself is suspected, as after a restored etcd. */
#define MAX_WATCH_FAILURES 3
#define MAX_RESOURCE_VERSION 64
#define MAX_PATH_BYTES 8192

struct list_watch {
    struct rest_client *client;
    struct list_watch_config config; /* text owned */
    struct list_watch_events events;
    void *user;

    struct rest_call *call;
    struct json_list_reader *reader; /* of the page under way */
    struct watch_decoder *decoder;   /* of the watch under way */
    struct vk_timer next;            /* starts the next request */
    struct vk_timer silence;
    struct vk_timer settled;
    struct backoff backoff;

    char resource_version[MAX_RESOURCE_VERSION]; /* "" : list */
    char *continue_token;                        /* NULL: first page */
    bool without_pages; /* a page's version expired: the next list comes in one piece */
    int64_t watch_began_mono_ms;
    size_t watch_event_count;
    unsigned watch_failures; /* in a row */
    bool was_expired;        /* and no watch has stood since */
    struct list_watch_counts counts;

    bool has_synced, has_error;
    struct vk_err error;     /* what list_watch_error returns */
    struct vk_err piece_err; /* why a streamed body was given up */
    bool has_piece_err;

    /* A consumer may free us from one of its callbacks. */
    unsigned depth;
    bool is_dead;
};

static void start_next(void *user);

static void on_silence(void *user);

static void on_settled(void *user)
{
    struct list_watch *lw = user;

    lw->has_error = false;
}

struct list_watch *list_watch_new(struct vk_loop *loop, struct rest_client *client,
                                  const struct list_watch_config *config,
                                  const struct list_watch_events *events, void *user)
{
    struct list_watch *lw = vk_calloc(1, sizeof(*lw));

    lw->client = client;
    lw->config = *config;
    lw->config.path = vk_strdup(config->path);
    lw->config.what = vk_strdup(config->what ? config->what : config->path);
    lw->config.field_selector = config->field_selector ? vk_strdup(config->field_selector) : NULL;
    lw->config.label_selector = config->label_selector ? vk_strdup(config->label_selector) : NULL;
    if (!config->max_object_bytes)
        lw->config.max_object_bytes = DEFAULT_OBJECT_BYTES;
    if (!config->page_size)
        lw->config.page_size = DEFAULT_PAGE_SIZE;
    lw->events = *events;
    lw->user = user;
    lw->backoff = (struct backoff){.initial_ms = BACKOFF_INITIAL_MS, .max_ms = BACKOFF_MAX_MS};
    vk_timer_init(&lw->next, loop, "list_watch next", start_next, lw);
    vk_timer_init(&lw->silence, loop, "list_watch silence", on_silence, lw);
    vk_timer_init(&lw->settled, loop, "list_watch settled", on_settled, lw);
    vk_timer_arm(&lw->next, 0);
    return lw;
}

static void drop_request(struct list_watch *lw)
{
    rest_cancel(lw->call);
    lw->call = NULL;
    json_list_reader_free(lw->reader);
    lw->reader = NULL;
    watch_decoder_free(lw->decoder);
    lw->decoder = NULL;
    vk_timer_disarm(&lw->silence);
    vk_timer_disarm(&lw->settled);
}

static void free_now(struct list_watch *lw)
{
    drop_request(lw);
    vk_timer_disarm(&lw->next);
    vk_free((char *)(uintptr_t)lw->config.path);
    vk_free((char *)(uintptr_t)lw->config.what);
    vk_free((char *)(uintptr_t)lw->config.field_selector);
    vk_free((char *)(uintptr_t)lw->config.label_selector);
    vk_free(lw->continue_token);
    vk_free(lw);
}

void list_watch_free(struct list_watch *lw)
{
    if (!lw)
        return;
    if (lw->depth)
        lw->is_dead = true;
    else
        free_now(lw);
}

bool list_watch_has_synced(const struct list_watch *lw)
{
    return lw->has_synced;
}

void list_watch_count(const struct list_watch *lw, struct list_watch_counts *ret)
{
    *ret = lw->counts;
}

const struct vk_err *list_watch_error(const struct list_watch *lw)
{
    return lw->has_error ? &lw->error : NULL;
}

static void enter(struct list_watch *lw)
{
    lw->depth++;
}

/* True when the consumer freed us meanwhile: lw is gone then. */
static bool leave(struct list_watch *lw)
{
    if (--lw->depth || !lw->is_dead)
        return false;
    free_now(lw);
    return true;
}

static void log_skipped(const struct list_watch *lw, struct vk_str raw, const struct vk_err *err)
{
    struct vk_str metadata, value, name = VK_STR(""), namespace_ = VK_STR("");
    char object[320];

    if (json_span_member(raw, "metadata", &metadata)) {
        if (json_span_member(metadata, "name", &value))
            (void)json_span_plain_string(value, &name);
        if (json_span_member(metadata, "namespace", &value))
            (void)json_span_plain_string(value, &namespace_);
    }
    snprintf(object, sizeof(object), "%.*s%s%.*s", (int)(namespace_.n < 64 ? namespace_.n : 64),
             namespace_.p, namespace_.n ? "/" : "", (int)(name.n < 253 ? name.n : 253), name.p);
    log_warning("Skipped an object that could not be read", LS("object", object),
                LS("of", lw->config.what), LERR(err));
}

static void hand_out(struct list_watch *lw, bool is_deleted, struct vk_str raw)
{
    struct vk_err err;
    int rc = is_deleted ? lw->events.deleted(lw->user, raw, &err)
                        : lw->events.upsert(lw->user, raw, &err);

    if (rc < 0)
        log_skipped(lw, raw, &err);
}

/* Keeps the version of the newest object that was handed out. */
static void remember_version(struct list_watch *lw, struct vk_str object)
{
    struct vk_str metadata, value, version;

    if (json_span_member(object, "metadata", &metadata) &&
        json_span_member(metadata, "resourceVersion", &value) &&
        json_span_plain_string(value, &version) && version.n > 0 &&
        version.n < MAX_RESOURCE_VERSION) {
        memcpy(lw->resource_version, version.p, version.n);
        lw->resource_version[version.n] = '\0';
    }
}

static void relist(struct list_watch *lw)
{
    lw->resource_version[0] = '\0';
    lw->watch_failures = 0;
    vk_free(lw->continue_token);
    lw->continue_token = NULL;
}

static void retry_later(struct list_watch *lw, const char *what, const struct vk_err *err)
{
    int64_t delay = backoff_next_ms(&lw->backoff);
    int64_t asked =
        err->retry_after_ms < MAX_RETRY_AFTER_MS ? err->retry_after_ms : MAX_RETRY_AFTER_MS;

    /* The jitter of the delay goes on top, so that not everybody returns at the named second. */
    if (asked > 0)
        delay = asked + delay % 1000;
    lw->error = *err;
    lw->has_error = true;
    log_warning(what, LS("of", lw->config.what), LERR(err), LI("retryInMs", delay));
    vk_timer_arm(&lw->next, delay);
}

static bool is_expired(const struct vk_err *err)
{
    return err->http_status == 410 || vk_streq(err->reason, "Expired") ||
           vk_streq(err->reason, "Gone");
}

static void build_path(const struct list_watch *lw, struct vk_buf *path)
{
    vk_buf_init(path, MAX_PATH_BYTES);
    vk_buf_adds(path, lw->config.path);
    if (lw->config.field_selector)
        url_query_add(path, "fieldSelector", lw->config.field_selector);
    if (lw->config.label_selector)
        url_query_add(path, "labelSelector", lw->config.label_selector);
}

static void add_number(struct vk_buf *path, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, value);
    url_query_add(path, name, text);
}

static int on_item(void *user, struct vk_str raw, struct vk_err *err)
{
    struct list_watch *lw = user;

    (void)err;
    if (!lw->is_dead)
        hand_out(lw, false, raw);
    return 0;
}

static int on_list_piece(void *user, struct vk_str piece)
{
    struct list_watch *lw = user;
    int rc;

    enter(lw);
    rc = json_list_reader_feed(lw->reader, piece, &lw->piece_err);
    lw->has_piece_err = rc < 0;
    return leave(lw) ? 0 : rc;
}

static void list_failed(struct list_watch *lw, const struct vk_err *err)
{
    if (is_expired(err) && lw->continue_token)
        lw->without_pages = true;
    relist(lw);
    retry_later(lw, "Cannot list", err);
}

/* metadata of the list: its version, and where the next page begins. */
static int read_list_metadata(struct list_watch *lw, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root, *metadata;
    const char *next, *version;
    struct vk_str rest;

    if (json_list_reader_end(lw->reader, &rest, err) < 0 ||
        json_parse(rest, rest.n, arena, &root, err) < 0)
        return vk_err_wrap(err, "list %s", lw->config.what);
    metadata = json_get(root, "metadata");
    next = json_string_or(metadata, "continue", "");
    version = json_string_or(metadata, "resourceVersion", "");
    if (!*next &&
        (!*version || !vk_strcpy_to(lw->resource_version, sizeof(lw->resource_version), version))) {
        lw->resource_version[0] = '\0';
        return vk_err_set(err, VK_PROTOCOL, "list %s: the answer is no list with a resourceVersion",
                          lw->config.what);
    }
    vk_free(lw->continue_token);
    lw->continue_token = *next ? vk_strdup(next) : NULL;
    return 0;
}

static void on_list_done(void *user, struct vk_str body, const struct vk_err *failure)
{
    struct list_watch *lw = user;
    struct vk_err err;

    (void)body;
    lw->call = NULL;
    if (lw->has_piece_err) {
        err = lw->piece_err;
        vk_err_wrap(&err, "list %s", lw->config.what);
        failure = &err;
    } else if (!failure && read_list_metadata(lw, &err) < 0) {
        failure = &err;
    }
    drop_request(lw);
    if (failure) {
        list_failed(lw, failure);
        return;
    }
    vk_timer_arm(&lw->next, 0);
    if (lw->continue_token)
        return;
    lw->has_error = false;
    lw->without_pages = false;
    lw->has_synced = true;
    enter(lw);
    lw->events.list_end(lw->user);
    (void)leave(lw);
}

/*
 * Each list asks for the newest state (no resourceVersion), not for what a cache happens to have
 * ("0", as client-go's first one does): what is missing from a list is taken for gone, and an API
 * server that has just started may be behind. Since Kubernetes 1.31 such lists come from the cache
 * as well, after it has caught up.
 */
static void start_list(struct list_watch *lw)
{
    struct vk_buf path VK_BUF_AUTO;
    char what[160];

    lw->counts.lists += lw->continue_token == NULL;
    build_path(lw, &path);
    if (!lw->without_pages)
        add_number(&path, "limit", lw->config.page_size);
    if (lw->continue_token)
        url_query_add(&path, "continue", lw->continue_token);
    snprintf(what, sizeof(what), "list %s", lw->config.what);
    lw->reader = json_list_reader_new("items", lw->config.max_object_bytes, on_item, lw);
    lw->has_piece_err = false;
    lw->call = rest_start(lw->client, &(struct rest_request){
                                          .method = "GET",
                                          .path = vk_buf_peek(&path),
                                          .deadline_ms = LIST_DEADLINE_MS,
                                          .what = what,
                                          .on_body = on_list_piece,
                                          .on_done = on_list_done,
                                          .user = lw,
                                      });
}

static int on_watch_event(void *user, enum watch_event_type type, struct vk_str object,
                          struct vk_err *err)
{
    struct list_watch *lw = user;
    struct vk_arena *arena VK_ARENA_AUTO = NULL;
    const struct json *status;

    if (lw->is_dead)
        return 0;
    switch (type) {
    case WATCH_ADDED:
    case WATCH_MODIFIED:
        hand_out(lw, false, object);
        break;
    case WATCH_DELETED:
        hand_out(lw, true, object);
        break;
    case WATCH_BOOKMARK:
        break;
    case WATCH_ERROR:
    default:
        arena = vk_arena_new();
        if (json_parse(object, object.n, arena, &status, err) < 0)
            return -1;
        return meta_status_error(err, (int)json_int64_or(status, "code", 500), object, 0,
                                 "the API server ended it");
    }
    remember_version(lw, object);
    lw->watch_event_count++;
    return 0;
}

static int on_watch_piece(void *user, struct vk_str piece)
{
    struct list_watch *lw = user;
    int rc;

    enter(lw);
    lw->has_error = false;
    rc = watch_decoder_feed(lw->decoder, piece, &lw->piece_err);
    lw->has_piece_err = rc < 0;
    return leave(lw) ? 0 : rc;
}

/* A version that can't be watched, an answer that can't be read and a refusal lead back to LIST,
 * the rest to another watch from where this one ended. */
static bool needs_relist(const struct list_watch *lw, const struct vk_err *err)
{
    return is_expired(err) || err->code == VK_TOO_LARGE || err->code == VK_PROTOCOL ||
           err->code == VK_INVALID || err->code == VK_FORBIDDEN || err->code == VK_NOT_FOUND ||
           err->code == VK_UNSUPPORTED || lw->watch_failures > MAX_WATCH_FAILURES;
}

static void watch_failed(struct list_watch *lw, const struct vk_err *err)
{
    lw->watch_failures++;
    lw->counts.failures++;
    if (is_expired(err) && !lw->was_expired) {
        /* Expected after a long absence, so no time is lost; a second one in a row is not. */
        lw->was_expired = true;
        log_v(2, "Watch is too old, listing again", LS("of", lw->config.what), LERR(err));
        relist(lw);
        vk_timer_arm(&lw->next, 0);
        return;
    }
    if (needs_relist(lw, err))
        relist(lw);
    retry_later(lw, "Watch failed", err);
}

static void on_watch_done(void *user, struct vk_str body, const struct vk_err *failure)
{
    struct list_watch *lw = user;
    int64_t lasted = vk_mono_ms() - lw->watch_began_mono_ms;
    bool was_short = lasted < VERY_SHORT_MS && lw->watch_event_count == 0;
    struct vk_err err;

    (void)body;
    lw->call = NULL;
    if (lw->has_piece_err) {
        err = lw->piece_err;
        vk_err_wrap(&err, "watch %s", lw->config.what);
        failure = &err;
    } else if (!failure && was_short) {
        vk_err_set(&err, VK_UNAVAILABLE, "watch %s: ended after %" PRId64 " ms without an event",
                   lw->config.what, lasted);
        failure = &err;
    }
    drop_request(lw);
    if (!was_short) {
        backoff_reset(&lw->backoff);
        lw->watch_failures = 0;
        lw->was_expired = false;
    }
    if (failure)
        watch_failed(lw, failure);
    else
        vk_timer_arm(&lw->next, 0);
}

/* The server should have ended the watch at its timeout: the connection is dead. */
static void on_silence(void *user)
{
    struct list_watch *lw = user;
    struct vk_err err;

    drop_request(lw);
    vk_err_set(&err, VK_TIMEOUT, "watch %s: the API server did not end it in time",
               lw->config.what);
    watch_failed(lw, &err);
}

static int64_t watch_timeout_s(const struct list_watch *lw)
{
    uint32_t random;

    if (lw->config.watch_timeout_s)
        return lw->config.watch_timeout_s;
    crypto_random(&random, sizeof(random));
    return 300 + random % 301;
}

static void start_watch(struct list_watch *lw)
{
    struct vk_buf path VK_BUF_AUTO;
    int64_t timeout = watch_timeout_s(lw);
    char what[160];

    lw->counts.watches++;
    build_path(lw, &path);
    url_query_add(&path, "watch", "1");
    url_query_add(&path, "allowWatchBookmarks", "true");
    url_query_add(&path, "resourceVersion", lw->resource_version);
    add_number(&path, "timeoutSeconds", timeout);
    snprintf(what, sizeof(what), "watch %s", lw->config.what);
    lw->decoder = watch_decoder_new(lw->config.max_object_bytes + 64, on_watch_event, lw);
    lw->has_piece_err = false;
    lw->watch_event_count = 0;
    lw->watch_began_mono_ms = vk_mono_ms();
    vk_timer_arm(&lw->silence, timeout * 1000 + SILENCE_MARGIN_MS);
    vk_timer_arm(&lw->settled, SETTLED_MS);
    lw->call = rest_start(lw->client, &(struct rest_request){
                                          .method = "GET",
                                          .path = vk_buf_peek(&path),
                                          .what = what,
                                          .on_body = on_watch_piece,
                                          .on_done = on_watch_done,
                                          .user = lw,
                                      });
}

static void start_next(void *user)
{
    struct list_watch *lw = user;

    if (lw->resource_version[0]) {
        start_watch(lw);
        return;
    }
    if (!lw->continue_token) {
        enter(lw);
        lw->events.list_begin(lw->user);
        if (leave(lw))
            return;
    }
    start_list(lw);
}
