/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/node/node_lease.h"

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/json.h"
#include "base/json_writer.h"
#include "base/log.h"

#define LEASE_LIMIT (16 * 1024)
#define RELEASE_DEADLINE_MS 5000

struct node_lease {
    struct rest_client *client;
    char *node_name;
    char node_uid[64];
    struct vk_timer timer;
    struct rest_call *call;
    struct backoff backoff;
    bool creating; /* the call under way is a POST */
    bool start_again;
    int64_t sent_ns, renewed_ns; /* as written */
    int64_t sent_mono_ms;
    bool releasing;
    void (*drained)(void *user);
    void *drained_user;
    void (*gone)(void *user);
    void *gone_user;
    void (*released)(void *user);
    void *released_user;
};

static void write_spec(struct json_writer *w, const struct node_lease *l, int64_t now_ns)
{
    json_begin_object(w, "spec");
    json_put_string(w, "holderIdentity", l->node_name);
    json_put_int(w, "leaseDurationSeconds", NODE_LEASE_DURATION_S);
    json_put_time_us(w, "renewTime", now_ns);
    json_end_object(w);
}

static void write_metadata(struct json_writer *w, const struct node_lease *l)
{
    json_begin_object(w, "metadata");
    if (!l->creating && l->renewed_ns == 0) {
        json_begin_object(w, "annotations");
        json_put_null(w, NODE_LEASE_DRAINED);
        json_end_object(w);
    }
    if (l->creating) {
        json_put_string(w, "name", l->node_name);
        json_put_string(w, "namespace", "kube-node-lease");
    }
    json_begin_array(w, "ownerReferences");
    json_begin_object(w, NULL);
    json_put_string(w, "apiVersion", "v1");
    json_put_string(w, "kind", "Node");
    json_put_string(w, "name", l->node_name);
    json_put_string(w, "uid", l->node_uid);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
}

static void on_done(void *user, struct vk_str body, const struct vk_err *err);

/*
 * The time of a renewal never goes back, whatever becomes of the clock: the node's life cycle
 * controller takes only a later one than before for a sign of life.
 */
static int64_t next_renewal_ns(struct node_lease *l)
{
    const int64_t now_ns = vk_wall_ns(), now_mono_ms = vk_mono_ms();
    const int64_t least_ns = l->sent_ns + (now_mono_ms - l->sent_mono_ms) * 1000000 + 1000;

    l->sent_ns = l->sent_ns && now_ns < least_ns ? least_ns : now_ns;
    l->sent_mono_ms = now_mono_ms;
    return l->sent_ns;
}

static void send(struct node_lease *l)
{
    struct vk_buf body VK_BUF_AUTO;
    char *path VK_AUTOFREE = vk_asprintf(NODE_LEASES_PATH "%s%s", l->creating ? "" : "/",
                                         l->creating ? "" : l->node_name);
    char *what VK_AUTOFREE =
        vk_asprintf("%s lease kube-node-lease/%s", l->creating ? "create" : "renew", l->node_name);
    struct json_writer w;

    vk_buf_init(&body, LEASE_LIMIT);
    json_writer_init(&w, &body);
    json_begin_object(&w, NULL);
    write_metadata(&w, l);
    write_spec(&w, l, next_renewal_ns(l));
    json_end_object(&w);
    if (l->creating)
        vk_crash_point("before-lease-create");
    else
        vk_crash_point("before-lease-renew");
    l->call = rest_start(l->client, &(struct rest_request){
                                        .method = l->creating ? "POST" : "PATCH",
                                        .path = path,
                                        .body = vk_buf_str(&body),
                                        .patch = l->creating ? REST_NO_PATCH : REST_MERGE_PATCH,
                                        .deadline_ms = NODE_LEASE_RENEW_MS,
                                        .what = what,
                                        .on_done = on_done,
                                        .user = l,
                                    });
}

static void on_released(void *user, struct vk_str body, const struct vk_err *err)
{
    struct node_lease *l = user;

    (void)body;
    l->call = NULL;
    l->renewed_ns = 0;
    if (err)
        log_warning("Failed to release the node lease; it runs out by itself",
                    LS("node", l->node_name), LERR(err));
    l->released(l->released_user);
}

