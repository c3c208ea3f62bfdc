/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/group_view.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/crypto.h"

/*
 * One known member. COPY takes the value as sent: only for members that hold no secret. Without
 * the member the fallback (JSON text) is written, if there is one.
 */
struct member {
    const char *name;
    enum { COPY, OBJECT, ARRAY, EMPTY } kind;
    const struct member *sub;
    const char *fallback;
};
#define MEMBER_END                                                                                 \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static const struct member port_members[] = {
    {"port", COPY, NULL, NULL}, {"protocol", COPY, NULL, "\"TCP\""}, MEMBER_END};
static const struct member env_members[] = {{"name", COPY, NULL, NULL},
                                            {"value", COPY, NULL, NULL},
                                            {"secureValueReference", COPY, NULL, NULL},
                                            MEMBER_END};
static const struct member container_members[] = {
    {"image", COPY, NULL, NULL},
    {"command", COPY, NULL, "[]"},
    {"ports", ARRAY, port_members, "[]"},
    {"environmentVariables", ARRAY, env_members, "[]"},
    {"resources", COPY, NULL, NULL},
    {"volumeMounts", COPY, NULL, NULL},
    {"livenessProbe", COPY, NULL, NULL},
    {"readinessProbe", COPY, NULL, NULL},
    {"securityContext", COPY, NULL, NULL},
    {"configMap", COPY, NULL, "{\"keyValuePairs\":{}}"},
    MEMBER_END};
static const struct member init_members[] = {{"image", COPY, NULL, NULL},
                                             {"command", COPY, NULL, "[]"},
                                             {"environmentVariables", ARRAY, env_members, "[]"},
                                             {"volumeMounts", COPY, NULL, NULL},
                                             {"securityContext", COPY, NULL, NULL},
                                             MEMBER_END};
static const struct member credential_members[] = {{"server", COPY, NULL, NULL},
                                                   {"username", COPY, NULL, NULL},
                                                   {"passwordReference", COPY, NULL, NULL},
                                                   {"identity", COPY, NULL, NULL},
                                                   {"identityUrl", COPY, NULL, NULL},
                                                   MEMBER_END};
static const struct member azure_file_members[] = {{"shareName", COPY, NULL, NULL},
                                                   {"readOnly", COPY, NULL, "false"},
                                                   {"storageAccountName", COPY, NULL, NULL},
                                                   {"storageAccountKeyReference", COPY, NULL, NULL},
                                                   MEMBER_END};
static const struct member volume_members[] = {{"name", COPY, NULL, NULL},
                                               {"azureFile", OBJECT, azure_file_members, NULL},
                                               {"emptyDir", EMPTY, NULL, NULL},
                                               {"secret", EMPTY, NULL, NULL},
                                               {"secretReference", COPY, NULL, NULL},
                                               {"gitRepo", COPY, NULL, NULL},
                                               MEMBER_END};
static const struct member analytics_members[] = {{"workspaceId", COPY, NULL, NULL},
                                                  {"logType", COPY, NULL, NULL},
                                                  {"metadata", COPY, NULL, NULL},
                                                  MEMBER_END};
static const struct member diagnostics_members[] = {
    {"logAnalytics", OBJECT, analytics_members, NULL}, MEMBER_END};
static const struct member extension_properties_members[] = {{"extensionType", COPY, NULL, NULL},
                                                             {"version", COPY, NULL, NULL},
                                                             {"settings", COPY, NULL, NULL},
                                                             MEMBER_END};
static const struct member extension_members[] = {
    {"name", COPY, NULL, NULL},
    {"properties", OBJECT, extension_properties_members, NULL},
    MEMBER_END};
