/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/pod_resolver.h"

#include "base/alloc.h"
#include "base/crash_point.h"
#include "base/json_writer.h"
#include "base/url.h"
#include "kubelet/pods/environment.h"
#include "kubelet/pods/image_pull_secrets.h"
#include "kubelet/pods/object_cache.h"
#include "kubelet/pods/share_reader.h"
#include "kubelet/pods/token_claims.h"
#include "kubelet/pods/volume_files.h"

/* All that one pod refers to; a group's body is far smaller. */
#define MAX_POD_DATA_BYTES (16u << 20)
#define MAX_TOKEN_BYTES (64u * 1024)
/* What the API server writes into every pod, and lets live for a year. */
#define OWN_TOKEN_SECONDS 3607

struct pod_resolver {
    struct vk_loop *loop;
    struct pod_resolver_config config;
    struct object_cache *objects;
};

/* One object or token under way. */
struct fetch {
    struct pod_resolution *resolution;
    size_t index;
    struct object_read *read;
    struct rest_call *call;
    struct share_read *share; /* of volume `index` */
};
struct pod_resolution {
    struct pod_resolver *resolver;
    struct pod *pod;
    struct vk_arena *arena; /* goes over to the resolved pod */
    struct pod_references *references;
    struct fetch *fetches;
    size_t fetch_count, pending, bytes;
    struct resolved_share *shares; /* in the arena */
    size_t share_count;
    struct vk_timer start; /* completes a resolution that needs nothing */
    pod_resolver_done_fn done;
    void *user;
};

static void resolution_free(struct pod_resolution *x)
{
    vk_timer_disarm(&x->start);
    for (size_t i = 0; i < x->fetch_count; i++) {
        object_read_cancel(x->fetches[i].read);
        if (x->fetches[i].call)
            rest_cancel(x->fetches[i].call);
        share_read_cancel(x->fetches[i].share);
    }
    vk_free(x->fetches);
    vk_arena_free(x->arena);
    pod_unref(x->pod);
    vk_free(x);
}

static void fail(struct pod_resolution *x, const struct vk_err *err)
{
    struct vk_err copy = *err;
    pod_resolver_done_fn done = x->done;
    void *user = x->user;

    resolution_free(x);
    done(user, NULL, &copy);
}

static int resolve_containers(const struct pod_references *r, const struct json_array *spec,
                              struct vk_arena *arena, const struct resolved_container **ret,
                              struct vk_err *err)
{
    const struct container *c = spec->v;
    struct resolved_container *out = vk_arena_array(arena, spec->n + 1, sizeof(*out));

    for (size_t i = 0; i < spec->n; i++)
        if (environment_resolve(r, &c[i], arena, &out[i], err) < 0)
            return -(int)err->code;
    *ret = out;
    return 0;
}

static int build(struct pod_resolution *x, struct resolved_pod *out, struct vk_err *err)
{
    const struct pod_references *r = x->references;
    const struct pod_spec *spec = &x->pod->spec;

    if (x->resolver->config.services &&
        services_environment(x->resolver->config.services, x->pod, x->arena,
                             &x->references->services, &x->references->service_count, err) < 0)
        return -(int)err->code;
    out->container_count = spec->containers.n;
    out->init_container_count = spec->init_containers.n;
    out->shares = x->shares;
    out->share_count = x->share_count;
    if (resolve_containers(r, &spec->init_containers, x->arena, &out->init_containers, err) < 0 ||
        resolve_containers(r, &spec->containers, x->arena, &out->containers, err) < 0 ||
        volume_files_resolve(r, x->arena, &out->volumes, &out->volume_count, err) < 0 ||
        image_pull_secrets_resolve(r, x->arena, &out->credentials, &out->credential_count, err) < 0)
        return -(int)err->code;
    return 0;
}

static void finish(struct pod_resolution *x)
{
    struct resolved_pod *out = vk_arena_alloc(x->arena, sizeof(*out));
    pod_resolver_done_fn done = x->done;
    void *user = x->user;
    struct vk_err err;

    if (build(x, out, &err) < 0) {
        /* A pull secret is repaired by writing it anew; the pod waits for that. */
        if (vk_streq(err.reason, "InvalidImagePullSecret"))
            err.code = VK_NOT_FOUND;
        fail(x, &err);
        return;
    }
    if (x->resolver->config.expiries)
        token_expiries_note(x->resolver->config.expiries, x->pod, x->references->tokens,
                            x->references->token_count);
    out->pod = vk_take(x->pod);
    out->arena_ = vk_take(x->arena);
    resolution_free(x);
    done(user, out, NULL);
}

static void fetched(struct pod_resolution *x)
{
    if (!--x->pending)
        finish(x);
}

