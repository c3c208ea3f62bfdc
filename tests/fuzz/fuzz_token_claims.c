/* SPDX-License-Identifier: Apache-2.0 */
/* room: kubelet */
#include <stdint.h>
#include <stdlib.h>

#include "kubelet/pods/token_claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A time that is said lies after 1970, and nothing is said of what is no token. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t ms = -1;
    const bool said =
        token_claims_expiry_ms((struct vk_str){.p = (const char *)data, .n = size}, &ms);

    if (said ? ms <= 0 || ms % 1000 != 0 : ms != -1)
        abort();
    return 0;
}
