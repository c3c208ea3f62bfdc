/* SPDX-License-Identifier: Apache-2.0 */
/* One container group over a scripted engine: each moment of its life can be stopped at. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "aci/emulator/groups.h"
#include "aci/emulator/lifecycle.h"
#include "tests/unit/emulator/group_body.h"
#include "tests/unit/emulator/scripted_engine.h"

#define INIT "'initContainers':[{'name':'prepare','properties':{'image':'busybox'}}],"

struct world {
    struct vk_loop *loop;
    struct scripted_engine engine;
    struct lifecycle *lifecycle;
    struct groups *groups;
    struct group *g; /* NULL once it is gone */
    int woken;
    enum group_phase woken_in;
};

static inline void on_gone(void *user, struct group *g)
{
    struct world *w = user;

    assert_ptr_equal(g, w->g);
    groups_remove(w->groups, g);
    w->g = NULL;
}

static inline void on_woken(void *user, struct group *g)
{
    struct world *w = user;

    w->woken++;
    w->woken_in = g->phase;
}

/* Timers that are due now have fired afterwards. */
static inline void turn(struct world *w)
{
    static const bool never;

    vk_loop_run_until(w->loop, &never, 0);
    vk_loop_run_until(w->loop, &never, 0);
}

static inline struct group_spec *parse(const char *text)
{
    char *body VK_AUTOFREE = group_body(text);
    struct group_spec *spec;
    struct vk_err err;

    if (group_spec_parse(vk_str_of(body), &spec, &err) < 0)
        fail_msg("%s", err.msg);
    return spec;
}

static inline struct group_image *images(void)
{
    struct group_image *image = vk_calloc(1, sizeof(*image));

    image->image = vk_strdup("busybox");
    image->id = vk_strdup("busybox@sha256:abc");
    image->pulling_ns = image->pulled_ns = vk_wall_ns();
    return image;
}

static inline void begin_with(struct world *w, const char *body,
                              const struct lifecycle_config *times)
{
    struct lifecycle_config config = *times;

    *w = (struct world){.loop = vk_loop_new()};
    config.gone = on_gone;
    config.user = w;
    w->engine.engine.ops = &scripted_ops;
    w->lifecycle = lifecycle_new(w->loop, &w->engine.engine, &config);
    w->groups = groups_new("sub");
    w->g = groups_add(w->groups, w->loop, w->lifecycle, "RG", "web");
    group_adopt_spec(w->g, parse(body), images(), 1);
    lifecycle_run(w->g, "Pending");
    turn(w);
}

static inline void begin(struct world *w, const char *body)
{
    begin_with(w, body, &(struct lifecycle_config){.stop_grace_ms = 60000});
}

static inline void end(struct world *w)
{
    groups_free(w->groups);
    lifecycle_free(w->lifecycle);
    vk_loop_free(w->loop);
}

static inline void begin_running(struct world *w, const char *body)
{
    begin(w, body);
    scripted_create(&w->engine);
    scripted_start(&w->engine, "c");
    assert_string_equal(group_state(w->g), "Running");
}

static inline const struct container *container(const struct world *w, const char *name)
{
    return group_container(w->g, name);
}

static inline int64_t event_count(const struct container *c, const char *name)
{
    for (size_t i = 0; i < c->events.n; i++) {
        if (vk_streq(c->events.v[i].name, name))
            return c->events.v[i].count;
    }
    return 0;
}
