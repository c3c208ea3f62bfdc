/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/pod_to_group.h"

#include "base/json_writer.h"
#include "provider/dns.h"
#include "provider/extensions.h"
#include "provider/group_plan.h"
#include "provider/group_sku.h"
#include "provider/log_analytics.h"
#include "provider/network.h"
#include "provider/registry_credentials.h"
#include "provider/security_context.h"
#include "provider/unhonoured.h"
#include "provider/validation.h"
#include "provider/volumes.h"

static void write_properties(struct json_writer *w, const struct group_plan *p,
                             const struct pod_commands *commands)
{
    const struct pod *pod = p->pod->pod;
    const struct pod_annotations *a = &p->annotations;
    const struct containers_plan containers = {
        .pod = pod,
        .layout = &p->layout,
        .annotations = a,
        .commands = commands,
        .resources = &p->resources,
        .volumes = &p->volumes,
        .vault = &p->vault,
    };
    const char *restart_policy = pod->spec.restart_policy;
    json_put_string(w, "osType", p->windows ? "Windows" : "Linux");
    group_sku_write(w, a);
    json_put_string(w, "restartPolicy", restart_policy ? restart_policy : "Always");
    containers_write(w, &containers);
    volumes_write(w, &p->volumes);
    network_write(w, pod, &p->layout, a, p->env);
    dns_write(w, pod, a, p->env, p->windows);
    registry_credentials_write(w, p->pod, a);
    key_vault_write(w, &p->vault);
    log_analytics_write(w, pod, a, p->env);
    extensions_write(w, a, p->env, p->windows);
}

static void write_group(struct json_writer *w, const struct group_plan *p,
                        const struct pod_commands *commands)
{
    json_begin_object(w, NULL);
    json_put_string(w, "location", p->env->location);
    group_tags_write(w, &p->tags, p->pod->pod, p->env);
    group_sku_write_zones(w, &p->annotations);
    identity_write(w, &p->identities);
    json_begin_object(w, "properties");
    write_properties(w, p, commands);
    json_end_object(w);
    json_end_object(w);
}

static int check_users(const struct group_plan *p, const struct group_member *m, size_t n,
                       struct vk_err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (security_context_check_image(p->pod->pod, &m[i], &p->annotations, p->env, err) < 0)
            return -(int)err->code;
    }
    return 0;
}

/* What the images decide. */
static int check_images(const struct group_plan *p, struct vk_arena *arena,
                        struct pod_commands *commands, struct vk_err *err)
{
    const struct group_layout *l = &p->layout;
    if (containers_commands(p->pod->pod, l, &p->annotations, arena, commands, err) < 0 ||
        check_users(p, l->init_containers, l->init_container_count, err) < 0 ||
        check_users(p, l->containers, l->container_count, err) < 0)
        return vk_err_reason(err, VALIDATION_REASON);
    return 0;
}

static void name_unhonoured(struct group_plan *p, struct vk_arena *arena)
{
    const struct unhonoured_context context = {
        .pod = p->pod->pod,
        .layout = &p->layout,
        .annotations = &p->annotations,
        .env = p->env,
        .resources = &p->resources,
        .volumes = &p->volumes,
        .windows = p->windows,
    };
    unhonoured_name(&context, &p->ignored, arena);
}

int pod_to_group(const struct resolved_pod *pod, const struct provider_env *env,
                 const struct pod_images *images, struct vk_arena *arena, struct vk_buf *out,
                 struct group_notes *ret_notes, struct vk_err *err)
{
    struct group_plan plan;
    struct pod_commands commands;
    if (group_plan_make(pod, env, images, arena, &plan, err) < 0 ||
        check_images(&plan, arena, &commands, err) < 0)
        return -(int)err->code;
    struct json_writer w;
    json_writer_init(&w, out);
    write_group(&w, &plan, &commands);
    if (!json_writer_done(&w))
        return vk_err_set(err, VK_TOO_LARGE,
                          "pod %s/%s: its container group has more than %u bytes, ARM's limit; use "
                          "smaller ConfigMaps and Secrets",
                          pod->pod->meta.namespace_, pod->pod->meta.name, POD_TO_GROUP_MAX_BYTES);
    name_unhonoured(&plan, arena);
    *ret_notes = (struct group_notes){
        .ignored = plan.ignored,
        .size = resources_text(plan.resources.cpu_centi, plan.resources.memory_deci, arena),
        .cpu_milli = plan.resources.cpu_centi * 10,
        .is_larger = plan.resources.is_larger,
    };
    return 0;
}
