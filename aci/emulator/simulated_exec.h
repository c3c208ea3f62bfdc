/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of the simulated engine: repeats what is typed, a carriage return as a new line, and
 * ends at ^D. write, pause and close are those of struct engine_ops.
 */
#pragma once

#include "aci/emulator/engine.h"
#include "base/list.h"

/* running: the execs of the container, or NULL when it does not run. */
struct engine_exec *simulated_exec_new(struct vk_loop *loop, struct vk_list *running,
                                       const struct engine_exec_spec *spec,
                                       const struct engine_exec_events *events, void *user);
bool simulated_exec_write(struct engine *e, struct engine_exec *x, struct vk_str bytes);
void simulated_exec_pause(struct engine *e, struct engine_exec *x, bool paused);
void simulated_exec_close(struct engine *e, struct engine_exec *x);
/* The container ended: so do they. */
void simulated_exec_end(struct vk_list *running);
