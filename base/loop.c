/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <libwebsockets.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"

#define EVENTS_PER_TURN 64
/* lws allocates two pointers per descriptor up to this number; it holds ACI's sockets only. */
#define LWS_MAX_FDS 1024
#define LWS_IO_BUFFER (16 * 1024)
#define LONGEST_DELAY_MS (INT64_C(10) * 365 * 24 * 3600 * 1000)

struct vk_fd {
    struct vk_loop *loop;
    struct vk_list link; /* loop->sources, or loop->removed until the turn ends */
    int fd;
    uint32_t events;
    const char *name;
    vk_fd_fn fn; /* NULL once removed */
    void *user;
};

struct post {
    void (*fn)(void *user);
    void *user;
};

struct signal_handler {
    void (*fn)(void *user, int signo);
    void *user;
};

struct vk_loop {
    struct lws_context *lws;
    int epoll_fd, timer_fd, signal_fd, post_fd;
    struct vk_list sources, removed;
    struct vk_fd *timer_source, *signal_source, *post_source;
    bool stopped;
    bool in_turn;
    bool (*guard)(void *user);
    void *guard_user;

    struct vk_timer **heap;
    size_t heap_len, heap_cap;
    uint64_t next_seq;
    int64_t programmed_us; /* what timer_fd is set to; 0: disarmed */

    sigset_t signals;
    struct signal_handler handlers[NSIG];

    pthread_mutex_t post_lock;
    struct post *posts; /* guarded by post_lock */
    size_t post_len, post_cap;
};

/* The kernel's clock, not vk_clock: a frozen test clock must not stop deadlines from firing. */
static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void __attribute__((noreturn)) die(const char *what, const char *name)
{
    fprintf(stderr, "loop: %s (%s): %s\n", what, name, strerror(errno));
    abort();
}

void vk_loop_guard(struct vk_loop *loop, bool (*fn)(void *user), void *user)
{
    loop->guard = fn;
    loop->guard_user = user;
}

static bool may_go_on(const struct vk_loop *loop)
{
    return !loop->guard || loop->guard(loop->guard_user);
}

/* ---- descriptors ---- */

struct vk_fd *vk_loop_add_fd(struct vk_loop *loop, int fd, uint32_t events, const char *name,
                             vk_fd_fn fn, void *user)
{
    struct vk_fd *source = vk_calloc(1, sizeof(*source));
    struct epoll_event event = {.events = events, .data.ptr = source};

    *source = (struct vk_fd){
        .loop = loop, .fd = fd, .events = events, .name = name, .fn = fn, .user = user};
    vk_list_init(&source->link);
    vk_list_add_tail(&loop->sources, &source->link);
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("cannot watch descriptor", name);
    return source;
}

void vk_fd_set_events(struct vk_fd *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    if (source->events == events)
        return;
    source->events = events;
    if (epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0)
        die("cannot change the events of descriptor", source->name);
}

static void release_source(struct vk_fd *source)
{
    source->fn = NULL;
    vk_list_remove(&source->link);
    /* Events of this turn may still point here, so memory goes when the turn ends. */
    if (source->loop->in_turn)
        vk_list_add_tail(&source->loop->removed, &source->link);
    else
        vk_free(source);
}

void vk_fd_remove(struct vk_fd *source)
{
    if (!source)
        return;
    assert(source->fn);
    if (epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL) < 0)
        die("descriptor was closed before its source was removed", source->name);
    release_source(source);
}

void vk_fd_forget(struct vk_fd *source)
{
    if (!source)
        return;
    assert(source->fn);
    (void)epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    release_source(source);
}

static void reclaim_removed(struct vk_loop *loop)
{
    VK_LIST_FOREACH(it, &loop->removed)
    {
        vk_list_remove(it);
        vk_free(VK_LIST_ENTRY(it, struct vk_fd, link));
    }
}

/* ---- timers: a binary heap ordered by (due, order of arming) ---- */

static bool is_before(const struct vk_timer *a, const struct vk_timer *b)
{
    return a->due_us_ != b->due_us_ ? a->due_us_ < b->due_us_ : a->seq_ < b->seq_;
}

static void heap_place(struct vk_loop *loop, struct vk_timer *t, size_t at)
{
    loop->heap[at] = t;
    t->heap_ = at + 1;
}

