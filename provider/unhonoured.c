/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/unhonoured.h"

#include "base/alloc.h"
#include "base/str.h"
#include "kubelet/api/unknown_fields.h"
#include "provider/dns.h"
#include "provider/group_sku.h"
#include "provider/hooks.h"
#include "provider/network.h"
#include "provider/ports.h"
#include "provider/probes.h"
#include "provider/security_context.h"
#include "provider/validation.h"

struct flag {
    bool ignored;
    const char *field;
};

static void name_flags(const struct flag *flags, size_t n, const char *where,
                       struct ignored_fields *ret, struct vk_arena *arena)
{
    for (size_t i = 0; i < n; i++) {
        if (flags[i].ignored)
            ignored_fields_add(ret, arena, "%s%s", where, flags[i].field);
    }
}

static void name_pod_fields(const struct unhonoured_context *c, struct ignored_fields *ret,
                            struct vk_arena *arena)
{
    const struct pod_spec *spec = &c->pod->spec;
    const bool dns = dns_is_sent(c->annotations, c->env, c->windows);
    const struct flag flags[] = {
        {!vk_str_empty(spec->hostname) || !vk_str_empty(spec->hostname_override),
         "hostname (but for the variable HOSTNAME)"},
        {spec->set_hostname_as_fqdn, "setHostnameAsFQDN"},
        {!vk_str_empty(spec->subdomain), "subdomain"},
        {!spec->host_users, "hostUsers"},
        {!vk_str_empty(spec->runtime_class_name), "runtimeClassName"},
        {spec->dns_config && !dns, "dnsConfig"},
        {spec->ephemeral_containers.n > 0, "ephemeralContainers"},
        {spec->resources.limits.n > 0, "resources.limits"},
    };
    name_flags(flags, VK_COUNT(flags), "", ret, arena);
    if (group_sku_is_spot(c->annotations) && !vk_str_empty(c->env->subnet_id))
        ignored_fields_add(ret, arena,
                           "metadata.annotations[" ANNOTATION_PREFIX
                           "priority] (a Spot group stands outside the subnet)");
    dns_name_ignored(c->pod, c->annotations, c->env, c->windows, ret, arena);
    security_context_name_ignored_pod(c->pod, ret, arena);
}

/* What the kubelet does over the network, where there is none. */
static void name_unreachable(const struct unhonoured_context *c, const struct group_member *m,
                             const char *where, struct ignored_fields *ret, struct vk_arena *arena)
{
    const struct container *s = m->spec;
    const bool has_address = network_has_address(c->layout, c->annotations, c->env);
    const struct flag flags[] = {
        {probes_need_address(c->pod, s, PROBE_LIVENESS), ".livenessProbe (no address)"},
        {probes_need_address(c->pod, s, PROBE_READINESS), ".readinessProbe (no address)"},
        {probes_need_address(c->pod, s, PROBE_STARTUP), ".startupProbe (no address)"},
    };
    hooks_name_ignored(m, has_address, where, ret, arena);
    if (!has_address)
        name_flags(flags, VK_COUNT(flags), where, ret, arena);
}

static void name_services(const struct group_member *m, const char *where,
                          struct ignored_fields *ret, struct vk_arena *arena)
{
    size_t left_out = 0;
    for (size_t i = 0; i < m->container->env_count; i++) {
        const struct resolved_env *env = &m->container->env[i];
        left_out += env->is_implied && !validation_is_env_name(env->name);
    }
    if (left_out > 0)
        ignored_fields_add(ret, arena, "%s.env (%zu variables of Services: ACI's names end at %d)",
                           where, left_out, VALIDATION_ENV_NAME_MAX);
}

static void name_container(const struct unhonoured_context *c, const struct group_member *m,
                           struct ignored_fields *ret, struct vk_arena *arena)
{
    const struct container *s = m->spec;
    const char *where = m->where + strlen("spec.");
    const char *log = s->termination_message_path;
    const struct flag flags[] = {
        {s->lifecycle && !vk_str_empty(s->lifecycle->stop_signal), ".lifecycle.stopSignal"},
        {!m->is_sidecar && !vk_str_empty(s->restart_policy) &&
             !vk_streq(s->restart_policy, c->pod->spec.restart_policy),
         ".restartPolicy (a group has one, the pod's)"},
        {s->stdin_, ".stdin"},
        {s->tty, ".tty"},
        {vk_streq(s->image_pull_policy, "Never"), ".imagePullPolicy"},
        {!vk_str_empty(log) && !vk_streq(log, "/dev/termination-log"), ".terminationMessagePath"},
        {vk_streq(s->termination_message_policy, "FallbackToLogsOnError"),
         ".terminationMessagePolicy"},
    };
    name_services(m, where, ret, arena);
    name_unreachable(c, m, where, ret, arena);
    name_flags(flags, VK_COUNT(flags), where, ret, arena);
    security_context_name_ignored(c->pod, m, c->annotations, ret, arena);
}

