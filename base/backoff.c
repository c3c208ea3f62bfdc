/* SPDX-License-Identifier: Apache-2.0 */
#include "base/backoff.h"

#include "base/crypto.h"

int64_t backoff_next_ms(struct backoff *b)
{
    int64_t delay = b->initial_ms < b->max_ms ? b->initial_ms : b->max_ms;
    uint32_t random;

    for (unsigned i = 0; i < b->attempts && delay < b->max_ms; i++)
        delay = delay > b->max_ms / 2 ? b->max_ms : delay * 2;
    if (b->attempts < UINT32_MAX)
        b->attempts++;
    crypto_random(&random, sizeof(random));
    /* delay * (3/4 + random/2^32 / 2), in an order that neither overflows nor loses short delays */
    return delay / 4 * 3 + delay % 4 * 3 / 4 +
           (int64_t)((double)delay / 2 * ((double)random / 4294967296.0));
}

void backoff_reset(struct backoff *b)
{
    b->attempts = 0;
}
