/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int file_read(const char *path, size_t max_bytes, struct vk_arena *arena, struct vk_str *ret,
              struct vk_err *err)
{
    int fd __attribute__((cleanup(close_fd))) = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct vk_buf text VK_BUF_AUTO;

    /* Key files pass through here, and the arena's owner knows nothing of this copy. */
    vk_buf_init_secret(&text, max_bytes + 4096);
    if (fd < 0)
        return vk_err_errno(err, errno, "cannot open %s", path);
    /* Not by the size that stat tells: files of proc and sys have none, and projected ones change.
     */
    for (;;) {
        char *to = vk_buf_reserve(&text, 4096);
        ssize_t n = to ? read(fd, to, 4096) : 0;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return vk_err_errno(err, errno, "cannot read %s", path);
        if (n > 0)
            vk_buf_commit(&text, (size_t)n);
        if (!to || vk_buf_len(&text) > max_bytes)
            return vk_err_set(err, VK_TOO_LARGE, "%s is larger than %zu bytes", path, max_bytes);
        if (n == 0)
            break;
    }
    *ret = (struct vk_str){.p = vk_arena_str(arena, vk_buf_str(&text)), .n = vk_buf_len(&text)};
    return 0;
}
