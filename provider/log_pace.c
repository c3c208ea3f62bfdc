/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/log_pace.h"

/* The log may come later than the attachment: how often, and how soon at first, it is asked again
 * for what was shown. A replay of what was read already ends here, too. */
#define MISSES_MAX 4
#define MISS_MS 500

void log_pace_hint(struct log_pace *p)
{
    p->wanted = true;
    p->shown = true;
}

void log_pace_want(struct log_pace *p)
{
    p->wanted = true;
}

void log_pace_reads(struct log_pace *p, int64_t now_mono_ms)
{
    p->was_shown = p->shown;
    p->wanted = false;
    p->shown = false;
    p->last_mono_ms = now_mono_ms;
}

void log_pace_has_read(struct log_pace *p, int64_t now_mono_ms, bool found)
{
    p->last_mono_ms = now_mono_ms;
    if (found || p->misses == MISSES_MAX)
        p->misses = 0;
    else if (p->was_shown || p->misses > 0)
        p->misses++;
}

int64_t log_pace_due_mono_ms(const struct log_pace *p, unsigned followers)
{
    const int64_t shared = (int64_t)followers * LOG_PACE_GAP_OF_ALL_MS;
    int64_t wait = LOG_PACE_QUIET_MS;

    if (p->wanted)
        wait = shared > LOG_PACE_GAP_MS ? shared : LOG_PACE_GAP_MS;
    else if (!p->attached)
        wait = LOG_PACE_POLL_MS;
    else if (p->misses > 0)
        wait = (int64_t)MISS_MS << (p->misses - 1);
    return p->last_mono_ms + wait;
}
