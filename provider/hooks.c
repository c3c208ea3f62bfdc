/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/hooks.h"

#include "base/str.h"
#include "provider/probes.h"

enum fault { HOOK_FINE, HOOK_TCP, HOOK_NO_ADDRESS, HOOK_NO_PORT };

static enum fault fault_of(const struct container *c, const struct probe_handler *h,
                           bool has_address)
{
    int64_t port;
    if (!h || h->has_exec || h->has_sleep)
        return HOOK_FINE;
    if (!h->has_http_get)
        return HOOK_TCP;
    if (vk_str_empty(h->http_host) && !has_address)
        return HOOK_NO_ADDRESS;
    return probes_find_port(c, h->http_port, &port) ? HOOK_FINE : HOOK_NO_PORT;
}

static int check(const struct group_member *m, bool has_address, struct vk_err *err)
{
    const struct probe_handler *h = m->spec->lifecycle ? m->spec->lifecycle->post_start : NULL;
    switch (fault_of(m->spec, h, has_address)) {
    case HOOK_TCP:
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.lifecycle.postStart: kubelets run no tcpSocket hooks; use exec, "
                          "httpGet or sleep",
                          m->where);
    case HOOK_NO_ADDRESS:
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.lifecycle.postStart.httpGet: the kubelet calls it at the pod's "
                          "address, and the pod has none; use exec, set host, or run the pod in a "
                          "subnet",
                          m->where);
    case HOOK_NO_PORT:
        return vk_err_set(err, VK_INVALID,
                          "%s.lifecycle.postStart.httpGet: the container has no port \"%.32s\"",
                          m->where, h->http_port ? h->http_port : "");
    case HOOK_FINE:
        break;
    }
    return 0;
}

int hooks_check(const struct group_layout *layout, bool has_address, struct vk_err *err)
{
    for (size_t i = 0; i < layout->container_count; i++) {
        if (check(&layout->containers[i], has_address, err) < 0)
            return -(int)err->code;
    }
    return 0;
}

void hooks_name_ignored(const struct group_member *m, bool has_address, const char *where,
                        struct ignored_fields *ret, struct vk_arena *arena)
{
    static const char *const why[] = {
        [HOOK_TCP] = "kubelets run no tcpSocket hooks",
        [HOOK_NO_ADDRESS] = "no address",
        [HOOK_NO_PORT] = "the container has no such port",
    };
    const struct probe_handler *h = m->spec->lifecycle ? m->spec->lifecycle->pre_stop : NULL;
    const enum fault fault = fault_of(m->spec, h, has_address);
    if (fault != HOOK_FINE)
        ignored_fields_add(ret, arena, "%s.lifecycle.preStop (%s)", where, why[fault]);
}
