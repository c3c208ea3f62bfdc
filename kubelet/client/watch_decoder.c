/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/watch_decoder.h"

#include <string.h>

#include "base/alloc.h"
#include "kubelet/api/json_span.h"

/* A line over this is rare: its memory is given back after it. */
#define KEEP_BYTES (64u * 1024)

struct watch_decoder {
    struct vk_buf line; /* the begun line */
    size_t max_line_bytes;
    watch_event_fn fn;
    void *user;
};

struct watch_decoder *watch_decoder_new(size_t max_line_bytes, watch_event_fn fn, void *user)
{
    struct watch_decoder *d = vk_calloc(1, sizeof(*d));

    d->max_line_bytes = max_line_bytes;
    d->fn = fn;
    d->user = user;
    vk_buf_init(&d->line, max_line_bytes);
    return d;
}

void watch_decoder_free(struct watch_decoder *d)
{
    if (!d)
        return;
    vk_buf_release(&d->line);
    vk_free(d);
}

static bool parse_type(struct vk_str text, enum watch_event_type *ret)
{
    static const struct {
        const char *name;
        enum watch_event_type type;
    } types[] = {
        {"ADDED", WATCH_ADDED},       {"MODIFIED", WATCH_MODIFIED}, {"DELETED", WATCH_DELETED},
        {"BOOKMARK", WATCH_BOOKMARK}, {"ERROR", WATCH_ERROR},
    };

    for (size_t i = 0; i < VK_COUNT(types); i++) {
        if (vk_str_is(text, types[i].name)) {
            *ret = types[i].type;
            return true;
        }
    }
    return false;
}

static int decode_line(struct watch_decoder *d, struct vk_str line, struct vk_err *err)
{
    struct vk_str type_text, object;
    enum watch_event_type type;

    if (line.n > d->max_line_bytes)
        return vk_err_set(err, VK_TOO_LARGE, "a line of the watch is over %zu bytes",
                          d->max_line_bytes);
    line = vk_str_trim(line);
    if (line.n == 0)
        return 0;
    if (line.p[line.n - 1] != '}' || !json_span_member(line, "type", &type_text) ||
        !json_span_member(line, "object", &object) || object.n == 0 || object.p[0] != '{')
        return vk_err_set(err, VK_PROTOCOL, "a line of the watch (%zu bytes) is not an event",
                          line.n);
    if (!json_span_plain_string(type_text, &type_text) || !parse_type(type_text, &type))
        return vk_err_set(err, VK_PROTOCOL, "a line of the watch has the unknown type %.*s",
                          (int)(type_text.n < 40 ? type_text.n : 40), type_text.p);
    return d->fn(d->user, type, object, err);
}

/* `piece` ends the buffered line. */
static int finish_buffered(struct watch_decoder *d, struct vk_str piece, struct vk_err *err)
{
    int rc;

    vk_buf_addstr(&d->line, piece);
    if (d->line.failed)
        return vk_err_set(err, VK_TOO_LARGE, "a line of the watch is over %zu bytes",
                          d->max_line_bytes);
    rc = decode_line(d, vk_buf_str(&d->line), err);
    if (vk_buf_len(&d->line) > KEEP_BYTES) {
        vk_buf_release(&d->line);
        vk_buf_init(&d->line, d->max_line_bytes);
    }
    vk_buf_clear(&d->line);
    return rc;
}

int watch_decoder_feed(struct watch_decoder *d, struct vk_str piece, struct vk_err *err)
{
    while (piece.n) {
        const char *end = memchr(piece.p, '\n', piece.n);
        struct vk_str line = {.p = piece.p, .n = end ? (size_t)(end - piece.p) : piece.n};
        int rc;

        if (!end) {
            vk_buf_addstr(&d->line, line);
            if (d->line.failed)
                return vk_err_set(err, VK_TOO_LARGE, "a line of the watch is over %zu bytes",
                                  d->max_line_bytes);
            return 0;
        }
        if (vk_buf_len(&d->line))
            rc = finish_buffered(d, line, err);
        else
            rc = decode_line(d, line, err);
        if (rc < 0)
            return rc;
        piece.p += line.n + 1;
        piece.n -= line.n + 1;
    }
    return 0;
}
