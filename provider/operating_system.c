/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/operating_system.h"

#include "base/str.h"

bool operating_system_is_windows(const struct pod *pod, const struct provider_env *env)
{
    if (vk_str_empty(pod->spec.os_name))
        return env->settings.windows;
    return vk_streq(pod->spec.os_name, "windows");
}

int operating_system_check(const struct pod *pod, const struct group_layout *layout,
                           const struct provider_env *env, struct vk_err *err)
{
    const char *name = pod->spec.os_name;
    if (!vk_str_empty(name) && !vk_streq(name, "linux") && !vk_streq(name, "windows"))
        return vk_err_set(err, VK_INVALID, "spec.os.name: ACI has linux and windows, not %.40s",
                          name);
    if (!operating_system_is_windows(pod, env))
        return 0;
    if (layout->init_container_count > 0)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.initContainers: ACI has them in Linux groups only; do their work "
                          "in the container");
    if (layout->container_count > 1)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.containers: ACI runs one container in a Windows group, not %zu; "
                          "use a pod per container",
                          layout->container_count);
    return 0;
}