static void heap_up(struct vk_loop *loop, struct vk_timer *t, size_t at)
{
    while (at > 0 && is_before(t, loop->heap[(at - 1) / 2])) {
        heap_place(loop, loop->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    heap_place(loop, t, at);
}

static void heap_down(struct vk_loop *loop, struct vk_timer *t, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= loop->heap_len)
            break;
        if (child + 1 < loop->heap_len && is_before(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!is_before(loop->heap[child], t))
            break;
        heap_place(loop, loop->heap[child], at);
        at = child;
    }
    heap_place(loop, t, at);
}

static void heap_remove(struct vk_loop *loop, struct vk_timer *t)
{
    size_t at = t->heap_ - 1;
    struct vk_timer *last = loop->heap[--loop->heap_len];

    t->heap_ = 0;
    if (last == t)
        return;
    if (at > 0 && is_before(last, loop->heap[(at - 1) / 2]))
        heap_up(loop, last, at);
    else
        heap_down(loop, last, at);
}

/* Inside a turn the change waits for the turn's end: one system call for any number of timers. */
static void program_timer_fd(struct vk_loop *loop)
{
    int64_t due = loop->heap_len ? loop->heap[0]->due_us_ : 0;
    struct itimerspec spec = {
        .it_value = {.tv_sec = due / 1000000, .tv_nsec = due % 1000000 * 1000}};

    if (loop->in_turn || due == loop->programmed_us)
        return;
    loop->programmed_us = due;
    if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
        die("cannot set the timer", "timerfd");
}

void vk_timer_init(struct vk_timer *t, struct vk_loop *loop, const char *name, vk_timer_fn fn,
                   void *user)
{
    *t = (struct vk_timer){.loop_ = loop, .name_ = name, .fn_ = fn, .user_ = user};
}

void vk_timer_arm(struct vk_timer *t, int64_t delay_ms)
{
    struct vk_loop *loop = t->loop_;

    if (t->heap_)
        heap_remove(loop, t);
    if (delay_ms < 0)
        delay_ms = 0;
    if (delay_ms > LONGEST_DELAY_MS)
        delay_ms = LONGEST_DELAY_MS;
    t->due_us_ = now_us() + delay_ms * 1000;
    t->seq_ = loop->next_seq++;
    loop->heap =
        vk_grow(loop->heap, &loop->heap_cap, loop->heap_len + 1, sizeof(struct vk_timer *));
    heap_up(loop, t, loop->heap_len++);
    program_timer_fd(loop);
}

void vk_timer_disarm(struct vk_timer *t)
{
    if (!t->heap_)
        return;
    heap_remove(t->loop_, t);
    program_timer_fd(t->loop_);
}

bool vk_timer_is_armed(const struct vk_timer *t)
{
    return t->heap_ != 0;
}

static void on_timer_fd(void *user, uint32_t events)
{
    struct vk_loop *loop = user;
    /* Timers armed by the callbacks below belong to the next turn, however short their delay. */
    uint64_t first_new = loop->next_seq;
    int64_t now = now_us();
    uint64_t ticks;

    (void)events;
    (void)!read(loop->timer_fd, &ticks, sizeof(ticks));
    loop->programmed_us = 0;
    while (loop->heap_len && loop->heap[0]->due_us_ <= now && loop->heap[0]->seq_ < first_new &&
           may_go_on(loop)) {
        struct vk_timer *t = loop->heap[0];

        heap_remove(loop, t);
        t->fn_(t->user_);
    }
}

/* ---- signals ---- */

void vk_loop_on_signal(struct vk_loop *loop, int signo, void (*fn)(void *user, int signo),
                       void *user)
{
    assert(signo > 0 && signo < NSIG);
    loop->handlers[signo] = (struct signal_handler){.fn = fn, .user = user};
    sigaddset(&loop->signals, signo);
    pthread_sigmask(SIG_BLOCK, &loop->signals, NULL);
    if (signalfd(loop->signal_fd, &loop->signals, 0) < 0)
        die("cannot change the signal set", "signalfd");
}

static void on_signal_fd(void *user, uint32_t events)
{
    struct vk_loop *loop = user;
    struct signalfd_siginfo info;

    (void)events;
    while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        const struct signal_handler *handler = &loop->handlers[info.ssi_signo % NSIG];

        if (handler->fn)
            handler->fn(handler->user, (int)info.ssi_signo);
    }
}

/* ---- posts of other threads ---- */

void vk_loop_post(struct vk_loop *loop, void (*fn)(void *user), void *user)
{
    uint64_t one = 1;

    pthread_mutex_lock(&loop->post_lock);
    loop->posts = vk_grow(loop->posts, &loop->post_cap, loop->post_len + 1, sizeof(*loop->posts));
    loop->posts[loop->post_len++] = (struct post){.fn = fn, .user = user};
    pthread_mutex_unlock(&loop->post_lock);
    (void)!write(loop->post_fd, &one, sizeof(one));
}

static void on_post_fd(void *user, uint32_t events)
{
    struct vk_loop *loop = user;
    struct post *posts;
    size_t count;
    uint64_t pending;

    (void)events;
    (void)!read(loop->post_fd, &pending, sizeof(pending));
    pthread_mutex_lock(&loop->post_lock);
    posts = vk_take(loop->posts);
    count = loop->post_len;
    loop->post_len = loop->post_cap = 0;
    pthread_mutex_unlock(&loop->post_lock);
    for (size_t i = 0; i < count; i++)
        posts[i].fn(posts[i].user);
    vk_free(posts);
}

