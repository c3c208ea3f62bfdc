/* SPDX-License-Identifier: Apache-2.0 */
/* room: provider */
/* What a terminal may show, under arbitrary bytes: the first byte says in which pieces they arrive
 * (low bits) and whether the command has a terminal (highest bit). Any other split of the same
 * bytes must give the same outcome. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "provider/exec_shell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    struct vk_buf output, error;
    bool failed, exited;
    int code;
};

static void on_output(void *user, struct vk_str bytes)
{
    struct outcome *o = user;

    vk_buf_addstr(&o->output, bytes);
}

static void on_error_output(void *user, struct vk_str bytes)
{
    struct outcome *o = user;

    vk_buf_addstr(&o->error, bytes);
}

static void run(struct outcome *o, const char *bytes, size_t size, size_t step, bool tty)
{
    static const struct exec_shell_events events = {on_output, on_error_output};
    static const char *const command[] = {"true"};
    const struct exec_shell_config config = {.command = command,
                                             .command_count = 1,
                                             .tty = tty,
                                             .nonce = "0123456789abcdef0123456789abcdef"};
    struct exec_shell *sh;
    struct vk_err err;

    *o = (struct outcome){0};
    vk_buf_init(&o->output, (size_t)16 << 20);
    vk_buf_init(&o->error, (size_t)16 << 20);
    if (exec_shell_new(&config, &events, o, &sh, &err) < 0)
        abort();
    exec_shell_input(sh, VK_STR("typed ahead"));
    for (size_t at = 0; at < size && !o->failed; at += step) {
        const size_t n = size - at < step ? size - at : step;

        o->failed = exec_shell_feed(sh, (struct vk_str){.p = bytes + at, .n = n}, &err) < 0;
        /* Input goes nowhere before the script asked for it. */
        if (!exec_shell_is_ready(sh) && !exec_shell_held(sh))
            abort();
    }
    o->exited = exec_shell_has_exited(sh, &o->code);
    if (exec_shell_is_done(sh) && !o->exited)
        abort();
    exec_shell_free(sh);
}

static void release(struct outcome *o)
{
    vk_buf_release(&o->output);
    vk_buf_release(&o->error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t step = size ? 1u + (data[0] & 127u) : 1;
    const bool tty = size && (data[0] & 128);
    struct outcome pieces, whole;

    if (size < 2)
        return 0;
    run(&pieces, (const char *)data + 1, size - 1, step, tty);
    run(&whole, (const char *)data + 1, size - 1, size, tty);
    if (pieces.failed != whole.failed || pieces.exited != whole.exited ||
        pieces.code != whole.code ||
        !vk_str_eq(vk_buf_str(&pieces.output), vk_buf_str(&whole.output)) ||
        !vk_str_eq(vk_buf_str(&pieces.error), vk_buf_str(&whole.error)))
        abort();
    release(&pieces);
    release(&whole);
    return 0;
}
