/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/group_validate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "aci/emulator/arm_error.h"
#include "aci/emulator/container_validate.h"
#include "base/alloc.h"

#define MAX_CONTAINERS 60
#define MAX_VOLUMES 20
#define MAX_IP_PORTS 5
/* Capabilities show 32 CPUs and 256 GB (aci-rest.md 5.1). */
#define MAX_CPU_MILLI 32000
#define MAX_MEMORY_BYTES (256 * INT64_C(1000000000))
/* A whole group (aci-limits.md 4); one container of it may be smaller. */
#define MIN_GROUP_CPU_MILLI 1000
#define MIN_GROUP_MEMORY_BYTES INT64_C(1000000000)

static bool is_one_of(const char *value, const char *const *choices)
{
    for (; *choices; choices++) {
        if (vk_streq(value, *choices))
            return true;
    }
    return false;
}

static int check_enum(const char *group, const char *member, const char *value,
                      const char *const *choices, const char *list, struct vk_err *err)
{
    if (!value || is_one_of(value, choices))
        return 0;
    return arm_error_invalid(
        err, "The '%s' for container group '%s' is invalid. The value must be one of '%s'.", member,
        group, list);
}

static int check_kinds(const char *group, const struct group_spec *spec, struct vk_err *err)
{
    static const char *const os_types[] = {"Windows", "Linux", NULL};
    static const char *const policies[] = {"Always", "OnFailure", "Never", NULL};
    static const char *const skus[] = {"NotSpecified", "Standard", "Dedicated", "Confidential",
                                       NULL};
    static const char *const priorities[] = {"Regular", "Spot", NULL};
    const struct group_spec_properties *p = &spec->properties;

    if (!p->os_type || !is_one_of(p->os_type, os_types))
        return arm_error_set(err, 400, "InvalidOsType",
                             "The 'osType' for container group '%s' is invalid. The value must be "
                             "one of 'Windows,Linux'.",
                             p->os_type ? group : "<null>");
    if (check_enum(group, "restartPolicy", p->restart_policy, policies, "Always,OnFailure,Never",
                   err) < 0 ||
        check_enum(group, "sku", p->sku, skus, "Standard,Dedicated,Confidential", err) < 0 ||
        check_enum(group, "priority", p->priority, priorities, "Regular,Spot", err) < 0)
        return -1;
    if (vk_streq(p->priority, "Spot") && p->ip)
        return arm_error_set(err, 400,
                             "SpotPriorityContainerGroupNotSupportedForInboundConnectivity",
                             "The container group '%s' with priority 'Spot' cannot have an "
                             "'ipAddress'.",
                             group);
    return 0;
}

static int check_unique(const char *group, const struct group_spec *spec, size_t index,
                        const struct container_spec *c, struct vk_err *err)
{
    bool is_init;

    for (size_t i = 0; i < index; i++) {
        if (vk_streq(group_spec_container(spec, i, &is_init)->name, c->name))
            return arm_error_invalid(
                err, "The container name '%s' is used twice in container group '%s'.", c->name,
                group);
    }
    return 0;
}

/* All containers share one network namespace, so that a port belongs to one of them. */
static int check_shared_ports(const char *group, const struct group_spec *spec, struct vk_err *err)
{
    const struct container_spec *c = spec->properties.containers.v;

    for (size_t i = 1; i < spec->properties.containers.n; i++) {
        const struct port_spec *ports = c[i].properties.ports.v;

        for (size_t k = 0; k < c[i].properties.ports.n; k++) {
            for (size_t j = 0; j < i; j++) {
                const struct port_spec *others = c[j].properties.ports.v;

                for (size_t l = 0; l < c[j].properties.ports.n; l++) {
                    if (ports[k].port == others[l].port &&
                        vk_strieq(ports[k].protocol ? ports[k].protocol : "TCP",
                                  others[l].protocol ? others[l].protocol : "TCP"))
                        return arm_error_invalid(err,
                                                 "The port '%" PRId64 "' is used by the containers "
                                                 "'%s' and '%s' of container group '%s'.",
                                                 ports[k].port, c[j].name, c[i].name, group);
                }
            }
        }
    }
    return 0;
}

