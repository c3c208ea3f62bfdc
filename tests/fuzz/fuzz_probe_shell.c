/* SPDX-License-Identifier: Apache-2.0 */
/* room: kubelet */
/* What a container may write where a shell for probes was expected, and to a gRPC probe. */
#include <stdint.h>

#include "kubelet/pods/probe_grpc.h"
#include "kubelet/pods/probe_shell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The session is whatever the test has at hand: nobody looks into it. */
struct exec_session {
    const struct exec_events *events;
    void *user;
};
static struct exec_session session;
static bool is_open;

static struct exec_session *run(void *p, const struct exec_request *request,
                                const struct exec_events *events, void *user)
{
    (void)p;
    (void)request;
    session = (struct exec_session){.events = events, .user = user};
    is_open = true;
    return &session;
}

static bool write_to(void *p, struct exec_session *s, struct vk_str bytes)
{
    (void)p;
    (void)s;
    (void)bytes;
    return true;
}

static void cancel(void *p, struct exec_session *s)
{
    (void)p;
    (void)s;
    is_open = false;
}

static void on_done(void *user, const struct probe_outcome *outcome)
{
    if (strlen(outcome->output) > PROBE_OUTPUT_MAX)
        __builtin_trap();
    ++*(int *)user;
}

static void turn(struct vk_loop *loop)
{
    bool never = false;

    (void)vk_loop_run_until(loop, &never, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct provider_ops ops = {
        .run_in_container = run, .exec_write = write_to, .exec_cancel = cancel};
    static const char *const words[] = {"true"};
    static struct vk_loop *loop;
    const struct provider provider = {.ops = &ops};
    const struct json_strs command = {.v = (const char **)(uintptr_t)words, .n = 1};
    struct probe_shells *shells;
    struct probe_shell *shell;
    int done = 0;

    (void)probe_grpc_read_status((struct vk_str){(const char *)data, size});
    if (!loop)
        loop = vk_loop_new();
    shells = probe_shells_new(loop, &provider);
    shell = probe_shell_new(shells, &(struct pod_identity){"default", "web", "u"}, "c");
    (void)probe_exec_start(shell, &command, 1000, on_done, &done);
    turn(loop);
    if (!is_open)
        __builtin_trap();
    /* In two pieces, so that the second one meets a command under way. */
    for (size_t i = 0; i < 2 && is_open; i++) {
        const size_t from = i * (size / 2), n = i ? size - size / 2 : size / 2;

        session.events->output(session.user, (struct vk_str){(const char *)data + from, n});
        turn(loop);
    }
    probe_shell_free(shell);
    probe_shells_free(shells);
    if (done > 1 || is_open)
        __builtin_trap();
    return 0;
}