static void name_ports(const struct group_member *m, struct ignored_fields *ret,
                       struct vk_arena *arena)
{
    const struct container_port *ports = m->spec->ports.v;
    for (size_t i = 0; i < m->spec->ports.n; i++) {
        if (ports_is_reserved(ports[i].container_port))
            ignored_fields_add(ret, arena,
                               "%s.ports[%lld] (reserved by ACI, reachable inside only)",
                               m->where + strlen("spec."), (long long)ports[i].container_port);
    }
}

/* How far ACI's order of starting and its restarts are from those of a native sidecar. */
static void name_sidecars(const struct unhonoured_context *c, struct ignored_fields *ret,
                          struct vk_arena *arena)
{
    const struct container *init = c->pod->spec.init_containers.v;
    const size_t n = c->pod->spec.init_containers.n;
    const char *policy = c->pod->spec.restart_policy;
    const bool restarts = vk_str_empty(policy) || vk_streq(policy, "Always");
    for (size_t i = 0; i < n; i++) {
        bool before_others = false;
        for (size_t k = i + 1; k < n; k++)
            before_others |= !container_is_sidecar(&init[k]);
        if (container_is_sidecar(&init[i]))
            ignored_fields_add(
                ret, arena, "initContainers[%s].restartPolicy (starts %s%s)", init[i].name,
                before_others ? "after the later init containers, with the containers"
                              : "with the containers",
                restarts ? "" : ", restarts as they do");
    }
}

static void name_volumes(const struct unhonoured_context *c, struct ignored_fields *ret,
                         struct vk_arena *arena)
{
    const struct volume *specs = c->pod->spec.volumes.v;
    for (size_t i = 0; i < c->volumes->volume_count; i++) {
        const struct group_volume *v = c->volumes->volumes[i];
        const bool again = i > 0 && c->volumes->volumes[i - 1]->spec == v->spec;
        bool odd_mode = false;
        for (size_t f = 0; f < v->file_count; f++)
            odd_mode |= v->files[f].file->mode >= 0 && v->files[f].file->mode != 0644;
        if (odd_mode)
            ignored_fields_add(ret, arena, "volumes[%s] file modes",
                               v->spec ? v->spec->name : v->name);
        const struct empty_dir_volume *e = v->spec && !again ? v->spec->empty_dir : NULL;
        if (e && !vk_str_empty(e->medium))
            ignored_fields_add(ret, arena, "volumes[%s].emptyDir.medium", v->spec->name);
        if (e && !vk_str_empty(e->size_limit))
            ignored_fields_add(ret, arena, "volumes[%s].emptyDir.sizeLimit", v->spec->name);
    }
    for (size_t i = 0; c->windows && i < c->pod->spec.volumes.n; i++) {
        if (volume_plan_is_token(&specs[i]))
            ignored_fields_add(ret, arena, "volumes[%s] (Windows groups have no volumes)",
                               specs[i].name);
    }
}

/* Younger fields of the API, and those that no other file here knows what to do with. */
static void name_unknown(const struct pod *pod, struct ignored_fields *ret, struct vk_arena *arena)
{
    const struct json_strs unknown = unknown_fields_of_pod(pod, arena);
    for (size_t i = 0; i < unknown.n; i++)
        ignored_fields_add(ret, arena, "%s", unknown.v[i]);
}

void unhonoured_name(const struct unhonoured_context *c, struct ignored_fields *ret,
                     struct vk_arena *arena)
{
    name_pod_fields(c, ret, arena);
    name_sidecars(c, ret, arena);
    for (size_t i = 0; i < c->layout->init_container_count; i++)
        name_container(c, &c->layout->init_containers[i], ret, arena);
    for (size_t i = 0; i < c->layout->container_count; i++) {
        const struct group_member *m = &c->layout->containers[i];
        name_container(c, m, ret, arena);
        name_ports(m, ret, arena);
        if (c->resources->containers[i].limit_was_cut)
            ignored_fields_add(ret, arena, "%s.resources.limits (cut to the group's total request)",
                               m->where + strlen("spec."));
    }
    name_volumes(c, ret, arena);
    name_unknown(c->pod, ret, arena);
    annotations_name_unknown(c->pod, ret, arena);
}