static void send_release(struct node_lease *l)
{
    struct vk_buf body VK_BUF_AUTO;
    char *path VK_AUTOFREE = vk_asprintf(NODE_LEASES_PATH "/%s", l->node_name);
    char *what VK_AUTOFREE = vk_asprintf("release lease kube-node-lease/%s", l->node_name);
    struct json_writer w;

    vk_buf_init(&body, LEASE_LIMIT);
    json_writer_init(&w, &body);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "spec");
    json_put_null(&w, "holderIdentity");
    json_put_time_us(&w, "renewTime", next_renewal_ns(l));
    json_end_object(&w);
    json_end_object(&w);
    l->call = rest_start(l->client, &(struct rest_request){
                                        .method = "PATCH",
                                        .path = path,
                                        .body = vk_buf_str(&body),
                                        .patch = REST_MERGE_PATCH,
                                        .deadline_ms = RELEASE_DEADLINE_MS,
                                        .what = what,
                                        .on_done = on_released,
                                        .user = l,
                                    });
}

static bool is_drained(struct vk_str body)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *lease;
    struct vk_err ignored;

    return json_parse(body, LEASE_LIMIT, arena, &lease, &ignored) == 0 &&
           json_get(json_get(json_get(lease, "metadata"), "annotations"), NODE_LEASE_DRAINED);
}

static void on_done(void *user, struct vk_str body, const struct vk_err *err)
{
    struct node_lease *l = user;

    if (l->creating)
        vk_crash_point("after-lease-create");
    else
        vk_crash_point("after-lease-renew");
    l->call = NULL;
    if (!err)
        l->renewed_ns = l->sent_ns;
    if (l->releasing) {
        vk_timer_arm(&l->timer, 0);
        return;
    }
    if (!err) {
        backoff_reset(&l->backoff);
        l->creating = false;
        vk_timer_arm(&l->timer, l->start_again ? 0 : NODE_LEASE_RENEW_MS);
        l->start_again = false;
        if (l->drained && is_drained(body)) {
            void (*drained)(void *drained_user) = l->drained;

            l->drained = NULL;
            drained(l->drained_user);
        }
        return;
    }
    if (err->code == VK_NOT_FOUND && !l->creating) {
        l->creating = true;
        vk_timer_arm(&l->timer, 0);
        if (l->gone && l->renewed_ns)
            l->gone(l->gone_user);
        return;
    }
    if (err->code == VK_ALREADY_EXISTS || (err->code == VK_CONFLICT && l->creating)) {
        l->creating = false;
        vk_timer_arm(&l->timer, 0);
        return;
    }
    log_error("Failed to renew the node lease, retrying; the node turns NotReady after 40 s",
              LS("node", l->node_name), LERR(err));
    vk_timer_arm(&l->timer,
                 err->retry_after_ms > 0 ? err->retry_after_ms : backoff_next_ms(&l->backoff));
}

static void on_timer(void *user)
{
    struct node_lease *l = user;

    if (l->call)
        return;
    if (!l->releasing)
        send(l);
    else if (l->renewed_ns)
        send_release(l);
    else
        l->released(l->released_user);
}

struct node_lease *node_lease_new(struct vk_loop *loop, struct rest_client *client,
                                  const char *node_name)
{
    struct node_lease *l = vk_calloc(1, sizeof(*l));

    l->client = client;
    l->node_name = vk_strdup(node_name);
    l->backoff = (struct backoff){.initial_ms = 200, .max_ms = 7000};
    vk_timer_init(&l->timer, loop, "node lease", on_timer, l);
    return l;
}

void node_lease_free(struct node_lease *l)
{
    if (!l)
        return;
    vk_timer_disarm(&l->timer);
    rest_cancel(l->call);
    vk_free(l->node_name);
    vk_free(l);
}

void node_lease_on_gone(struct node_lease *l, void (*fn)(void *user), void *user)
{
    l->gone = fn;
    l->gone_user = user;
}

void node_lease_on_drained(struct node_lease *l, void (*fn)(void *user), void *user)
{
    l->drained = fn;
    l->drained_user = user;
}

void node_lease_start(struct node_lease *l, const char *node_uid)
{
    vk_strcpy_to(l->node_uid, sizeof(l->node_uid), node_uid);
    if (l->releasing)
        return;
    if (l->call)
        l->start_again = true;
    else
        vk_timer_arm(&l->timer, 0);
}

void node_lease_release(struct node_lease *l, void (*done)(void *user), void *user)
{
    l->releasing = true;
    l->released = done;
    l->released_user = user;
    /* A renewal under way ends first: behind the release it would take the Lease again. */
    if (!l->call)
        vk_timer_arm(&l->timer, 0);
}

int64_t node_lease_renewed_ns(const struct node_lease *l)
{
    return l->renewed_ns;
}
