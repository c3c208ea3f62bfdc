/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/container_run.h"

#include <string.h>

#include "aci/emulator/lifecycle.h"
#include "aci/emulator/liveness.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"

/*
 * ACI documents "exponential back-off" without numbers. One second, doubled up to five minutes; a
 * container that ran for ten seconds begins anew.
 */
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS (5 * 60 * 1000)
#define BACKOFF_RESET_MS (10 * 1000)
/* What containerd reports for a process that could not be started. */
#define EXIT_START_ERROR 128

static void on_restart_due(void *user)
{
    struct container *c = user;

    if ((c->phase == CONTAINER_BACKOFF || c->phase == CONTAINER_HELD) && c->group->sandbox)
        container_start(c);
}

void container_init(struct container *c, struct group *g, const struct container_spec *spec,
                    bool is_init)
{
    c->group = g;
    c->spec = spec;
    c->name = vk_strdup(spec->name);
    c->is_init = is_init;
    vk_timer_init(&c->restart_timer, g->timer.loop_, "container restart", on_restart_due, c);
}

void container_release(struct container *c)
{
    liveness_end(c);
    vk_timer_disarm(&c->restart_timer);
    event_log_release(&c->events);
    vk_free(c->name);
}

static const struct group_image *image_of(const struct container *c)
{
    for (size_t i = 0; i < c->group->image_count; i++) {
        if (vk_streq(c->group->images[i].image, c->spec->properties.image))
            return &c->group->images[i];
    }
    return NULL;
}

void container_prepare(struct container *c)
{
    const struct group_image *image = image_of(c);

    if (image) {
        event_log_add(&c->events, "Pulling", "Normal", image->pulling_ns, "pulling image \"%s\"",
                      image->id);
        event_log_add(&c->events, "Pulled", "Normal", image->pulled_ns,
                      "Successfully pulled image \"%s\"", image->id);
    }
    if (c->current.kind != CONTAINER_WAITING) {
        c->previous = c->current;
        c->has_previous = true;
    }
    c->phase = CONTAINER_IDLE;
    c->backoff_ms = 0;
    c->current = (struct container_state){.kind = CONTAINER_WAITING,
                                          .start_ns = image ? image->pulled_ns : vk_wall_ns()};
}

void container_forget(struct container *c)
{
    event_log_release(&c->events);
    c->current = (struct container_state){.kind = CONTAINER_WAITING};
    c->has_previous = false;
    c->restarting = false;
    c->restart_count = 0;
}

/* --- exits and restarts --- */

static bool shall_restart(const struct container *c)
{
    const char *policy = group_spec_restart_policy(c->group->spec);

    if (vk_streq(policy, "Never"))
        return false;
    if (c->is_init || vk_streq(policy, "OnFailure"))
        return c->current.exit_code != 0;
    return true;
}

static int64_t next_backoff(struct container *c, int64_t ran_ms)
{
    int64_t delay = c->backoff_ms;

    if (!delay || ran_ms >= BACKOFF_RESET_MS)
        delay = BACKOFF_FIRST_MS;
    c->backoff_ms = delay * 2 < BACKOFF_MAX_MS ? delay * 2 : BACKOFF_MAX_MS;
    return delay;
}

/* c->current has just become TERMINATED. */
static void after_end(struct container *c, int64_t ran_ms)
{
    if (c->group->phase == GROUP_STOPPING || !shall_restart(c)) {
        c->phase = CONTAINER_DONE;
    } else {
        int64_t delay = next_backoff(c, ran_ms);

        c->phase = CONTAINER_BACKOFF;
        c->previous = c->current;
        c->has_previous = true;
        c->restarting = true;
        c->current = (struct container_state){.kind = CONTAINER_WAITING, .start_ns = vk_wall_ns()};
        vk_strcpy_to(c->current.detail, sizeof(c->current.detail),
                     "CrashLoopBackOff: Back-off restarting failed");
        vk_timer_arm(&c->restart_timer, delay);
    }
    lifecycle_container_changed(c->group);
}

static void set_terminated(struct container *c, int64_t start_ns, int64_t finish_ns,
                           int64_t exit_code)
{
    c->current = (struct container_state){.kind = CONTAINER_TERMINATED,
                                          .start_ns = start_ns,
                                          .finish_ns = finish_ns,
                                          .has_exit_code = true,
                                          .exit_code = exit_code};
    vk_strcpy_to(c->current.detail, sizeof(c->current.detail), exit_code ? "Error" : "Completed");
}

static void note_out_of_memory(struct container *c)
{
    vk_strcpy_to(c->current.detail, sizeof(c->current.detail),
                 lifecycle_oom_detail(c->group->lifecycle));
}

static void on_exited(void *user, const struct engine_exit *ended)
{
    struct container *c = user;
    int64_t ran_ms = vk_mono_ms() - c->up_since_mono_ms;

    if (!c->group->sandbox || c->phase != CONTAINER_UP)
        return;
    liveness_end(c);
    log_v(3, "Container ended", LS("group", c->group->key), LS("container", c->name),
          LI("exitCode", ended->exit_code), LB("oomKilled", ended->oom_killed));
    if (c->group->phase == GROUP_STOPPING) {
        /* container_stop has said all there is to say. */
        c->current.finish_ns = ended->finished_wall_ns;
        c->phase = CONTAINER_DONE;
        lifecycle_container_changed(c->group);
        return;
    }
    set_terminated(c, c->current.start_ns, ended->finished_wall_ns, ended->exit_code);
    if (ended->oom_killed)
        note_out_of_memory(c);
    after_end(c, ran_ms);
}

static bool is_own_doing(const struct vk_err *err)
{
    return err->code == VK_INVALID || err->code == VK_TOO_LARGE;
}