static const struct member properties_members[] = {
    {"sku", COPY, NULL, "\"Standard\""},
    {"priority", COPY, NULL, NULL},
    {"provisioningTimeoutInSeconds", COPY, NULL, "1800"},
    {"isCustomProvisioningTimeout", COPY, NULL, "false"},
    {"osType", COPY, NULL, NULL},
    {"restartPolicy", COPY, NULL, "\"Always\""},
    {"imageRegistryCredentials", ARRAY, credential_members, NULL},
    {"subnetIds", COPY, NULL, NULL},
    {"dnsConfig", COPY, NULL, NULL},
    {"volumes", ARRAY, volume_members, NULL},
    {"diagnostics", OBJECT, diagnostics_members, NULL},
    {"encryptionProperties", COPY, NULL, NULL},
    {"confidentialComputeProperties", COPY, NULL, NULL},
    {"extensions", ARRAY, extension_members, NULL},
    {"secretReferences", COPY, NULL, NULL},
    {"identityAcls", COPY, NULL, NULL},
    {"containerGroupProfile", COPY, NULL, NULL},
    {"standbyPoolProfile", COPY, NULL, NULL},
    MEMBER_END};

static bool is_given(const struct json *v)
{
    return v && json_type_of(v) != JSON_NULL;
}

static void write_members(const struct json *from, const struct member *members,
                          struct json_writer *w)
{
    for (const struct member *m = members; m->name; m++) {
        const struct json *v = json_get(from, m->name);

        if (!is_given(v)) {
            if (m->fallback)
                json_put_raw(w, m->name, vk_str_of(m->fallback));
            continue;
        }
        switch (m->kind) {
        case COPY:
            json_put_value(w, m->name, v);
            break;
        case EMPTY:
            json_begin_object(w, m->name);
            json_end_object(w);
            break;
        case OBJECT:
            json_begin_object(w, m->name);
            write_members(v, m->sub, w);
            json_end_object(w);
            break;
        case ARRAY:
        default:
            json_begin_array(w, m->name);
            for (const struct json *e = json_first(v); e; e = json_next(e)) {
                json_begin_object(w, NULL);
                write_members(e, m->sub, w);
                json_end_object(w);
            }
            json_end_array(w);
            break;
        }
    }
}

void group_view_state(const struct container_state *s, struct json_writer *w, const char *key)
{
    static const char *const names[] = {[CONTAINER_WAITING] = "Waiting",
                                        [CONTAINER_RUNNING] = "Running",
                                        [CONTAINER_TERMINATED] = "Terminated"};

    json_begin_object(w, key);
    json_put_string(w, "state", names[s->kind]);
    if (s->start_ns)
        event_log_put_time(w, "startTime", s->start_ns);
    if (s->has_exit_code)
        json_put_int(w, "exitCode", s->exit_code);
    if (s->finish_ns)
        event_log_put_time(w, "finishTime", s->finish_ns);
    json_put_string(w, "detailStatus", s->detail);
    json_end_object(w);
}

static void write_instance_view(const struct container *c, struct json_writer *w)
{
    json_begin_object(w, "instanceView");
    json_put_int(w, "restartCount", c->restart_count);
    group_view_state(&c->current, w, "currentState");
    if (c->has_previous)
        group_view_state(&c->previous, w, "previousState");
    event_log_write(&c->events, w, "events");
    json_end_object(w);
}

