/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

/* A file of the kernel's is one page, memory.stat a little more. */
#define FILE_MAX 16384
#define CPU_PERIOD_US 100000

int cgroup_tree_open(const char *root, struct cgroup_tree *ret, struct vk_err *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/memory", root);
    if (access(path, F_OK) == 0) {
        *ret = (struct cgroup_tree){.root = root, .v2 = false};
        return 0;
    }
    (void)snprintf(path, sizeof(path), "%s/cgroup.controllers", root);
    if (access(path, F_OK) == 0) {
        *ret = (struct cgroup_tree){.root = root, .v2 = true};
        return 0;
    }
    return vk_err_set(err, VK_UNSUPPORTED,
                      "%s has no memory controller; mount cgroup v2 or the v1 controllers there",
                      root);
}

/* controller is ignored by version 2. False when the names are too long. */
static bool join(const struct cgroup_tree *tree, const char *controller, const char *path,
                 const char *file, char out[PATH_MAX])
{
    int n = tree->v2 ? snprintf(out, PATH_MAX, "%s%s/%s", tree->root, path, file)
                     : snprintf(out, PATH_MAX, "%s/%s%s/%s", tree->root, controller, path, file);
    return n > 0 && n < PATH_MAX;
}

static struct vk_str read_file(const struct cgroup_tree *tree, const char *controller,
                               const char *path, const char *file, char buffer[FILE_MAX])
{
    char name[PATH_MAX];
    struct vk_str text = {.p = NULL, .n = 0};
    int fd = join(tree, controller, path, file, name) ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return text;
    ssize_t n = 0;
    while (text.n < FILE_MAX && (n = read(fd, buffer + text.n, FILE_MAX - text.n)) > 0)
        text.n += (size_t)n;
    close(fd);
    text.p = buffer;
    return vk_str_trim(text);
}

static int write_file(const struct cgroup_tree *tree, const char *controller, const char *path,
                      const char *file, const char *text, struct vk_err *err)
{
    char name[PATH_MAX];
    if (!join(tree, controller, path, file, name))
        return vk_err_set(err, VK_TOO_LARGE, "the name of control group %s is too long", path);
    int fd = open(name, O_WRONLY | O_CLOEXEC);
    int failed = fd < 0 || write(fd, text, strlen(text)) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return failed ? vk_err_errno(err, failed, "write \"%s\" to %s", text, name) : 0;
}

/* Makes both levels of path; on version 2 hands the controllers down. */
static int make_levels(const struct cgroup_tree *tree, const char *controller, const char *path,
                       struct vk_err *err)
{
    static const char hand_down[] = "+memory +cpu +pids";
    char name[PATH_MAX];
    const char *slash = strchr(path + 1, '/');
    char *parent VK_AUTOFREE = vk_strndup(path, slash ? (size_t)(slash - path) : strlen(path));
    const char *const levels[] = {parent, path};
    if (tree->v2 && write_file(tree, NULL, "", "cgroup.subtree_control", hand_down, err) < 0)
        return vk_err_wrap(err, "controllers of the root group");
    for (size_t i = 0; i < VK_COUNT(levels); i++) {
        if (!join(tree, controller, levels[i], "", name))
            return vk_err_set(err, VK_TOO_LARGE, "the name of control group %s is too long", path);
        if (mkdir(name, 0755) < 0 && errno != EEXIST)
            return vk_err_errno(err, errno, "make control group %s", name);
        if (tree->v2 &&
            write_file(tree, NULL, levels[i], "cgroup.subtree_control", hand_down, err) < 0)
            return -(int)err->code;
    }
    return 0;
}

static int set_cpu(const struct cgroup_tree *tree, const char *path, int64_t cpu_milli,
                   struct vk_err *err)
{
    char text[64];
    int64_t quota_us = cpu_milli * CPU_PERIOD_US / 1000;
    if (quota_us < 1000)
        quota_us = 1000; /* the kernel's minimum */
    if (tree->v2) {
        (void)snprintf(text, sizeof(text), "%" PRId64 " %d", quota_us, CPU_PERIOD_US);
        return write_file(tree, NULL, path, "cpu.max", text, err);
    }
    (void)snprintf(text, sizeof(text), "%d", CPU_PERIOD_US);
    int rc = write_file(tree, "cpu", path, "cpu.cfs_period_us", text, err);
    if (rc < 0)
        return rc;
    (void)snprintf(text, sizeof(text), "%" PRId64, quota_us);
    return write_file(tree, "cpu", path, "cpu.cfs_quota_us", text, err);
}

int cgroup_group_create(const struct cgroup_tree *tree, const char *path, int64_t memory_bytes,
                        int64_t cpu_milli, struct vk_err *err)
{
    int rc = make_levels(tree, "memory", path, err);
    if (rc == 0 && !tree->v2)
        rc = make_levels(tree, "cpu", path, err);
    if (rc == 0 && memory_bytes > 0) {
        char text[32];
        (void)snprintf(text, sizeof(text), "%" PRId64, memory_bytes);
        rc = write_file(tree, "memory", path, tree->v2 ? "memory.max" : "memory.limit_in_bytes",
                        text, err);
    }
    if (rc == 0 && cpu_milli > 0)
        rc = set_cpu(tree, path, cpu_milli, err);
    return rc;
}

