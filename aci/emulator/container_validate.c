/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/container_validate.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "aci/emulator/arm_error.h"

#define MIN_CPU_MILLI 10
#define MIN_MEMORY_BYTES 100000000

bool container_validate_name(const char *name, size_t min, size_t max)
{
    size_t n = name ? strlen(name) : 0;

    if (n < min || n > max || name[0] == '-' || name[n - 1] == '-')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

bool container_validate_protocol(const char *protocol)
{
    return !protocol || vk_strieq(protocol, "TCP") || vk_strieq(protocol, "UDP");
}

static bool is_env_name(const char *name)
{
    size_t n = name ? strlen(name) : 0;

    if (n < 1 || n > 63 || name[0] == '_' || name[n - 1] == '_')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)name[i]) && name[i] != '_')
            return false;
    }
    return true;
}

static int check_environment(const char *group, const struct container_spec *c, struct vk_err *err)
{
    const struct env_spec *env = c->properties.env.v;

    for (size_t i = 0; i < c->properties.env.n; i++) {
        if (!is_env_name(env[i].name))
            return arm_error_invalid(
                err,
                "The environment variable name '%s' in container '%s' of container group '%s' is "
                "invalid: it must have 1 to 63 letters, digits and underscores and must not begin "
                "or end with an underscore.",
                env[i].name ? env[i].name : "<null>", c->name, group);
        if (env[i].value && env[i].secure_value)
            return arm_error_invalid(err,
                                     "The environment variable '%s' in container '%s' of container "
                                     "group '%s' has both a value and a secure value.",
                                     env[i].name, c->name, group);
        for (size_t j = 0; j < i; j++) {
            if (vk_strieq(env[i].name, env[j].name))
                return arm_error_invalid(err,
                                         "The environment variable '%s' in container '%s' of "
                                         "container group '%s' is given twice.",
                                         env[i].name, c->name, group);
        }
    }
    return 0;
}

static const struct volume_spec *find_volume(const struct group_spec *spec, const char *name)
{
    const struct volume_spec *volumes = spec->properties.volumes.v;

    for (size_t i = 0; i < spec->properties.volumes.n; i++) {
        if (vk_streq(volumes[i].name, name))
            return &volumes[i];
    }
    return NULL;
}

static int check_mounts(const char *group, const struct group_spec *spec,
                        const struct container_spec *c, struct vk_err *err)
{
    const struct mount_spec *mounts = c->properties.mounts.v;

    for (size_t i = 0; i < c->properties.mounts.n; i++) {
        const struct mount_spec *m = &mounts[i];

        if (vk_str_empty(m->name) || !find_volume(spec, m->name))
            return arm_error_invalid(err,
                                     "The volume '%s' mounted by container '%s' is not defined in "
                                     "container group '%s'.",
                                     m->name ? m->name : "<null>", c->name, group);
        if (vk_str_empty(m->path) || m->path[0] != '/' || strchr(m->path, ':'))
            return arm_error_invalid(err,
                                     "The mount path '%s' of volume '%s' in container '%s' of "
                                     "container group '%s' is invalid: it must be absolute and "
                                     "must not contain ':'.",
                                     m->path ? m->path : "<null>", m->name, c->name, group);
        for (size_t j = 0; j < i; j++) {
            if (vk_streq(m->path, mounts[j].path))
                return arm_error_invalid(err,
                                         "The mount path '%s' in container '%s' of container group "
                                         "'%s' is used twice.",
                                         m->path, c->name, group);
        }
    }
    return 0;
}

