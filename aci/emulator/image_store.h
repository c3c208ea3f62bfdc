/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images, pulled and inspected by podman, which is used for nothing else. The store lies below the
 * state directory and outlives the process as a cache. At most 4 podman processes run at once;
 * pulls of the same image with the same credentials share one. Passwords reach podman in memory,
 * never in an argument or a file.
 */
#pragma once

#include "aci/emulator/engine.h"
#include "aci/emulator/image_config.h"
#include "aci/emulator/runc_process.h"
#include "base/vk_err.h"

struct image_store;

/* mirrors: NAME=HOST:PORT of what is asked, over plain HTTP, instead of the registry NAME, and
 * HOST:PORT instead of all others, separated by commas; or NULL. */
VK_MUST_CHECK int image_store_new(struct vk_loop *loop, struct runc_processes *processes,
                                  const char *state_dir, const char *mirrors,
                                  struct image_store **ret, struct vk_err *err);
/* After runc_processes_free. NULL is fine. */
void image_store_free(struct image_store *store);

/* As engine_ops.pull. */
void image_store_pull(struct image_store *store, const struct engine_image_spec *spec,
                      engine_pulled_fn done, void *user);
/* Of the newest pull of that name; NULL when there was none. Borrowed until the next pull. */
struct image_config *image_store_get(const struct image_store *store, const char *image);
/* What podman said about a failed pull, as an error of engine_ops.pull. */
int image_store_pull_error(struct vk_str text, const char *image, struct vk_err *err);
