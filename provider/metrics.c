/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/metrics.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/prometheus.h"

#define PREFIX "aci_kubelet_"
/* A group that comes and goes in between is counted for what was seen of it. */
#define ACCOUNT_MS 5000
#define MAX_NAMESPACES 100
#define OTHER "other"

struct account {
    char *namespace_;
    int64_t cpu_milli_ms; /* thousandths of a vCPU times ms */
    double gb_seconds;
};

enum group_state { GROUP_CREATING, GROUP_RUNNING, GROUP_FINISHED, GROUP_DELETING };
#define GROUP_STATES (GROUP_DELETING + 1)

struct metrics {
    struct tracker *tracker;
    struct arm_client *arm;
    struct metrics_prices prices;
    struct vk_timer timer;
    int64_t accounted_mono_ms;
    struct account accounts[MAX_NAMESPACES + 1]; /* the last one is "other" */
    size_t account_count;
};

/* --- what is paid for --- */

static struct account *find_account(struct metrics *m, const char *namespace_)
{
    for (size_t i = 0; i < m->account_count; i++) {
        if (vk_streq(m->accounts[i].namespace_, namespace_))
            return &m->accounts[i];
    }
    if (m->account_count == MAX_NAMESPACES) {
        m->accounts[MAX_NAMESPACES].namespace_ = vk_strdup(OTHER);
        m->account_count++;
    }
    if (m->account_count > MAX_NAMESPACES)
        return &m->accounts[MAX_NAMESPACES];
    m->accounts[m->account_count].namespace_ = vk_strdup(namespace_);
    return &m->accounts[m->account_count++];
}

/* ACI bills a group from the pull of its first image until it has ended. */
static bool is_billed(const struct tracked_pod *pod)
{
    return pod->exists && !pod->finished && !vk_streq(pod->provisioning, "Pending");
}

struct accounting {
    struct metrics *m;
    int64_t passed_ms;
};

static void account_pod(void *user, struct tracked_pod *pod)
{
    const struct accounting *a = user;
    struct account *to;

    if (!is_billed(pod))
        return;
    to = find_account(a->m, pod->namespace_);
    to->cpu_milli_ms += pod->cpu_milli * a->passed_ms;
    to->gb_seconds += (double)pod->memory_bytes / 1e9 * (double)a->passed_ms / 1000;
}

static void bring_accounts_up_to_date(struct metrics *m)
{
    const int64_t now = vk_mono_ms();
    struct accounting a = {.m = m, .passed_ms = now - m->accounted_mono_ms};

    m->accounted_mono_ms = now;
    tracker_foreach(m->tracker, account_pod, &a);
}

static void on_timer(void *user)
{
    struct metrics *m = user;

    bring_accounts_up_to_date(m);
    vk_timer_arm(&m->timer, ACCOUNT_MS);
}

static void write_accounts(const struct metrics *m, struct vk_buf *out)
{
    const bool has_prices = m->prices.cpu_hour > 0 || m->prices.gb_hour > 0;

    prometheus_family(out, PREFIX "billed_vcpu_seconds_total", PROMETHEUS_COUNTER,
                      "vCPU seconds of container groups, since this process began.");
    for (size_t i = 0; i < m->account_count; i++)
        prometheus_double(out, PREFIX "billed_vcpu_seconds_total",
                          PROMETHEUS_LABELS({"namespace", m->accounts[i].namespace_}),
                          (double)m->accounts[i].cpu_milli_ms / 1e6);
    prometheus_family(out, PREFIX "billed_gigabyte_seconds_total", PROMETHEUS_COUNTER,
                      "GB seconds of container groups, since this process began.");
    for (size_t i = 0; i < m->account_count; i++)
        prometheus_double(out, PREFIX "billed_gigabyte_seconds_total",
                          PROMETHEUS_LABELS({"namespace", m->accounts[i].namespace_}),
                          m->accounts[i].gb_seconds);
    if (!has_prices)
        return;
    prometheus_family(out, PREFIX "cost_total", PROMETHEUS_COUNTER,
                      "What that costs by --prices, in their currency.");
    for (size_t i = 0; i < m->account_count; i++)
        prometheus_double(out, PREFIX "cost_total",
                          PROMETHEUS_LABELS({"namespace", m->accounts[i].namespace_}),
                          (double)m->accounts[i].cpu_milli_ms / 1e6 / 3600 * m->prices.cpu_hour +
                              m->accounts[i].gb_seconds / 3600 * m->prices.gb_hour);
}

