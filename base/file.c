/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
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

static int write_all(int fd, struct vk_str text)
{
    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text.p += n;
        text.n -= (size_t)n;
    }
    return fsync(fd);
}

/* So that the new name itself outlives a loss of power. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder VK_AUTOFREE =
        slash ? vk_strndup(path, (size_t)(slash - path) + 1) : vk_strdup(".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

int file_write_private(const char *path, struct vk_str text, struct vk_err *err)
{
    char *temporary VK_AUTOFREE = vk_asprintf("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    int failed_errno = 0;

    if (fd < 0)
        return vk_err_errno(err, errno, "cannot write %s", path);
    if (write_all(fd, text) < 0)
        failed_errno = errno;
    close(fd);
    if (!failed_errno && rename(temporary, path) < 0)
        failed_errno = errno;
    if (failed_errno) {
        unlink(temporary);
        return vk_err_errno(err, failed_errno, "cannot write %s", path);
    }
    sync_folder(path);
    return 0;
}
