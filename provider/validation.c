/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/validation.h"

#include <ctype.h>

#include "base/alloc.h"
#include "base/str.h"
#include "provider/ports.h"
#include "provider/volumes.h"

/* Source: ACI quotas and limits, resource name rules. */
#define MAX_CONTAINERS 60
#define MAX_ENV_NAME 63

/* What a container of ACI may do anyway; adding it changes nothing. Source: the default set of
 * container runtimes. */
static const char *const default_capabilities[] = {
    "CHOWN", "DAC_OVERRIDE", "FOWNER",  "FSETID",           "KILL",       "SETGID",      "SETUID",
    "MKNOD", "SETPCAP",      "SETFCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "AUDIT_WRITE",
};

static int check_pod_spec(const struct pod_spec *spec, struct vk_err *err)
{
    const struct {
        bool bad;
        const char *field, *rule;
    } rules[] = {
        {spec->host_network, "hostNetwork",
         "a container group has no node's network; remove it or use another node"},
        {spec->host_pid, "hostPID", "a container group has no node to share processes with"},
        {spec->host_ipc, "hostIPC", "a container group has no node to share memory with"},
        {spec->share_process_namespace, "shareProcessNamespace",
         "containers of a group can't see each other's processes; remove it"},
        {spec->host_aliases.n > 0, "hostAliases",
         "ACI can't write /etc/hosts; use DNS names instead"},
        {vk_streq(spec->os_name, "windows"), "os.name", "this node runs Linux groups only"},
        {spec->security_context && spec->security_context->sysctl_count > 0,
         "securityContext.sysctls", "ACI can't set kernel parameters"},
        {spec->security_context && spec->security_context->has_windows_options,
         "securityContext.windowsOptions", "this node runs Linux groups only"},
    };
    for (size_t i = 0; i < VK_COUNT(rules); i++) {
        if (rules[i].bad)
            return vk_err_set(err, VK_UNSUPPORTED, "spec.%s: %s", rules[i].field, rules[i].rule);
    }
    return 0;
}

static bool is_default_capability(const char *name)
{
    if (vk_starts(name, "CAP_"))
        name += 4;
    for (size_t i = 0; i < VK_COUNT(default_capabilities); i++) {
        if (vk_streq(name, default_capabilities[i]))
            return true;
    }
    return false;
}

static int check_security(const struct container_security_context *s, const char *where,
                          struct vk_err *err)
{
    if (!s)
        return 0;
    if (s->privileged)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.securityContext.privileged: ACI runs no privileged containers",
                          where);
    for (size_t i = 0; i < s->capabilities_add.n; i++) {
        if (!is_default_capability(s->capabilities_add.v[i]))
            return vk_err_set(err, VK_UNSUPPORTED,
                              "%s.securityContext.capabilities.add: ACI can't grant %s", where,
                              s->capabilities_add.v[i]);
    }
    if (s->has_windows_options)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.securityContext.windowsOptions: this node runs Linux groups only",
                          where);
    return 0;
}

/* ACI: 1 to 63 letters, digits and underscores, no underscore at either end. */
static bool is_env_name(const char *name)
{
    const size_t n = strlen(name);
    if (n == 0 || n > MAX_ENV_NAME || name[0] == '_' || name[n - 1] == '_')
        return false;
    for (const char *c = name; *c; c++) {
        if (!isalnum((unsigned char)*c) && *c != '_')
            return false;
    }
    return true;
}

static int check_env(const struct resolved_container *c, const char *where, struct vk_err *err)
{
    for (size_t i = 0; i < c->env_count; i++) {
        if (!is_env_name(c->env[i].name))
            return vk_err_set(err, VK_UNSUPPORTED,
                              "%s.env[%s]: ACI takes 1 to 63 letters, digits and underscores, with "
                              "no underscore at either end; rename the variable",
                              where, c->env[i].name);
    }
    return 0;
}

static const struct volume *find_volume(const struct pod_spec *spec, const char *name)
{
    const struct volume *volumes = spec->volumes.v;
    for (size_t i = 0; i < spec->volumes.n; i++) {
        if (vk_streq(volumes[i].name, name))
            return &volumes[i];
    }
    return NULL;
}

static int check_mounts(const struct pod_spec *spec, const struct container *c, const char *where,
                        struct vk_err *err)
{
    const struct volume_mount *mount = c->volume_mounts.v;
    for (size_t i = 0; i < c->volume_mounts.n; i++) {
        const struct volume_mount *m = &mount[i];
        if (!find_volume(spec, m->name))
            return vk_err_set(err, VK_INVALID, "%s.volumeMounts[%s]: no such volume", where,
                              m->name ? m->name : "");
        if (!vk_str_empty(m->sub_path) || !vk_str_empty(m->sub_path_expr))
            return vk_err_set(err, VK_UNSUPPORTED,
                              "%s.volumeMounts[%s].subPath: ACI mounts whole volumes; mount the "
                              "volume at a directory of its own",
                              where, m->name);
        if (!vk_str_empty(m->mount_propagation) && !vk_streq(m->mount_propagation, "None"))
            return vk_err_set(err, VK_UNSUPPORTED,
                              "%s.volumeMounts[%s].mountPropagation: ACI has none", where, m->name);
        if (vk_str_empty(m->mount_path) || m->mount_path[0] != '/' || strchr(m->mount_path, ':'))
            return vk_err_set(err, VK_UNSUPPORTED,
                              "%s.volumeMounts[%s].mountPath: ACI takes an absolute path without "
                              "':'",
                              where, m->name);
    }
    if (c->volume_device_count > 0)
        return vk_err_set(err, VK_UNSUPPORTED, "%s.volumeDevices: ACI has no block devices", where);
    return 0;
}

