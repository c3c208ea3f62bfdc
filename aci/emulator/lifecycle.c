/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/lifecycle.h"

#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "aci/emulator/container_run.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"

/* The service tries again until the provisioning time-out and beyond. */
#define SANDBOX_RETRY_MS 5000

struct lifecycle {
    struct vk_loop *loop;
    struct engine *engine;
    struct lifecycle_config config;
    size_t sandboxes;
    char oom_detail[64];
};

struct group_waiter {
    struct group_waiter *next;
    lifecycle_fn fn;
    void *user;
};

static void on_timer(void *user);

struct lifecycle *lifecycle_new(struct vk_loop *loop, struct engine *engine,
                                const struct lifecycle_config *config)
{
    struct lifecycle *l = vk_calloc(1, sizeof(*l));

    l->loop = loop;
    l->engine = engine;
    l->config = *config;
    lifecycle_set_oom_detail(l, "Error");
    return l;
}

void lifecycle_free(struct lifecycle *l)
{
    vk_free(l);
}

struct engine *lifecycle_engine(const struct lifecycle *l)
{
    return l->engine;
}

size_t lifecycle_sandboxes(const struct lifecycle *l)
{
    return l->sandboxes;
}

void lifecycle_attach(struct group *g, struct vk_loop *loop)
{
    vk_timer_init(&g->timer, loop, "container group", on_timer, g);
}

void lifecycle_forget(struct group *g)
{
    while (g->waiters) {
        struct group_waiter *w = g->waiters;

        g->waiters = w->next;
        vk_free(w);
    }
    vk_timer_disarm(&g->timer);
}

static void wait_for(struct group *g, lifecycle_fn fn, void *user)
{
    struct group_waiter **end = &g->waiters;

    if (!fn)
        return;
    while (*end)
        end = &(*end)->next;
    *end = vk_calloc(1, sizeof(**end));
    (*end)->fn = fn;
    (*end)->user = user;
}

static void wake(struct group *g)
{
    struct group_waiter *list = g->waiters;

    g->waiters = NULL;
    while (list) {
        struct group_waiter *w = list;

        list = w->next;
        w->fn(w->user, g);
        vk_free(w);
    }
}

void lifecycle_set_oom_detail(struct lifecycle *l, const char *detail)
{
    vk_strcpy_to(l->oom_detail, sizeof(l->oom_detail), detail);
}

const char *lifecycle_oom_detail(const struct lifecycle *l)
{
    return l->oom_detail;
}

/* --- the sandbox --- */

static void finish_teardown(struct group *g)
{
    enum group_next next = g->next;
    int64_t left = g->gone_at_mono_ms - vk_mono_ms();

    if (next == NEXT_GONE && left > 0) {
        vk_timer_arm(&g->timer, left);
        return;
    }
    g->next = NEXT_NOTHING;
    g->ip[0] = '\0';
    log_v(3, "Container group has no sandbox any more", LS("group", g->key), LI("next", next));
    switch (next) {
    case NEXT_GONE:
        wake(g);
        g->lifecycle->config.gone(g->lifecycle->config.user, g);
        return;
    case NEXT_STOPPED:
        g->phase = GROUP_STOPPED;
        wake(g);
        return;
    case NEXT_RUN:
        lifecycle_run(g, g->provisioning_state);
        return;
    case NEXT_CLEARED:
        wake(g);
        return;
    case NEXT_NOTHING:
    default:
        return;
    }
}

static void on_sandbox_deleted(void *user)
{
    struct group *g = user;

    g->sandbox_deleting = false;
    g->lifecycle->sandboxes--;
    finish_teardown(g);
}

static void delete_sandbox(struct group *g)
{
    struct engine *e = g->lifecycle->engine;
    struct engine_sandbox *sandbox = g->sandbox;

    /* From here on nothing that the engine says about containers of this sandbox counts. */
    g->sandbox = NULL;
    g->sandbox_deleting = true;
    e->ops->sandbox_delete(e, sandbox, on_sandbox_deleted, g);
}

/* Removes the sandbox, or waits until it can; `next` follows. A deletion overrides all else. */
static void teardown(struct group *g, enum group_next next)
{
    if (next > g->next)
        g->next = next;
    vk_timer_disarm(&g->timer);
    for (size_t i = 0; i < g->container_count; i++)
        container_halt(&g->containers[i]);
    if (g->sandbox_creating || g->sandbox_deleting)
        return;
    if (g->sandbox)
        delete_sandbox(g);
    else
        vk_timer_arm(&g->timer, 0);
}

static void advance(struct group *g);

static void on_sandbox_created(void *user, struct engine_sandbox *sandbox, const char *ip,
                               const struct vk_err *err)
{
    struct group *g = user;

    g->sandbox_creating = false;
    if (err) {
        g->lifecycle->sandboxes--;
        if (g->next != NEXT_NOTHING) {
            finish_teardown(g);
            return;
        }
        log_warning("Cannot create sandbox", LS("group", g->key), LERR(err));
        event_log_add(&g->events, "FailedMount", "Warning", vk_wall_ns(), "Output: %s", err->msg);
        vk_timer_arm(&g->timer, SANDBOX_RETRY_MS);
        return;
    }
    g->sandbox = sandbox;
    vk_strcpy_to(g->ip, sizeof(g->ip), ip);
    if (g->next != NEXT_NOTHING) {
        delete_sandbox(g);
        return;
    }
    g->phase = GROUP_INIT;
    advance(g);
}

