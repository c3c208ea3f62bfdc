/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exec probes. A platform may make each exec expensive and slow, so a container has one long-lived
 * shell that runs its probes one after the other: it reads commands from its input and writes
 * numbered results. The image needs /bin/sh; one without says so in each outcome. All shells of a
 * node share a budget: how many there are, and how many are opened in a second.
 */
#pragma once

#include "kubelet/api/container.h"
#include "kubelet/pods/probe_outcome.h"
#include "kubelet/provider.h"

/* Of a node; below what a provider can keep open, since people want some, too. */
#define PROBE_SHELLS_MAX ((size_t)500)
#define PROBE_SHELLS_BURST 50
#define PROBE_SHELLS_PER_SECOND 2

struct probe_shells;
struct probe_shell;
struct probe_exec;

/* provider is borrowed. */
struct probe_shells *probe_shells_new(struct vk_loop *loop, const struct provider *provider);
/* All shells must have been freed. NULL is fine. */
void probe_shells_free(struct probe_shells *all);

/* Opens nothing before the first probe. Text is copied. */
struct probe_shell *probe_shell_new(struct probe_shells *all, const struct pod_identity *id,
                                    const char *container);
/* Ends its session, if there is one: the container was started anew, or needs no probe for now.
 * Probes under way end with ERRORED. */
void probe_shell_close(struct probe_shell *s);
/* As close, without any callback. NULL is fine. */
void probe_shell_free(struct probe_shell *s);

/*
 * done is called once, never from inside the call; the handle is invalid from then on. The time
 * counts from when the shell has the command; a command that takes longer fails and loses the shell
 * with all that runs in it. ERRORED: there is no shell; it is opened again after a back-off of 10 s
 * to 5 min.
 */
struct probe_exec *probe_exec_start(struct probe_shell *s, const struct json_strs *command,
                                    int64_t timeout_ms, probe_outcome_fn done, void *user);
/* No callback afterwards. NULL is fine. */
void probe_exec_cancel(struct probe_exec *e);

/* For tests: two lines, a number and the command in the shell's words. */
void probe_shell_write_command(struct vk_buf *out, int64_t number, const struct json_strs *command);