static void write_containers(const struct group *g, const struct json *properties,
                             const char *member, bool is_init, enum group_view_kind kind,
                             struct json_writer *w)
{
    json_begin_array(w, member);
    for (const struct json *v = json_first(json_get(properties, member)); v; v = json_next(v)) {
        const struct container *c = group_container(g, json_string(json_get(v, "name")));

        json_begin_object(w, NULL);
        json_put_string(w, "name", json_string(json_get(v, "name")));
        json_begin_object(w, "properties");
        write_members(json_get(v, "properties"), is_init ? init_members : container_members, w);
        /* Before a new group is placed, its containers have no view at all. */
        if (kind == GROUP_VIEW_FULL && c && (g->phase != GROUP_PENDING || g->generation > 1))
            write_instance_view(c, w);
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_ip(const struct group *g, const struct json *properties, struct json_writer *w)
{
    static const struct member ip_members[] = {
        {"type", COPY, NULL, NULL},
        {"ports", ARRAY, port_members, "[]"},
        {"dnsNameLabel", COPY, NULL, NULL},
        {"autoGeneratedDomainNameLabelScope", COPY, NULL, NULL},
        MEMBER_END};
    const struct json *ip = json_get(properties, "ipAddress");
    const char *label = json_string_or(ip, "dnsNameLabel", NULL);

    if (!is_given(ip) && !g->spec->properties.subnets.n)
        return;
    json_begin_object(w, "ipAddress");
    if (is_given(ip)) {
        write_members(ip, ip_members, w);
    } else {
        /* A group in a subnet has a private address, asked for or not. */
        json_put_string(w, "type", "Private");
        json_begin_array(w, "ports");
        json_end_array(w);
    }
    if (g->ip[0])
        json_put_string(w, "ip", g->ip);
    if (label) {
        char *fqdn VK_AUTOFREE = vk_asprintf("%s.%s.azurecontainer.io", label, g->spec->location);

        json_put_string(w, "fqdn", fqdn);
    }
    json_end_object(w);
}

/* Stable ids for identities: a UUID made of a digest. */
static void put_derived_id(struct json_writer *w, const char *key, const char *kind,
                           const char *seed)
{
    char *text VK_AUTOFREE = vk_asprintf("%s %s", kind, seed);
    char hex[65], id[37];

    crypto_sha256_hex(text, strlen(text), hex);
    snprintf(id, sizeof(id), "%.8s-%.4s-4%.3s-8%.3s-%.12s", hex, hex + 8, hex + 12, hex + 15,
             hex + 18);
    json_put_string(w, key, id);
}

static void write_identity(const struct group *g, const char *tenant, struct json_writer *w)
{
    const struct json *identity = json_get(g->spec->root, "identity");
    const struct json *users = json_get(identity, "userAssignedIdentities");
    const char *type = json_string_or(identity, "type", NULL);

    if (!type || vk_streq(type, "None"))
        return;
    json_begin_object(w, "identity");
    json_put_string(w, "type", type);
    if (strstr(type, "SystemAssigned")) {
        put_derived_id(w, "principalId", "principal", g->id);
        json_put_string(w, "tenantId", tenant);
    }
    if (json_len(users)) {
        json_begin_object(w, "userAssignedIdentities");
        for (const struct json *u = json_first(users); u; u = json_next(u)) {
            json_begin_object(w, json_key(u));
            put_derived_id(w, "principalId", "principal", json_key(u));
            put_derived_id(w, "clientId", "client", json_key(u));
            json_end_object(w);
        }
        json_end_object(w);
    }
    json_end_object(w);
}

void group_view_write(const struct group *g, enum group_view_kind kind, const char *tenant,
                      struct json_writer *w, const char *key)
{
    const struct json *properties = json_get(g->spec->root, "properties");

    json_begin_object(w, key);
    json_begin_object(w, "properties");
    json_put_string(w, "provisioningState", g->provisioning_state);
    write_members(properties, properties_members, w);
    json_put_bool(w, "isCreatedFromStandbyPool", false);
    write_containers(g, properties, "containers", false, kind, w);
    write_containers(g, properties, "initContainers", true, kind, w);
    write_ip(g, properties, w);
    if (kind == GROUP_VIEW_FULL) {
        json_begin_object(w, "instanceView");
        event_log_write(&g->events, w, "events");
        json_put_string(w, "state", group_state(g));
        json_end_object(w);
    }
    json_end_object(w);
    json_put_string(w, "id", g->id);
    json_put_string(w, "name", g->name);
    json_put_string(w, "type", "Microsoft.ContainerInstance/containerGroups");
    json_put_string(w, "location", g->spec->location);
    json_put_raw(w, "tags", vk_str_of(g->tags));
    if (is_given(json_get(g->spec->root, "zones")))
        json_put_value(w, "zones", json_get(g->spec->root, "zones"));
    write_identity(g, tenant, w);
    json_end_object(w);
}
