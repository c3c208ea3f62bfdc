/* SPDX-License-Identifier: Apache-2.0 */
#include "base/resolver.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/list.h"

#define MAX_WAITING 256
#define MAX_ADDRESSES 16

struct resolver_query {
    struct resolver *resolver;
    struct vk_list link; /* waiting, answered, or alone while the thread works on it */
    char *host;
    resolver_fn fn;
    void *user;
    bool waiting; /* guarded by the lock */
    bool cancelled;
    char *addresses[MAX_ADDRESSES];
    size_t count;
    struct vk_err err;
};

struct resolver {
    pthread_t thread;
    int answer_fd; /* written by the thread when `answered` got an entry */
    struct vk_fd *source;

    pthread_mutex_t lock; /* guards everything below and the queries' lists and flags */
    pthread_cond_t work;
    struct vk_list waiting, answered;
    size_t waiting_count;
    bool stopping;
};

static void query_free(struct resolver_query *q)
{
    for (size_t i = 0; i < q->count; i++)
        vk_free(q->addresses[i]);
    vk_free(q->host);
    vk_free(q);
}

static void look_up(struct resolver_query *q)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(q->host, NULL, &hints, &list);

    if (rc != 0) {
        const char *text = rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc);
        enum vk_code code = rc == EAI_NONAME ? VK_NOT_FOUND : VK_UNAVAILABLE;

        vk_err_set(&q->err, code, "cannot resolve host %s: %s", q->host, text);
        return;
    }
    for (struct addrinfo *a = list; a && q->count < MAX_ADDRESSES; a = a->ai_next) {
        char text[NI_MAXHOST];

        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) ==
            0)
            q->addresses[q->count++] = vk_strdup(text);
    }
    freeaddrinfo(list);
    if (q->count == 0)
        vk_err_set(&q->err, VK_NOT_FOUND, "host %s has no address", q->host);
}

static void answer_locked(struct resolver *r, struct resolver_query *q)
{
    uint64_t one = 1;

    vk_list_add_tail(&r->answered, &q->link);
    (void)!write(r->answer_fd, &one, sizeof(one));
}

static void unqueue_locked(struct resolver *r, struct resolver_query *q)
{
    vk_list_remove(&q->link);
    q->waiting = false;
    r->waiting_count--;
}

static void *run_thread(void *arg)
{
    struct resolver *r = arg;

    pthread_mutex_lock(&r->lock);
    while (!r->stopping) {
        struct resolver_query *q;

        if (vk_list_is_empty(&r->waiting)) {
            pthread_cond_wait(&r->work, &r->lock);
            continue;
        }
        q = VK_LIST_ENTRY(r->waiting.next, struct resolver_query, link);
        unqueue_locked(r, q);
        pthread_mutex_unlock(&r->lock);
        look_up(q);
        pthread_mutex_lock(&r->lock);
        answer_locked(r, q);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static struct resolver_query *next_answer(struct resolver *r)
{
    struct resolver_query *q = NULL;

    pthread_mutex_lock(&r->lock);
    if (!vk_list_is_empty(&r->answered)) {
        q = VK_LIST_ENTRY(r->answered.next, struct resolver_query, link);
        vk_list_remove(&q->link);
    }
    pthread_mutex_unlock(&r->lock);
    return q;
}

/* One answer per turn: its callback may free the resolver. */
static void on_answers(void *user, uint32_t events)
{
    struct resolver *r = user;
    struct resolver_query *q = next_answer(r);
    uint64_t pending;

    (void)events;
    if (!q) {
        (void)!read(r->answer_fd, &pending, sizeof(pending));
        return;
    }
    if (!q->cancelled) {
        const char *addresses[MAX_ADDRESSES];

        for (size_t i = 0; i < q->count; i++)
            addresses[i] = q->addresses[i];
        q->fn(q->user, addresses, q->count, q->count ? NULL : &q->err);
    }
    query_free(q);
}

struct resolver *resolver_new(struct vk_loop *loop)
{
    struct resolver *r = vk_calloc(1, sizeof(*r));
    sigset_t all, before;

    vk_list_init(&r->waiting);
    vk_list_init(&r->answered);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work, NULL);
    r->answer_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    r->source = vk_loop_add_fd(loop, r->answer_fd, EPOLLIN, "resolver", on_answers, r);
    /* Signals belong to the loop's signalfd, never to this thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&r->thread, NULL, run_thread, r) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

static void drop_all(struct vk_list *queries)
{
    VK_LIST_FOREACH(it, queries)
    {
        vk_list_remove(it);
        query_free(VK_LIST_ENTRY(it, struct resolver_query, link));
    }
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    vk_fd_remove(r->source);
    close(r->answer_fd);
    drop_all(&r->waiting);
    drop_all(&r->answered);
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->lock);
    vk_free(r);
}

struct resolver_query *resolver_lookup(struct resolver *r, const char *host, resolver_fn fn,
                                       void *user)
{
    struct resolver_query *q = vk_calloc(1, sizeof(*q));

    q->resolver = r;
    q->host = vk_strdup(host);
    q->fn = fn;
    q->user = user;
    vk_list_init(&q->link);
    pthread_mutex_lock(&r->lock);
    if (r->waiting_count >= MAX_WAITING) {
        vk_err_set(&q->err, VK_UNAVAILABLE, "cannot resolve host %s: %d look-ups are waiting", host,
                   MAX_WAITING);
        answer_locked(r, q);
    } else {
        vk_list_add_tail(&r->waiting, &q->link);
        q->waiting = true;
        r->waiting_count++;
        pthread_cond_signal(&r->work);
    }
    pthread_mutex_unlock(&r->lock);
    return q;
}

void resolver_cancel(struct resolver_query *q)
{
    struct resolver *r;
    bool is_ours;

    if (!q)
        return;
    r = q->resolver;
    pthread_mutex_lock(&r->lock);
    if (q->waiting)
        unqueue_locked(r, q);
    else
        q->cancelled = true; /* the thread has it, or on_answers will: freed there */
    is_ours = !q->cancelled;
    pthread_mutex_unlock(&r->lock);
    if (is_ours)
        query_free(q);
}
