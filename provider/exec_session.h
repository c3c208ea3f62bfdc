/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exec and attach operations of the provider. A command runs by exec_shell over the terminal
 * that ACI's exec opens; an attachment shows what ACI's attach shows, and takes no input, because
 * ACI gives none to a container's own process.
 */
#pragma once

#include "aci/exec_stream.h"
#include "kubelet/provider.h"

/* From here on exec_session_write says that no more should come. */
#define EXEC_SESSION_INPUT_HIGH ((size_t)256 << 10)

struct exec_sessions;

/* `ended` is told that ACI ended a pod's stream by itself: its container may have ended, too. */
struct exec_sessions_config {
    struct container_groups *groups;
    struct exec_streams *streams;
    void (*ended)(void *user, const char *uid);
    void *user;
};
/* What the config points to is borrowed. */
struct exec_sessions *exec_sessions_new(struct vk_loop *loop,
                                        const struct exec_sessions_config *config);
/* Ends all sessions without a callback. NULL is fine. */
void exec_sessions_free(struct exec_sessions *sessions);

/*
 * As the operations of struct provider_ops. Errors of exec by `finished` besides ARM's and those of
 * exec_stream: VK_INVALID, VK_TOO_LARGE for the command; VK_UNSUPPORTED: the image lacks a shell or
 * a tool, which the text names; VK_PROTOCOL: somebody else writes to the terminal.
 */
struct exec_session *exec_session_run(struct exec_sessions *sessions,
                                      const struct exec_request *request,
                                      const struct exec_events *events, void *user);
struct exec_session *exec_session_attach(struct exec_sessions *sessions,
                                         const struct exec_request *request,
                                         const struct exec_events *events, void *user);
bool exec_session_write(struct exec_session *s, struct vk_str bytes);
void exec_session_end_input(struct exec_session *s);
void exec_session_resize(struct exec_session *s, uint16_t rows, uint16_t columns);
void exec_session_resume(struct exec_session *s);
/* The terminal is hung up, which ends what runs on it unless it ignores that. */
void exec_session_cancel(struct exec_session *s);
