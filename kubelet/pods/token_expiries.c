/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/token_expiries.h"

#include "base/alloc.h"
#include "base/map.h"
#include "kubelet/pods/status_annotations.h"

/* The wall clock may be set: what is far away is looked at again. */
#define LOOK_AGAIN_MS (60 * 60 * 1000)

struct expiry {
    char *namespace_, *name;
    char *audience;              /* of the token that expires first, in words */
    int64_t warn_ms, expires_ms; /* wall */
    bool warned;
};
struct token_expiries {
    struct event_recorder *events;
    struct vk_map *pods;  /* UID -> struct expiry */
    struct vk_map *noted; /* the same of groups to come; expires_ms 0: they have no token */
    struct vk_timer timer;
};

static void expiry_free(void *p)
{
    struct expiry *e = p;

    if (!e)
        return;
    vk_free(e->namespace_);
    vk_free(e->name);
    vk_free(e->audience);
    vk_free(e);
}

static void warn(struct token_expiries *t, const char *uid, struct expiry *e)
{
    const struct object_reference about = {.kind = "Pod",
                                           .namespace_ = e->namespace_,
                                           .name = e->name,
                                           .uid = uid,
                                           .api_version = "v1"};
    char when[VK_TIME_MAX];

    vk_time_format_s(e->expires_ms, when);
    char *message VK_AUTOFREE =
        vk_asprintf("%s expires at %s, and the files of a running container can't be replaced on "
                    "this node: delete the pod before, its successor gets a new one",
                    e->audience, when);
    e->warned = true;
    event_recorder_emit(t->events, &about, "Warning", "TokenExpiresSoon", message);
}

static void on_timer(void *user)
{
    struct token_expiries *t = user;
    int64_t now = vk_wall_ms(), next = LOOK_AGAIN_MS;
    const char *uid;
    void *value;
    size_t it = 0;

    while (vk_map_next(t->pods, &it, &uid, &value)) {
        struct expiry *e = value;

        if (e->warned)
            continue;
        if (e->warn_ms <= now)
            warn(t, uid, e);
        else if (e->warn_ms - now < next)
            next = e->warn_ms - now;
    }
    if (vk_map_len(t->pods))
        vk_timer_arm(&t->timer, next);
}

struct token_expiries *token_expiries_new(struct vk_loop *loop, struct event_recorder *events)
{
    struct token_expiries *t = vk_calloc(1, sizeof(*t));

    t->events = events;
    t->pods = vk_map_new();
    t->noted = vk_map_new();
    vk_timer_init(&t->timer, loop, "tokens expire", on_timer, t);
    return t;
}

void token_expiries_free(struct token_expiries *t)
{
    if (!t)
        return;
    vk_timer_disarm(&t->timer);
    vk_map_free(t->pods, expiry_free);
    vk_map_free(t->noted, expiry_free);
    vk_free(t);
}

static struct expiry *expiry_new(const struct pod *pod, char *audience, int64_t issued_ms,
                                 int64_t expires_ms)
{
    struct expiry *e = vk_calloc(1, sizeof(*e));

    e->namespace_ = vk_strdup(pod->meta.namespace_);
    e->name = vk_strdup(pod->meta.name);
    e->audience = audience;
    e->expires_ms = expires_ms;
    e->warn_ms = expires_ms - (expires_ms - issued_ms) / 5;
    return e;
}

static void add(struct token_expiries *t, const char *uid, struct expiry *e)
{
    expiry_free(vk_map_put(t->pods, uid, e));
    vk_timer_arm(&t->timer, 0);
}

void token_expiries_note(struct token_expiries *t, const struct pod *pod,
                         const struct token_reference *tokens, size_t count)
{
    const struct token_reference *first = NULL;

    for (size_t i = 0; i < count; i++)
        if (tokens[i].expires_wall_ms > 0 &&
            (!first || tokens[i].expires_wall_ms < first->expires_wall_ms))
            first = &tokens[i];
    const char *audience =
        first && !vk_str_empty(first->audience) ? first->audience : "the API server";
    struct expiry *e = expiry_new(pod, vk_asprintf("the token for %s", audience), vk_wall_ms(),
                                  first ? first->expires_wall_ms : 0);
    expiry_free(vk_map_put(t->noted, pod->meta.uid, e));
}

void token_expiries_take(struct token_expiries *t, const char *uid)
{
    struct expiry *e = vk_map_remove(t->noted, uid);

    if (!e)
        return;
    if (e->expires_ms) {
        add(t, uid, e);
        return;
    }
    expiry_free(vk_map_remove(t->pods, uid));
    expiry_free(e);
}

void token_expiries_restore(struct token_expiries *t, const struct pod *pod)
{
    const char *text = pairs_get(&pod->meta.annotations, POD_TOKEN_EXPIRY);
    int64_t expires_ns, issued_ns = pod->status.start_time_ns;

    if (!text || !issued_ns || vk_map_get(t->pods, pod->meta.uid) ||
        !vk_time_parse(vk_str_of(text), &expires_ns) || expires_ns <= issued_ns)
        return;
    add(t, pod->meta.uid,
        expiry_new(pod, vk_strdup("a token"), issued_ns / 1000000, expires_ns / 1000000));
}

bool token_expiries_text(const struct token_expiries *t, const char *uid, char out[VK_TIME_MAX])
{
    const struct expiry *e = vk_map_get(t->pods, uid);

    if (e)
        vk_time_format_s(e->expires_ms, out);
    return e != NULL;
}

void token_expiries_forget(struct token_expiries *t, const char *uid)
{
    expiry_free(vk_map_remove(t->pods, uid));
    expiry_free(vk_map_remove(t->noted, uid));
}

void token_expiries_count(const struct token_expiries *t, struct token_expiry_counts *ret)
{
    struct token_expiry_counts out = {0};
    const char *uid;
    void *value;
    size_t it = 0;

    while (vk_map_next(t->pods, &it, &uid, &value)) {
        const struct expiry *e = value;

        out.expiring += e->warned;
        if (out.first_expiry_wall_ms == 0 || e->expires_ms < out.first_expiry_wall_ms)
            out.first_expiry_wall_ms = e->expires_ms;
    }
    *ret = out;
}
