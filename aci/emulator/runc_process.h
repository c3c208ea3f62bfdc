/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All child processes of the emulator: commands that run to their end under a deadline, and
 * processes that become ours because this process is a child subreaper (a container's first process
 * once runc has gone). Every child is reaped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/loop.h"
#include "base/str.h"

struct runc_processes;

/* Commands of one lane wait for each other beyond the lane's limit. */
enum runc_lane {
    RUNC_LANE_IMAGES,  /* podman: 4 at once */
    RUNC_LANE_RUNTIME, /* ip, runc: 16 at once */
    RUNC_LANE_REMOVAL, /* rm: 1 at once */
    RUNC_LANE_CLONES,  /* git: 4 at once */
    RUNC_LANE_COUNT,
};

struct runc_command {
    enum runc_lane lane;
    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
    const char *const *env;  /* NULL-terminated; NULL: PATH alone */
    struct vk_str input;     /* standard input */
    struct vk_str secret;    /* where not empty: readable as /proc/self/fd/3, never on a disk */
    int output_fd;           /* standard output and error go there; -1: captured */
    int64_t deadline_ms;     /* counted from its start, then SIGKILL */
};

/* Borrowed for the callback. out and error_text are cut at RUNC_OUTPUT_MAX. */
struct runc_result {
    bool ok;        /* started, in time, exit code 0 */
    bool timed_out; /* killed by the deadline */
    int status;     /* of waitpid; -1 when it could not be started */
    struct vk_str out;
    struct vk_str error_text; /* white space trimmed */
};
#define RUNC_OUTPUT_MAX ((size_t)1 << 20)

typedef void (*runc_command_fn)(void *user, const struct runc_result *result);
/* status as of waitpid. */
typedef void (*runc_exit_fn)(void *user, int status);

/* Makes the process a child subreaper and takes SIGCHLD of the loop. */
struct runc_processes *runc_processes_new(struct vk_loop *loop);
/* Kills the commands that still run and reaps them; no callback comes afterwards. */
void runc_processes_free(struct runc_processes *ps);

/* Copies what it needs. fn is called once, from the loop. */
void runc_processes_run(struct runc_processes *ps, const struct runc_command *command,
                        runc_command_fn fn, void *user);
/*
 * Calls fn once, from the loop, when the child ends; also when it has ended already, as long as the
 * command that left it behind is the one whose callback is running.
 */
void runc_processes_watch(struct runc_processes *ps, pid_t pid, runc_exit_fn fn, void *user);
/* The watched child: its exit is no longer of interest (it is reaped all the same). */
void runc_processes_unwatch(struct runc_processes *ps, pid_t pid);

/*
 * Runs a command to its end without the loop, for the start and the end of the process. Returns the
 * exit code, or -1 when it could not be started or the deadline passed.
 */
int runc_process_run_now(const char *const *argv, struct vk_str input, int64_t deadline_ms);
