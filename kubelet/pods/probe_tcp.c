/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/probe_tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"

struct probe_tcp {
    struct vk_loop *loop;
    char *shown; /* "10.0.0.1:80" */
    int64_t port;
    struct resolver_query *query;
    int fd;
    struct vk_fd *source;
    struct vk_timer timeout, failure;
    int failed_errno;
    probe_outcome_fn done;
    void *user;
};

static void free_probe(struct probe_tcp *p)
{
    resolver_cancel(p->query);
    vk_timer_disarm(&p->timeout);
    vk_timer_disarm(&p->failure);
    vk_fd_remove(p->source);
    if (p->fd >= 0)
        close(p->fd);
    vk_free(p->shown);
    vk_free(p);
}

static void finish(struct probe_tcp *p, enum probe_outcome_kind kind, const char *output)
{
    const struct probe_outcome outcome = {.kind = kind, .output = output};

    p->done(p->user, &outcome);
    free_probe(p);
}

/* In the words of Go's dialer, which people search for. */
static void fail(struct probe_tcp *p, const char *why)
{
    char *output VK_AUTOFREE = vk_asprintf("dial tcp %s: %s", p->shown, why);

    finish(p, PROBE_FAILED, output);
}

static void on_timeout(void *user)
{
    fail(user, "i/o timeout");
}

static void on_failure(void *user)
{
    struct probe_tcp *p = user;
    char *why VK_AUTOFREE =
        vk_asprintf("connect: %s", p->failed_errno == ECONNREFUSED ? "connection refused"
                                                                   : strerror(p->failed_errno));

    fail(p, why);
}

static void fail_later(struct probe_tcp *p, int failed_errno)
{
    p->failed_errno = failed_errno;
    vk_timer_arm(&p->failure, 0);
}

static void on_connected(void *user, uint32_t events)
{
    struct probe_tcp *p = user;
    int error = 0;
    socklen_t n = sizeof(error);

    (void)events;
    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
        error = errno;
    if (error == 0) {
        finish(p, PROBE_SUCCEEDED, "");
        return;
    }
    p->failed_errno = error;
    on_failure(p);
}

static socklen_t address_of(const char *text, int64_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return sizeof(*v4);
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        return sizeof(*v6);
    }
    return 0;
}

/* False: text is no address. */
static bool start_connect(struct probe_tcp *p, const char *text)
{
    struct sockaddr_storage to;
    const socklen_t n = address_of(text, p->port, &to);
    /* What the peer sent is of no use: no connection of ours waits for it to be taken away. */
    const struct linger at_once = {.l_onoff = 1};

    if (!n)
        return false;
    p->fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0) {
        fail_later(p, errno);
        return true;
    }
    (void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    if (connect(p->fd, (const struct sockaddr *)&to, n) < 0 && errno != EINPROGRESS)
        fail_later(p, errno);
    else
        p->source = vk_loop_add_fd(p->loop, p->fd, EPOLLOUT, "probe", on_connected, p);
    return true;
}

static void on_resolved(void *user, const char *const *addresses, size_t count,
                        const struct vk_err *err)
{
    struct probe_tcp *p = user;

    p->query = NULL;
    if (err || count == 0 || !start_connect(p, addresses[0]))
        fail(p, err ? err->msg : "no such host");
}

struct probe_tcp *probe_tcp_start(struct vk_loop *loop, struct resolver *resolver,
                                  const struct probe_tcp_request *request, probe_outcome_fn done,
                                  void *user)
{
    struct probe_tcp *p = vk_calloc(1, sizeof(*p));
    const bool is_v6 = strchr(request->host, ':') != NULL;

    p->loop = loop;
    p->fd = -1;
    p->port = request->port;
    p->shown = vk_asprintf("%s%s%s:%lld", is_v6 ? "[" : "", request->host, is_v6 ? "]" : "",
                           (long long)request->port);
    p->done = done;
    p->user = user;
    vk_timer_init(&p->timeout, loop, "tcp probe", on_timeout, p);
    vk_timer_init(&p->failure, loop, "tcp probe failure", on_failure, p);
    vk_timer_arm(&p->timeout, request->timeout_ms);
    if (!start_connect(p, request->host))
        p->query = resolver_lookup(resolver, request->host, on_resolved, p);
    return p;
}

void probe_tcp_cancel(struct probe_tcp *p)
{
    if (p)
        free_probe(p);
}
