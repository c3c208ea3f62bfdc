/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/group_spec.h"

#include <math.h>
#include <string.h>

#include "aci/emulator/arm_error.h"
#include "base/alloc.h"
#include "base/crypto.h"
#include "base/secret.h"

/* ARM refuses bodies over 4 MB. */
#define MAX_BODY (4 * 1024 * 1024)

static void wipe_text(void *text)
{
    vk_wipe(text, strlen(text));
}

/* Text that must not survive its arena: the tree's own copy is wiped with it. */
static int decode_secret(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                         struct vk_err *err)
{
    const char *text = json_string(v);
    const char **ret = out;

    if (!text)
        return vk_err_set(err, VK_INVALID, "%s: expected a string", path);
    vk_arena_on_free(arena, wipe_text, (void *)(uintptr_t)text);
    *ret = text;
    return 0;
}

static int decode_scaled(const struct json *v, double scale, int64_t *ret, const char *path,
                         struct vk_err *err)
{
    double value;

    if (!json_double(v, &value) || !(value >= 0 && value <= 1e6))
        return vk_err_set(err, VK_INVALID, "%s: expected a number that is not negative", path);
    *ret = (int64_t)llround(value * scale);
    return 0;
}

static int decode_cpu(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                      struct vk_err *err)
{
    (void)arena;
    return decode_scaled(v, 1e3, out, path, err);
}

static int decode_memory(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                         struct vk_err *err)
{
    (void)arena;
    return decode_scaled(v, 1e9, out, path, err);
}

/* Sets a bool when the member is there, whatever it holds. */
static int decode_presence(const struct json *v, void *out, struct vk_arena *arena,
                           const char *path, struct vk_err *err)
{
    bool *ret = out;

    (void)arena, (void)path, (void)err, (void)v;
    *ret = true;
    return 0;
}

static int decode_secret_files(const struct json *v, void *out, struct vk_arena *arena,
                               const char *path, struct vk_err *err)
{
    struct volume_spec *volume = (void *)((char *)out - offsetof(struct volume_spec, files));
    struct engine_file *file;

    if (json_type_of(v) != JSON_OBJECT)
        return vk_err_set(err, VK_INVALID, "%s: expected an object", path);
    volume->secret = true;
    volume->files = vk_arena_array(arena, json_len(v) + 1, sizeof(*volume->files));
    file = volume->files;
    for (const struct json *m = json_first(v); m; m = json_next(m), file++) {
        const char *text = json_string(m);
        struct vk_str content;
        const struct vk_secret *kept;

        if (!text || !crypto_base64_decode(vk_str_of(text), arena, &content))
            return vk_err_set(err, VK_INVALID, "%s.%s: expected base64 text", path, json_key(m));
        kept = vk_arena_secret(arena, content.p, content.n);
        vk_wipe((void *)(uintptr_t)content.p, content.n);
        wipe_text((void *)(uintptr_t)text);
        file->name = vk_arena_strdup(arena, json_key(m));
        file->content = vk_secret_reveal(kept);
        volume->file_count++;
    }
    return 0;
}

static const struct json_field port_fields[] = {
    JSON_INT(struct port_spec, port, "port", JSON_REQUIRED, INT32_MIN, INT32_MAX),
    JSON_STR(struct port_spec, protocol, "protocol", 0), JSON_END};
static const struct json_field env_fields[] = {
    JSON_STR(struct env_spec, name, "name", JSON_REQUIRED),
    JSON_STR(struct env_spec, value, "value", 0),
    JSON_CUSTOM(struct env_spec, secure_value, "secureValue", decode_secret), JSON_END};
static const struct json_field mount_fields[] = {
    JSON_STR(struct mount_spec, name, "name", JSON_REQUIRED),
    JSON_STR(struct mount_spec, path, "mountPath", JSON_REQUIRED),
    JSON_STR(struct mount_spec, sub_path, "subPath", 0),
    JSON_BOOLEAN(struct mount_spec, read_only, "readOnly"), JSON_END};
