/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders and files of one sandbox: resolv.conf, hosts and hostname, and its volumes.
 *
 * Shape: DIRECTORY/etc/{resolv.conf,hosts,hostname}; DIRECTORY/volumes/NAME (emptyDir, gitRepo);
 * DIRECTORY/secrets/NAME/FILE on one tmpfs; shares lie outside, where other sandboxes find them.
 */
#pragma once

#include "aci/emulator/engine.h"
#include "base/buf.h"

struct sandbox_volume {
    char *name;
    char *path; /* absolute */
    bool read_only;
};
struct sandbox_files {
    char *directory;
    struct sandbox_volume *volumes;
    size_t volume_count;
    bool has_secrets; /* a tmpfs is mounted */
};

/*
 * Makes all of it below a folder that does not exist yet. Half of it may be there after a failure:
 * call sandbox_files_unmount and _release all the same, then remove the folder.
 * Errors: VK_INVALID for names that are no file names.
 */
VK_MUST_CHECK int sandbox_files_make(struct sandbox_files *files, const char *directory,
                                     const char *shares, const struct engine_sandbox_spec *spec,
                                     const char *ip, struct vk_err *err);
/* NULL when there is no such volume. */
const struct sandbox_volume *sandbox_files_volume(const struct sandbox_files *files,
                                                  const char *name);
/* With the tmpfs the content of secret volumes goes. */
void sandbox_files_unmount(struct sandbox_files *files);
void sandbox_files_release(struct sandbox_files *files);

/* mkdir with exactly this mode, whatever the umask; one that exists is an error only when new_one.
 */
VK_MUST_CHECK int sandbox_files_mkdir(const char *path, unsigned mode, bool new_one,
                                      struct vk_err *err);
VK_MUST_CHECK int sandbox_files_write(const char *path, struct vk_str text, unsigned mode,
                                      struct vk_err *err);
/* The text of resolv.conf: the spec's servers, then the platform's. */
void sandbox_files_resolv_conf(const struct engine_sandbox_spec *spec, struct vk_buf *out);
/* A single name: no slash, not ".", "..", not empty. */
bool sandbox_files_is_name(const char *name);
