/* SPDX-License-Identifier: Apache-2.0 */
/* room: base */
/* The HTTP/1.1 parser: any bytes, the same events whole, byte by byte and in pieces. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void note_head(const struct http1_head *head, struct vk_buf *trace)
{
    require(head->header_count <= HTTP1_MAX_HEADERS && head->path[0] == '/');
    require(!(head->chunked && head->content_length >= 0));
    vk_buf_printf(trace, "H%s %s %s %d %d", head->method, head->path, head->query, head->minor,
                  head->keep_alive);
    for (size_t i = 0; i < head->header_count; i++) {
        require(!strpbrk(head->headers[i].value, "\r\n"));
        vk_buf_printf(trace, "|%s:%s", head->headers[i].name, head->headers[i].value);
    }
    require(!http1_header_has(head, "x-never-sent-by-anyone", "x"));
}

static void parse(struct vk_str in, size_t step, struct vk_buf *trace)
{
    struct http1_parser *p = http1_parser_new();
    bool is_over = false;

    while (in.n && !is_over) {
        struct vk_str part = {in.p, in.n < step ? in.n : step}, piece = {0};
        enum http1_event event;

        in.p += part.n;
        in.n -= part.n;
        do {
            event = http1_parser_feed(p, &part, &piece);
            if (event == HTTP1_HEAD)
                note_head(http1_parser_head(p), trace);
            else if (event == HTTP1_BODY)
                vk_buf_addstr(trace, piece);
            else if (event == HTTP1_MESSAGE_END)
                vk_buf_addc(trace, 'E');
            else if (event == HTTP1_ERROR)
                vk_buf_printf(trace, "!%d", http1_parser_status(p));
            require(event != HTTP1_NEED_MORE || part.n == 0);
            is_over = event == HTTP1_ERROR;
        } while (!is_over && event != HTTP1_NEED_MORE &&
                 (event != HTTP1_MESSAGE_END || part.n > 0));
    }
    http1_parser_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vk_str in = {(const char *)data, size};
    static const size_t steps[] = {1, 3, 17};
    struct vk_buf whole VK_BUF_AUTO;

    vk_buf_init(&whole, 16 << 20);
    parse(in, size + 1, &whole);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct vk_buf cut VK_BUF_AUTO;

        vk_buf_init(&cut, 16 << 20);
        parse(in, steps[i], &cut);
        require(vk_str_eq(vk_buf_str(&whole), vk_buf_str(&cut)));
    }
    return 0;
}