static void report_missing(const struct pod_resolution *x, const struct object_use *use)
{
    const struct object_meta *meta = &x->pod->meta;
    struct object_reference about = {.kind = "Pod",
                                     .namespace_ = meta->namespace_,
                                     .name = meta->name,
                                     .uid = meta->uid,
                                     .api_version = "v1",
                                     .resource_version = meta->resource_version};
    char *message VK_AUTOFREE = vk_asprintf("%s %s/%s does not exist", object_kind_name(use->kind),
                                            meta->namespace_, use->name);
    const char *reason =
        use->kind == OBJECT_SECRET ? "OptionalSecretNotFound" : "OptionalConfigMapNotFound";

    if (use->is_mandatory)
        return; /* who resolves it fails with its own reason */
    if (use->is_pull_secret)
        reason = "FailedToRetrieveImagePullSecret";
    event_recorder_emit(x->resolver->config.events, &about, "Warning", reason, message);
}

static void on_object(void *user, struct object_data *object, const struct vk_err *err)
{
    struct fetch *f = user;
    struct pod_resolution *x = f->resolution;
    struct object_use *use = &x->references->objects[f->index];
    struct vk_err large;

    f->read = NULL;
    if (err && err->code != VK_NOT_FOUND) {
        fail(x, err);
        return;
    }
    if (err) {
        report_missing(x, use);
    } else {
        use->object = object_data_ref(object);
        x->bytes += object->bytes;
    }
    if (x->bytes > MAX_POD_DATA_BYTES) {
        vk_err_set(&large, VK_TOO_LARGE,
                   "the ConfigMaps and Secrets of pod %s hold more than %u MiB", pod_key(x->pod),
                   MAX_POD_DATA_BYTES >> 20);
        fail(x, &large);
        return;
    }
    fetched(x);
}

static int read_token(struct pod_resolution *x, struct vk_str body, struct token_reference *t,
                      struct vk_err *err)
{
    struct vk_arena *tree VK_ARENA_AUTO = vk_arena_new();
    const struct json *doc;
    const char *text;

    if (json_parse(body, MAX_TOKEN_BYTES, tree, &doc, err) < 0) {
        /* The parser's message could quote the answer. */
        return vk_err_set(err, VK_PROTOCOL, "token for pod %s: the answer is no TokenRequest",
                          pod_key(x->pod));
    }
    text = json_string(json_get(json_get(doc, "status"), "token"));
    if (vk_str_empty(text))
        return vk_err_set(err, VK_PROTOCOL, "token for pod %s: the answer holds none",
                          pod_key(x->pod));
    t->token = vk_arena_secret(x->arena, text, vk_str_of(text).n);
    (void)token_claims_expiry_ms(vk_str_of(text), &t->expires_wall_ms);
    vk_wipe((void *)(uintptr_t)text, vk_str_of(text).n);
    return 0;
}

static void on_token(void *user, struct vk_str body, const struct vk_err *err)
{
    struct fetch *f = user;
    struct pod_resolution *x = f->resolution;
    struct vk_err bad;

    vk_crash_point("after-token-request");
    f->call = NULL;
    if (!err && read_token(x, body, &x->references->tokens[f->index], &bad) < 0)
        err = &bad;
    if (err)
        fail(x, err);
    else
        fetched(x);
}

static void on_share(void *user, const struct resolved_share *share, const struct vk_err *err)
{
    struct fetch *f = user;
    struct pod_resolution *x = f->resolution;

    f->share = NULL;
    if (err) {
        fail(x, err);
        return;
    }
    x->shares[x->share_count++] = *share;
    fetched(x);
}

static size_t count_shares(const struct pod *pod)
{
    const struct volume *v = pod->spec.volumes.v;
    size_t n = 0;

    for (size_t i = 0; i < pod->spec.volumes.n; i++)
        n += share_source_is(&v[i]) && pod_mounts_volume(pod, v[i].name);
    return n;
}

/* fetches: one for each share. */
static void read_shares(struct pod_resolution *x, struct fetch *fetches)
{
    const struct volume *v = x->pod->spec.volumes.v;
    struct pod_resolver *r = x->resolver;

    for (size_t i = 0; i < x->pod->spec.volumes.n; i++) {
        if (!share_source_is(&v[i]) || !pod_mounts_volume(x->pod, v[i].name))
            continue;
        fetches->resolution = x;
        fetches->index = i;
        fetches->share = share_reader_start(r->loop, r->config.client, r->objects, x->pod, &v[i],
                                            x->arena, on_share, fetches);
        fetches++;
    }
}

