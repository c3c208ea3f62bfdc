/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/validation.h"

#include <ctype.h>

#include "base/alloc.h"
#include "base/str.h"
#include "provider/group_plan.h"
#include "provider/probes.h"

/* Source: ACI quotas and limits, resource name rules. */
#define MAX_CONTAINERS 60
#define MAX_CONTAINER_NAME 63

static int check_pod_spec(const struct pod_spec *spec, struct vk_err *err)
{
    const struct {
        bool bad;
        const char *field, *rule;
    } rules[] = {
        {spec->host_network, "hostNetwork",
         "a container group has no node's network; remove it or use another node"},
        {spec->host_pid, "hostPID",
         "a container group has no node to share processes with; remove it or use another node"},
        {spec->host_ipc, "hostIPC",
         "a container group has no node to share memory with; remove it or use another node"},
        {spec->share_process_namespace, "shareProcessNamespace",
         "containers of a group can't see each other's processes; remove it (kubectl debug: "
         "--profile=baseline --share-processes=false)"},
        {spec->resource_claim_count > 0, "resourceClaims",
         "ACI has no devices; remove them or use another node"},
    };
    for (size_t i = 0; i < VK_COUNT(rules); i++) {
        if (rules[i].bad)
            return vk_err_set(err, VK_UNSUPPORTED, "spec.%s: %s", rules[i].field, rules[i].rule);
    }
    return 0;
}

bool validation_is_env_name(const char *name)
{
    const size_t n = strlen(name);
    if (n == 0 || n > VALIDATION_ENV_NAME_MAX || name[0] == '_' || name[n - 1] == '_')
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
        if (!c->env[i].is_implied && !validation_is_env_name(c->env[i].name))
            return vk_err_set(err, VK_UNSUPPORTED,
                              "%s.env[%s]: ACI takes 1 to 63 letters, digits and underscores, with "
                              "no underscore at either end; rename it, or list in env what is "
                              "wanted of an envFrom",
                              where, c->env[i].name);
    }
    return 0;
}

static int check_ports(const struct container *c, const char *where, struct vk_err *err)
{
    const struct container_port *ports = c->ports.v;
    for (size_t i = 0; i < c->ports.n; i++) {
        if (!vk_str_empty(ports[i].protocol) && !vk_streq(ports[i].protocol, "TCP") &&
            !vk_streq(ports[i].protocol, "UDP"))
            return vk_err_set(
                err, VK_UNSUPPORTED,
                "%s.ports[%lld].protocol: ACI has TCP and UDP; use one of them or another node",
                where, (long long)ports[i].container_port);
        if (ports[i].host_port != 0)
            return vk_err_set(err, VK_UNSUPPORTED,
                              "%s.ports[%lld].hostPort: ACI maps no ports to a node; remove it and "
                              "reach the pod by its own address",
                              where, (long long)ports[i].container_port);
    }
    return 0;
}

/* ACI: 1 to 63 of [a-z0-9-], no hyphen at either end. */
static bool is_container_name(const char *name)
{
    const size_t n = name ? strlen(name) : 0;
    return n > 0 && n <= MAX_CONTAINER_NAME && name[0] != '-' && name[n - 1] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static int check_member(const struct group_member *m, struct vk_err *err)
{
    if (!is_container_name(m->spec->name))
        return vk_err_set(err, VK_INVALID,
                          "%s.name: ACI takes 1 to 63 lower-case letters, digits and hyphens",
                          m->where);
    if (vk_str_empty(m->spec->image))
        return vk_err_set(err, VK_INVALID, "%s.image: ACI needs an image", m->where);
    if (check_env(m->container, m->where, err) < 0 || check_ports(m->spec, m->where, err) < 0 ||
        probes_check(m, err) < 0)
        return -(int)err->code;
    return 0;
}

static int check_counts(const struct group_layout *layout, struct vk_err *err)
{
    const size_t n = layout->container_count + layout->init_container_count;
    if (layout->container_count == 0)
        return vk_err_set(err, VK_INVALID, "spec.containers: a pod needs one");
    if (n > MAX_CONTAINERS)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.containers: with init containers %zu, a container group takes at "
                          "most %d; split the pod",
                          n, MAX_CONTAINERS);
    return 0;
}

int validation_check_spec(const struct pod_spec *spec, const struct group_layout *layout,
                          struct vk_err *err)
{
    if (check_pod_spec(spec, err) < 0 || check_counts(layout, err) < 0)
        return -(int)err->code;
    for (size_t i = 0; i < layout->container_count; i++) {
        if (check_member(&layout->containers[i], err) < 0)
            return -(int)err->code;
    }
    for (size_t i = 0; i < layout->init_container_count; i++) {
        if (check_member(&layout->init_containers[i], err) < 0)
            return -(int)err->code;
    }
    return 0;
}

int validation_check(const struct resolved_pod *pod, const struct provider_env *env,
                     struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct group_plan plan;
    return group_plan_make(pod, env, NULL, arena, &plan, err);
}
