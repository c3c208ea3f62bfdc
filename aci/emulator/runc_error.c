/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/runc_error.h"

#include <string.h>

#include "base/alloc.h"

bool runc_error_is_machines(struct vk_str said)
{
    static const char *const words[] = {
        "unable to apply cgroup configuration",
        "unable to create new parent process",
        "unable to create exec fifo",
        "unable to start init",
        "can't copy bootstrap data to pipe",
        "can't get final child's PID from pipe",
        "waiting for init preliminary setup",
        "failed to setns",
        "failed to unshare",
    };
    /* That the memory limit is too low for any process is for the container's owner to change. */
    static const char own[] = "OOM-killed";
    if (!said.n || memmem(said.p, said.n, own, sizeof(own) - 1))
        return false;
    for (size_t i = 0; i < VK_COUNT(words); i++)
        if (memmem(said.p, said.n, words[i], strlen(words[i])))
            return true;
    return false;
}
