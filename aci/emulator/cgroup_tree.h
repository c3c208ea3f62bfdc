/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups, version 1 (one hierarchy per controller) and version 2 (one for all): the group
 * of a container group with its limits, what the containers below it use, whether the kernel's OOM
 * killer struck, and the removal of all of it. Paths are relative to the root of the hierarchy, as
 * in the runtime's cgroupsPath. Source: Linux Documentation/admin-guide/cgroup-v1, cgroup-v2.rst.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vk_err.h"

struct cgroup_tree {
    const char *root; /* "/sys/fs/cgroup"; borrowed */
    bool v2;
};

struct cgroup_usage {
    int64_t cpu_ns, memory_bytes, working_set_bytes, rss_bytes;
};

/* Errors: VK_UNSUPPORTED when neither version has a memory controller. */
VK_MUST_CHECK int cgroup_tree_open(const char *root, struct cgroup_tree *ret, struct vk_err *err);

/* Makes path (two levels: "/run/group") and sets the limits; 0 means none. */
VK_MUST_CHECK int cgroup_group_create(const struct cgroup_tree *tree, const char *path,
                                      int64_t memory_bytes, int64_t cpu_milli, struct vk_err *err);
/* SIGKILL to every process in path and below; returns how many there were. */
int cgroup_kill(const struct cgroup_tree *tree, const char *path);
/* Removes path and all below it; false while something is still in there. Absent is fine. */
bool cgroup_remove(const struct cgroup_tree *tree, const char *path);

/* How many processes of exactly this group the OOM killer ended; 0 when the group is gone. */
int64_t cgroup_oom_kills(const struct cgroup_tree *tree, const char *path);
/* False when the group is gone. */
bool cgroup_usage_read(const struct cgroup_tree *tree, const char *path, struct cgroup_usage *ret);

/* The value beside `key` in lines of the shape "key value"; false when there is no such line. */
bool cgroup_keyed_value(struct vk_str text, const char *key, int64_t *ret);
