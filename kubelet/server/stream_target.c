/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/stream_target.h"

#include "kubelet/api/pod_status.h"

static int find_pod(const struct handler_context *c, const struct route_params *params,
                    const char *uid, struct pods_entry *ret, struct vk_err *err)
{
    if (!pods_find(c->pods, params->v[0], params->v[1], ret))
        return vk_err_set(err, VK_NOT_FOUND, "pod does not exist");
    if (uid && !vk_streq(uid, ret->pod->meta.uid))
        return vk_err_set(err, VK_NOT_FOUND, "pod not found");
    return 0;
}

static struct pod_identity identity(const struct route_params *params,
                                    const struct pods_entry *entry)
{
    return (struct pod_identity){
        .namespace_ = params->v[0], .name = params->v[1], .uid = entry->pod->meta.uid};
}

int stream_target_container(const struct handler_context *c, const struct route_params *params,
                            struct stream_target *ret, struct vk_err *err)
{
    const char *container = params->v[params->n - 1];
    const struct container_status *status;
    struct pods_entry entry;

    if (find_pod(c, params, params->n > 3 ? params->v[2] : NULL, &entry, err) < 0)
        return -(int)err->code;
    status = pod_status_container(entry.status, container);
    if (!status || !container_status_runs(status))
        return vk_err_set(err, VK_INTERNAL, "container not found (\"%s\")", container);
    *ret = (struct stream_target){
        .id = identity(params, &entry), .container = container, .pod_ip = entry.status->pod_ip};
    return 0;
}

int stream_target_pod(const struct handler_context *c, const struct route_params *params,
                      struct stream_target *ret, struct vk_err *err)
{
    struct pods_entry entry;

    if (find_pod(c, params, params->n > 2 ? params->v[2] : NULL, &entry, err) < 0)
        return -(int)err->code;
    if (!vk_streq(entry.status->phase, "Running") || vk_str_empty(entry.status->pod_ip))
        return vk_err_set(err, VK_INTERNAL, "pod not found (\"%s_%s\"): it does not run",
                          params->v[1], params->v[0]);
    *ret = (struct stream_target){.id = identity(params, &entry), .pod_ip = entry.status->pod_ip};
    return 0;
}
