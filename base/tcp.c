/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"

#define BACKLOG 512

void tcp_describe(const struct sockaddr_storage *address, char out[static 64])
{
    char text[INET6_ADDRSTRLEN] = "";

    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;

        inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;

        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
            inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], text, sizeof(text));
        else
            inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    }
    vk_strcpy_to(out, 64, text);
}

void tcp_set_options(int fd)
{
    const int on = 1, idle_s = 5, interval_s = 5, probes = 3;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

void tcp_reset_at_close(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

bool tcp_has_peer_closed(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0;
}

static int parse_address(const char *text, int port, struct sockaddr_storage *ret,
                         socklen_t *ret_size, struct vk_err *err)
{
    struct sockaddr_in *v4 = (void *)ret;
    struct sockaddr_in6 *v6 = (void *)ret;

    if (port < 0 || port > 65535)
        return vk_err_set(err, VK_INVALID, "%d is not a port", port);
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *ret_size = sizeof(*v4);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *ret_size = sizeof(*v6);
        return 0;
    }
    return vk_err_set(err, VK_INVALID, "%s is not a numeric address to listen on", text);
}

static int open_socket(const struct sockaddr_storage *address, socklen_t size, bool only_v6)
{
    const int on = 1, v6only = only_v6;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), saved;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
    if (bind(fd, (const void *)address, size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int bound_port(int fd)
{
    struct sockaddr_storage address = {0};
    const struct sockaddr_in *v4 = (const void *)&address;
    const struct sockaddr_in6 *v6 = (const void *)&address;
    socklen_t size = sizeof(address);

    getsockname(fd, (void *)&address, &size);
    return ntohs(address.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
}

int tcp_listen(const char *address, int port, int *ret_fd, int *ret_port, struct vk_err *err)
{
    bool any = vk_str_empty(address);
    struct sockaddr_storage parsed;
    socklen_t size = 0;
    int fd;

    if (parse_address(any ? "::" : address, port, &parsed, &size, err) < 0)
        return -(int)err->code;
    fd = open_socket(&parsed, size, !any);
    if (fd < 0 && any && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
        return tcp_listen("0.0.0.0", port, ret_fd, ret_port, err);
    if (fd < 0)
        return vk_err_errno(err, errno, "cannot listen on %s port %d",
                            any ? "any address" : address, port);
    *ret_fd = fd;
    *ret_port = bound_port(fd);
    return 0;
}
