/* SPDX-License-Identifier: Apache-2.0 */
/* room: kubelet */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kubelet/client/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct cluster_config config;
    struct vk_err err;
    char path[64];
    int fd = memfd_create("kubeconfig", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (kubeconfig_load(path, NULL, arena, &config, &err) < 0) {
        if (err.code == VK_OK || !err.msg[0] || strchr(err.msg, '\n'))
            abort();
    } else if (!config.server || !config.source) {
        abort();
    }
    close(fd);
    return 0;
}
