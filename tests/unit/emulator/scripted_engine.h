/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine that does nothing by itself: a test looks at what it was asked and answers when it
 * likes, so that every moment of a life cycle can be stopped at. One container group, one sandbox
 * at a time; a start or a sandbox call left open is counted.
 */
#pragma once

#include <string.h>

#include "aci/emulator/engine.h"
#include "base/alloc.h"
#include "base/clock.h"

#define SCRIPTED_CONTAINERS 8

struct engine_sandbox {
    int unused;
};
struct scripted_container {
    char name[64], env[256], hostname[64];
    bool is_starting, is_running;
    int starts, kills, last_signal;
    engine_started_fn started;
    engine_exited_fn exited;
    void *user;
};
struct scripted_engine {
    struct engine engine;
    struct engine_sandbox sandbox;
    bool is_creating, exists, is_deleting;
    int creates, deletes;
    engine_sandbox_fn created;
    engine_done_fn deleted;
    void *user;
    struct scripted_container containers[SCRIPTED_CONTAINERS];
    size_t container_count;
    int checks; /* looks at containers; the last one is open while `checked` is set */
    engine_checked_fn checked;
    void *check_user;
};

static inline struct scripted_container *scripted_container(struct scripted_engine *s,
                                                            const char *name)
{
    for (size_t i = 0; i < s->container_count; i++) {
        if (vk_streq(s->containers[i].name, name))
            return &s->containers[i];
    }
    return NULL;
}

static inline void scripted_sandbox_create(struct engine *e, const struct engine_sandbox_spec *spec,
                                           engine_sandbox_fn done, void *user)
{
    struct scripted_engine *s = (struct scripted_engine *)e;

    (void)spec;
    s->is_creating = true;
    s->creates++;
    s->created = done;
    s->user = user;
}

static inline void scripted_sandbox_delete(struct engine *e, struct engine_sandbox *sandbox,
                                           engine_done_fn done, void *user)
{
    struct scripted_engine *s = (struct scripted_engine *)e;

    (void)sandbox;
    for (size_t i = 0; i < s->container_count; i++)
        s->containers[i].is_starting = s->containers[i].is_running = false;
    s->is_deleting = true;
    s->deletes++;
    s->deleted = done;
    s->user = user;
}

static inline void scripted_container_start(struct engine *e, struct engine_sandbox *sandbox,
                                            const struct engine_container_spec *spec,
                                            engine_started_fn started, engine_exited_fn exited,
                                            void *user)
{
    struct scripted_engine *s = (struct scripted_engine *)e;
    struct scripted_container *c = scripted_container(s, spec->name);

    (void)sandbox;
    if (!c)
        c = &s->containers[s->container_count++];
    vk_strcpy_to(c->name, sizeof(c->name), spec->name);
    c->env[0] = '\0';
    for (size_t i = 0; i < spec->env_count; i++) {
        size_t n = strlen(c->env);

        snprintf(c->env + n, sizeof(c->env) - n, "%s=%s;", spec->env[i].name, spec->env[i].value);
    }
    c->is_starting = true;
    c->starts++;
    c->started = started;
    c->exited = exited;
    c->user = user;
}

static inline void scripted_container_kill(struct engine *e, struct engine_sandbox *sandbox,
                                           const char *name, int signal)
{
    struct scripted_container *c = scripted_container((struct scripted_engine *)e, name);

    (void)sandbox;
    c->kills++;
    c->last_signal = signal;
}

static inline bool scripted_container_check(struct engine *e, struct engine_sandbox *sandbox,
                                            const char *name, const struct engine_check *check,
                                            engine_checked_fn fn, void *user)
{
    struct scripted_engine *s = (struct scripted_engine *)e;

    (void)sandbox, (void)name, (void)check;
    s->checks++;
    s->checked = fn;
    s->check_user = user;
    return true;
}

static const struct engine_ops scripted_ops = {
    .name = "scripted",
    .sandbox_create = scripted_sandbox_create,
    .sandbox_delete = scripted_sandbox_delete,
    .container_start = scripted_container_start,
    .container_kill = scripted_container_kill,
    .container_check = scripted_container_check,
};

/* --- the test's side --- */

static inline void scripted_create(struct scripted_engine *s)
{
    s->is_creating = false;
    s->exists = true;
    s->created(s->user, &s->sandbox, "10.244.0.2", NULL);
}

static inline void scripted_create_fails(struct scripted_engine *s)
{
    struct vk_err err;

    s->is_creating = false;
    vk_err_set(&err, VK_UNAVAILABLE, "no address is left");
    s->created(s->user, NULL, NULL, &err);
}

static inline void scripted_deleted(struct scripted_engine *s)
{
    s->is_deleting = s->exists = false;
    s->deleted(s->user);
}

static inline void scripted_start(struct scripted_engine *s, const char *name)
{
    struct scripted_container *c = scripted_container(s, name);

    c->is_starting = false;
    c->is_running = true;
    c->started(c->user, vk_wall_ns(), NULL);
}

static inline void scripted_start_fails(struct scripted_engine *s, const char *name)
{
    struct scripted_container *c = scripted_container(s, name);
    struct vk_err err;

    c->is_starting = false;
    vk_err_set(&err, VK_INVALID, "exec: \"nope\": executable file not found in $PATH");
    c->started(c->user, 0, &err);
}

/* The machine's fault. */
static inline void scripted_set_up_fails(struct scripted_engine *s, const char *name)
{
    struct scripted_container *c = scripted_container(s, name);
    struct vk_err err;

    c->is_starting = false;
    vk_err_set(&err, VK_UNAVAILABLE, "mount the image's layers: Invalid argument");
    c->started(c->user, 0, &err);
}

static inline void scripted_checked(struct scripted_engine *s, bool is_alive)
{
    const engine_checked_fn fn = s->checked;

    s->checked = NULL;
    fn(s->check_user, is_alive, is_alive ? VK_STR("") : VK_STR("no such file"));
}

static inline void scripted_exit(struct scripted_engine *s, const char *name, int code)
{
    struct scripted_container *c = scripted_container(s, name);
    struct engine_exit ended = {.exit_code = code, .finished_wall_ns = vk_wall_ns()};

    c->is_running = false;
    c->exited(c->user, &ended);
}