/*
 * No run, so no end and no restart either: the state shown stays what it was, whatever the restart
 * policy, and the owner reads in an event why it takes time.
 */
static void hold(struct container *c)
{
    c->phase = CONTAINER_HELD;
    vk_timer_arm(&c->restart_timer, next_backoff(c, 0));
}

static void on_started(void *user, int64_t started_wall_ns, const struct vk_err *err)
{
    struct container *c = user;

    if (!c->group->sandbox || c->phase != CONTAINER_STARTING)
        return;
    int64_t now = vk_wall_ns();

    if (err)
        event_log_add(&c->events, "Failed", "Warning", now, "Error: %s", err->msg);
    if (err && !is_own_doing(err)) {
        log_warning("Container could not be set up and is tried again", LS("group", c->group->key),
                    LS("container", c->name), LERR(err));
        hold(c);
        return;
    }
    if (c->restarting)
        c->restart_count++;
    c->restarting = false;
    if (err) {
        log_v(3, "Container did not start", LS("group", c->group->key), LS("container", c->name),
              LERR(err));
        set_terminated(c, now, now, EXIT_START_ERROR);
        after_end(c, 0);
        return;
    }
    event_log_add(&c->events, "Created", "Normal", started_wall_ns, "Created container");
    event_log_add(&c->events, "Started", "Normal", started_wall_ns, "Started container");
    c->current = (struct container_state){.kind = CONTAINER_RUNNING, .start_ns = started_wall_ns};
    c->phase = CONTAINER_UP;
    c->up_since_mono_ms = vk_mono_ms();
    if (!c->is_init)
        liveness_begin(c);
    lifecycle_container_changed(c->group);
}

/* --- starting --- */

static void fill_environment(const struct container_spec_properties *p, struct vk_arena *arena,
                             struct engine_container_spec *ret)
{
    const struct env_spec *from = p->env.v;
    struct engine_env *to = vk_arena_array(arena, p->env.n + 1, sizeof(*to));

    for (size_t i = 0; i < p->env.n; i++) {
        to[i].name = from[i].name;
        to[i].value = from[i].secure_value ? from[i].secure_value : from[i].value;
        if (!to[i].value)
            to[i].value = "";
    }
    ret->env = to;
    ret->env_count = p->env.n;
}

static void fill_mounts(const struct container_spec_properties *p, struct vk_arena *arena,
                        struct engine_container_spec *ret)
{
    const struct mount_spec *from = p->mounts.v;
    struct engine_mount *to = vk_arena_array(arena, p->mounts.n + 1, sizeof(*to));

    for (size_t i = 0; i < p->mounts.n; i++)
        to[i] = (struct engine_mount){.volume = from[i].name,
                                      .path = from[i].path,
                                      .sub_path = from[i].sub_path,
                                      .read_only = from[i].read_only};
    ret->mounts = to;
    ret->mount_count = p->mounts.n;
}

static void fill_security(const struct security_spec *s, struct engine_container_spec *ret)
{
    ret->run_as_user = s && s->has_user ? s->run_as_user : -1;
    ret->run_as_group = s && s->has_group ? s->run_as_group : -1;
    if (!s)
        return;
    ret->add_capabilities = s->add.v;
    ret->add_capability_count = s->add.n;
    ret->drop_capabilities = s->drop.v;
    ret->drop_capability_count = s->drop.n;
    ret->privileged = s->privileged;
    ret->no_new_privileges = s->has_allow_escalation && !s->allow_escalation;
}

void container_start(struct container *c)
{
    const struct container_spec_properties *p = &c->spec->properties;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct engine *e = lifecycle_engine(c->group->lifecycle);
    struct engine_container_spec spec = {.name = c->name,
                                         .image = p->image,
                                         .command = p->command.v,
                                         .command_count = p->command.n,
                                         .cpu_milli = p->resources.limits.cpu_milli,
                                         .memory_bytes = p->resources.limits.memory_bytes};

    fill_environment(p, arena, &spec);
    fill_mounts(p, arena, &spec);
    fill_security(p->security, &spec);
    c->phase = CONTAINER_STARTING;
    e->ops->container_start(e, c->group->sandbox, &spec, on_started, on_exited, c);
}

void container_halt(struct container *c)
{
    liveness_end(c);
    vk_timer_disarm(&c->restart_timer);
}

void container_interrupt(struct container *c, int64_t exit_code)
{
    int64_t now = vk_wall_ns();

    if (c->phase == CONTAINER_UP) {
        event_log_add(&c->events, "Killing", "Normal", now,
                      "Killing container %s (platform initiated).", c->name);
        set_terminated(c, c->current.start_ns, now, exit_code);
    }
    if (c->phase != CONTAINER_IDLE && c->phase != CONTAINER_STARTING && c->phase != CONTAINER_HELD)
        c->restarting = true;
}

void container_rerun(struct container *c)
{
    c->previous = c->current;
    c->has_previous = true;
    c->restarting = true;
    c->current = (struct container_state){.kind = CONTAINER_WAITING, .start_ns = vk_wall_ns()};
    container_start(c);
}

void container_stop(struct container *c)
{
    liveness_end(c);
    if (c->phase == CONTAINER_UP) {
        c->previous = c->current;
        c->has_previous = true;
        c->current = (struct container_state){.kind = CONTAINER_TERMINATED,
                                              .start_ns = c->previous.start_ns,
                                              .finish_ns = vk_wall_ns()};
        vk_strcpy_to(c->current.detail, sizeof(c->current.detail),
                     "Container stopped per client request");
    } else if (c->phase != CONTAINER_DONE) {
        if (c->has_previous)
            c->current = c->previous;
        c->phase = CONTAINER_DONE;
    }
    vk_timer_disarm(&c->restart_timer);
}
