/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json of an OCI runtime bundle, written from what ACI was asked for and what the image
 * says. Pure: no I/O. Source: opencontainers/runtime-spec 1.0.2; defaults as Docker's: 14
 * capabilities, masked paths, own PID, mount, UTS, IPC namespace. No seccomp filter: the containers
 * are those of the one who runs the emulator.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aci/emulator/engine.h"
#include "aci/emulator/image_config.h"
#include "base/buf.h"

struct runc_bind {
    const char *source, *destination;
    bool read_only;
};

struct runc_config_input {
    const struct engine_container_spec *spec;
    const struct image_config *image;
    const struct image_user *user;
    uint64_t capabilities;
    const char *rootfs; /* absolute */
    const char *hostname;
    const char *net_path; /* "/run/netns/x" */
    const char *cgroup_path;
    const struct runc_bind *binds; /* in order */
    size_t bind_count;
    int64_t nofile; /* hard limit: what this process may give */
};

/* Errors: VK_INVALID when neither the spec nor the image has a command. */
VK_MUST_CHECK int runc_config_write(const struct runc_config_input *in, struct vk_buf *out,
                                    struct vk_err *err);
