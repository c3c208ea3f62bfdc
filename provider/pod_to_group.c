/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/pod_to_group.h"

#include "base/json_writer.h"
#include "provider/containers.h"
#include "provider/group_identity.h"
#include "provider/network.h"
#include "provider/registry_credentials.h"
#include "provider/resources.h"
#include "provider/validation.h"
#include "provider/volumes.h"

static void write_group(struct json_writer *w, const struct resolved_pod *pod,
                        const struct provider_env *env, const struct pod_commands *commands,
                        const struct pod_resources *resources)
{
    const struct object_meta *meta = &pod->pod->meta;
    const struct group_identity identity = {
        .cluster = env->cluster_id,
        .node = env->node_name,
        .namespace_ = meta->namespace_,
        .pod = meta->name,
        .uid = meta->uid,
    };
    const char *restart_policy = pod->pod->spec.restart_policy;
    json_begin_object(w, NULL);
    json_put_string(w, "location", env->location);
    json_begin_object(w, "tags");
    group_identity_write(w, &identity);
    json_end_object(w);
    json_begin_object(w, "properties");
    json_put_string(w, "osType", "Linux");
    json_put_string(w, "sku", "Standard");
    json_put_string(w, "restartPolicy", restart_policy ? restart_policy : "Always");
    containers_write(w, pod, commands, resources);
    volumes_write(w, pod);
    network_write(w, pod, env);
    network_write_dns(w, pod, env);
    registry_credentials_write(w, pod);
    json_end_object(w);
    json_end_object(w);
}

int pod_to_group(const struct resolved_pod *pod, const struct provider_env *env,
                 const struct pod_images *images, struct vk_arena *arena, struct vk_buf *out,
                 struct ignored_fields *ret_ignored, struct vk_err *err)
{
    struct pod_resources resources;
    struct pod_commands commands;
    if (validation_check(pod, env, err) < 0)
        return -(int)err->code;
    if (resources_of_pod(pod, arena, &resources, err) < 0 ||
        containers_commands(pod, images, arena, &commands, err) < 0)
        return vk_err_reason(err, VALIDATION_REASON);
    struct json_writer w;
    json_writer_init(&w, out);
    write_group(&w, pod, env, &commands, &resources);
    if (!json_writer_done(&w))
        return vk_err_set(err, VK_TOO_LARGE,
                          "pod %s/%s: its container group has more than %u bytes, ARM's limit; use "
                          "smaller ConfigMaps and Secrets",
                          pod->pod->meta.namespace_, pod->pod->meta.name, POD_TO_GROUP_MAX_BYTES);
    ignored_fields_of_pod(pod, env, &resources, arena, ret_ignored);
    return 0;
}
