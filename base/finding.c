/* SPDX-License-Identifier: Apache-2.0 */
#include "base/finding.h"

#include <inttypes.h>
#include <stdio.h>

#define WRONG_CLOCK_MS (5 * 60 * 1000)
#define ODD_CLOCK_MS (10 * 1000)

void finding_of_clock(const char *name, const char *whose, bool is_known, int64_t ahead_ms,
                      finding_fn found, void *user)
{
    const int64_t off_ms = ahead_ms < 0 ? -ahead_ms : ahead_ms;
    struct finding f = {.name = name, .state = FINDING_SKIPPED, .remedy = ""};
    char detail[160];

    if (!is_known) {
        snprintf(detail, sizeof(detail), "%s said no time", whose);
    } else {
        snprintf(detail, sizeof(detail), "this machine is %" PRId64 " s %s %s", off_ms / 1000,
                 ahead_ms < 0 ? "ahead of" : "behind", whose);
        f.state = off_ms >= WRONG_CLOCK_MS ? FINDING_FAILED
                  : off_ms >= ODD_CLOCK_MS ? FINDING_WARNING
                                           : FINDING_OK;
    }
    if (f.state == FINDING_OK)
        snprintf(detail, sizeof(detail), "agrees with %s", whose);
    else if (f.state != FINDING_SKIPPED)
        f.remedy = "set this machine's clock by NTP: certificates and tokens are checked by it, "
                   "Events and log times come from it";
    f.detail = detail;
    found(user, &f);
}
