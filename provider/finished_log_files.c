/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/finished_log_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"

#define SUFFIX ".log"
#define TEMPORARY "new"
#define NAME_MAX_BYTES 200

/* Those of UIDs and of containers; neither has the dot that parts them. */
static bool is_name(struct vk_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        const char c = text.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '-')
            return false;
    }
    return text.n > 0 && text.n < NAME_MAX_BYTES / 2;
}

/* NULL: no name of a file can be made of them. */
static char *path_of(const char *folder, const char *uid, const char *container)
{
    if (!is_name(vk_str_of(uid)) || !is_name(vk_str_of(container)))
        return NULL;
    return vk_asprintf("%s/%s.%s" SUFFIX, folder, uid, container);
}

static void complain(const char *path, const char *what)
{
    struct vk_err err;

    (void)vk_err_errno(&err, errno, "cannot %s %s", what, path);
    log_error("Can't keep logs of finished pods; a restart will forget them", LERR(&err));
}

bool finished_log_files_open(const char *folder)
{
    if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
        complain(folder, "make");
        return false;
    }
    if (access(folder, R_OK | W_OK | X_OK) < 0) {
        complain(folder, "use");
        return false;
    }
    return true;
}

static bool write_all(int fd, struct vk_str text)
{
    while (text.n) {
        const ssize_t n = write(fd, text.p, text.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text.p += n;
        text.n -= (size_t)n;
    }
    return true;
}

/* Not by file_write_private: to wait for the disk would hold up the loop, and these are copies. */
void finished_log_files_write(const char *folder, const char *uid, const char *container,
                              struct vk_str text)
{
    char *path VK_AUTOFREE = path_of(folder, uid, container);
    char *temporary VK_AUTOFREE = vk_asprintf("%s/" TEMPORARY, folder);
    int fd;
    bool is_written;

    if (!path)
        return;
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    is_written = fd >= 0 && write_all(fd, text);
    if (fd >= 0)
        close(fd);
    if (is_written && rename(temporary, path) == 0)
        return;
    complain(path, "write");
    (void)unlink(temporary);
}

void finished_log_files_remove(const char *folder, const char *uid, const char *container)
{
    char *path VK_AUTOFREE = path_of(folder, uid, container);

    if (path && unlink(path) < 0 && errno != ENOENT)
        complain(path, "remove");
}

/* ---- reading ---- */

struct kept_file {
    char *name;
    struct timespec written;
};
struct kept_files {
    struct kept_file *v;
    size_t n, room;
};

static int by_age(const void *a, const void *b)
{
    const struct timespec x = ((const struct kept_file *)a)->written,
                          y = ((const struct kept_file *)b)->written;

    if (x.tv_sec != y.tv_sec)
        return x.tv_sec < y.tv_sec ? -1 : 1;
    return (x.tv_nsec > y.tv_nsec) - (x.tv_nsec < y.tv_nsec);
}

/* "UID.CONTAINER.log", both cut out of the name. */
static bool split_name(char *name, char **ret_uid, char **ret_container)
{
    char *dot = strchr(name, '.'), *end = dot ? strchr(dot + 1, '.') : NULL;

    if (!end || strcmp(end, SUFFIX) != 0)
        return false;
    *dot = *end = '\0';
    *ret_uid = name;
    *ret_container = dot + 1;
    return is_name(vk_str_of(name)) && is_name(vk_str_of(dot + 1));
}

static void list_files(const char *folder, struct kept_files *files)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    if (!dir) {
        complain(folder, "read");
        return;
    }
    while ((entry = readdir(dir))) {
        struct stat info;

        if (fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(info.st_mode))
            continue;
        if (files->n == files->room) {
            files->room = files->room ? files->room * 2 : 64;
            files->v = vk_realloc(files->v, files->room * sizeof(*files->v));
        }
        files->v[files->n++] =
            (struct kept_file){.name = vk_strdup(entry->d_name), .written = info.st_mtim};
    }
    closedir(dir);
}

void finished_log_files_read(const char *folder, size_t max_bytes,
                             void (*fn)(void *user, const char *uid, const char *container,
                                        struct vk_str text),
                             void *user)
{
    struct kept_files files = {0};

    list_files(folder, &files);
    if (files.n)
        qsort(files.v, files.n, sizeof(*files.v), by_age);
    for (size_t i = 0; i < files.n; i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        char *path VK_AUTOFREE = vk_asprintf("%s/%s", folder, files.v[i].name);
        char *uid, *container;
        struct vk_str text;
        struct vk_err err;

        if (!split_name(files.v[i].name, &uid, &container)) {
            /* Of a process that died while it wrote, or somebody else's. */
        } else if (file_read(path, max_bytes, arena, &text, &err) < 0) {
            log_error("Can't read the log of a finished pod", LERR(&err));
        } else {
            fn(user, uid, container, text);
        }
        vk_free(files.v[i].name);
    }
    vk_free(files.v);
}
