/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that `runc exec --process` starts: the container's own one, of its config.json, with
 * another program on a terminal. Pure: no I/O. Source: opencontainers/runtime-spec 1.0.2.
 */
#pragma once

#include "aci/emulator/engine.h"

/* Most that a config.json may have. */
#define RUNC_CONFIG_MAX ((size_t)32 << 20)

/* TERM is xterm, as Docker sets it for terminals, unless the container says otherwise. */
VK_MUST_CHECK int runc_exec_process_write(struct vk_str config_json,
                                          const struct engine_exec_spec *spec, struct vk_buf *out,
                                          struct vk_err *err);
