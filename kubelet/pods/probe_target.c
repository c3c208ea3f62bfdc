/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/probe_target.h"

#include "base/str.h"

bool probe_target_port(const struct container *c, const char *text, int64_t *ret)
{
    const struct container_port *ports = c->ports.v;

    if (vk_str_empty(text))
        return false;
    if (vk_str_int64(vk_str_of(text), 1, UINT16_MAX, ret))
        return true;
    for (size_t i = 0; i < c->ports.n; i++)
        if (vk_streq(ports[i].name, text)) {
            *ret = ports[i].container_port;
            return true;
        }
    return false;
}
