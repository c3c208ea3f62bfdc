/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/share_reader.h"

#include "base/alloc.h"
#include "base/url.h"

#define MAX_PATH_BYTES 8192ul

struct share_read {
    struct rest_client *client;
    struct object_cache *objects;
    const struct pod *pod;
    const struct volume *volume;
    struct vk_arena *arena;
    struct share_source source;
    struct rest_call *call;
    struct object_read *read;
    struct vk_timer start; /* answers what needs no request */
    struct vk_err failure;
    share_done_fn done;
    void *user;
};

void share_read_cancel(struct share_read *r)
{
    if (!r)
        return;
    vk_timer_disarm(&r->start);
    if (r->call)
        rest_cancel(r->call);
    object_read_cancel(r->read);
    vk_free(r);
}

static void finish(struct share_read *r, const struct resolved_share *share,
                   const struct vk_err *err)
{
    share_done_fn done = r->done;
    void *user = r->user;
    struct vk_err copy = err ? *err : (struct vk_err){0};

    share_read_cancel(r);
    done(user, share, err ? &copy : NULL);
}

static void on_secret(void *user, struct object_data *object, const struct vk_err *err)
{
    struct share_read *r = user;
    struct resolved_share share;
    struct vk_err bad;

    r->read = NULL;
    if (err && err->code == VK_NOT_FOUND) {
        vk_err_set(&bad, VK_NOT_FOUND, "Secret %s/%s of volume %s does not exist",
                   r->source.secret_namespace, r->source.secret_name, r->source.volume);
        vk_err_reason(&bad, "MandatorySecretNotFound");
        err = &bad;
    }
    if (!err && share_source_resolve(&r->source, object, r->arena, &share, &bad) < 0)
        err = &bad;
    finish(r, err ? NULL : &share, err);
}

static void read_secret(struct share_read *r)
{
    r->read = object_cache_get(r->objects, OBJECT_SECRET, r->source.secret_namespace,
                               r->source.secret_name, on_secret, r);
}

static void get(struct share_read *r, const char *kind, const char *namespace_, const char *name,
                rest_done_fn done)
{
    struct vk_buf path VK_BUF_AUTO;
    char *what VK_AUTOFREE = vk_asprintf("get %s %s of pod %s", kind, name, pod_key(r->pod));

    vk_buf_init(&path, MAX_PATH_BYTES);
    vk_buf_adds(&path, "/api/v1/");
    if (namespace_) {
        vk_buf_adds(&path, "namespaces/");
        url_encode(&path, vk_str_of(namespace_));
        vk_buf_addc(&path, '/');
    }
    vk_buf_printf(&path, "%s/", kind);
    url_encode(&path, vk_str_of(name));
    r->call = rest_start(
        r->client,
        &(struct rest_request){
            .method = "GET", .path = vk_buf_peek(&path), .what = what, .on_done = done, .user = r});
}

static void on_volume(void *user, struct vk_str body, const struct vk_err *err)
{
    struct share_read *r = user;
    struct vk_err bad;

    r->call = NULL;
    if (!err &&
        share_source_of_persistent_volume(r->pod, r->volume, body, r->arena, &r->source, &bad) < 0)
        err = &bad;
    if (err)
        finish(r, NULL, err);
    else
        read_secret(r);
}

static void on_claim(void *user, struct vk_str body, const struct vk_err *err)
{
    struct share_read *r = user;
    const char *name;
    struct vk_err bad;

    r->call = NULL;
    if (err && err->code == VK_NOT_FOUND) {
        bad = *err;
        vk_err_reason(&bad, "PersistentVolumeClaimNotFound");
        err = &bad;
    }
    if (!err && share_source_bound_volume(r->pod, r->volume, body, r->arena, &name, &bad) < 0)
        err = &bad;
    if (err)
        finish(r, NULL, err);
    else
        get(r, "persistentvolumes", NULL, name, on_volume);
}

static void on_refused(void *user)
{
    struct share_read *r = user;

    finish(r, NULL, &r->failure);
}

struct share_read *share_reader_start(struct vk_loop *loop, struct rest_client *client,
                                      struct object_cache *objects, const struct pod *pod,
                                      const struct volume *v, struct vk_arena *arena,
                                      share_done_fn done, void *user)
{
    struct share_read *r = vk_calloc(1, sizeof(*r));

    r->client = client;
    r->objects = objects;
    r->pod = pod;
    r->volume = v;
    r->arena = arena;
    r->done = done;
    r->user = user;
    vk_timer_init(&r->start, loop, "share is refused", on_refused, r);
    if (v->persistent_volume_claim)
        get(r, "persistentvolumeclaims", pod->meta.namespace_,
            v->persistent_volume_claim->claim_name, on_claim);
    else if (share_source_of_volume(pod, v, arena, &r->source, &r->failure) < 0)
        vk_timer_arm(&r->start, 0);
    else
        read_secret(r);
    return r;
}
