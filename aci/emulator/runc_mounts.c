/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/runc_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "base/log.h"

#define SUB_PATH_PARTS_MAX 32
/* CONSOLE_EXT_LOG_MAX of the kernel, in which one record always fits. */
#define KERNEL_RECORD_MAX 8192
#define KERNEL_RECORDS_MAX 200
#define KERNEL_WORDS_MAX 160

_Bool runc_mounts_point(struct vk_str line, char *out, size_t size)
{
    struct vk_str rest = line, field = {0};
    for (unsigned i = 0; i < 5; i++)
        field = vk_str_cut(rest, ' ', &rest);
    size_t n = 0;
    for (size_t i = 0; i < field.n; i++, n++) {
        if (n + 1 >= size)
            return false;
        if (field.p[i] == '\\' && i + 3 < field.n) {
            out[n] = (char)((field.p[i + 1] - '0') * 64 + (field.p[i + 2] - '0') * 8 +
                            (field.p[i + 3] - '0'));
            i += 3;
        } else {
            out[n] = field.p[i];
        }
    }
    if (size)
        out[n] = '\0';
    return n > 0;
}

void runc_mounts_detach_below(const char *directory)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char *line = NULL, **points = NULL;
    size_t line_cap = 0, count = 0, cap = 0, n = strlen(directory);
    char point[PATH_MAX];
    ssize_t got;
    while (f && (got = getline(&line, &line_cap, f)) > 0) {
        struct vk_str text = {.p = line, .n = (size_t)got};
        if (!runc_mounts_point(text, point, sizeof(point)) || !vk_starts(point, directory) ||
            (point[n] != '/' && point[n] != '\0'))
            continue;
        points = vk_grow(points, &cap, count + 1, sizeof(*points));
        points[count++] = vk_strdup(point);
    }
    vk_free(line);
    if (f)
        fclose(f);
    /* A later line lies over an earlier one. */
    while (count > 0) {
        if (umount2(points[--count], MNT_DETACH) < 0)
            log_warning("Unmount failed", LS("path", points[count]), LS("err", strerror(errno)));
        vk_free(points[count]);
    }
    vk_free(points);
}

int runc_mounts_tmpfs(const char *path, const char *options, struct vk_err *err)
{
    if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
        return vk_err_errno(err, errno, "mount a tmpfs at %s", path);
    return 0;
}

/* The short name of a layer: a link called after the digest of what it points to. */
static int link_layer(const char *links, const char *layer, struct vk_buf *options,
                      struct vk_err *err)
{
    char digest[65];
    crypto_sha256_hex(layer, strlen(layer), digest);
    digest[12] = '\0';
    char *path VK_AUTOFREE = vk_asprintf("%s/%s", links, digest);
    if (symlink(layer, path) < 0 && errno != EEXIST)
        return vk_err_errno(err, errno, "link %s", path);
    vk_buf_adds(options, path);
    return 0;
}