static int check_containers(const char *group, const struct group_spec *spec, struct vk_err *err)
{
    size_t count = group_spec_container_count(spec);
    const struct container_spec *c;
    bool is_init;

    if (!spec->properties.containers.n || count > MAX_CONTAINERS)
        return arm_error_invalid(
            err, "The container group '%s' has %zu containers; it must have 1 to %d.", group,
            spec->properties.containers.n ? count : 0, MAX_CONTAINERS);
    for (size_t i = 0; (c = group_spec_container(spec, i, &is_init)); i++) {
        if (container_validate(group, spec, c, is_init, err) < 0 ||
            check_unique(group, spec, i, c, err) < 0)
            return -1;
    }
    return check_shared_ports(group, spec, err);
}

static int check_size(const char *group, const struct group_spec *spec, struct vk_err *err)
{
    struct resource_spec total = group_spec_requests(spec);
    const struct container_spec *c = spec->properties.containers.v;
    bool gpu = false;

    for (size_t i = 0; i < spec->properties.containers.n; i++)
        gpu = gpu || c[i].properties.resources.requests.gpu;
    /* GPUs were retired, Windows groups need a host that this program is not. */
    if (gpu || total.cpu_milli > MAX_CPU_MILLI || total.memory_bytes > MAX_MEMORY_BYTES ||
        vk_streq(spec->properties.os_type, "Windows"))
        return arm_error_set(
            err, 409, "ServiceUnavailable",
            "The requested resource is not available in the location '%s' at this moment. Please "
            "retry with a different resource request or in another location. Resource requested: "
            "'%g' CPU '%g' GB memory '%s' OS",
            spec->location, (double)total.cpu_milli / 1e3, (double)total.memory_bytes / 1e9,
            spec->properties.os_type);
    if (total.cpu_milli < MIN_GROUP_CPU_MILLI || total.memory_bytes < MIN_GROUP_MEMORY_BYTES)
        return arm_error_set(err, 500, "InternalServerError",
                             "Encountered an internal server error. (Emulator: container group "
                             "'%s' asks for %g CPU and %g GB; the service fails below 1 CPU and 1 "
                             "GB in total.)",
                             group, (double)total.cpu_milli / 1e3,
                             (double)total.memory_bytes / 1e9);
    return 0;
}

static bool is_reserved_port(int64_t port)
{
    static const struct {
        int64_t first, last;
    } reserved[] = {{22, 22},       {1025, 1027},   {3389, 3399},   {9999, 9999},   {19000, 19000},
                    {19080, 19080}, {19100, 19100}, {19390, 19390}, {20000, 30000}, {49152, 65534}};

    for (size_t i = 0; i < VK_COUNT(reserved); i++) {
        if (port >= reserved[i].first && port <= reserved[i].last)
            return true;
    }
    return false;
}

static int check_ip_ports(const char *group, const struct ip_spec *ip, struct vk_err *err)
{
    const struct port_spec *ports = ip->ports.v;

    if (!ip->ports.n)
        return arm_error_set(
            err, 400, "MissingIpAddressPorts",
            "The ports in the 'ipAddress' of container group '%s' cannot be empty.", group);
    if (ip->ports.n > MAX_IP_PORTS)
        return arm_error_invalid(err,
                                 "The 'ipAddress' of container group '%s' has %zu ports; it may "
                                 "have %d.",
                                 group, ip->ports.n, MAX_IP_PORTS);
    for (size_t i = 0; i < ip->ports.n; i++) {
        if (ports[i].port < 1 || ports[i].port > 65535 ||
            !container_validate_protocol(ports[i].protocol))
            return arm_error_invalid(err,
                                     "The port '%" PRId64 "' in the 'ipAddress' of container group "
                                     "'%s' is invalid: it must be 1 to 65535, TCP or UDP.",
                                     ports[i].port, group);
        if (is_reserved_port(ports[i].port))
            return arm_error_invalid(err,
                                     "The port '%" PRId64 "' in the 'ipAddress' of container group "
                                     "'%s' is reserved by the service.",
                                     ports[i].port, group);
        for (size_t j = 0; j < i; j++) {
            if (ports[i].port == ports[j].port &&
                vk_strieq(ports[i].protocol ? ports[i].protocol : "TCP",
                          ports[j].protocol ? ports[j].protocol : "TCP"))
                return arm_error_invalid(err,
                                         "The port '%" PRId64 "' is given twice in the "
                                         "'ipAddress' of container group '%s'.",
                                         ports[i].port, group);
        }
    }
    return 0;
}

