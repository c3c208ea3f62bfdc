/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "aci/emulator/runc_engine.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

/* How long the kernel may take to let go of a control group whose processes were killed. */
#define CGROUP_WAIT_MS 5000
#define CGROUP_RETRY_MS 20

static void begin_removal(struct engine_sandbox *s);

void runc_sandbox_free(struct engine_sandbox *s)
{
    vk_list_remove(&s->node);
    vk_timer_disarm(&s->timer);
    VK_LIST_FOREACH(it, &s->instances)
    runc_instance_free(VK_LIST_ENTRY(it, struct runc_instance, node));
    runc_git_release(s);
    sandbox_files_release(&s->files);
    vk_free(s->id);
    vk_free(s->hostname);
    vk_free(s->folder);
    vk_free(s->cgroup);
    vk_free(s);
}

static void run_ip(struct engine_sandbox *s, const char *const *argv, const struct vk_buf *script,
                   runc_command_fn fn)
{
    struct runc_command command = {
        .lane = RUNC_LANE_RUNTIME,
        .argv = argv,
        .input = vk_buf_str(script),
        .output_fd = -1,
        .deadline_ms = RUNC_DEADLINE_MS,
    };
    runc_processes_run(s->engine->processes, &command, fn, s);
}

static void fail_network(struct engine_sandbox *s, const struct runc_result *result)
{
    size_t n = result->error_text.n < 300 ? result->error_text.n : 300;
    (void)vk_err_set(&s->err, VK_INTERNAL, "network of group %s: ip%s %.*s", s->id,
                     result->timed_out ? " took too long" : "", (int)n,
                     n ? result->error_text.p : "");
    begin_removal(s);
}

static void become_ready(struct engine_sandbox *s);

static void on_inner(void *user, const struct runc_result *result)
{
    struct engine_sandbox *s = user;
    if (!result->ok) {
        fail_network(s, result);
        return;
    }
    runc_git_clone(s, become_ready);
}

static void become_ready(struct engine_sandbox *s)
{
    if (s->err.code != VK_OK) {
        begin_removal(s);
        return;
    }
    s->state = RUNC_SANDBOX_READY;
    engine_sandbox_fn created = s->created;
    void *to = s->user;
    s->created = NULL;
    created(to, s, s->ip, NULL);
    /* Whoever asked for it may have given it up already. */
    const struct engine_watch *watch = s->engine->base.watch;
    if (watch && s->state == RUNC_SANDBOX_READY)
        watch->sandbox_up(watch->user, s);
}

static void on_outer(void *user, const struct runc_result *result)
{
    struct engine_sandbox *s = user;
    if (!result->ok) {
        fail_network(s, result);
        return;
    }
    char ns[32];
    sandbox_net_namespace(&s->engine->net, s->index, ns);
    const char *const argv[] = {"ip", "-n", ns, "-batch", "-", NULL};
    struct vk_buf script VK_BUF_AUTO;
    vk_buf_init(&script, 1024);
    sandbox_net_inner_script(&s->engine->net, s->index, &script);
    run_ip(s, argv, &script, on_inner);
}

static void on_timer(void *user);

static int prepare(struct engine_sandbox *s, const struct engine_sandbox_spec *spec)
{
    struct runc_engine *e = s->engine;
    VK_LIST_FOREACH(it, &e->sandboxes)
    {
        const struct engine_sandbox *other = VK_LIST_ENTRY(it, struct engine_sandbox, node);
        if (other != s && other->state < RUNC_SANDBOX_STOPPING && vk_streq(other->id, s->id))
            return vk_err_set(&s->err, VK_ALREADY_EXISTS, "sandbox %s exists", s->id);
    }
    int rc = sandbox_net_take(&e->net, &s->index, &s->err);
    if (rc < 0)
        return rc;
    sandbox_net_ip(&e->net, s->index, s->ip);
    s->folder = vk_asprintf("%s.%" PRIu32, s->id, s->index);
    s->cgroup = vk_asprintf("/%s/%s", e->name, s->folder);
    char *directory VK_AUTOFREE = vk_asprintf("%s/sandboxes/%s", e->state_dir, s->folder);
    char *shares VK_AUTOFREE = vk_asprintf("%s/shares", e->state_dir);
    rc = sandbox_files_make(&s->files, directory, shares, spec, s->ip, &s->err);
    if (rc == 0)
        runc_git_prepare(s, spec);
    return rc < 0 ? rc
                  : cgroup_group_create(&e->cgroups, s->cgroup, spec->memory_bytes, spec->cpu_milli,
                                        &s->err);
}

void runc_sandbox_create(struct engine *engine, const struct engine_sandbox_spec *spec,
                         engine_sandbox_fn done, void *user)
{
    static const char *const argv[] = {"ip", "-batch", "-", NULL};
    struct engine_sandbox *s = vk_calloc(1, sizeof(*s));
    s->engine = runc_engine_of(engine);
    s->id = vk_strdup(spec->id);
    s->hostname = vk_strdup(vk_str_empty(spec->hostname) ? spec->id : spec->hostname);
    s->created = done;
    s->user = user;
    vk_list_init(&s->node);
    vk_list_init(&s->instances);
    vk_timer_init(&s->timer, s->engine->loop, "sandbox", on_timer, s);
    vk_list_add_tail(&s->engine->sandboxes, &s->node);
    int rc = sandbox_files_is_name(spec->id)
                 ? prepare(s, spec)
                 : vk_err_set(&s->err, VK_INVALID, "\"%.100s\" is no sandbox name", spec->id);
    if (rc < 0) {
        vk_timer_arm(&s->timer, 0);
        return;
    }
    struct vk_buf script VK_BUF_AUTO;
    vk_buf_init(&script, 1024);
    sandbox_net_outer_script(&s->engine->net, s->index, &script);
    run_ip(s, argv, &script, on_outer);
}

