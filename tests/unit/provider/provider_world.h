/* SPDX-License-Identifier: Apache-2.0 */
/* The ACI provider between a fake ARM and a fake kubelet, all in one loop. */
#pragma once

#include "provider/aci_provider.h"
#include "provider/group_identity.h"
#include "tests/unit/provider/fake_arm.h"
#include "tests/unit/provider/sample_pod.h"

#define WORLD_DEADLINE_MS 200000
#define WORLD_CLUSTER "cluster-1"
#define WORLD_NODE "aci-1"

struct world {
    struct vk_loop *loop;
    struct http_client *http;
    struct fake_arm arm;
    struct aci_provider *aci;
    int64_t earlier_put_ms;        /* 0: as good as none */
    struct throttle_limits limits; /* none, unless a test sets them and starts again */
    int realtime_port;             /* 0: groups have no such extension */
    const char *ca_file;           /* of ACI's streams; or NULL */
    struct provider provider;
    struct provider_upcalls upcalls;
    struct vk_timer poll;
    bool (*condition)(struct world *);
    bool holds;

    /* What the provider said. */
    bool synced;
    unsigned reports, vanished, events, questions;
    char phase[16], last_event[64];
    /* Of the first container, as reported last. */
    enum container_state_kind state, last_state;
    /* Answers of pod_exists: UIDs that exist, separated by blanks. */
    const char *existing;
    struct vk_err question_err;
    /* Completions. */
    unsigned done;
    struct vk_err err;
    struct vk_buf logged;
    bool sink_full;
};

static inline void world_status(void *k, const struct provider_pod_status *status)
{
    struct world *w = k;
    w->reports++;
    w->vanished += !status->group_exists;
    (void)snprintf(w->phase, sizeof(w->phase), "%s",
                   status->status.phase ? status->status.phase : "");
    const struct json_array *containers = &status->status.container_statuses;
    const struct container_status *c = containers->n ? containers->v : NULL;
    w->state = c ? c->state.kind : CONTAINER_STATE_NONE;
    w->last_state = c ? c->last_state.kind : CONTAINER_STATE_NONE;
}

static inline void world_event(void *k, const struct pod_identity *id, const char *container,
                               const char *type, const char *reason, const char *message,
                               int64_t count, int64_t first_ns, int64_t last_ns)
{
    struct world *w = k;
    (void)id, (void)container, (void)type, (void)message, (void)count, (void)first_ns,
        (void)last_ns;
    w->events++;
    (void)snprintf(w->last_event, sizeof(w->last_event), "%s", reason);
}

static inline void world_exists(void *k, const struct pod_identity *id,
                                void (*done)(void *user, bool exists, const struct vk_err *err),
                                void *user)
{
    struct world *w = k;
    w->questions++;
    const struct vk_err err = w->question_err;
    done(user, w->existing && strstr(w->existing, id->uid), err.code == VK_OK ? NULL : &err);
}

static inline void world_synced(void *k)
{
    struct world *w = k;
    w->synced = true;
}

static inline void world_done(void *user, const struct vk_err *err)
{
    struct world *w = user;
    w->done++;
    w->err = err ? *err : (struct vk_err){0};
}

static inline void world_poll(void *user)
{
    struct world *w = user;
    w->holds = w->condition(w);
    vk_timer_arm(&w->poll, 5);
}

/* Runs the loop until the condition holds. */
static inline void world_until(struct world *w, bool (*condition)(struct world *), const char *what)
{
    w->condition = condition;
    w->holds = condition(w);
    vk_timer_arm(&w->poll, 0);
    if (!w->holds && !vk_loop_run_until(w->loop, &w->holds, WORLD_DEADLINE_MS))
        fail_msg("never: %s (puts %u, gets %u, lists %u, deletes %u, done %u)", what, w->arm.puts,
                 w->arm.reads, w->arm.lists, w->arm.deletes, w->done);
    vk_timer_disarm(&w->poll);
}
#define UNTIL(w, condition) world_until(w, condition, #condition)

