/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/arm_metrics.h"

#include <assert.h>

#include "base/alloc.h"

#define PREFIX "aci_kubelet_arm_"

static const struct {
    int status; /* 0: there was no answer */
    const char *label;
} codes[] = {{0, "none"},  {200, "200"}, {201, "201"}, {202, "202"}, {204, "204"}, {400, "400"},
             {401, "401"}, {403, "403"}, {404, "404"}, {409, "409"}, {429, "429"}, {500, "500"},
             {502, "502"}, {503, "503"}, {504, "504"}, {-1, "other"}};
static_assert(VK_COUNT(codes) == ARM_METRICS_CODES, "as many as are counted");

static const struct prometheus_bounds seconds = {{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}, 10};
static const struct prometheus_bounds wait_seconds = {{0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 1800}, 9};
static const char *const kinds[THROTTLE_KINDS] = {
    [THROTTLE_READS] = "read", [THROTTLE_WRITES] = "write", [THROTTLE_DELETES] = "delete"};
static const char *const priorities[THROTTLE_PRIORITIES] = {
    [THROTTLE_USER] = "user",   [THROTTLE_DELETE] = "delete",
    [THROTTLE_STOP] = "stop",   [THROTTLE_CREATE] = "create",
    [THROTTLE_TRACK] = "track", [THROTTLE_RETRY_IMAGE] = "retry-image"};

void arm_metrics_waited(struct arm_metrics *m, enum throttle_priority priority, int64_t ms)
{
    prometheus_observe(&m->waits[priority], &wait_seconds, (double)ms / 1000);
}

static struct arm_metrics_row *find_row(struct arm_metrics *m, const char *operation,
                                        const char *method)
{
    for (size_t i = 0; i < m->count; i++) {
        if (vk_streq(m->rows[i].operation, operation) && vk_streq(m->rows[i].method, method))
            return &m->rows[i];
    }
    if (m->count == ARM_METRICS_ROWS)
        return NULL;
    m->rows[m->count] = (struct arm_metrics_row){.operation = operation, .method = method};
    return &m->rows[m->count++];
}

void arm_metrics_ended(struct arm_metrics *m, const char *operation, const char *method, int status,
                       int64_t ms)
{
    struct arm_metrics_row *row = find_row(m, operation, method);
    size_t code = 0;

    if (!row)
        return;
    while (code < VK_COUNT(codes) - 1 && codes[code].status != status)
        code++;
    row->codes[code]++;
    prometheus_observe(&row->seconds, &seconds, (double)ms / 1000);
}

static void write_rows(const struct arm_metrics *m, struct vk_buf *out)
{
    prometheus_family(out, PREFIX "requests_total", PROMETHEUS_COUNTER,
                      "Requests to Azure Resource Manager by what they ended with.");
    for (size_t i = 0; i < m->count; i++) {
        for (size_t c = 0; c < VK_COUNT(codes); c++) {
            if (m->rows[i].codes[c])
                prometheus_uint(out, PREFIX "requests_total",
                                PROMETHEUS_LABELS({"operation", m->rows[i].operation},
                                                  {"method", m->rows[i].method},
                                                  {"code", codes[c].label}),
                                m->rows[i].codes[c]);
        }
    }
    prometheus_family(out, PREFIX "request_duration_seconds", PROMETHEUS_HISTOGRAM,
                      "From sending a request to its answer.");
    for (size_t i = 0; i < m->count; i++)
        prometheus_histogram(
            out, PREFIX "request_duration_seconds",
            PROMETHEUS_LABELS({"operation", m->rows[i].operation}, {"method", m->rows[i].method}),
            &seconds, &m->rows[i].seconds);
}

static void write_waits(const struct arm_metrics *m, const struct throttle_state *state,
                        struct vk_buf *out)
{
    prometheus_family(out, PREFIX "wait_seconds", PROMETHEUS_HISTOGRAM,
                      "How long requests waited for their turn.");
    for (size_t i = 0; i < THROTTLE_PRIORITIES; i++)
        prometheus_histogram(out, PREFIX "wait_seconds",
                             PROMETHEUS_LABELS({"priority", priorities[i]}), &wait_seconds,
                             &m->waits[i]);
    prometheus_family(out, PREFIX "waiting", PROMETHEUS_GAUGE, "Requests that wait now.");
    for (size_t i = 0; i < THROTTLE_PRIORITIES; i++)
        prometheus_uint(out, PREFIX "waiting", PROMETHEUS_LABELS({"priority", priorities[i]}),
                        state->waiting[i]);
    prometheus_family(out, PREFIX "longest_wait_seconds", PROMETHEUS_GAUGE,
                      "For how long the first of them has waited.");
    for (size_t i = 0; i < THROTTLE_PRIORITIES; i++)
        prometheus_double(out, PREFIX "longest_wait_seconds",
                          PROMETHEUS_LABELS({"priority", priorities[i]}),
                          (double)state->longest_wait_ms[i] / 1000);
}

static void write_buckets(const struct throttle_state *state, struct vk_buf *out)
{
    static const struct {
        const char *name, *help;
        enum prometheus_type type;
    } families[] = {
        {PREFIX "tokens", "Requests that ARM's bucket still has, as far as it is known.",
         PROMETHEUS_GAUGE},
        {PREFIX "tokens_max", "How many fit in; 0: no limit.", PROMETHEUS_GAUGE},
        {PREFIX "in_flight", "Requests under way.", PROMETHEUS_GAUGE},
        {PREFIX "sent_total", "Requests that got their turn.", PROMETHEUS_COUNTER},
        {PREFIX "throttled_total", "Answers 429.", PROMETHEUS_COUNTER},
    };

    for (size_t f = 0; f < VK_COUNT(families); f++) {
        prometheus_family(out, families[f].name, families[f].type, families[f].help);
        for (size_t k = 0; k < THROTTLE_KINDS; k++) {
            const uint64_t values[] = {(uint64_t)state->left[k], (uint64_t)state->size[k],
                                       state->in_flight[k], state->sent[k], state->throttled[k]};

            prometheus_uint(out, families[f].name, PROMETHEUS_LABELS({"kind", kinds[k]}),
                            values[f]);
        }
    }
}

void arm_metrics_write(const struct arm_metrics *m, const struct throttle_state *state,
                       bool is_away, struct vk_buf *out)
{
    write_rows(m, out);
    write_waits(m, state, out);
    write_buckets(state, out);
    prometheus_family(out, PREFIX "available", PROMETHEUS_GAUGE,
                      "0 while ARM or Entra count as away.");
    prometheus_int(out, PREFIX "available", NULL, !is_away);
}
