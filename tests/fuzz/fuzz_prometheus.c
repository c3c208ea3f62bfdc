/* SPDX-License-Identifier: Apache-2.0 */
/* room: base */
/* Whatever is read as a sample has a name, and its labels can be looked at. */
#include <stdint.h>
#include <stdlib.h>

#include "base/prometheus_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_sample(void *user, const struct prometheus_sample *sample)
{
    if (!*sample->name)
        abort();
    (void)prometheus_label(sample, "a", user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_err err;

    if (prometheus_parse((struct vk_str){.p = (const char *)data, .n = size}, on_sample, arena,
                         &err) < 0 &&
        !*err.msg)
        abort();
    return 0;
}
