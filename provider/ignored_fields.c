/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/ignored_fields.h"

#include "base/buf.h"
#include "base/str.h"
#include "provider/ports.h"
#include "provider/volumes.h"

/* Kubernetes' limit of an Event's message. */
#define MESSAGE_MAX 1024ul
#define MAX_FIELDS 256

struct collector {
    struct vk_arena *arena;
    struct ignored_fields *out;
};

static void add(struct collector *c, const char *where, const char *field)
{
    if (c->out->n < MAX_FIELDS)
        c->out->v[c->out->n++] = vk_arena_printf(c->arena, "%s%s", where, field);
}

static void add_if(struct collector *c, bool ignored, const char *where, const char *field)
{
    if (ignored)
        add(c, where, field);
}

static void add_pod_fields(struct collector *c, const struct pod_spec *spec,
                           const struct provider_env *env)
{
    const struct pod_security_context *s = spec->security_context;
    add_if(c, spec->has_active_deadline, "", "activeDeadlineSeconds");
    add_if(c, !vk_str_empty(spec->hostname), "", "hostname");
    add_if(c, !vk_str_empty(spec->runtime_class_name), "", "runtimeClassName");
    add_if(c, spec->dns_config && vk_str_empty(env->subnet_id), "", "dnsConfig");
    if (!s)
        return;
    add_if(c, s->has_run_as_user, "", "securityContext.runAsUser");
    add_if(c, s->has_run_as_group, "", "securityContext.runAsGroup");
    add_if(c, s->run_as_non_root, "", "securityContext.runAsNonRoot");
    add_if(c, s->has_fs_group, "", "securityContext.fsGroup");
    add_if(c, s->supplemental_group_count > 0, "", "securityContext.supplementalGroups");
    add_if(c, s->has_se_linux_options, "", "securityContext.seLinuxOptions");
    add_if(c, !vk_str_empty(s->seccomp_type), "", "securityContext.seccompProfile");
}

static void add_security(struct collector *c, const struct container_security_context *s,
                         const char *where)
{
    if (!s)
        return;
    add_if(c, s->has_run_as_user, where, ".securityContext.runAsUser");
    add_if(c, s->has_run_as_group, where, ".securityContext.runAsGroup");
    add_if(c, s->run_as_non_root, where, ".securityContext.runAsNonRoot");
    add_if(c, s->read_only_root_filesystem, where, ".securityContext.readOnlyRootFilesystem");
    add_if(c, s->has_allow_privilege_escalation && !s->allow_privilege_escalation, where,
           ".securityContext.allowPrivilegeEscalation");
    add_if(c, s->capabilities_drop.n > 0, where, ".securityContext.capabilities.drop");
    add_if(c, !vk_str_empty(s->seccomp_type), where, ".securityContext.seccompProfile");
    add_if(c, !vk_str_empty(s->app_armor_type), where, ".securityContext.appArmorProfile");
    add_if(c, s->has_se_linux_options, where, ".securityContext.seLinuxOptions");
    add_if(c, !vk_str_empty(s->proc_mount) && !vk_streq(s->proc_mount, "Default"), where,
           ".securityContext.procMount");
}

static void add_container_fields(struct collector *c, const struct container *s, const char *where)
{
    add_if(c, s->liveness_probe != NULL, where, ".livenessProbe");
    add_if(c, s->readiness_probe != NULL, where, ".readinessProbe");
    add_if(c, s->startup_probe != NULL, where, ".startupProbe");
    add_if(c, s->lifecycle && s->lifecycle->post_start, where, ".lifecycle.postStart");
    add_if(c, s->lifecycle && s->lifecycle->pre_stop, where, ".lifecycle.preStop");
    add_if(c, s->lifecycle && !vk_str_empty(s->lifecycle->stop_signal), where,
           ".lifecycle.stopSignal");
    add_if(c, s->stdin_, where, ".stdin");
    add_if(c, s->tty, where, ".tty");
    add_if(c, vk_streq(s->image_pull_policy, "Never"), where, ".imagePullPolicy");
    add_if(c,
           !vk_str_empty(s->termination_message_path) &&
               !vk_streq(s->termination_message_path, "/dev/termination-log"),
           where, ".terminationMessagePath");
    add_security(c, s->security_context, where);
}

static void add_ports(struct collector *c, const struct container *s, const char *where)
{
    const struct container_port *ports = s->ports.v;
    for (size_t i = 0; i < s->ports.n; i++) {
        if (ports_is_reserved(ports[i].container_port))
            add(c, where,
                vk_arena_printf(c->arena, ".ports[%lld] (reserved by ACI, reachable inside only)",
                                (long long)ports[i].container_port));
    }
}

static void add_volumes(struct collector *c, const struct resolved_pod *pod)
{
    const struct volume *volumes = pod->pod->spec.volumes.v;
    for (size_t i = 0; i < pod->pod->spec.volumes.n; i++) {
        const struct volume *v = &volumes[i];
        if (!volumes_is_mounted(pod, v->name))
            continue;
        const char *where = vk_arena_printf(c->arena, "volumes[%s]", v->name);
        add_if(c, v->empty_dir && !vk_str_empty(v->empty_dir->medium), where, ".emptyDir.medium");
        add_if(c, v->empty_dir && !vk_str_empty(v->empty_dir->size_limit), where,
               ".emptyDir.sizeLimit");
        const struct resolved_volume *files = volumes_find_files(pod, v->name);
        bool odd_mode = false;
        for (size_t f = 0; files && f < files->file_count; f++)
            odd_mode |= files->files[f].mode >= 0 && files->files[f].mode != 0644;
        add_if(c, odd_mode, where, " file modes");
    }
}

void ignored_fields_of_pod(const struct resolved_pod *pod, const struct provider_env *env,
                           const struct pod_resources *resources, struct vk_arena *arena,
                           struct ignored_fields *ret)
{
    *ret = (struct ignored_fields){.v = vk_arena_array(arena, MAX_FIELDS, sizeof(*ret->v))};
    struct collector c = {.arena = arena, .out = ret};
    add_pod_fields(&c, &pod->pod->spec, env);
    for (size_t i = 0; i < pod->init_container_count; i++) {
        const struct container *s = pod->init_containers[i].spec;
        const char *where = vk_arena_printf(arena, "initContainers[%s]", s->name);
        add_container_fields(&c, s, where);
    }
    for (size_t i = 0; i < pod->container_count; i++) {
        const struct container *s = pod->containers[i].spec;
        const char *where = vk_arena_printf(arena, "containers[%s]", s->name);
        add_container_fields(&c, s, where);
        add_ports(&c, s, where);
        add_if(&c, resources->containers[i].limit_was_cut, where,
               ".resources.limits (cut to the group's total request)");
    }
    add_volumes(&c, pod);
}

const char *ignored_fields_message(const struct ignored_fields *fields, struct vk_arena *arena)
{
    if (fields->n == 0)
        return NULL;
    const char *head = "Azure Container Instances does not honour these fields of spec: ";
    struct vk_buf text;
    vk_buf_init(&text, 2 * MESSAGE_MAX);
    vk_buf_adds(&text, head);
    for (size_t i = 0; i < fields->n; i++) {
        if (vk_buf_len(&text) + strlen(fields->v[i]) + 32 > MESSAGE_MAX) {
            vk_buf_printf(&text, " and %zu more", fields->n - i);
            break;
        }
        vk_buf_printf(&text, "%s%s", i ? ", " : "", fields->v[i]);
    }
    const char *out = vk_arena_str(arena, vk_buf_str(&text));
    vk_buf_release(&text);
    return out;
}
