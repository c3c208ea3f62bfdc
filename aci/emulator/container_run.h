/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One container of a group over time: start, exit, back-off, start again by the group's restart
 * policy; its states and events as the service words them (aci-rest.md 5.2, aci-limits.md 5.3).
 */
#pragma once

#include "aci/emulator/group.h"

/* Copies the name; spec is borrowed from the group's. */
void container_init(struct container *c, struct group *g, const struct container_spec *spec,
                    bool is_init);
void container_release(struct container *c);

/* Before a run: idle again, waiting; the pull of its image as events. History stays. */
void container_prepare(struct container *c);
/* A stopped group starts as a new deployment: no restarts, no events, no previous state. */
void container_forget(struct container *c);
/* The group has a sandbox. */
void container_start(struct container *c);
/* No start any more, whatever was planned; the state shown stays. */
void container_halt(struct container *c);
/* The platform ends it in order to start it again: event Killing, the next start is a restart. */
void container_interrupt(struct container *c, int64_t exit_code);
/* Has ended and would stay so; the platform runs it once more, as a restart. */
void container_rerun(struct container *c);
/* The client stops the group: shows the end, plans no start. */
void container_stop(struct container *c);