int metrics_prices_parse(const char *text, struct metrics_prices *ret, struct vk_err *err)
{
    struct metrics_prices prices = {0};
    struct vk_str rest = vk_str_of(text);

    while (rest.n) {
        struct vk_str value;
        struct vk_str one = vk_str_trim(vk_str_cut(rest, ',', &rest));
        struct vk_str name = vk_str_trim(vk_str_cut(one, '=', &value));
        char digits[32], *end;
        double price;

        (void)snprintf(digits, sizeof(digits), "%.*s", (int)(value.n < 31 ? value.n : 31),
                       value.n ? value.p : "");
        price = strtod(digits, &end);
        if (!*digits || *end || !(price >= 0 && price < 1e6) ||
            (!vk_str_is(name, "cpu") && !vk_str_is(name, "gb")))
            return vk_err_set(err, VK_INVALID,
                              "'%.*s' is no price: cpu=NUMBER,gb=NUMBER, each for an hour",
                              (int)(one.n < 60 ? one.n : 60), one.p);
        *(vk_str_is(name, "cpu") ? &prices.cpu_hour : &prices.gb_hour) = price;
    }
    *ret = prices;
    return 0;
}

/* --- what is known of the groups --- */

struct survey {
    size_t states[GROUP_STATES];
    int64_t now, oldest_ms;
};

static void survey_pod(void *user, struct tracked_pod *pod)
{
    struct survey *s = user;
    enum group_state state = GROUP_RUNNING;

    if (!pod->exists)
        return;
    if (vk_streq(pod->provisioning, "Deleting"))
        state = GROUP_DELETING;
    else if (pod->finished)
        state = GROUP_FINISHED;
    else if (pod->in_transition)
        state = GROUP_CREATING;
    s->states[state]++;
    if (state != GROUP_FINISHED && s->now - pod->last_read_mono_ms > s->oldest_ms &&
        pod->last_read_mono_ms > 0)
        s->oldest_ms = s->now - pod->last_read_mono_ms;
}

static void write_groups(const struct metrics *m, struct vk_buf *out)
{
    static const char *const names[GROUP_STATES] = {[GROUP_CREATING] = "creating",
                                                    [GROUP_RUNNING] = "running",
                                                    [GROUP_FINISHED] = "finished",
                                                    [GROUP_DELETING] = "deleting"};
    struct survey s = {.now = vk_mono_ms()};

    tracker_foreach(m->tracker, survey_pod, &s);
    prometheus_family(out, PREFIX "container_groups", PROMETHEUS_GAUGE,
                      "Container groups of this node.");
    for (size_t i = 0; i < GROUP_STATES; i++)
        prometheus_uint(out, PREFIX "container_groups", PROMETHEUS_LABELS({"state", names[i]}),
                        s.states[i]);
    prometheus_family(out, PREFIX "tracker_oldest_read_seconds", PROMETHEUS_GAUGE,
                      "How long ago the group that waits longest for it was read.");
    prometheus_double(out, PREFIX "tracker_oldest_read_seconds", NULL, (double)s.oldest_ms / 1000);
    prometheus_family(out, PREFIX "tracker_list_failing", PROMETHEUS_GAUGE,
                      "1 while listing container groups fails.");
    prometheus_int(out, PREFIX "tracker_list_failing", NULL,
                   tracker_list_error(m->tracker) != NULL);
}

struct metrics *metrics_new(struct vk_loop *loop, struct tracker *tracker, struct arm_client *arm,
                            const struct metrics_prices *prices)
{
    struct metrics *m = vk_calloc(1, sizeof(*m));

    m->tracker = tracker;
    m->arm = arm;
    m->prices = *prices;
    m->accounted_mono_ms = vk_mono_ms();
    vk_timer_init(&m->timer, loop, "accounts", on_timer, m);
    vk_timer_arm(&m->timer, ACCOUNT_MS);
    return m;
}

void metrics_stop(struct metrics *m)
{
    vk_timer_disarm(&m->timer);
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    metrics_stop(m);
    for (size_t i = 0; i < m->account_count; i++)
        vk_free(m->accounts[i].namespace_);
    vk_free(m);
}

void metrics_write(struct metrics *m, struct vk_buf *out)
{
    bring_accounts_up_to_date(m);
    write_groups(m, out);
    write_accounts(m, out);
    arm_client_write_metrics(m->arm, out);
}