static const struct json_field resource_fields[] = {
    JSON_CUSTOM(struct resource_spec, cpu_milli, "cpu", decode_cpu),
    JSON_CUSTOM(struct resource_spec, memory_bytes, "memoryInGB", decode_memory),
    JSON_CUSTOM(struct resource_spec, gpu, "gpu", decode_presence), JSON_END};
static const struct json_field resources_fields[] = {
    JSON_OBJ(struct container_spec_properties, resources.requests, "requests", resource_fields),
    JSON_OBJ(struct container_spec_properties, resources.limits, "limits", resource_fields),
    JSON_END};
static const struct json_field capability_fields[] = {
    JSON_STRINGS(struct security_spec, add, "add"),
    JSON_STRINGS(struct security_spec, drop, "drop"), JSON_END};
/* The capability lists are stored beside the other members: their table is relative to the parent.
 */
static int decode_capabilities(const struct json *v, void *out, struct vk_arena *arena,
                               const char *path, struct vk_err *err)
{
    return json_decode(v, capability_fields, (char *)out - offsetof(struct security_spec, add),
                       arena, path, err);
}
static const struct json_field security_fields[] = {
    JSON_BOOLEAN(struct security_spec, privileged, "privileged"),
    JSON_BOOLEAN_HAS(struct security_spec, allow_escalation, has_allow_escalation,
                     "allowPrivilegeEscalation"),
    JSON_CUSTOM(struct security_spec, add, "capabilities", decode_capabilities),
    JSON_INT_HAS(struct security_spec, run_as_user, has_user, "runAsUser", 0, INT32_MAX),
    JSON_INT_HAS(struct security_spec, run_as_group, has_group, "runAsGroup", 0, INT32_MAX),
    JSON_END};
static int decode_resources(const struct json *v, void *out, struct vk_arena *arena,
                            const char *path, struct vk_err *err)
{
    return json_decode(v, resources_fields,
                       (char *)out - offsetof(struct container_spec_properties, resources), arena,
                       path, err);
}
static const struct json_field header_fields[] = {
    JSON_STR(struct engine_http_header, name, "name", JSON_REQUIRED),
    JSON_STR(struct engine_http_header, value, "value", 0), JSON_END};
static const struct json_field http_fields[] = {
    JSON_STR(struct engine_http, scheme, "scheme", 0),
    JSON_STR(struct engine_http, path, "path", 0),
    JSON_INT(struct engine_http, port, "port", JSON_REQUIRED, 1, 65535),
    JSON_ARR(struct engine_http, headers, "httpHeaders", header_fields, struct engine_http_header),
    JSON_END};
static const struct json_field probe_exec_fields[] = {
    JSON_STRINGS(struct probe_spec, command, "command"), JSON_END};
/* The command stands beside the other members, which it is the first of. */
static int decode_probe_exec(const struct json *v, void *out, struct vk_arena *arena,
                             const char *path, struct vk_err *err)
{
    return json_decode(v, probe_exec_fields, out, arena, path, err);
}
_Static_assert(offsetof(struct probe_spec, command) == 0, "exec is decoded into the whole struct");
static const struct json_field probe_fields[] = {
    JSON_CUSTOM(struct probe_spec, command, "exec", decode_probe_exec),
    JSON_OBJ_PTR(struct probe_spec, http, "httpGet", http_fields, struct engine_http),
    JSON_INT(struct probe_spec, initial_delay_s, "initialDelaySeconds", 0, 0, INT32_MAX),
    JSON_INT(struct probe_spec, period_s, "periodSeconds", 0, 0, INT32_MAX),
    JSON_INT(struct probe_spec, failure_threshold, "failureThreshold", 0, 0, INT32_MAX),
    JSON_INT(struct probe_spec, timeout_s, "timeoutSeconds", 0, 0, INT32_MAX),
    JSON_END};
