/* SPDX-License-Identifier: Apache-2.0 */
/* room: kubelet */
/* The SPDY session under arbitrary bytes; the first byte says in which pieces they arrive. */
#include <stdint.h>

#include "kubelet/streaming/spdy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct spdy *session;

static bool on_stream(void *user, uint32_t id, const struct spdy_header *headers, size_t n)
{
    (void)user;
    for (size_t i = 0; i < n; i++)
        if (strlen(headers[i].name) > 10000)
            return false;
    return id % 7 != 0;
}

static void on_opened(void *user, uint32_t id)
{
    (void)user;
    if (id % 5 == 0)
        spdy_reset(session, id, SPDY_CANCEL);
}

static void on_data(void *user, uint32_t id, struct vk_str piece)
{
    (void)user;
    spdy_send(session, id, piece);
    if (id % 3 == 0)
        spdy_fin(session, id);
}

static void on_eof(void *user, uint32_t id)
{
    (void)user;
    spdy_fin(session, id);
}

static void on_reset(void *user, uint32_t id, uint32_t status)
{
    (void)user;
    (void)id;
    (void)status;
}

static void on_goaway(void *user)
{
    (void)user;
    spdy_goaway(session);
}

static void on_send(void *user, struct vk_str bytes)
{
    (void)user;
    (void)bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct spdy_events events = {on_stream, on_opened, on_data, on_eof,
                                              on_reset,  on_goaway, on_send};
    struct vk_err err;
    size_t step = size ? 1u + data[0] : 1;

    session = spdy_new(&events, NULL, 8);
    for (size_t at = 1; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;

        if (spdy_feed(session, (struct vk_str){(const char *)data + at, n}, &err) < 0)
            break;
    }
    spdy_free(session);
    return 0;
}