static void write_token_request(const struct pod *pod, const struct token_reference *t,
                                struct vk_buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "apiVersion", "authentication.k8s.io/v1");
    json_put_string(&w, "kind", "TokenRequest");
    json_begin_object(&w, "spec");
    json_begin_array(&w, "audiences");
    if (!vk_str_empty(t->audience))
        json_put_string(&w, NULL, t->audience);
    json_end_array(&w);
    /* Nothing renews it in a running container: as long as can be had. */
    json_put_int(&w, "expirationSeconds",
                 vk_str_empty(t->audience) && t->expiration_seconds == OWN_TOKEN_SECONDS
                     ? OWN_TOKEN_SECONDS
                     : TOKEN_LIFE_S);
    json_begin_object(&w, "boundObjectRef");
    json_put_string(&w, "kind", "Pod");
    json_put_string(&w, "apiVersion", "v1");
    json_put_string(&w, "name", pod->meta.name);
    json_put_string(&w, "uid", pod->meta.uid);
    json_end_object(&w);
    json_end_object(&w);
    json_end_object(&w);
}

static void request_token(struct fetch *f)
{
    struct pod_resolution *x = f->resolution;
    const struct pod *pod = x->pod;
    const char *account =
        vk_str_empty(pod->spec.service_account_name) ? "default" : pod->spec.service_account_name;
    char *what VK_AUTOFREE = vk_asprintf("request a token of service account %s/%s for pod %s",
                                         pod->meta.namespace_, account, pod->meta.name);
    struct vk_buf path VK_BUF_AUTO, body VK_BUF_AUTO;

    vk_buf_init(&path, 8192);
    vk_buf_adds(&path, "/api/v1/namespaces/");
    url_encode(&path, vk_str_of(pod->meta.namespace_));
    vk_buf_adds(&path, "/serviceaccounts/");
    url_encode(&path, vk_str_of(account));
    vk_buf_adds(&path, "/token");
    vk_buf_init(&body, 64 * 1024);
    write_token_request(pod, &x->references->tokens[f->index], &body);
    vk_crash_point("before-token-request");
    f->call = rest_start(x->resolver->config.client, &(struct rest_request){
                                                         .method = "POST",
                                                         .path = vk_buf_peek(&path),
                                                         .body = vk_buf_str(&body),
                                                         .what = what,
                                                         .on_done = on_token,
                                                         .user = f,
                                                     });
}

static void on_start(void *user)
{
    finish(user);
}

struct pod_resolution *pod_resolver_start(struct pod_resolver *r, const struct pod *pod,
                                          pod_resolver_done_fn done, void *user)
{
    struct pod_resolution *x = vk_calloc(1, sizeof(*x));
    struct node_capacity capacity = {0};
    struct pod_references *refs;
    size_t own, shares;

    x->resolver = r;
    x->pod = pod_ref(pod);
    x->arena = vk_arena_new();
    x->done = done;
    x->user = user;
    vk_timer_init(&x->start, r->loop, "pod needs nothing", on_start, x);
    refs = vk_arena_alloc(x->arena, sizeof(*refs));
    pod_references_collect(pod, x->arena, refs);
    refs->node_ips = &r->config.node_ips;
    if (r->config.provider->ops->get_capacity)
        r->config.provider->ops->get_capacity(r->config.provider->p, &capacity);
    refs->node_cpu_milli = capacity.cpu_milli;
    refs->node_memory_bytes = capacity.memory_bytes;
    x->references = refs;
    own = refs->object_count + refs->token_count;
    shares = count_shares(pod);
    x->pending = x->fetch_count = own + shares;
    x->fetches = vk_calloc(x->fetch_count + 1, sizeof(*x->fetches));
    x->shares = vk_arena_array(x->arena, shares + 1, sizeof(*x->shares));
    read_shares(x, x->fetches + own);
    for (size_t i = 0; i < own; i++) {
        bool is_object = i < refs->object_count;
        struct fetch *f = &x->fetches[i];

        f->resolution = x;
        f->index = is_object ? i : i - refs->object_count;
        if (is_object)
            f->read = object_cache_get(r->objects, refs->objects[i].kind, pod->meta.namespace_,
                                       refs->objects[i].name, on_object, f);
        else
            request_token(f);
    }
    if (!x->fetch_count)
        vk_timer_arm(&x->start, 0);
    return x;
}

void pod_resolution_cancel(struct pod_resolution *x)
{
    if (x)
        resolution_free(x);
}

struct pod_resolver *pod_resolver_new(struct vk_loop *loop,
                                      const struct pod_resolver_config *config)
{
    struct pod_resolver *r = vk_calloc(1, sizeof(*r));

    r->loop = loop;
    r->config = *config;
    r->objects = object_cache_new(loop, config->client);
    return r;
}

void pod_resolver_free(struct pod_resolver *r)
{
    if (!r)
        return;
    object_cache_free(r->objects);
    vk_free(r);
}
