/* SPDX-License-Identifier: Apache-2.0 */
/* One option's text turned into its value. Private to base/options*.c. */
#pragma once

#include "base/options.h"
#include "base/str.h"

/*
 * Writes what `texts` (count > 1 only for OPTION_STRINGS) say into the caller's struct. Errors:
 * VK_INVALID that names the origin ("--port", "environment variable X"), the text unless it is
 * secret, and what would be right.
 */
VK_MUST_CHECK int option_set_value(const struct option_def *def, const char *const *texts,
                                   size_t count, const char *origin, void *out,
                                   struct vk_arena *arena, struct vk_err *err);
/* Go's time.ParseDuration, cut to milliseconds. */
bool option_parse_duration(struct vk_str s, int64_t *ret_ms);
/* "ACI_KUBELET_NODE_IP" of prefix "ACI_KUBELET" and option "node-ip". */
char *option_env_name(const char *prefix, const char *name, struct vk_arena *arena);
