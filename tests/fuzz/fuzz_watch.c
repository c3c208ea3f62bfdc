/* SPDX-License-Identifier: Apache-2.0 */
/* room: kubelet */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kubelet/client/watch_decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 2000

static int on_event(void *user, enum watch_event_type type, struct vk_str object,
                    struct vk_err *err)
{
    (void)err;
    vk_buf_printf(user, "%d ", (int)type);
    vk_buf_addstr(user, object);
    vk_buf_addc(user, '\n');
    return 0;
}

/* Pieces of `step` bytes, each in memory of its own. */
static int decode(struct vk_str text, size_t step, struct vk_buf *out)
{
    struct watch_decoder *d = watch_decoder_new(LIMIT, on_event, out);
    struct vk_err err;
    int rc = 0;

    for (size_t at = 0; at < text.n && rc == 0; at += step) {
        size_t n = text.n - at < step ? text.n - at : step;
        char *piece VK_AUTOFREE = vk_malloc(n);

        memcpy(piece, text.p + at, n);
        rc = watch_decoder_feed(d, (struct vk_str){.p = piece, .n = n}, &err);
    }
    watch_decoder_free(d);
    return rc;
}

/* However the bytes are cut, the same events come out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vk_buf whole, cut;
    struct vk_str text;
    int rc;

    if (size < 2)
        return 0;
    text = (struct vk_str){.p = (const char *)data + 1, .n = size - 1};
    vk_buf_init(&whole, 16 << 20);
    vk_buf_init(&cut, 16 << 20);
    rc = decode(text, text.n, &whole);
    if (decode(text, 1 + data[0] % 32, &cut) != rc ||
        !vk_str_eq(vk_buf_str(&whole), vk_buf_str(&cut)))
        abort();
    vk_buf_release(&whole);
    vk_buf_release(&cut);
    return 0;
}