static int kill_listed(const char *directory)
{
    char name[PATH_MAX];
    if (snprintf(name, sizeof(name), "%s/cgroup.procs", directory) >= (int)sizeof(name))
        return 0;
    FILE *f = fopen(name, "re");
    if (!f)
        return 0;
    int found = 0;
    int64_t pid;
    char line[32];
    while (fgets(line, sizeof(line), f)) {
        found++;
        if (vk_str_int64(vk_str_trim(vk_str_of(line)), 2, INT_MAX, &pid) && pid != getpid())
            kill((pid_t)pid, SIGKILL);
    }
    fclose(f);
    return found;
}

/* Depth first over the folders of one hierarchy. visit answers for one folder; results add up. */
static int walk(const char *directory, unsigned depth, int (*visit)(const char *directory))
{
    int sum = 0;
    DIR *d = depth < 16 ? opendir(directory) : NULL;
    if (!d)
        return 0;
    for (const struct dirent *e; (e = readdir(d));) {
        char below[PATH_MAX];
        if (e->d_type == DT_DIR && e->d_name[0] != '.' &&
            snprintf(below, sizeof(below), "%s/%s", directory, e->d_name) < (int)sizeof(below))
            sum += walk(below, depth + 1, visit);
    }
    closedir(d);
    return sum + visit(directory);
}

static int remove_one(const char *directory)
{
    return rmdir(directory) < 0 && errno != ENOENT ? 1 : 0;
}

/* Version 1: the same path in every hierarchy that is mounted below the root. */
static int walk_all(const struct cgroup_tree *tree, const char *path,
                    int (*visit)(const char *directory))
{
    char name[PATH_MAX];
    if (tree->v2)
        return join(tree, NULL, path, "", name) ? walk(name, 0, visit) : 0;
    int sum = 0;
    DIR *d = opendir(tree->root);
    for (const struct dirent *e; d && (e = readdir(d));) {
        /* Joint hierarchies ("cpu,cpuacct") are also reached by links of each name. */
        if (e->d_type == DT_DIR && e->d_name[0] != '.' && join(tree, e->d_name, path, "", name))
            sum += walk(name, 0, visit);
    }
    if (d)
        closedir(d);
    return sum;
}

int cgroup_kill(const struct cgroup_tree *tree, const char *path)
{
    char name[PATH_MAX];
    return join(tree, "memory", path, "", name) ? walk(name, 0, kill_listed) : 0;
}

bool cgroup_remove(const struct cgroup_tree *tree, const char *path)
{
    return walk_all(tree, path, remove_one) == 0;
}

bool cgroup_keyed_value(struct vk_str text, const char *key, int64_t *ret)
{
    while (text.n > 0) {
        struct vk_str line = vk_str_cut(text, '\n', &text);
        struct vk_str value;
        struct vk_str name = vk_str_cut(line, ' ', &value);
        if (vk_str_is(name, key))
            return vk_str_int64(vk_str_trim(value), 0, INT64_MAX, ret);
    }
    return false;
}

int64_t cgroup_oom_kills(const struct cgroup_tree *tree, const char *path)
{
    char buffer[FILE_MAX];
    int64_t kills = 0;
    struct vk_str text =
        read_file(tree, "memory", path, tree->v2 ? "memory.events" : "memory.oom_control", buffer);
    return cgroup_keyed_value(text, "oom_kill", &kills) ? kills : 0;
}

bool cgroup_usage_read(const struct cgroup_tree *tree, const char *path, struct cgroup_usage *ret)
{
    char buffer[FILE_MAX];
    struct cgroup_usage usage = {0};
    int64_t inactive = 0, cpu_us = 0;
    struct vk_str text = read_file(tree, "memory", path,
                                   tree->v2 ? "memory.current" : "memory.usage_in_bytes", buffer);
    if (!vk_str_int64(text, 0, INT64_MAX, &usage.memory_bytes))
        return false;
    text = read_file(tree, "memory", path, "memory.stat", buffer);
    (void)cgroup_keyed_value(text, tree->v2 ? "inactive_file" : "total_inactive_file", &inactive);
    (void)cgroup_keyed_value(text, tree->v2 ? "anon" : "total_rss", &usage.rss_bytes);
    usage.working_set_bytes = usage.memory_bytes > inactive ? usage.memory_bytes - inactive : 0;
    if (tree->v2) {
        text = read_file(tree, NULL, path, "cpu.stat", buffer);
        if (cgroup_keyed_value(text, "usage_usec", &cpu_us) && cpu_us < INT64_MAX / 1000)
            usage.cpu_ns = cpu_us * 1000;
    } else {
        text = read_file(tree, "cpuacct", path, "cpuacct.usage", buffer);
        (void)vk_str_int64(text, 0, INT64_MAX, &usage.cpu_ns);
    }
    *ret = usage;
    return true;
}
