/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/liveness.h"

#include <signal.h>

#include "aci/emulator/lifecycle.h"
#include "base/alloc.h"
#include "base/clock.h"

#define GRACE_MS 30000
#define MAX_WHY 200
/* Kubernetes' defaults, which the service names as its own. */
#define DEFAULT_PERIOD_S 10
#define DEFAULT_TIMEOUT_S 1
#define DEFAULT_FAILURES 3

struct liveness {
    struct container *container;
    struct vk_timer timer; /* the next look; SIGKILL while it is ending */
    int64_t failures;
    bool is_looking, is_ending;
    bool is_over; /* freed by the look that is under way */
};

static int64_t or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static void kill_container(struct liveness *l, int signal)
{
    struct container *c = l->container;
    struct engine *e = lifecycle_engine(c->group->lifecycle);

    e->ops->container_kill(e, c->group->sandbox, c->name, signal);
}

static void end_container(struct liveness *l)
{
    struct container *c = l->container;

    event_log_add(&c->events, "Killing", "Normal", vk_wall_ns(),
                  "Container %s failed liveness probe, will be restarted", c->name);
    l->is_ending = true;
    vk_timer_arm(&l->timer, GRACE_MS);
    kill_container(l, SIGTERM);
}

static void on_looked(void *user, bool is_alive, struct vk_str why)
{
    struct liveness *l = user;
    const struct container *c = l->container;

    l->is_looking = false;
    if (l->is_over) {
        vk_free(l);
        return;
    }
    l->failures = is_alive ? 0 : l->failures + 1;
    if (!is_alive)
        event_log_add(&l->container->events, "Unhealthy", "Warning", vk_wall_ns(),
                      "Liveness probe failed: %.*s", (int)(why.n < MAX_WHY ? why.n : MAX_WHY),
                      why.n ? why.p : "");
    if (l->failures >=
        or_default(c->spec->properties.liveness->failure_threshold, DEFAULT_FAILURES)) {
        end_container(l);
        return;
    }
    vk_timer_arm(&l->timer,
                 or_default(c->spec->properties.liveness->period_s, DEFAULT_PERIOD_S) * 1000);
}

static void on_timer(void *user)
{
    struct liveness *l = user;
    const struct container *c = l->container;
    const struct probe_spec *p = c->spec->properties.liveness;
    struct engine *e = lifecycle_engine(c->group->lifecycle);
    const struct engine_check check = {
        .command = p->command.v,
        .command_count = p->command.n,
        .http = p->http,
        .timeout_ms = or_default(p->timeout_s, DEFAULT_TIMEOUT_S) * 1000,
    };

    if (l->is_ending)
        kill_container(l, SIGKILL);
    else
        l->is_looking =
            e->ops->container_check(e, c->group->sandbox, c->name, &check, on_looked, l);
}

void liveness_begin(struct container *c)
{
    const struct probe_spec *p = c->spec->properties.liveness;
    const struct engine *e = lifecycle_engine(c->group->lifecycle);
    struct liveness *l;

    liveness_end(c);
    if (!p || !e->ops->container_check || (!p->command.n && !p->http))
        return;
    l = vk_calloc(1, sizeof(*l));
    l->container = c;
    vk_timer_init(&l->timer, c->group->timer.loop_, "liveness probe", on_timer, l);
    vk_timer_arm(&l->timer, p->initial_delay_s * 1000);
    c->liveness = l;
}

void liveness_end(struct container *c)
{
    struct liveness *l = c->liveness;

    c->liveness = NULL;
    if (!l)
        return;
    vk_timer_disarm(&l->timer);
    l->is_over = true;
    if (!l->is_looking)
        vk_free(l);
}
