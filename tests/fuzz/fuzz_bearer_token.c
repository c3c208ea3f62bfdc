/* SPDX-License-Identifier: Apache-2.0 */
/* room: kubelet */
/* The bearer token of a request. Each line is the value of a header: of Authorization where it
 * begins with 'A', else one of a websocket's list of subprotocols. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kubelet/server/bearer_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http1_head head = {0};
    struct vk_secret token = {0};
    char *text = vk_strndup((const char *)data, size), *line = text;
    bool has_authorization = false;
    struct vk_err err;
    int rc;

    head.headers[head.header_count++] = (struct http1_header){"Connection", "Upgrade"};
    head.headers[head.header_count++] = (struct http1_header){"Upgrade", "websocket"};
    while (line && head.header_count < HTTP1_MAX_HEADERS) {
        char *end = strchr(line, '\n');
        bool is_authorization = *line == 'A';

        if (end)
            *end = '\0';
        has_authorization |= is_authorization;
        head.headers[head.header_count++] =
            is_authorization ? (struct http1_header){"Authorization", line + 1}
                             : (struct http1_header){"Sec-WebSocket-Protocol", line};
        line = end ? end + 1 : NULL;
    }
    rc = bearer_token_read(&head, &token, &err);
    require(rc == 0 || (rc == -VK_UNAUTHENTICATED && vk_secret_is_empty(&token)));
    if (!vk_secret_is_empty(&token) && !has_authorization) {
        struct vk_str revealed = vk_secret_reveal(&token);

        require(vk_utf8_valid(revealed.p, revealed.n));
    }
    vk_secret_release(&token);
    vk_free(text);
    return 0;
}
