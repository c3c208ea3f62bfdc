/* SPDX-License-Identifier: Apache-2.0 */
/* room: kubelet */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "kubelet/api/pod.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_status(const struct pod_status *status, struct vk_buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    pod_status_write(&w, status);
    json_end_object(&w);
    if (!json_writer_done(&w))
        abort();
}

/* A status that we write is one that we can read. */
static void check_status(const struct pod_status *status)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf out VK_BUF_AUTO;
    struct pod_status again = {0}, copy;
    const struct json *root;
    struct vk_err err;

    vk_buf_init(&out, 16 << 20);
    pod_status_copy(&copy, status, arena);
    if (pod_status_equal(status, status) != pod_status_equal(&copy, status))
        abort();
    write_status(&copy, &out);
    if (json_parse(vk_buf_str(&out), vk_buf_len(&out), arena, &root, &err) < 0 ||
        json_decode(root, pod_status_fields, &again, arena, "", &err) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vk_str raw = {.p = (const char *)data, .n = size};
    struct pod *pod, *again;
    struct vk_err err;

    if (pod_parse(raw, &pod, &err) < 0)
        return 0;
    if (pod_parse(pod->raw, &again, &err) < 0)
        abort();
    check_status(&pod->status);
    pod_unref(again);
    pod_unref(pod);
    return 0;
}