static void end_removal(struct engine_sandbox *s)
{
    struct runc_engine *e = s->engine;
    if (s->index) {
        sandbox_files_unmount(&s->files);
        if (s->files.directory)
            runc_trash(e, s->files.directory);
        sandbox_net_give_back(&e->net, s->index);
    }
    struct vk_err err = s->err;
    engine_sandbox_fn created = s->created;
    engine_done_fn deleted = s->deleted;
    void *to = s->user;
    runc_sandbox_free(s);
    if (created)
        created(to, NULL, NULL, &err);
    else if (deleted)
        deleted(to);
}

/* What a killed process leaves in its control group takes the kernel a moment. */
static void on_timer(void *user)
{
    struct engine_sandbox *s = user;
    if (s->state != RUNC_SANDBOX_REMOVING) {
        begin_removal(s);
        return;
    }
    if (s->cgroup) {
        (void)cgroup_kill(&s->engine->cgroups, s->cgroup);
        if (!cgroup_remove(&s->engine->cgroups, s->cgroup)) {
            if (vk_mono_ms() < s->give_up_mono_ms) {
                vk_timer_arm(&s->timer, CGROUP_RETRY_MS);
                return;
            }
            log_warning("Control group stays", LS("cgroup", s->cgroup));
        }
    }
    end_removal(s);
}

static void on_network_removed(void *user, const struct runc_result *result)
{
    struct engine_sandbox *s = user;
    if (!result->ok && !s->created)
        log_v(2, "Network was not removed in full", LS("sandbox", s->id));
    on_timer(s);
}

static void begin_removal(struct engine_sandbox *s)
{
    static const char *const argv[] = {"ip", "-force", "-batch", "-", NULL};
    s->state = RUNC_SANDBOX_REMOVING;
    s->give_up_mono_ms = vk_mono_ms() + CGROUP_WAIT_MS;
    if (!s->index) {
        end_removal(s);
        return;
    }
    struct vk_buf script VK_BUF_AUTO;
    vk_buf_init(&script, 1024);
    sandbox_net_remove_script(&s->engine->net, s->index, &script);
    run_ip(s, argv, &script, on_network_removed);
}

void runc_sandbox_progress(struct engine_sandbox *s)
{
    if (s->state != RUNC_SANDBOX_STOPPING)
        return;
    VK_LIST_FOREACH(it, &s->instances)
    {
        const struct runc_instance *i = VK_LIST_ENTRY(it, struct runc_instance, node);
        if (i->state != RUNC_INSTANCE_GONE)
            return;
    }
    begin_removal(s);
}

void runc_sandbox_delete(struct engine *e, struct engine_sandbox *s, engine_done_fn done,
                         void *user)
{
    if (e->watch && s->state == RUNC_SANDBOX_READY)
        e->watch->sandbox_down(e->watch->user, s);
    s->deleted = done;
    s->user = user;
    s->state = RUNC_SANDBOX_STOPPING;
    VK_LIST_FOREACH(it, &s->instances)
    runc_instance_stop(VK_LIST_ENTRY(it, struct runc_instance, node));
    runc_sandbox_progress(s);
}

bool runc_sandbox_usage(struct engine *engine, struct engine_sandbox *s, struct engine_usage *ret)
{
    struct engine_usage all;
    if (s->state != RUNC_SANDBOX_READY ||
        !runc_cgroup_usage(runc_engine_of(engine), s->cgroup, &all))
        return false;
    /* The network is one for all: that of any process in it tells. */
    VK_LIST_FOREACH(it, &s->instances)
    {
        const struct runc_instance *i = VK_LIST_ENTRY(it, struct runc_instance, node);
        if (i->state == RUNC_INSTANCE_RUNNING &&
            sandbox_net_counters(i->pid, &all.rx_bytes, &all.tx_bytes))
            break;
    }
    *ret = all;
    return true;
}

bool runc_sandbox_enter(struct engine *engine, struct engine_sandbox *s, void (*fn)(void *user),
                        void *user)
{
    char name[32], path[64];
    sandbox_net_namespace(&runc_engine_of(engine)->net, s->index, name);
    (void)snprintf(path, sizeof(path), "/run/netns/%s", name);
    int there = open(path, O_RDONLY | O_CLOEXEC);
    int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    bool is_inside = there >= 0 && here >= 0 && setns(there, CLONE_NEWNET) == 0;
    if (is_inside) {
        fn(user);
        /* Whatever this thread does next belongs outside. */
        if (setns(here, CLONE_NEWNET) < 0)
            abort();
    }
    if (there >= 0)
        close(there);
    if (here >= 0)
        close(here);
    return is_inside;
}
