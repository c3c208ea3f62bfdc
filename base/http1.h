/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.1 server side as a byte engine without sockets (RFC 9112): strict request heads of at most
 * 16 KiB, bodies by Content-Length or chunked. Obsolete line folding, bare CR, NUL, two lengths,
 * Transfer-Encoding with Content-Length and anything but origin-form or absolute-form targets are
 * refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define HTTP1_MAX_HEAD (16 * 1024)
#define HTTP1_MAX_HEADERS 100

struct http1_header {
    const char *name, *value; /* value trimmed */
};
struct http1_head {
    const char *method;
    const char *path;  /* percent-coded as sent, up to '?'; never NULL */
    const char *query; /* raw, "" when absent */
    int minor;         /* HTTP/1.<minor> */
    struct http1_header headers[HTTP1_MAX_HEADERS];
    size_t header_count;
    int64_t content_length; /* -1: none */
    bool chunked, keep_alive, expect_continue;
};
/* Case-insensitive; NULL when absent. _nth for repeated lines. */
const char *http1_header(const struct http1_head *head, const char *name);
const char *http1_header_nth(const struct http1_head *head, const char *name, size_t index);
/* True when a comma-separated list header has this token (case-insensitive). */
bool http1_header_has(const struct http1_head *head, const char *name, const char *token);

enum http1_event {
    HTTP1_NEED_MORE, /* everything consumed */
    HTTP1_HEAD,      /* http1_parser_head() is valid until the next feed after HTTP1_MESSAGE_END */
    HTTP1_BODY,      /* *ret_body is a piece of the body inside the input */
    HTTP1_MESSAGE_END,
    HTTP1_ERROR, /* http1_parser_status() says which status to answer; close afterwards */
};
struct http1_parser;
struct http1_parser *http1_parser_new(void);
void http1_parser_free(struct http1_parser *p);
/* Consumes from the front of *in (advances it) up to the next event. */
enum http1_event http1_parser_feed(struct http1_parser *p, struct vk_str *in,
                                   struct vk_str *ret_body);
const struct http1_head *http1_parser_head(const struct http1_parser *p);
int http1_parser_status(const struct http1_parser *p); /* 400, 413, 414, 431, 501, 505 */
const char *http1_reason(int status);                  /* "Not Found" */
