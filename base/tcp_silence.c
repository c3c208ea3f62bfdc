/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tcp_silence.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"

#define LOOKS_PER_LIMIT 6
/* The kernel counts in jiffies. Too much costs a look, too little a connection. */
#define CLOCK_SLACK_MS 50

/* What the kernel tells, at one time. */
struct tcp_answers {
    unsigned asked; /* changes with what is sent again, and with each probe */
    int64_t age_ms; /* of the last acknowledgement */
};

/* True: the peer is lost. A question that was sent between two looks counts from the second on. */
static bool look_at(struct tcp_silence *s, const struct tcp_answers *a, int64_t now_mono_ms)
{
    const bool has_answered = a->age_ms <= now_mono_ms - s->looked_mono_ms + CLOCK_SLACK_MS;
    const bool has_asked = a->asked != s->asked;

    s->looked_mono_ms = now_mono_ms;
    s->asked = a->asked;
    if (has_answered)
        s->asked_mono_ms = 0;
    else if (has_asked && !s->asked_mono_ms)
        s->asked_mono_ms = now_mono_ms;
    return s->asked_mono_ms && now_mono_ms - s->asked_mono_ms >= s->limit_ms;
}

static void on_look(void *user)
{
    struct tcp_silence *s = user;
    struct tcp_info info = {0};
    socklen_t size = sizeof(info);

    if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
        look_at(s,
                &(struct tcp_answers){.asked = info.tcpi_total_retrans + info.tcpi_probes,
                                      .age_ms = info.tcpi_last_ack_recv},
                vk_mono_ms())) {
        s->lost(s->user);
        return;
    }
    vk_timer_arm(&s->look, s->limit_ms / LOOKS_PER_LIMIT);
}

void tcp_silence_start(struct tcp_silence *s, struct vk_loop *loop, int fd, int64_t limit_ms,
                       void (*lost)(void *user), void *user)
{
    *s = (struct tcp_silence){
        .fd = fd, .limit_ms = limit_ms, .lost = lost, .user = user, .looked_mono_ms = vk_mono_ms()};
    vk_timer_init(&s->look, loop, "silent peer", on_look, s);
    vk_timer_arm(&s->look, limit_ms / LOOKS_PER_LIMIT);
}

void tcp_silence_stop(struct tcp_silence *s)
{
    vk_timer_disarm(&s->look);
}
