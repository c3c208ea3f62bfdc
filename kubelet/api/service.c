/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/service.h"

#include "base/alloc.h"
#include "base/json.h"

void service_free(struct service *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->port_count; i++) {
        vk_free(s->ports[i].name);
        vk_free(s->ports[i].protocol);
    }
    vk_free(s->ports);
    vk_free(s->namespace_);
    vk_free(s->name);
    vk_free(s->cluster_ip);
    vk_free(s);
}

static void read_ports(const struct json *ports, struct service *s)
{
    s->ports = vk_calloc(json_len(ports) + 1, sizeof(*s->ports));
    for (const struct json *p = json_first(ports); p; p = json_next(p)) {
        const char *name = json_string_or(p, "name", NULL);

        s->ports[s->port_count++] = (struct service_port){
            .name = vk_str_empty(name) ? NULL : vk_strdup(name),
            .protocol = vk_strdup(json_string_or(p, "protocol", "TCP")),
            .port = json_int64_or(p, "port", 0),
        };
    }
}

int service_parse(struct vk_str raw, struct service **ret, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *doc, *spec;
    const char *name, *namespace_, *ip;
    struct service *s;

    if (json_parse(raw, SERVICE_MAX_BYTES, arena, &doc, err) < 0)
        return -(int)err->code;
    name = json_string_or(json_get(doc, "metadata"), "name", NULL);
    namespace_ = json_string_or(json_get(doc, "metadata"), "namespace", NULL);
    if (vk_str_empty(name) || vk_str_empty(namespace_))
        return vk_err_set(err, VK_INVALID, "service without metadata.name or metadata.namespace");
    spec = json_get(doc, "spec");
    ip = json_string_or(spec, "clusterIP", NULL);
    s = vk_calloc(1, sizeof(*s));
    s->name = vk_strdup(name);
    s->namespace_ = vk_strdup(namespace_);
    if (!vk_str_empty(ip) && !vk_streq(ip, "None"))
        s->cluster_ip = vk_strdup(ip);
    read_ports(json_get(spec, "ports"), s);
    *ret = s;
    return 0;
}