static void fill_volumes(const struct group_spec *spec, struct vk_arena *arena,
                         struct engine_sandbox_spec *ret)
{
    const struct volume_spec *volumes = spec->properties.volumes.v;
    struct engine_volume *to =
        vk_arena_array(arena, spec->properties.volumes.n + 1, sizeof(struct engine_volume));

    for (size_t i = 0; i < spec->properties.volumes.n; i++) {
        to[i].name = volumes[i].name;
        to[i].kind = ENGINE_VOLUME_EMPTY_DIR;
        if (volumes[i].secret) {
            to[i].kind = ENGINE_VOLUME_SECRET;
            to[i].files = volumes[i].files;
            to[i].file_count = volumes[i].file_count;
            to[i].read_only = true;
        } else if (volumes[i].azure_file) {
            to[i].kind = ENGINE_VOLUME_SHARE;
            to[i].share = vk_arena_printf(arena, "%s/%s", volumes[i].azure_file->account,
                                          volumes[i].azure_file->share);
            to[i].read_only = volumes[i].azure_file->read_only;
        } else if (volumes[i].git_repo) {
            to[i].kind = ENGINE_VOLUME_GIT_REPO;
            to[i].git = *volumes[i].git_repo;
        }
    }
    ret->volumes = to;
    ret->volume_count = spec->properties.volumes.n;
}

/* An account's key opens its shares. */
static bool shares_open(const struct group *g)
{
    const struct storage_accounts *accounts = g->lifecycle->config.accounts;
    const struct volume_spec *volumes = g->spec->properties.volumes.v;

    for (size_t i = 0; accounts && i < g->spec->properties.volumes.n; i++) {
        const struct azure_file_spec *file = volumes[i].azure_file;

        if (file && !storage_accounts_opens(accounts, file->account, file->key))
            return false;
    }
    return true;
}

static void create_sandbox(struct group *g)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct dns_spec *dns = g->spec->properties.dns;
    struct resource_spec total = group_spec_requests(g->spec);
    struct engine *e = g->lifecycle->engine;
    struct engine_sandbox_spec spec = {.cpu_milli = total.cpu_milli,
                                       .memory_bytes = total.memory_bytes};

    spec.id =
        vk_arena_printf(arena, "g%" PRIu64 "-%" PRIu64 "-%.30s", g->uid, g->generation, g->name);
    spec.hostname = vk_arena_printf(arena, "SandboxHost-%018" PRIu64, g->uid);
    fill_volumes(g->spec, arena, &spec);
    if (dns) {
        spec.name_servers = dns->name_servers.v;
        spec.name_server_count = dns->name_servers.n;
        spec.search_domains = dns->search_domains;
        spec.dns_options = dns->options;
    }
    g->sandbox_creating = true;
    g->lifecycle->sandboxes++;
    if (vk_streq(g->provisioning_state, "Pending"))
        g->provisioning_state = "Creating";
    e->ops->sandbox_create(e, &spec, on_sandbox_created, g);
}

static void fail_mount(struct group *g)
{
    if (vk_streq(g->provisioning_state, "Pending"))
        g->provisioning_state = "Creating";
    event_log_add(&g->events, "FailedMount", "Warning", vk_wall_ns(),
                  "Failed to mount Azure File Volume.");
    vk_timer_arm(&g->timer, SANDBOX_RETRY_MS);
}

static void on_timer(void *user)
{
    struct group *g = user;

    if (g->next != NEXT_NOTHING)
        finish_teardown(g);
    else if (g->phase == GROUP_STOPPING)
        teardown(g, NEXT_STOPPED);
    else if (g->phase == GROUP_PENDING && shares_open(g))
        create_sandbox(g);
    else if (g->phase == GROUP_PENDING)
        fail_mount(g);
}

/* --- containers --- */

static void settle(struct group *g, enum group_phase phase)
{
    if (g->phase != phase)
        log_v(3, "Container group settled", LS("group", g->key), LI("phase", phase));
    g->phase = phase;
    g->provisioning_state = "Succeeded";
}

static bool is_settled(const struct container *c)
{
    return c->phase != CONTAINER_IDLE && c->phase != CONTAINER_STARTING &&
           c->phase != CONTAINER_HELD;
}

static void start_containers(struct group *g)
{
    for (size_t i = 0; i < g->container_count; i++) {
        if (!g->containers[i].is_init && g->containers[i].phase == CONTAINER_IDLE)
            container_start(&g->containers[i]);
    }
}