static bool is_dns_label(const char *label)
{
    size_t n = strlen(label);

    if (n < 5 || n > 63 || label[0] == '-' || label[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)label[i]) && label[i] != '-')
            return false;
    }
    return true;
}

static int check_network(const char *group, const struct group_spec *spec, struct vk_err *err)
{
    const struct group_spec_properties *p = &spec->properties;
    const struct ip_spec *ip = p->ip;
    const struct subnet_spec *subnets = p->subnets.v;
    bool is_private = ip && vk_streq(ip->type, "Private");

    if (p->subnets.n > 1 || (p->subnets.n && (vk_str_empty(subnets[0].id) ||
                                              !strcasestr(subnets[0].id, "/virtualNetworks/") ||
                                              !strcasestr(subnets[0].id, "/subnets/"))))
        return arm_error_invalid(err,
                                 "The 'subnetIds' of container group '%s' are invalid: give the "
                                 "resource id of one subnet.",
                                 group);
    if (p->dns && !p->dns->name_servers.n)
        return arm_error_invalid(
            err, "The 'nameServers' in the 'dnsConfig' of container group '%s' cannot be empty.",
            group);
    for (size_t i = 0; p->dns && i < p->dns->name_servers.n; i++) {
        struct in6_addr address;

        if (!p->dns->name_servers.v[i] ||
            (inet_pton(AF_INET, p->dns->name_servers.v[i], &address) != 1 &&
             inet_pton(AF_INET6, p->dns->name_servers.v[i], &address) != 1))
            return arm_error_invalid(err,
                                     "A name server in the 'dnsConfig' of container group '%s' is "
                                     "no IP address.",
                                     group);
    }
    if (!ip)
        return 0;
    if (!is_private && !vk_streq(ip->type, "Public"))
        return arm_error_invalid(err,
                                 "The 'type' in the 'ipAddress' of container group '%s' is "
                                 "invalid. The value must be one of 'Public,Private'.",
                                 group);
    if (is_private && !p->subnets.n)
        return arm_error_set(err, 400, "PrivateIPAddressNotSupported",
                             "The 'ipAddress' of container group '%s' is private, which needs a "
                             "subnet in 'subnetIds'.",
                             group);
    if (!is_private && p->subnets.n)
        return arm_error_invalid(err,
                                 "The container group '%s' in a subnet cannot have a public "
                                 "'ipAddress'.",
                                 group);
    if (ip->dns_name_label && (is_private || !is_dns_label(ip->dns_name_label)))
        return arm_error_invalid(err,
                                 "The DNS name label '%s' in container group '%s' is invalid: 5 to "
                                 "63 letters, digits and hyphens, public addresses only.",
                                 ip->dns_name_label, group);
    return check_ip_ports(group, ip, err);
}

static int check_volume(const char *group, const struct volume_spec *v, struct vk_err *err)
{
    int kinds = v->empty_dir + v->secret + v->secret_reference + !!v->git_repo + !!v->azure_file;

    if (!container_validate_name(v->name, 5, 63) || strstr(v->name, "--"))
        return arm_error_invalid(err,
                                 "The volume name '%s' in container group '%s' is invalid: it must "
                                 "have 5 to 63 lower-case letters, digits and hyphens, no hyphen "
                                 "at either end and no two together.",
                                 v->name ? v->name : "<null>", group);
    if (kinds != 1)
        return arm_error_invalid(
            err, "The volume '%s' in container group '%s' must have exactly one kind.", v->name,
            group);
    if (v->azure_file && !v->azure_file->key && !v->azure_file->key_reference)
        return arm_error_invalid(err,
                                 "The volume '%s' in container group '%s' has no storage account "
                                 "key.",
                                 v->name, group);
    if (v->secret_reference)
        return arm_error_set(err, 501, "NotImplemented",
                             "Emulator: volumes of the kind secretReference (volume '%s' of "
                             "container group '%s') are not there: it has no Key Vault.",
                             v->name, group);
    for (size_t i = 0; i < v->file_count; i++) {
        const char *file = v->files[i].name;

        if (!file[0] || strchr(file, '/') || vk_streq(file, ".") || vk_streq(file, ".."))
            return arm_error_invalid(err,
                                     "The file name '%s' in the secret volume '%s' of container "
                                     "group '%s' is invalid.",
                                     file, v->name, group);
    }
    return 0;
}

