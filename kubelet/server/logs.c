/* SPDX-License-Identifier: Apache-2.0 */
/* GET /containerLogs/{ns}/{pod}/{container} */
#include "base/alloc.h"
#include "base/clock.h"
#include "kubelet/server/handlers.h"
#include "kubelet/server/log_options.h"

/* One log read; lives until the provider is done or the client is gone. */
struct log_read {
    struct provider *provider;
    struct http_exchange *x;
    struct log_stream *stream;
    bool begun;
    char *waiting; /* what to say where the container turns out to have no log; NULL: it runs */
};

static void read_free(struct log_read *r)
{
    vk_free(r->waiting);
    vk_free(r);
}

static void begin(struct log_read *r)
{
    if (r->begun)
        return;
    r->begun = true;
    http_exchange_begin(r->x, 200, "text/plain");
}

static void on_write(void *user, struct vk_str bytes)
{
    struct log_read *r = user;

    begin(r);
    http_exchange_write(r->x, bytes);
}

static bool on_is_full(void *user)
{
    const struct log_read *r = user;

    return http_exchange_is_full(r->x);
}

static void on_drained(void *user)
{
    struct log_read *r = user;

    if (r->stream && r->provider->ops->log_stream_resume)
        r->provider->ops->log_stream_resume(r->provider->p, r->stream);
}

static void on_gone(void *user)
{
    struct log_read *r = user;

    if (r->stream)
        r->provider->ops->log_stream_cancel(r->provider->p, r->stream);
    read_free(r);
}

static void on_done(void *user, const struct vk_err *err)
{
    struct log_read *r = user;

    r->stream = NULL;
    if (!err) {
        begin(r);
        http_exchange_end(r->x);
    } else if (r->begun) {
        /* The head is out: only a cut connection tells the client that the log is not whole. */
        http_exchange_abort(r->x);
    } else {
        struct vk_err answer = *err;

        /* Of a 400 the API server hands on the text; of a 404 it makes up its own. */
        if (answer.code == VK_NOT_FOUND && r->waiting)
            vk_err_set(&answer, VK_INVALID, "%s", r->waiting);
        else if (answer.code == VK_NOT_FOUND)
            answer.code = VK_INVALID;
        handler_reply_error(r->x, &answer, err->code == VK_NOT_FOUND ? 400 : 500);
    }
    read_free(r);
}

/* k8s v1.37.2 pkg/kubelet/kubelet_pods.go validateContainerLogStatus */
static const char *why_waiting(const char *reason)
{
    if (vk_str_empty(reason))
        return "no logs available yet";
    if (vk_streq(reason, "ErrImagePull"))
        return "image can't be pulled";
    if (vk_streq(reason, "ImagePullBackOff"))
        return "trying and failing to pull image";
    return reason;
}

/* The kubelet's own words for a container that has no log yet. */
static void say_waiting(const struct container_status *cs, const char *pod, const char *container,
                        struct vk_err *err)
{
    vk_err_set(err, VK_INVALID, "container \"%s\" in pod \"%s\" is waiting to start: %s", container,
               pod, why_waiting(cs ? cs->state.reason : NULL));
}

static bool is_waiting(const struct pod_status *status, const char *pod, const char *container,
                       struct vk_err *err)
{
    const struct container_status *cs = pod_status_container(status, container);

    if (cs && (container_status_runs(cs) || cs->state.kind == CONTAINER_TERMINATED ||
               cs->last_state.kind == CONTAINER_TERMINATED))
        return false;
    say_waiting(cs, pod, container, err);
    return true;
}

/* A container whose command is not there has "run" and waits for its next try, with no log: ACI's
 * words send people to its API. NULL: it does not wait. */
static char *waiting_text(const struct pod_status *status, const char *pod, const char *container)
{
    const struct container_status *cs = pod_status_container(status, container);
    struct vk_err err;

    if (!cs || cs->state.kind != CONTAINER_WAITING)
        return NULL;
    say_waiting(cs, pod, container, &err);
    return vk_strdup(err.msg);
}

static bool is_ephemeral(const struct pod *pod, const char *name)
{
    const struct container *c = pod->spec.ephemeral_containers.v;

    for (size_t i = 0; i < pod->spec.ephemeral_containers.n; i++) {
        if (vk_streq(c[i].name, name))
            return true;
    }
    return false;
}

static bool has_previous(const struct pod_status *status, const char *container)
{
    const struct container_status *cs = pod_status_container(status, container);

    return cs && cs->last_state.kind == CONTAINER_TERMINATED;
}

static int check_request(const struct handler_context *c, const struct pods_entry *entry,
                         const struct route_params *p, const struct container_log_options *o,
                         struct vk_err *err)
{
    if (!pod_find_container(entry->pod, p->v[2]))
        return vk_err_set(err, VK_NOT_FOUND, "container \"%s\" not found in pod \"%s\"", p->v[2],
                          p->v[1]);
    if (is_ephemeral(entry->pod, p->v[2]))
        return vk_err_set(
            err, VK_INVALID,
            "container \"%s\" in pod \"%s\" was never started: this node can't add a "
            "container to a pod that runs; use kubectl exec in the pod's own containers",
            p->v[2], p->v[1]);
    if (o->previous && !has_previous(entry->status, p->v[2]))
        return vk_err_set(err, VK_INVALID,
                          "previous terminated container \"%s\" in pod \"%s\" not found", p->v[2],
                          p->v[1]);
    if (is_waiting(entry->status, p->v[1], p->v[2], err))
        return -(int)err->code;
    if (!c->provider->ops->get_container_logs)
        return vk_err_set(err, VK_UNSUPPORTED, "provider %s keeps no logs", c->provider->ops->name);
    return 0;
}

void handle_container_logs(const struct handler_context *c, struct http_exchange *x,
                           const struct route_params *params)
{
    struct container_log_options options;
    struct pods_entry entry;
    struct vk_err err;
    struct log_read *r;

    if (log_options_parse(http_exchange_head(x)->query, vk_wall_ns(), http_exchange_arena(x),
                          &options, &err) < 0) {
        handler_reply_error(x, &err, 422);
        return;
    }
    if (!pods_find(c->pods, params->v[0], params->v[1], &entry)) {
        vk_err_set(&err, VK_NOT_FOUND, "pod \"%s\" does not exist in namespace \"%s\" on this node",
                   params->v[1], params->v[0]);
        handler_reply_error(x, &err, 404);
        return;
    }
    if (check_request(c, &entry, params, &options, &err) < 0) {
        handler_reply_error(x, &err, 400);
        return;
    }
    r = vk_calloc(1, sizeof(*r));
    r->provider = c->provider;
    r->x = x;
    if (!options.previous)
        r->waiting = waiting_text(entry.status, params->v[1], params->v[2]);
    http_exchange_on_gone(x, on_gone, r);
    http_exchange_on_drained(x, on_drained, r);
    r->stream = c->provider->ops->get_container_logs(
        c->provider->p,
        &(struct pod_identity){
            .namespace_ = params->v[0], .name = params->v[1], .uid = entry.pod->meta.uid},
        params->v[2], &options,
        &(struct log_sink){.write = on_write, .is_full = on_is_full, .user = r}, on_done, r);
}
