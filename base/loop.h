/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process has one thread and one loop. libwebsockets owns it and polls one nested epoll
 * descriptor that holds every other source: sockets, a timerfd for all timers, a signalfd, an
 * eventfd for posts of helper threads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vk_err.h"

struct vk_loop;
struct vk_fd;

struct vk_loop *vk_loop_new(void);
void vk_loop_free(struct vk_loop *loop);
/* Returns after vk_loop_stop. */
void vk_loop_run(struct vk_loop *loop);
void vk_loop_stop(struct vk_loop *loop);
/* Tests: runs until *flag is true, at most deadline_ms from now; true when the flag was set. */
bool vk_loop_run_until(struct vk_loop *loop, const bool *flag, int64_t deadline_ms);

/* events: EPOLLIN, EPOLLOUT, level-triggered. name: static text for dumps. The descriptor stays the
 * caller's. */
typedef void (*vk_fd_fn)(void *user, uint32_t events);
struct vk_fd *vk_loop_add_fd(struct vk_loop *loop, int fd, uint32_t events, const char *name,
                             vk_fd_fn fn, void *user);
void vk_fd_set_events(struct vk_fd *source, uint32_t events);
/* No callback afterwards, even for events already read in this turn. NULL is fine. Call before
 * close(fd). */
void vk_fd_remove(struct vk_fd *source);
/* The same for a descriptor that its owner, a library, may have closed already. */
void vk_fd_forget(struct vk_fd *source);

/* One-shot timer in the caller's memory; must be disarmed before that memory goes. Re-arming moves
 * it. */
typedef void (*vk_timer_fn)(void *user);
struct vk_timer {
    struct vk_loop *loop_;
    const char *name_;
    vk_timer_fn fn_;
    void *user_;
    int64_t due_us_;
    uint64_t seq_;
    size_t heap_; /* index + 1; 0 while idle */
};
void vk_timer_init(struct vk_timer *t, struct vk_loop *loop, const char *name, vk_timer_fn fn,
                   void *user);
/* delay 0 or less fires on the next turn, never from inside this call. */
void vk_timer_arm(struct vk_timer *t, int64_t delay_ms);
void vk_timer_disarm(struct vk_timer *t);
bool vk_timer_is_armed(const struct vk_timer *t);

/* Delivered in the loop. The signal is blocked for the process from here on. One function per
 * signal. */
void vk_loop_on_signal(struct vk_loop *loop, int signo, void (*fn)(void *user, int signo),
                       void *user);

/*
 * Asked before each callback, libwebsockets' own sockets apart: false leaves out that one and the
 * rest of the turn. For what must not act any more once a time has passed, also where the process
 * was stopped in between. One per loop; fn NULL takes it away.
 */
void vk_loop_guard(struct vk_loop *loop, bool (*fn)(void *user), void *user);

/* The only function that other threads may call: fn(user) runs in the loop. */
void vk_loop_post(struct vk_loop *loop, void (*fn)(void *user), void *user);

/* struct lws_context of the loop, for aci/exec_stream only. */
void *vk_loop_lws(struct vk_loop *loop);