/* ---- the loop ---- */

static void run_turn(struct vk_loop *loop)
{
    struct epoll_event ready[EVENTS_PER_TURN];
    int count = epoll_wait(loop->epoll_fd, ready, EVENTS_PER_TURN, 0);

    assert(!loop->in_turn);
    loop->in_turn = true;
    for (int i = 0; i < count && may_go_on(loop); i++) {
        struct vk_fd *source = ready[i].data.ptr;

        if (source->fn)
            source->fn(source->user, ready[i].events);
    }
    reclaim_removed(loop);
    loop->in_turn = false;
    program_timer_fd(loop);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    (void)user;
    (void)in;
    (void)len;
    if (reason == LWS_CALLBACK_RAW_RX_FILE)
        run_turn(lws_context_user(lws_get_context(wsi)));
    return 0;
}

static void on_lws_log(int level, const char *line)
{
    char text[256];

    (void)level;
    snprintf(text, sizeof(text), "%.*s", (int)strcspn(line, "\n"), line);
    log_v(4, "libwebsockets says", LS("text", text));
}

static void create_lws(struct vk_loop *loop)
{
    static const struct lws_protocols protocols[] = {{.name = "loop", .callback = on_lws},
                                                     {.name = NULL}};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .gid = -1,
        .uid = -1,
        .user = loop,
        .vhost_name = "loop",
        .fd_limit_per_thread = LWS_MAX_FDS,
        .pt_serv_buf_size = LWS_IO_BUFFER,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
    };
    lws_sock_file_fd_type nested;
    struct lws_vhost *vhost;

    lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
    loop->lws = lws_create_context(&info);
    if (!loop->lws)
        die("cannot create the context", "libwebsockets");
    info.options = 0;
    vhost = lws_create_vhost(loop->lws, &info);
    /* lws closes what it adopted, so it gets a descriptor of its own. */
    nested.filefd = dup(loop->epoll_fd);
    if (!vhost || nested.filefd < 0 ||
        !lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_RAW_FILE_DESC, nested, "loop", NULL))
        die("cannot adopt the nested epoll descriptor", "libwebsockets");
}

struct vk_loop *vk_loop_new(void)
{
    struct vk_loop *loop = vk_calloc(1, sizeof(*loop));

    signal(SIGPIPE, SIG_IGN);
    vk_list_init(&loop->sources);
    vk_list_init(&loop->removed);
    sigemptyset(&loop->signals);
    pthread_mutex_init(&loop->post_lock, NULL);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    loop->signal_fd = signalfd(-1, &loop->signals, SFD_NONBLOCK | SFD_CLOEXEC);
    loop->post_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->epoll_fd < 0 || loop->timer_fd < 0 || loop->signal_fd < 0 || loop->post_fd < 0)
        die("cannot create descriptors", "loop");
    create_lws(loop);
    loop->timer_source = vk_loop_add_fd(loop, loop->timer_fd, EPOLLIN, "timers", on_timer_fd, loop);
    loop->signal_source =
        vk_loop_add_fd(loop, loop->signal_fd, EPOLLIN, "signals", on_signal_fd, loop);
    loop->post_source = vk_loop_add_fd(loop, loop->post_fd, EPOLLIN, "posts", on_post_fd, loop);
    return loop;
}

void vk_loop_free(struct vk_loop *loop)
{
    if (!loop)
        return;
    assert(!loop->in_turn);
    lws_context_destroy(loop->lws);
    vk_fd_remove(loop->timer_source);
    vk_fd_remove(loop->signal_source);
    vk_fd_remove(loop->post_source);
    assert(vk_list_is_empty(&loop->sources));
    close(loop->timer_fd);
    close(loop->signal_fd);
    close(loop->post_fd);
    close(loop->epoll_fd);
    pthread_mutex_destroy(&loop->post_lock);
    vk_free(loop->posts);
    vk_free(loop->heap);
    vk_free(loop);
}

void vk_loop_run(struct vk_loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped && lws_service(loop->lws, 0) >= 0)
        ;
}

void vk_loop_stop(struct vk_loop *loop)
{
    loop->stopped = true;
}

static void set_flag(void *user)
{
    *(bool *)user = true;
}

bool vk_loop_run_until(struct vk_loop *loop, const bool *flag, int64_t deadline_ms)
{
    bool late = false;
    struct vk_timer timer;

    vk_timer_init(&timer, loop, "run until", set_flag, &late);
    vk_timer_arm(&timer, deadline_ms);
    while (!*flag && !late && lws_service(loop->lws, 0) >= 0)
        ;
    vk_timer_disarm(&timer);
    return *flag;
}

void *vk_loop_lws(struct vk_loop *loop)
{
    return loop->lws;
}
