/* SPDX-License-Identifier: Apache-2.0 */
/* room: kubelet */
#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "kubelet/pods/service_environment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever a Service is called: each variable has a name and a value, and the first is its host. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct service_variable *v;
    const struct service *one;
    struct service *s;
    struct vk_err err;
    size_t n;

    if (service_parse((struct vk_str){.p = (const char *)data, .n = size}, &s, &err) < 0)
        return 0;
    one = s;
    service_environment(&(struct pod){.meta = {.namespace_ = s->namespace_},
                                      .spec = {.enable_service_links = true}},
                        &one, 1, &(struct pod_api_server){0}, arena, &v, &n);
    if ((n > 0) != (s->cluster_ip != NULL))
        abort();
    for (size_t i = 0; i < n; i++)
        if (!v[i].name[0] || !v[i].value)
            abort();
    if (n && !vk_streq(v[0].value, s->cluster_ip))
        abort();
    service_free(s);
    return 0;
}