static int check_requests(const char *group, const struct container_spec *c, struct vk_err *err)
{
    const struct resource_spec *r = &c->properties.resources.requests;

    if (!r->cpu_milli && !r->memory_bytes)
        return arm_error_set(
            err, 400, "ResourceRequestsNotSpecified",
            "The resource requests are not specified in container '%s' of contain group '%s'. Both "
            "memory and CPU requests are required since API version '2017-07-01-preview'.",
            c->name, group);
    if (!r->cpu_milli || !r->memory_bytes)
        return arm_error_set(
            err, 400, "ResourceSomeRequestsNotSpecified",
            "The '%s' request is not specified in 'ComputeResources' in container '%s' of contain "
            "group '%s'. It is required since API version '2017-07-01-preview'.",
            r->cpu_milli ? "MemoryInGB" : "Cpu", c->name, group);
    if (r->cpu_milli < MIN_CPU_MILLI || r->memory_bytes < MIN_MEMORY_BYTES)
        return arm_error_invalid(err,
                                 "The resource requests of container '%s' in container group '%s' "
                                 "are below the minimum of 0.01 CPU and 0.1 GB.",
                                 c->name, group);
    return 0;
}

static int check_limits(const char *group, const struct group_spec *spec,
                        const struct container_spec *c, struct vk_err *err)
{
    const struct resource_spec *limits = &c->properties.resources.limits;
    struct resource_spec total = group_spec_requests(spec);
    bool cpu = limits->cpu_milli > total.cpu_milli;

    if (!cpu && limits->memory_bytes <= total.memory_bytes)
        return 0;
    return arm_error_set(
        err, 400, "ContainerLimitGreaterThanContainerGroupTotalRequest",
        "The '%s' limit '%g' in container '%s' is greater than the total request '%g' of container "
        "group '%s'.",
        cpu ? "Cpu" : "MemoryInGB",
        cpu ? (double)limits->cpu_milli / 1e3 : (double)limits->memory_bytes / 1e9, c->name,
        cpu ? (double)total.cpu_milli / 1e3 : (double)total.memory_bytes / 1e9, group);
}

static int check_ports(const char *group, const struct container_spec *c, struct vk_err *err)
{
    const struct port_spec *ports = c->properties.ports.v;

    for (size_t i = 0; i < c->properties.ports.n; i++) {
        if (ports[i].port < 1 || ports[i].port > 65535 ||
            !container_validate_protocol(ports[i].protocol))
            return arm_error_invalid(err,
                                     "The port '%" PRId64 "' (%s) in container '%s' of container "
                                     "group '%s' is invalid: it must be 1 to 65535, TCP or UDP.",
                                     ports[i].port, ports[i].protocol ? ports[i].protocol : "TCP",
                                     c->name, group);
    }
    return 0;
}

/* Init containers have no resources, ports or probes (aci-rest.md 5). */
static int check_init(const char *group, const struct container_spec *c, struct vk_err *err)
{
    const struct container_spec_properties *p = &c->properties;

    if (!p->ports.n && !p->resources.requests.cpu_milli && !p->resources.requests.memory_bytes &&
        !p->resources.limits.cpu_milli && !p->resources.limits.memory_bytes)
        return 0;
    return arm_error_invalid(err,
                             "The init container '%s' in container group '%s' must not have ports "
                             "or resources.",
                             c->name, group);
}

int container_validate(const char *group, const struct group_spec *spec,
                       const struct container_spec *container, bool is_init, struct vk_err *err)
{
    const struct container_spec_properties *p = &container->properties;
    bool confidential = vk_streq(spec->properties.sku, "Confidential");

    if (!container_validate_name(container->name, 1, 63))
        return arm_error_invalid(err,
                                 "The container name '%s' in container group '%s' is invalid: it "
                                 "must have 1 to 63 lower-case letters, digits and hyphens and "
                                 "must not begin or end with a hyphen.",
                                 container->name ? container->name : "<null>", group);
    if (vk_str_empty(p->image))
        return arm_error_invalid(
            err, "The image cannot be empty for container '%s' in container group '%s'.",
            container->name, group);
    if (p->security && p->security->privileged && !confidential)
        return arm_error_invalid(err,
                                 "Container '%s' in container group '%s' asks for privileged mode, "
                                 "which the sku 'Standard' does not have.",
                                 container->name, group);
    if (check_environment(group, container, err) < 0 ||
        check_mounts(group, spec, container, err) < 0 || check_ports(group, container, err) < 0)
        return -1;
    if (is_init)
        return check_init(group, container, err);
    if (check_requests(group, container, err) < 0)
        return -1;
    return check_limits(group, spec, container, err);
}