static inline void world_provider(struct world *w)
{
    struct vk_err err;
    char mirror[80];
    (void)snprintf(mirror, sizeof(mirror), "*=%s", w->arm.base);
    const char *mirrors[] = {mirror};
    struct aci_provider_config config = {
        .registry_mirrors = mirrors,
        .registry_mirror_count = 1,
        .subscription = "s",
        .resource_group = "rg",
        .location = "westeurope",
        .arm_endpoint = w->arm.base,
        .authority_host = w->arm.base,
        .tenant_id = "t",
        .client_id = "c",
        .limits = &w->limits,
        .azure_ca_file = w->ca_file,
        .private_ip = w->realtime_port != 0,
        .prices = "cpu=3600,gb=0.5",
        .realtime_metrics = w->realtime_port != 0,
        .realtime_metrics_port = w->realtime_port,
        .earlier_put_ms = w->earlier_put_ms ? w->earlier_put_ms : 1,
    };
    vk_secret_set(&config.client_secret, "p", 1);
    if (aci_provider_new(w->loop, w->http, &config, &w->aci, &err) < 0)
        fail_msg("%s", err.msg);
    vk_secret_release(&config.client_secret);
    w->provider = aci_provider_interface(w->aci);
}

static inline void world_start(struct world *w)
{
    const struct provider_start start = {
        .upcalls = &w->upcalls, .cluster_id = WORLD_CLUSTER, .node_name = WORLD_NODE};
    w->provider.ops->start(w->provider.p, &start);
}

static inline void world_restart(struct world *w)
{
    w->provider.ops->stop(w->provider.p);
    aci_provider_free(w->aci);
    w->synced = false;
    world_provider(w);
    world_start(w);
}

static inline int world_setup(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));
    w->loop = vk_loop_new();
    w->http = http_client_new(w->loop);
    fake_arm_start(&w->arm, w->loop);
    vk_timer_init(&w->poll, w->loop, "poll", world_poll, w);
    vk_buf_init(&w->logged, 1u << 20);
    w->upcalls = (struct provider_upcalls){.k = w,
                                           .status_changed = world_status,
                                           .event = world_event,
                                           .pod_exists = world_exists,
                                           .synced = world_synced};
    world_provider(w);
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    struct world *w = *state;
    w->provider.ops->stop(w->provider.p);
    aci_provider_free(w->aci);
    http_client_free(w->http);
    fake_arm_stop(&w->arm);
    vk_buf_release(&w->logged);
    vk_loop_free(w->loop);
    vk_free(w);
    return 0;
}

static inline void world_create(struct world *w, const char *name, const char *uid, bool may_exist)
{
    struct resolved_pod *pod = sample_simple(name, uid);
    pod->may_exist = may_exist;
    w->provider.ops->create_pod(w->provider.p, pod, world_done, w);
}

static inline struct pod_identity world_id(const char *name, const char *uid)
{
    return (struct pod_identity){.namespace_ = "default", .name = name, .uid = uid};
}

static inline void world_delete(struct world *w, const char *name, const char *uid)
{
    const struct pod_identity id = world_id(name, uid);
    w->provider.ops->delete_pod(w->provider.p, &id, world_done, w);
}

static inline struct arm_group *world_group(struct world *w, const char *name, const char *uid)
{
    char group[GROUP_NAME_MAX + 1];
    group_name("default", name, uid, group);
    return vk_map_get(w->arm.groups, group);
}

/* A group of this or another owner, as a former process would have left it. */
static inline struct arm_group *world_leave_group(struct world *w, const char *name,
                                                  const char *uid, const char *cluster,
                                                  const char *node)
{
    char group[GROUP_NAME_MAX + 1];
    group_name("default", name, uid, group);
    struct vk_buf tags;
    struct json_writer writer;
    vk_buf_init(&tags, 4096);
    json_writer_init(&writer, &tags);
    const struct group_identity id = {cluster, node, "default", name, uid};
    json_begin_object(&writer, NULL);
    group_identity_write(&writer, &id);
    json_end_object(&writer);
    struct arm_group *g = arm_add(&w->arm, group, vk_buf_peek(&tags));
    vk_buf_release(&tags);
    return g;
}
