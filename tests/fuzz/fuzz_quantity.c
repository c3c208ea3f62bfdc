/* SPDX-License-Identifier: Apache-2.0 */
/* room: kubelet */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "kubelet/api/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Both roundings are of one number: value = ceil(milli / 1000), away from zero. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text VK_AUTOFREE = vk_malloc(size + 1);
    int64_t milli, value;
    bool good;

    memcpy(text, data, size);
    text[size] = '\0';
    good = quantity_milli(text, &milli);
    if (quantity_value(text, &value) != good)
        abort();
    if (!good || milli == INT64_MAX || milli == INT64_MIN)
        return 0;
    if (value != milli / 1000 + (milli % 1000 > 0) - (milli % 1000 < 0))
        abort();
    return 0;
}