static int check_ports(const struct container *c, const char *where, struct vk_err *err)
{
    const struct container_port *ports = c->ports.v;
    for (size_t i = 0; i < c->ports.n; i++) {
        if (!vk_str_empty(ports[i].protocol) && !vk_streq(ports[i].protocol, "TCP") &&
            !vk_streq(ports[i].protocol, "UDP"))
            return vk_err_set(err, VK_UNSUPPORTED, "%s.ports[%lld].protocol: ACI has TCP and UDP",
                              where, (long long)ports[i].container_port);
        if (ports[i].host_port != 0)
            return vk_err_set(err, VK_UNSUPPORTED,
                              "%s.ports[%lld].hostPort: ACI maps no ports to a node; remove it and "
                              "reach the pod by its own address",
                              where, (long long)ports[i].container_port);
    }
    return 0;
}

static int check_container(const struct pod_spec *spec, const struct resolved_container *c,
                           const char *kind, struct vk_err *err)
{
    const struct container *s = c->spec;
    char where[128];
    (void)snprintf(where, sizeof(where), "spec.%s[%s]", kind, s->name);
    if (vk_str_empty(s->image))
        return vk_err_set(err, VK_INVALID, "%s.image: ACI needs an image", where);
    if (check_security(s->security_context, where, err) < 0 || check_env(c, where, err) < 0 ||
        check_mounts(spec, s, where, err) < 0 || check_ports(s, where, err) < 0)
        return -(int)err->code;
    return 0;
}

static int check_init_container(const struct container *c, struct vk_err *err)
{
    if (vk_streq(c->restart_policy, "Always"))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.initContainers[%s].restartPolicy: ACI starts the containers only "
                          "when every init container ended, so a sidecar would block the pod; make "
                          "it an ordinary container",
                          c->name);
    return 0;
}

/* Where in the spec a volume of this kind is refused; NULL when it can be mounted. */
static const char *refused_volume(const struct volume *v)
{
    if (v->unknown_kind)
        return v->unknown_kind;
    if (v->azure_file)
        return "azureFile";
    if (v->csi)
        return "csi";
    if (v->persistent_volume_claim)
        return "persistentVolumeClaim";
    return v->git_repo ? "gitRepo" : NULL;
}

static int check_file_name(const char *volume, const char *path, struct vk_err *err)
{
    if (vk_str_empty(path) || vk_streq(path, ".") || vk_streq(path, ".."))
        return vk_err_set(err, VK_INVALID, "spec.volumes[%s]: a file has no name", volume);
    if (strchr(path, '/'))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.volumes[%s]: file %s: ACI's secret volumes are flat; use a path "
                          "without '/', or one volume per directory",
                          volume, path);
    return 0;
}

static int check_volumes(const struct resolved_pod *pod, struct vk_err *err)
{
    const struct volume *volumes = pod->pod->spec.volumes.v;
    size_t mounted = 0;
    for (size_t i = 0; i < pod->pod->spec.volumes.n; i++) {
        const struct volume *v = &volumes[i];
        if (!volumes_is_mounted(pod, v->name))
            continue;
        mounted++;
        const char *kind = refused_volume(v);
        if (kind)
            return vk_err_set(err, VK_UNSUPPORTED,
                              "spec.volumes[%s].%s: this kind of volume can't be mounted into a "
                              "container group; use emptyDir, configMap, secret, projected or "
                              "downwardAPI, or another node",
                              v->name, kind);
        const struct resolved_volume *files = volumes_find_files(pod, v->name);
        for (size_t f = 0; files && f < files->file_count; f++) {
            if (check_file_name(v->name, files->files[f].path, err) < 0)
                return -(int)err->code;
        }
    }
    if (mounted > VOLUMES_MAX)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.volumes: %zu are mounted, a container group takes %d", mounted,
                          VOLUMES_MAX);
    return 0;
}

static int check_counts(const struct resolved_pod *pod, const struct provider_env *env,
                        struct vk_err *err)
{
    if (pod->container_count == 0)
        return vk_err_set(err, VK_INVALID, "spec.containers: a pod needs one");
    if (pod->container_count + pod->init_container_count > MAX_CONTAINERS)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.containers: with init containers more than %d, the most that a "
                          "container group takes",
                          MAX_CONTAINERS);
    const bool exposed = !vk_str_empty(env->subnet_id) || env->private_ip;
    if (exposed && ports_count_exposed(pod) > PORTS_MAX_EXPOSED)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.containers[*].ports: %zu ports, ACI opens %d per address; declare "
                          "only those that others connect to",
                          ports_count_exposed(pod), PORTS_MAX_EXPOSED);
    return 0;
}

static int check(const struct resolved_pod *pod, const struct provider_env *env, struct vk_err *err)
{
    const struct pod_spec *spec = &pod->pod->spec;
    if (check_pod_spec(spec, err) < 0 || check_counts(pod, env, err) < 0)
        return -(int)err->code;
    for (size_t i = 0; i < pod->container_count; i++) {
        if (check_container(spec, &pod->containers[i], "containers", err) < 0)
            return -(int)err->code;
    }
    for (size_t i = 0; i < pod->init_container_count; i++) {
        if (check_init_container(pod->init_containers[i].spec, err) < 0 ||
            check_container(spec, &pod->init_containers[i], "initContainers", err) < 0)
            return -(int)err->code;
    }
    return check_volumes(pod, err);
}

int validation_check(const struct resolved_pod *pod, const struct provider_env *env,
                     struct vk_err *err)
{
    if (check(pod, env, err) < 0)
        return vk_err_reason(err, VALIDATION_REASON);
    return 0;
}
