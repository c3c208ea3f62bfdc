/* SPDX-License-Identifier: Apache-2.0 */
/* room: base */
/* A time that was read must be written so that it reads as the same time; any number can be
 * written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(int64_t ns)
{
    char text[VK_TIME_MAX];
    int64_t again;

    vk_time_format_ns(ns, text);
    /* The first second of the range lies partly before it. */
    if (ns < INT64_MIN + 1000000000)
        return;
    if (!vk_time_parse(vk_str_of(text), &again) || again != ns)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[VK_TIME_MAX];
    int64_t ns;

    if (vk_time_parse((struct vk_str){.p = (const char *)data, .n = size}, &ns))
        check_round_trip(ns);
    if (size < sizeof(ns))
        return 0;
    memcpy(&ns, data, sizeof(ns));
    check_round_trip(ns);
    vk_time_format_us(ns, text);
    vk_time_format_s(ns, text);
    return 0;
}
