/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices that the machine at the other end of a connection vanished: it acknowledges nothing,
 * neither bytes nor the probes of tcp_set_options. TCP itself sends unacknowledged bytes again for
 * a quarter of an hour. TCP_USER_TIMEOUT would not do: Linux applies it to a peer that is there and
 * lets its window shut, too (tcp_probe_timer), and such a client may take its time.
 */
#pragma once

#include "base/loop.h"

/* As long as the probes of tcp_set_options take for a connection that is silent. */
#define TCP_SILENCE_MS 15000

struct tcp_silence {
    struct vk_timer look;
    int fd;
    int64_t limit_ms;
    void (*lost)(void *user);
    void *user;
    int64_t looked_mono_ms;
    int64_t asked_mono_ms; /* since when an answer is awaited; 0: it is not */
    unsigned asked;        /* what was sent again, and probes */
};

/*
 * lost is called once, from the loop, when for limit_ms nothing that was sent again was
 * acknowledged. fd: connected TCP, the caller's, open until tcp_silence_stop.
 */
void tcp_silence_start(struct tcp_silence *s, struct vk_loop *loop, int fd, int64_t limit_ms,
                       void (*lost)(void *user), void *user);
/* Also where it was never started, in zeroed memory. */
void tcp_silence_stop(struct tcp_silence *s);
