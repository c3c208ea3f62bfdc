/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/group_plan.h"

#include "provider/extensions.h"
#include "provider/group_sku.h"
#include "provider/hooks.h"
#include "provider/network.h"
#include "provider/operating_system.h"
#include "provider/security_context.h"
#include "provider/start_wrapper.h"
#include "provider/validation.h"

/* The pod's shape first, then what it asks for, then what that adds up to. */
static int make(struct group_plan *p, struct vk_arena *arena, struct vk_err *err)
{
    const struct pod *pod = p->pod->pod;
    const struct provider_env *env = p->env;
    const struct pod_annotations *a = &p->annotations;
    const struct group_layout *layout = &p->layout;
    if (validation_check_spec(&pod->spec, layout, err) < 0 ||
        operating_system_check(pod, layout, env, err) < 0 ||
        annotations_read(pod, env, &p->annotations, err) < 0 ||
        group_sku_check(a, p->windows, err) < 0 || network_check(layout, a, env, err) < 0 ||
        hooks_check(layout, network_has_address(layout, a, env), err) < 0 ||
        start_wrapper_check(pod, layout, a, env, p->windows, err) < 0 ||
        extensions_check(a, env, p->windows, err) < 0 ||
        security_context_check(pod, layout, a, env, err) < 0)
        return -(int)err->code;
    if (identity_of_pod(a, arena, &p->identities, err) < 0 ||
        key_vault_of_pod(pod, a, env, arena, &p->vault, err) < 0 ||
        volume_plan_make(p->pod, layout, a, &p->vault, p->windows, arena, &p->volumes, err) < 0 ||
        resources_of_pod(p->pod, layout, a, arena, &p->resources, err) < 0 ||
        group_tags_of_pod(pod, layout, a, env, arena, &p->tags, &p->ignored, err) < 0)
        return -(int)err->code;
    return 0;
}

int group_plan_make(const struct resolved_pod *pod, const struct provider_env *env,
                    const struct pod_images *images, struct vk_arena *arena, struct group_plan *ret,
                    struct vk_err *err)
{
    *ret = (struct group_plan){
        .pod = pod, .env = env, .windows = operating_system_is_windows(pod->pod, env)};
    ignored_fields_init(&ret->ignored, arena);
    group_layout_of_pod(pod, images, arena, &ret->layout);
    if (make(ret, arena, err) < 0)
        return vk_err_reason(err, VALIDATION_REASON);
    return 0;
}
