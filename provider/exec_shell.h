/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands with arguments, split streams, exit codes and end of input over a service that starts
 * /bin/sh on a terminal and does nothing else: the bytes on that terminal, without any I/O. What
 * goes over the terminal is in exec_shell.md.
 *
 * Order of calls: new, then feed with whatever the terminal shows and input with whatever the
 * client types, in any order; bytes for the terminal collect in exec_shell_out.
 */
#pragma once

#include "base/buf.h"
#include "base/vk_err.h"

/* The program that the service must start. */
#define EXEC_SHELL_PROGRAM "/bin/sh"
#define EXEC_SHELL_NONCE_LEN 32
/* All arguments together. */
#define EXEC_SHELL_COMMAND_MAX ((size_t)64 << 10)

struct exec_shell;

struct exec_shell_config {
    const char *const *command; /* argv, at least one */
    size_t command_count;
    bool tty;
    char nonce[EXEC_SHELL_NONCE_LEN + 1]; /* random, lower-case hex */
};

/* Called from feed only. The bytes are borrowed for the call. */
struct exec_shell_events {
    void (*output)(void *user, struct vk_str bytes);
    void (*error_output)(void *user, struct vk_str bytes);
};

/* Errors: VK_INVALID without a command, VK_TOO_LARGE. The config is copied. */
VK_MUST_CHECK int exec_shell_new(const struct exec_shell_config *config,
                                 const struct exec_shell_events *events, void *user,
                                 struct exec_shell **ret, struct vk_err *err);
/* NULL is fine. */
void exec_shell_free(struct exec_shell *sh);

/*
 * Bytes that the terminal shows. VK_UNSUPPORTED: a program that this needs is missing in the
 * container; nothing of the input was consumed. VK_PROTOCOL: not our framing; no exit code will be
 * known.
 */
VK_MUST_CHECK int exec_shell_feed(struct exec_shell *sh, struct vk_str bytes, struct vk_err *err);
/* Bytes for the command's standard input; kept until it runs. Ignored once it has ended. */
void exec_shell_input(struct exec_shell *sh, struct vk_str bytes);
void exec_shell_end_input(struct exec_shell *sh);

/* Bytes for the terminal, which the caller consumes. */
struct vk_buf *exec_shell_out(struct exec_shell *sh);
/* Input that waits for the command to run. */
size_t exec_shell_held(const struct exec_shell *sh);
/* The script runs: from here on only our framing is on the terminal. */
bool exec_shell_is_ready(const struct exec_shell *sh);
/* The command ended with *ret_code; output may still follow. */
bool exec_shell_has_exited(const struct exec_shell *sh, int *ret_code);
/* The command ended and all its output came; what is in out then lets the shell leave. */
bool exec_shell_is_done(const struct exec_shell *sh);
/* The name of the terminal inside the container, once ready with a terminal for the command; ""
 * where the container does not tell. */
const char *exec_shell_terminal(const struct exec_shell *sh);
/* What the terminal showed before the shell was ready, at most 256 printable characters: where
 * there is no shell, the runtime's words. */
const char *exec_shell_preamble(const struct exec_shell *sh);