static const struct json_field container_properties_fields[] = {
    JSON_STR(struct container_spec_properties, image, "image", 0),
    JSON_STRINGS(struct container_spec_properties, command, "command"),
    JSON_ARR(struct container_spec_properties, ports, "ports", port_fields, struct port_spec),
    JSON_ARR(struct container_spec_properties, env, "environmentVariables", env_fields,
             struct env_spec),
    JSON_ARR(struct container_spec_properties, mounts, "volumeMounts", mount_fields,
             struct mount_spec),
    JSON_CUSTOM(struct container_spec_properties, resources, "resources", decode_resources),
    JSON_OBJ_PTR(struct container_spec_properties, security, "securityContext", security_fields,
                 struct security_spec),
    JSON_OBJ_PTR(struct container_spec_properties, liveness, "livenessProbe", probe_fields,
                 struct probe_spec),
    JSON_END};
static const struct json_field container_fields[] = {
    JSON_STR(struct container_spec, name, "name", JSON_REQUIRED),
    JSON_OBJ(struct container_spec, properties, "properties", container_properties_fields),
    JSON_END};
static const struct json_field azure_file_fields[] = {
    JSON_STR(struct azure_file_spec, share, "shareName", JSON_REQUIRED),
    JSON_STR(struct azure_file_spec, account, "storageAccountName", JSON_REQUIRED),
    JSON_CUSTOM(struct azure_file_spec, key, "storageAccountKey", decode_secret),
    JSON_STR(struct azure_file_spec, key_reference, "storageAccountKeyReference", 0),
    JSON_BOOLEAN(struct azure_file_spec, read_only, "readOnly"),
    JSON_END};
static const struct json_field git_fields[] = {
    JSON_STR(struct engine_git, repository, "repository", JSON_REQUIRED),
    JSON_STR(struct engine_git, directory, "directory", 0),
    JSON_STR(struct engine_git, revision, "revision", 0), JSON_END};
static const struct json_field volume_fields[] = {
    JSON_STR(struct volume_spec, name, "name", JSON_REQUIRED),
    JSON_CUSTOM(struct volume_spec, empty_dir, "emptyDir", decode_presence),
    JSON_CUSTOM(struct volume_spec, files, "secret", decode_secret_files),
    JSON_OBJ_PTR(struct volume_spec, git_repo, "gitRepo", git_fields, struct engine_git),
    JSON_CUSTOM(struct volume_spec, secret_reference, "secretReference", decode_presence),
    JSON_OBJ_PTR(struct volume_spec, azure_file, "azureFile", azure_file_fields,
                 struct azure_file_spec),
    JSON_END};
static const struct json_field credential_fields[] = {
    JSON_STR(struct credential_spec, server, "server", JSON_REQUIRED),
    JSON_STR(struct credential_spec, username, "username", 0),
    JSON_CUSTOM(struct credential_spec, password, "password", decode_secret),
    JSON_STR(struct credential_spec, password_reference, "passwordReference", 0),
    JSON_STR(struct credential_spec, identity, "identity", 0),
    JSON_END};
static const struct json_field ip_fields[] = {
    JSON_STR(struct ip_spec, type, "type", JSON_REQUIRED),
    JSON_STR(struct ip_spec, dns_name_label, "dnsNameLabel", 0),
    JSON_ARR(struct ip_spec, ports, "ports", port_fields, struct port_spec), JSON_END};
static const struct json_field subnet_fields[] = {
    JSON_STR(struct subnet_spec, id, "id", JSON_REQUIRED), JSON_END};
static const struct json_field dns_fields[] = {
    JSON_STRINGS(struct dns_spec, name_servers, "nameServers"),
    JSON_STR(struct dns_spec, search_domains, "searchDomains", 0),
    JSON_STR(struct dns_spec, options, "options", 0), JSON_END};