/* At its end: what is read from it was said later. -1: not for us. */
static int open_kernel_log(void)
{
    int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && lseek(fd, 0, SEEK_END) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/*
 * " (overlayfs: ...)", the last that was said about it, or nothing: EINVAL has two dozen causes,
 * and the kernel tells them apart nowhere else. A record is "priority,number,time,flags;text\n".
 */
static void kernel_words(int log, const char *about, char ret[KERNEL_WORDS_MAX])
{
    char record[KERNEL_RECORD_MAX];
    ssize_t n;
    ret[0] = '\0';
    for (int i = 0; log >= 0 && i < KERNEL_RECORDS_MAX; i++) {
        n = read(log, record, sizeof(record));
        if (n < 0 && errno == EPIPE)
            continue; /* overwritten before we came */
        if (n <= 0)
            return;
        struct vk_str text = {.p = record, .n = (size_t)n};
        (void)vk_str_cut(text, ';', &text);
        struct vk_str line = vk_str_cut(text, '\n', &text);
        if (line.n && memmem(line.p, line.n, about, strlen(about)))
            (void)snprintf(ret, KERNEL_WORDS_MAX, " (%.*s)", (int)line.n, line.p);
    }
}

int runc_mounts_overlay(const char *links, char *const *layers, const char *upper, const char *work,
                        const char *target, struct vk_err *err)
{
    struct vk_buf options VK_BUF_AUTO;
    vk_buf_init(&options, 4095);
    vk_buf_adds(&options, "lowerdir=");
    for (size_t i = 0; layers[i]; i++) {
        if (i)
            vk_buf_addc(&options, ':');
        int rc = link_layer(links, layers[i], &options, err);
        if (rc < 0)
            return rc;
    }
    vk_buf_printf(&options, ",upperdir=%s,workdir=%s", upper, work);
    if (options.failed)
        return vk_err_set(err, VK_TOO_LARGE,
                          "the image has too many layers for one overlay mount; a shorter state "
                          "directory leaves room for more");
    int words = open_kernel_log();
    int failed =
        mount("overlay", target, "overlay", MS_NODEV, vk_buf_peek(&options)) < 0 ? errno : 0;
    if (failed) {
        char why[KERNEL_WORDS_MAX];
        kernel_words(words, "overlayfs: ", why);
        (void)vk_err_errno(err, failed, "mount the image's layers at %s%s", target, why);
        /* The folders and their layers are ours: not even EINVAL is the container's doing. */
        err->code = VK_UNAVAILABLE;
    }
    if (words >= 0)
        close(words);
    return failed ? -(int)err->code : 0;
}

static int open_in_root(int root, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* Makes the folders of `below` one by one, each looked up inside the volume. */
static int open_sub_path(int volume, const char *below)
{
    char so_far[PATH_MAX] = ".";
    struct vk_str rest = vk_str_of(below);
    int at = open_in_root(volume, ".", O_PATH | O_DIRECTORY);
    for (unsigned i = 0; at >= 0 && rest.n > 0; i++) {
        struct vk_str part = vk_str_cut(rest, '/', &rest);
        size_t n = strlen(so_far);
        if (!part.n || vk_str_is(part, "."))
            continue;
        if (i >= SUB_PATH_PARTS_MAX || vk_str_is(part, "..") || n + part.n + 2 > sizeof(so_far)) {
            close(at);
            errno = EINVAL;
            return -1;
        }
        (void)snprintf(so_far + n, sizeof(so_far) - n, "/%.*s", (int)part.n, part.p);
        const char *name = so_far + n + 1;
        bool made = mkdirat(at, name, 0777) == 0;
        if (!made && errno != EEXIST) {
            close(at);
            return -1;
        }
        close(at);
        at = open_in_root(volume, so_far, rest.n ? O_PATH | O_DIRECTORY : O_PATH);
        /* As open as the volume itself, whatever the umask: the container may not be root. */
        char opened[64];
        (void)snprintf(opened, sizeof(opened), "/proc/self/fd/%d", at);
        if (at >= 0 && made && chmod(opened, 0777) < 0) {
            close(at);
            return -1;
        }
    }
    return at;
}

int runc_mounts_sub_path(const char *volume, const char *below, const char *target,
                         struct vk_err *err)
{
    int root = open(volume, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = root < 0 ? -1 : open_sub_path(root, below);
    int failed = fd < 0 ? errno : 0;
    if (root >= 0)
        close(root);
    if (failed) {
        (void)vk_err_errno(err, failed, "sub path \"%.100s\"", below);
        err->code = VK_INVALID;
        return -VK_INVALID;
    }
    char source[64];
    (void)snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
    struct stat st;
    /* A file is bound to a file. */
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) {
        int made = open(target, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (made >= 0)
            close(made);
    } else {
        (void)mkdir(target, 0700);
    }
    int rc = mount(source, target, NULL, MS_BIND, NULL);
    failed = errno;
    close(fd);
    return rc < 0 ? vk_err_errno(err, failed, "mount sub path \"%.100s\"", below) : 0;
}

struct vk_str runc_mounts_read_in_root(const char *root, const char *path, size_t max,
                                       struct vk_arena *arena)
{
    struct vk_str text = {0};
    struct stat st;
    int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    /* NONBLOCK: a pipe that an image put there must not stop us. */
    int fd = dir < 0 ? -1 : open_in_root(dir, path, O_RDONLY | O_NONBLOCK);
    if (dir >= 0)
        close(dir);
    if (fd < 0)
        return text;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size <= max) {
        char *p = vk_arena_alloc(arena, (size_t)st.st_size);
        ssize_t n = read(fd, p, (size_t)st.st_size);
        if (n > 0)
            text = (struct vk_str){.p = p, .n = (size_t)n};
    }
    close(fd);
    return text;
}