static int check_volumes(const char *group, const struct group_spec *spec, struct vk_err *err)
{
    const struct volume_spec *volumes = spec->properties.volumes.v;
    const struct credential_spec *credentials = spec->properties.credentials.v;

    if (spec->properties.volumes.n > MAX_VOLUMES)
        return arm_error_invalid(err, "The container group '%s' has %zu volumes; it may have %d.",
                                 group, spec->properties.volumes.n, MAX_VOLUMES);
    for (size_t i = 0; i < spec->properties.volumes.n; i++) {
        if (check_volume(group, &volumes[i], err) < 0)
            return -1;
        for (size_t j = 0; j < i; j++) {
            if (vk_streq(volumes[i].name, volumes[j].name))
                return arm_error_invalid(
                    err, "The volume name '%s' is used twice in container group '%s'.",
                    volumes[i].name, group);
        }
    }
    for (size_t i = 0; i < spec->properties.credentials.n; i++) {
        const struct credential_spec *c = &credentials[i];

        if (vk_str_empty(c->server) || (!c->identity && (vk_str_empty(c->username) ||
                                                         (!c->password && !c->password_reference))))
            return arm_error_invalid(err,
                                     "The credential of registry '%s' in container group '%s' "
                                     "needs a server, a user name and a password.",
                                     c->server ? c->server : "<null>", group);
    }
    return 0;
}

int group_validate_tags(const struct json_pairs *tags, struct vk_err *err)
{
    if (tags->n > 50)
        return arm_error_set(err, 400, "TooManyTags", "The resource has %zu tags; the most is 50.",
                             tags->n);
    for (size_t i = 0; i < tags->n; i++) {
        if (!tags->v[i].key[0] || strpbrk(tags->v[i].key, "<>%&\\?/"))
            return arm_error_set(err, 400, "InvalidTagNameCharacters",
                                 "The tag names '%.200s' have reserved characters "
                                 "'<,>,%%,&,\\,?,/' or control characters.",
                                 tags->v[i].key);
        if (strlen(tags->v[i].key) > 512 || strlen(tags->v[i].value) > 256)
            return arm_error_set(err, 400, "TagLengthExceeded",
                                 "The tag '%.100s' is too long: names have at most 512, values at "
                                 "most 256 characters.",
                                 tags->v[i].key);
    }
    return 0;
}

int group_validate(const char *name, const struct group_spec *spec, struct vk_err *err)
{
    if (!container_validate_name(name, 1, 63))
        return arm_error_invalid(err,
                                 "The container group name '%s' is invalid: it must have 1 to 63 "
                                 "lower-case letters, digits and hyphens and must not begin or end "
                                 "with a hyphen.",
                                 name);
    if (vk_str_empty(spec->location))
        return arm_error_set(err, 400, "LocationRequired",
                             "The location property is required for this definition.");
    if (group_validate_tags(&spec->tags, err) < 0 || check_kinds(name, spec, err) < 0 ||
        check_volumes(name, spec, err) < 0 || check_containers(name, spec, err) < 0 ||
        check_network(name, spec, err) < 0)
        return -1;
    return check_size(name, spec, err);
}

static const char *subnet_of(const struct group_spec *spec)
{
    const struct subnet_spec *subnets = spec->properties.subnets.v;

    return spec->properties.subnets.n ? subnets[0].id : NULL;
}

static bool has_other_resources(const struct group_spec *old, const struct group_spec *spec)
{
    struct resource_spec a = group_spec_requests(old), b = group_spec_requests(spec);

    return a.cpu_milli != b.cpu_milli || a.memory_bytes != b.memory_bytes;
}

int group_validate_update(const char *name, const struct group_spec *old,
                          const struct group_spec *spec, struct vk_err *err)
{
    if (vk_streq(old->properties.os_type, spec->properties.os_type) &&
        vk_streq(group_spec_restart_policy(old), group_spec_restart_policy(spec)) &&
        vk_strieq(subnet_of(old), subnet_of(spec)) && !has_other_resources(old, spec))
        return 0;
    return arm_error_set(err, 400, "InvalidContainerGroupUpdate",
                         "The updates on container group '%s' are invalid. If you are going to "
                         "update the os type, restart policy, network profile, CPU, memory or GPU "
                         "resources for a container group, you must delete it first and then "
                         "create a new one.",
                         name);
}
