/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/upgrade.h"

#include "base/buf.h"
#include "base/websocket.h"
#include "kubelet/server/bearer_token.h"
#include "kubelet/server/handlers.h"

#define SPDY_LIST "X-Stream-Protocol-Version"
#define WEBSOCKET_LIST "Sec-WebSocket-Protocol"

static bool refuse(struct http_exchange *x, int status, const char *text)
{
    http_exchange_reply(x, status, "text/plain; charset=utf-8",
                        vk_str_of(vk_arena_printf(http_exchange_arena(x), "%s\n", text)));
    return false;
}

static const struct upgrade_protocol *find(const struct upgrade_protocol *offered, size_t n,
                                           bool is_websocket, struct vk_str name)
{
    for (size_t i = 0; i < n; i++)
        if (offered[i].is_websocket == is_websocket && vk_str_is(name, offered[i].name))
            return &offered[i];
    return NULL;
}

/* The client's order decides; its list may be spread over several header lines. */
static const struct upgrade_protocol *choose(const struct http1_head *head, const char *list,
                                             const struct upgrade_protocol *offered, size_t n,
                                             bool is_websocket)
{
    const char *line;

    for (size_t i = 0; (line = http1_header_nth(head, list, i)) != NULL; i++) {
        struct vk_str rest = vk_str_of(line);

        while (rest.n) {
            struct vk_str name = vk_str_trim(vk_str_cut(rest, ',', &rest));
            const struct upgrade_protocol *p = name.n ? find(offered, n, is_websocket, name) : NULL;

            if (p)
                return p;
        }
    }
    return NULL;
}

/* All of a list, for a message. */
static const char *list_text(struct http_exchange *x, const char *list)
{
    const struct http1_head *head = http_exchange_head(x);
    struct vk_buf text VK_BUF_AUTO;
    const char *line;

    vk_buf_init(&text, 2 * HTTP1_MAX_HEAD);
    for (size_t i = 0; (line = http1_header_nth(head, list, i)) != NULL; i++) {
        struct vk_str rest = vk_str_of(line);

        while (rest.n) {
            struct vk_str name = vk_str_trim(vk_str_cut(rest, ',', &rest));

            if (!name.n || bearer_token_is_protocol(name))
                continue;
            if (vk_buf_len(&text))
                vk_buf_addc(&text, ' ');
            vk_buf_addstr(&text, name);
        }
    }
    return vk_arena_str(http_exchange_arena(x), vk_buf_str(&text));
}

static const char *offered_text(struct http_exchange *x, const struct upgrade_protocol *offered,
                                size_t n, bool is_websocket)
{
    const char *text = "";

    for (size_t i = 0; i < n; i++)
        if (offered[i].is_websocket == is_websocket && *offered[i].name)
            text = vk_arena_printf(http_exchange_arena(x), "%s%s%s", text, *text ? " " : "",
                                   offered[i].name);
    return text;
}

static bool negotiate_spdy(struct http_exchange *x, const struct upgrade_protocol *offered,
                           size_t n, struct upgrade *ret)
{
    const struct http1_head *head = http_exchange_head(x);
    struct vk_arena *arena = http_exchange_arena(x);

    if (!http1_header(head, SPDY_LIST))
        return refuse(x, 400,
                      vk_arena_printf(arena,
                                      "unable to upgrade: header " SPDY_LIST
                                      " does not exist in request with %zu headers",
                                      head->header_count));
    ret->protocol = choose(head, SPDY_LIST, offered, n, false);
    if (ret->protocol)
        return true;
    for (size_t i = 0; i < n; i++)
        if (!offered[i].is_websocket)
            http_exchange_header(x, "X-Accepted-Stream-Protocol-Versions", offered[i].name);
    return refuse(x, 403,
                  vk_arena_printf(arena,
                                  "unable to upgrade: unable to negotiate protocol: client "
                                  "supports [%s], server accepts [%s]",
                                  list_text(x, SPDY_LIST), offered_text(x, offered, n, false)));
}

static bool negotiate_websocket(struct http_exchange *x, const struct upgrade_protocol *offered,
                                size_t n, struct upgrade *ret)
{
    const struct http1_head *head = http_exchange_head(x);

    if (!vk_streq(head->method, "GET"))
        return refuse(x, 405, "unable to upgrade: websocket needs the method GET");
    if (!vk_streq(http1_header(head, "Sec-WebSocket-Version"), "13")) {
        http_exchange_header(x, "Sec-WebSocket-Version", "13");
        return refuse(x, 400, "unable to upgrade: websocket version 13 is needed");
    }
    if (!websocket_accept_key(http1_header(head, "Sec-WebSocket-Key"), ret->accept_key))
        return refuse(x, 400, "unable to upgrade: Sec-WebSocket-Key is missing or malformed");
    if (http1_header(head, WEBSOCKET_LIST))
        ret->protocol = choose(head, WEBSOCKET_LIST, offered, n, true);
    else
        ret->protocol = find(offered, n, true, VK_STR(""));
    if (ret->protocol)
        return true;
    return refuse(x, 403,
                  vk_arena_printf(http_exchange_arena(x),
                                  "requested protocol(s) are not supported: [%s]; supports [%s]",
                                  list_text(x, WEBSOCKET_LIST), offered_text(x, offered, n, true)));
}

bool upgrade_negotiate(struct http_exchange *x, const struct upgrade_protocol *offered, size_t n,
                       struct upgrade *ret)
{
    const struct http1_head *head = http_exchange_head(x);

    if (!http1_header_has(head, "Connection", "upgrade"))
        return refuse(x, 400, "Upgrade request required");
    if (http1_header_has(head, "Upgrade", "websocket"))
        return negotiate_websocket(x, offered, n, ret);
    if (http1_header_has(head, "Upgrade", "SPDY/3.1"))
        return negotiate_spdy(x, offered, n, ret);
    return refuse(x, 400, "unable to upgrade: missing upgrade headers in request");
}

struct tls_conn *upgrade_accept(struct http_exchange *x, const struct upgrade *upgrade,
                                const struct tls_listener_events *events, void *conn_user)
{
    const struct upgrade_protocol *p = upgrade->protocol;
    struct tls_conn *conn;

    if (!p->is_websocket) {
        http_exchange_header(x, SPDY_LIST, p->name);
        return http_exchange_upgrade(x, "SPDY/3.1", events, conn_user);
    }
    http_exchange_header(x, "Sec-WebSocket-Accept", upgrade->accept_key);
    if (*p->name)
        http_exchange_header(x, WEBSOCKET_LIST, p->name);
    conn = http_exchange_upgrade(x, "websocket", events, conn_user);
    /* The Python client reads one message whenever its socket is readable. */
    tls_conn_set_records(conn);
    return conn;
}
