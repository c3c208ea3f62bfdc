/* SPDX-License-Identifier: Apache-2.0 */
/* Drives one runc engine from a test: calls that wait for their end, and looks for leftovers. */
#pragma once

#include "tests/unit/emulator/registry_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include "aci/emulator/runc_engine.h"
#include "base/clock.h"

#define WAIT_MS 60000
#define IMAGE "registry.example/scratch/busybox:1"

static struct registry_fixture fixture;
static struct vk_loop *loop;
static struct engine *engine;
static char *state_dir;

/* One asynchronous call and what came of it. */
struct outcome {
    bool pulled, created, started, exited, deleted;
    struct vk_err err; /* code VK_OK: none */
    char image_id[256], ip[SANDBOX_IP_MAX];
    struct engine_sandbox *sandbox;
    struct engine_exit end;
    int64_t started_wall_ns;
    int starts, exits;
};

static inline void on_pulled(void *user, const struct engine_image *image, const struct vk_err *err)
{
    struct outcome *o = user;
    o->pulled = true;
    if (err)
        o->err = *err;
    else
        (void)vk_strcpy_to(o->image_id, sizeof(o->image_id), image->id);
}

static inline void on_created(void *user, struct engine_sandbox *s, const char *ip,
                              const struct vk_err *err)
{
    struct outcome *o = user;
    o->created = true;
    o->sandbox = s;
    if (err)
        o->err = *err;
    else
        (void)vk_strcpy_to(o->ip, sizeof(o->ip), ip);
}

static inline void on_started(void *user, int64_t started_wall_ns, const struct vk_err *err)
{
    struct outcome *o = user;
    o->started = true;
    o->starts++;
    o->started_wall_ns = started_wall_ns;
    if (err)
        o->err = *err;
}

static inline void on_exited(void *user, const struct engine_exit *end)
{
    struct outcome *o = user;
    o->exited = true;
    o->exits++;
    o->end = *end;
}

static inline void on_deleted(void *user)
{
    struct outcome *o = user;
    o->deleted = true;
}

static inline void wait_for(const bool *flag)
{
    assert_true(vk_loop_run_until(loop, flag, WAIT_MS));
}

static inline void create(struct outcome *o, struct engine_sandbox_spec spec)
{
    engine->ops->sandbox_create(engine, &spec, on_created, o);
    wait_for(&o->created);
    assert_string_equal(o->err.msg, "");
    assert_non_null(o->sandbox);
}

static inline void remove_sandbox(struct outcome *o)
{
    engine->ops->sandbox_delete(engine, o->sandbox, on_deleted, o);
    wait_for(&o->deleted);
}

static inline struct engine_container_spec container(const char *name, const char *const *command)
{
    struct engine_container_spec spec = {
        .name = name,
        .image = IMAGE,
        .command = command,
        .run_as_user = -1,
        .run_as_group = -1,
    };
    while (command && command[spec.command_count])
        spec.command_count++;
    return spec;
}

static inline void start(struct outcome *sandbox, struct outcome *o,
                         struct engine_container_spec spec)
{
    engine->ops->container_start(engine, sandbox->sandbox, &spec, on_started, on_exited, o);
}

static inline void run_shell(struct outcome *sandbox, struct outcome *o, const char *name,
                             const char *script)
{
    const char *const command[] = {"sh", "-c", script, NULL};
    start(sandbox, o, container(name, command));
    wait_for(&o->started);
    assert_string_equal(o->err.msg, "");
}

static inline char *logs_of(struct outcome *sandbox, const char *name, int64_t tail,
                            bool timestamps)
{
    struct vk_buf out;
    struct vk_err err = {0};
    vk_buf_init(&out, 8 << 20);
    if (engine->ops->container_logs(engine, sandbox->sandbox, name, tail, timestamps, &out, &err) <
        0) {
        vk_buf_release(&out);
        return vk_asprintf("error %s", vk_code_name(err.code));
    }
    return vk_buf_take(&out);
}

static inline bool has_entry(const char *directory, const char *prefix)
{
    DIR *d = opendir(directory);
    bool found = false;
    for (const struct dirent *e; d && (e = readdir(d));)
        found = found || vk_starts(e->d_name, prefix);
    if (d)
        closedir(d);
    return found;
}

static inline bool file_mentions(const char *path, const char *text)
{
    char line[8192];
    FILE *f = fopen(path, "re");
    bool found = false;
    while (f && !found && fgets(line, sizeof(line), f))
        found = strstr(line, text) != NULL;
    if (f)
        fclose(f);
    return found;
}

/* Looks from outside: mounts, namespaces, devices, control groups, processes of one sandbox, or of
 * the whole engine. */
static inline void assert_nothing_left(const char *name, const char *mount_below,
                                       const char *device, const char *cgroup)
{
    assert_false(file_mentions("/proc/self/mountinfo", mount_below));
    assert_false(has_entry("/run/netns", name));
    struct if_nameindex *devices = if_nameindex();
    for (const struct if_nameindex *i = devices; i && i->if_index; i++)
        assert_false(vk_starts(i->if_name, device));
    if_freenameindex(devices);
    DIR *d = opendir("/sys/fs/cgroup");
    for (const struct dirent *e; d && (e = readdir(d));) {
        char *path VK_AUTOFREE = vk_asprintf("/sys/fs/cgroup/%s%s", e->d_name, cgroup);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    closedir(d);
    d = opendir("/proc");
    for (const struct dirent *e; d && (e = readdir(d));) {
        char *path VK_AUTOFREE = vk_asprintf("/proc/%s/cgroup", e->d_name);
        assert_false(file_mentions(path, cgroup));
    }
    closedir(d);
}

static inline void assert_sandbox_gone(const char *folder, uint32_t index)
{
    struct runc_engine *e = runc_engine_of(engine);
    char ns[32], device[32];
    sandbox_net_namespace(&e->net, index, ns);
    (void)snprintf(device, sizeof(device), "%s%x", e->name, (unsigned)index);
    char *below VK_AUTOFREE = vk_asprintf("/sandboxes/%s", folder);
    char *cgroup VK_AUTOFREE = vk_asprintf("/%s/%s", e->name, folder);
    char *path VK_AUTOFREE = vk_asprintf("%s%s", state_dir, below);
    assert_nothing_left(ns, below, device, cgroup);
    assert_int_not_equal(access(path, F_OK), 0);
}

static inline struct engine *new_engine(void)
{
    struct vk_err err = {0};
    struct engine *e = NULL;
    const struct engine_runc_config config = {
        .state_dir = state_dir,
        .pod_cidr = "10.244.0.0/16",
        .registry_mirror = "127.0.0.1:5000",
    };
    loop = vk_loop_new();
    if (engine_runc_new(loop, &config, &e, &err) < 0)
        fail_msg("%s", err.msg);
    return e;
}
