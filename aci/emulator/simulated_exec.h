/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of the simulated engine: repeats what is typed, a carriage return as a new line, and
 * ends at ^D. Of a shell it knows `echo WORDS`, without their quotes, and `kill -TERM 1`, several
 * on a line behind `;`; what follows `||` does not happen. write, pause and close are those of
 * struct engine_ops.
 */
#pragma once

#include "aci/emulator/engine.h"
#include "base/list.h"

/* What it runs in. running: the execs of the container, NULL when it does not run. terminate: its
 * main process gets a SIGTERM; never called after simulated_exec_end. */
struct simulated_exec_place {
    struct vk_list *running;
    void (*terminate)(void *container);
    void *container;
};
struct engine_exec *simulated_exec_new(struct vk_loop *loop,
                                       const struct simulated_exec_place *place,
                                       const struct engine_exec_spec *spec,
                                       const struct engine_exec_events *events, void *user);
bool simulated_exec_write(struct engine *e, struct engine_exec *x, struct vk_str bytes);
void simulated_exec_pause(struct engine *e, struct engine_exec *x, bool paused);
void simulated_exec_close(struct engine *e, struct engine_exec *x);
/* The container ended: so do they. */
void simulated_exec_end(struct vk_list *running);