/* Starts the next init container; true when all have succeeded. */
static bool advance_init(struct group *g)
{
    for (size_t i = 0; i < g->container_count && g->containers[i].is_init; i++) {
        struct container *c = &g->containers[i];

        if (c->phase == CONTAINER_IDLE)
            container_start(c);
        if (c->phase != CONTAINER_DONE)
            return false;
        if (c->current.exit_code != 0) {
            /* Only with the policy Never: the group has failed before it began. */
            settle(g, GROUP_ENDED);
            return false;
        }
    }
    return true;
}

static void advance(struct group *g)
{
    bool all_settled = true, all_done = true;

    if (g->phase == GROUP_INIT) {
        if (!advance_init(g))
            return;
        start_containers(g);
    }
    for (size_t i = 0; i < g->container_count; i++) {
        const struct container *c = &g->containers[i];

        all_settled = all_settled && (c->is_init || is_settled(c));
        all_done = all_done && c->phase == CONTAINER_DONE;
    }
    if (all_done)
        settle(g, GROUP_ENDED);
    else if (all_settled && g->phase == GROUP_INIT)
        settle(g, GROUP_RUNNING);
}

void lifecycle_container_changed(struct group *g)
{
    if (g->next != NEXT_NOTHING)
        return;
    if (g->phase == GROUP_STOPPING) {
        for (size_t i = 0; i < g->container_count; i++) {
            if (g->containers[i].phase == CONTAINER_UP)
                return;
        }
        teardown(g, NEXT_STOPPED);
    } else if (g->phase == GROUP_INIT || g->phase == GROUP_RUNNING) {
        advance(g);
    }
}

void lifecycle_run(struct group *g, const char *provisioning_state)
{
    g->generation++;
    g->phase = GROUP_PENDING;
    g->provisioning_state = provisioning_state;
    for (size_t i = 0; i < g->container_count; i++)
        container_prepare(&g->containers[i]);
    vk_timer_arm(&g->timer, g->lifecycle->config.start_latency_ms);
}

/* --- stop, restart, deletion --- */

static void interrupt_containers(struct group *g, int64_t exit_code)
{
    for (size_t i = 0; i < g->container_count; i++)
        container_interrupt(&g->containers[i], exit_code);
}

void lifecycle_clear(struct group *g, lifecycle_fn fn, void *user)
{
    interrupt_containers(g, LIFECYCLE_EXIT_TERMINATED);
    g->phase = GROUP_PENDING;
    g->provisioning_state = "Updating";
    wait_for(g, fn, user);
    teardown(g, NEXT_CLEARED);
}

static void restart(struct group *g, int64_t exit_code)
{
    interrupt_containers(g, exit_code);
    g->phase = GROUP_PENDING;
    g->provisioning_state = "Updating";
    teardown(g, NEXT_RUN);
}

void lifecycle_restart(struct group *g)
{
    restart(g, LIFECYCLE_EXIT_TERMINATED);
}

bool lifecycle_interrupt(struct group *g, int64_t exit_code)
{
    if (group_is_in_transition(g) || g->phase != GROUP_RUNNING)
        return false;
    restart(g, exit_code);
    return true;
}

bool lifecycle_rerun(struct group *g)
{
    bool any = false;

    if (group_is_in_transition(g) || !g->sandbox || g->phase == GROUP_STOPPED)
        return false;
    for (size_t i = 0; i < g->container_count; i++) {
        struct container *c = &g->containers[i];

        if (c->is_init || c->phase != CONTAINER_DONE || c->current.exit_code == 0)
            continue;
        any = true;
        g->phase = GROUP_RUNNING;
        container_rerun(c);
    }
    return any;
}

void lifecycle_start(struct group *g)
{
    for (size_t i = 0; i < g->container_count; i++)
        container_forget(&g->containers[i]);
    g->phase = GROUP_PENDING;
    g->provisioning_state = "Pending";
    if (g->sandbox)
        teardown(g, NEXT_RUN);
    else
        lifecycle_run(g, "Pending");
}

void lifecycle_stop(struct group *g, lifecycle_fn fn, void *user)
{
    struct engine *e = g->lifecycle->engine;
    bool runs = false;

    wait_for(g, fn, user);
    g->phase = GROUP_STOPPING;
    for (size_t i = 0; i < g->container_count; i++) {
        struct container *c = &g->containers[i];

        runs = runs || c->phase == CONTAINER_UP;
        container_stop(c);
        if (c->phase == CONTAINER_UP)
            e->ops->container_kill(e, g->sandbox, c->name, SIGTERM);
    }
    vk_timer_arm(&g->timer, runs ? g->lifecycle->config.stop_grace_ms : 0);
}

void lifecycle_delete(struct group *g, lifecycle_fn fn, void *user)
{
    wait_for(g, fn, user);
    if (g->next == NEXT_GONE)
        return;
    log_v(2, "Deleting container group", LS("group", g->key), LI("phase", g->phase));
    g->phase = GROUP_DELETING;
    g->provisioning_state = "Deleting";
    g->gone_at_mono_ms = vk_mono_ms() + g->lifecycle->config.delete_latency_ms;
    teardown(g, NEXT_GONE);
}