static const struct json_field properties_fields[] = {
    JSON_ARR(struct group_spec_properties, containers, "containers", container_fields,
             struct container_spec),
    JSON_ARR(struct group_spec_properties, init_containers, "initContainers", container_fields,
             struct container_spec),
    JSON_ARR(struct group_spec_properties, volumes, "volumes", volume_fields, struct volume_spec),
    JSON_ARR(struct group_spec_properties, credentials, "imageRegistryCredentials",
             credential_fields, struct credential_spec),
    JSON_ARR(struct group_spec_properties, subnets, "subnetIds", subnet_fields, struct subnet_spec),
    JSON_OBJ_PTR(struct group_spec_properties, ip, "ipAddress", ip_fields, struct ip_spec),
    JSON_OBJ_PTR(struct group_spec_properties, dns, "dnsConfig", dns_fields, struct dns_spec),
    JSON_STR(struct group_spec_properties, os_type, "osType", 0),
    JSON_STR(struct group_spec_properties, restart_policy, "restartPolicy", 0),
    JSON_STR(struct group_spec_properties, sku, "sku", 0),
    JSON_STR(struct group_spec_properties, priority, "priority", 0),
    JSON_END};
static const struct json_field group_fields[] = {
    JSON_STR(struct group_spec, location, "location", 0), JSON_MAP(struct group_spec, tags, "tags"),
    JSON_STRINGS(struct group_spec, zones, "zones"),
    JSON_OBJ(struct group_spec, properties, "properties", properties_fields), JSON_END};

int group_spec_parse(struct vk_str body, struct group_spec **ret, struct vk_err *err)
{
    struct vk_arena *arena = vk_arena_new();
    struct group_spec *spec = vk_arena_alloc(arena, sizeof(*spec));

    spec->arena = arena;
    if (json_parse(body, MAX_BODY, arena, &spec->root, err) < 0 ||
        json_decode(spec->root, group_fields, spec, arena, "", err) < 0) {
        char why[sizeof(err->msg)];

        vk_strcpy_to(why, sizeof(why), err->msg);
        vk_arena_free(arena);
        return arm_error_invalid(
            err, "The request content was invalid and could not be deserialized: '%s'.", why);
    }
    *ret = spec;
    return 0;
}

void group_spec_free(struct group_spec *spec)
{
    if (spec)
        vk_arena_free(spec->arena);
}

const char *group_spec_restart_policy(const struct group_spec *spec)
{
    return spec->properties.restart_policy ? spec->properties.restart_policy : "Always";
}

struct resource_spec group_spec_requests(const struct group_spec *spec)
{
    const struct container_spec *c = spec->properties.containers.v;
    struct resource_spec sum = {0};

    for (size_t i = 0; i < spec->properties.containers.n; i++) {
        sum.cpu_milli += c[i].properties.resources.requests.cpu_milli;
        sum.memory_bytes += c[i].properties.resources.requests.memory_bytes;
    }
    return sum;
}

size_t group_spec_container_count(const struct group_spec *spec)
{
    return spec->properties.init_containers.n + spec->properties.containers.n;
}

const struct container_spec *group_spec_container(const struct group_spec *spec, size_t index,
                                                  bool *ret_is_init)
{
    const struct container_spec *init = spec->properties.init_containers.v;
    const struct container_spec *app = spec->properties.containers.v;
    size_t inits = spec->properties.init_containers.n;

    if (index >= group_spec_container_count(spec))
        return NULL;
    *ret_is_init = index < inits;
    return index < inits ? &init[index] : &app[index - inits];
}

/* The registry of an image reference: its first component when that looks like a host name. */
static struct vk_str image_registry(const char *image)
{
    struct vk_str rest, first = vk_str_cut(vk_str_of(image), '/', &rest);

    if (rest.p && (memchr(first.p, '.', first.n) || memchr(first.p, ':', first.n) ||
                   vk_str_is(first, "localhost")))
        return first;
    return VK_STR("docker.io");
}

const struct credential_spec *group_spec_credential(const struct group_spec *spec,
                                                    const char *image)
{
    const struct credential_spec *c = spec->properties.credentials.v;
    struct vk_str registry = image_registry(image);

    for (size_t i = 0; i < spec->properties.credentials.n; i++) {
        struct vk_str server = vk_str_of(c[i].server);

        if (vk_str_ieq(server, registry) ||
            (vk_str_is(registry, "docker.io") && vk_starts(c[i].server, "index.docker.io")))
            return &c[i];
    }
    return NULL;
}
