/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "aci/emulator/engine.h"
#include "aci/emulator/log_follow.h"
#include "aci/emulator/simulated_exec.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/list.h"

struct simulated {
    struct engine engine;
    struct vk_loop *loop;
    struct engine_simulated_config config;
    uint32_t first_address, address_count, next_address;
    uint8_t *address_used; /* owned; one byte per address */
    struct vk_list sandboxes, pulls;
};

struct engine_sandbox {
    struct vk_list link;
    struct simulated *engine;
    uint32_t address; /* offset in the range */
    struct vk_list containers;
    struct vk_timer timer; /* creation, then deletion */
    engine_sandbox_fn created;
    engine_done_fn deleted;
    void *user;
};

struct instance {
    struct vk_list link;
    char *name;
    struct vk_timer timer;
    enum { INSTANCE_STARTING, INSTANCE_RUNNING, INSTANCE_ENDED } state;
    bool cannot_start;
    int64_t run_ms;             /* -1: for ever */
    int exit_code, exit_signal; /* when the timer ends it */
    int64_t started_wall_ns;
    engine_started_fn started;
    engine_exited_fn exited;
    void *user;
    struct vk_list followers, execs;
};

struct pull {
    struct vk_list link;
    struct vk_timer timer;
    char *image;
    bool has_user;
    engine_pulled_fn done;
    void *user;
};

/* --- images --- */

static void free_pull(struct pull *p)
{
    vk_list_remove(&p->link);
    vk_timer_disarm(&p->timer);
    vk_free(p->image);
    vk_free(p);
}

/* The reference without tag and digest. */
static struct vk_str repository_of(const char *image)
{
    struct vk_str s = vk_str_of(image);
    const char *slash = strrchr(image, '/');
    const char *end = strpbrk(slash ? slash : image, ":@");

    if (end)
        s.n = (size_t)(end - image);
    return s;
}

static void on_pulled(void *user)
{
    struct pull *p = user;
    struct vk_str repository = repository_of(p->image);
    char *name VK_AUTOFREE = vk_strndup(repository.p, repository.n);
    char digest[65];
    struct vk_err err;

    if (vk_ends(name, "/missing")) {
        vk_err_set(&err, VK_NOT_FOUND, "manifest unknown: manifest unknown");
        p->done(p->user, NULL, &err);
    } else if (vk_ends(name, "/private") && !p->has_user) {
        vk_err_set(&err, VK_UNAUTHENTICATED, "unauthorized: authentication required");
        p->done(p->user, NULL, &err);
    } else if (vk_ends(name, "/unreachable")) {
        vk_err_set(&err, VK_UNAVAILABLE, "connect: connection refused");
        p->done(p->user, NULL, &err);
    } else {
        char *id VK_AUTOFREE = NULL;

        crypto_sha256_hex(p->image, strlen(p->image), digest);
        id = vk_asprintf("%s@sha256:%s", name, digest);
        p->done(p->user, &(struct engine_image){.id = id}, NULL);
    }
    free_pull(p);
}

static void simulated_pull(struct engine *e, const struct engine_image_spec *spec,
                           engine_pulled_fn done, void *user)
{
    struct simulated *sim = (struct simulated *)e;
    struct pull *p = vk_calloc(1, sizeof(*p));

    p->image = vk_strdup(spec->image);
    p->has_user = !vk_str_empty(spec->username);
    p->done = done;
    p->user = user;
    vk_list_init(&p->link);
    vk_list_add_tail(&sim->pulls, &p->link);
    vk_timer_init(&p->timer, sim->loop, "simulated pull", on_pulled, p);
    vk_timer_arm(&p->timer, sim->config.pull_ms);
}

/* --- sandboxes --- */

static bool take_address(struct simulated *sim, uint32_t *ret)
{
    /* The network, its gateway and the broadcast address are nobody's. */
    for (uint32_t tries = 0; tries < sim->address_count; tries++) {
        uint32_t i = sim->next_address++ % sim->address_count;

        if (i < 2 || i == sim->address_count - 1 || sim->address_used[i])
            continue;
        sim->address_used[i] = 1;
        *ret = i;
        return true;
    }
    return false;
}

/* What is attached to a container ends with it. */
static void end_readers(struct instance *c)
{
    log_follow_end(&c->followers);
    simulated_exec_end(&c->execs);
}

static void free_instance(struct instance *c)
{
    end_readers(c);
    vk_list_remove(&c->link);
    vk_timer_disarm(&c->timer);
    vk_free(c->name);
    vk_free(c);
}

static void free_sandbox(struct engine_sandbox *s)
{
    VK_LIST_FOREACH(it, &s->containers)
    free_instance(VK_LIST_ENTRY(it, struct instance, link));
    if (s->address)
        s->engine->address_used[s->address] = 0;
    vk_timer_disarm(&s->timer);
    vk_list_remove(&s->link);
    vk_free(s);
}

static void on_created(void *user)
{
    struct engine_sandbox *s = user;
    struct in_addr address;
    char ip[INET_ADDRSTRLEN];
    struct vk_err err;

    if (!take_address(s->engine, &s->address)) {
        vk_err_set(&err, VK_UNAVAILABLE, "no address is left in %s", s->engine->config.pod_cidr);
        s->created(s->user, NULL, NULL, &err);
        free_sandbox(s);
        return;
    }
    address.s_addr = htonl(s->engine->first_address + s->address);
    inet_ntop(AF_INET, &address, ip, sizeof(ip));
    s->created(s->user, s, ip, NULL);
}

static void simulated_sandbox_create(struct engine *e, const struct engine_sandbox_spec *spec,
                                     engine_sandbox_fn done, void *user)
{
    struct simulated *sim = (struct simulated *)e;
    struct engine_sandbox *s = vk_calloc(1, sizeof(*s));

    (void)spec;
    s->engine = sim;
    s->created = done;
    s->user = user;
    vk_list_init(&s->containers);
    vk_list_init(&s->link);
    vk_list_add_tail(&sim->sandboxes, &s->link);
    vk_timer_init(&s->timer, sim->loop, "simulated sandbox", on_created, s);
    vk_timer_arm(&s->timer, 0);
}

static void on_deleted(void *user)
{
    struct engine_sandbox *s = user;
    engine_done_fn done = s->deleted;
    void *done_user = s->user;

    free_sandbox(s);
    done(done_user);
}

static void simulated_sandbox_delete(struct engine *e, struct engine_sandbox *s,
                                     engine_done_fn done, void *user)
{
    (void)e;
    VK_LIST_FOREACH(it, &s->containers)
    free_instance(VK_LIST_ENTRY(it, struct instance, link));
    s->deleted = done;
    s->user = user;
    vk_timer_init(&s->timer, s->engine->loop, "simulated sandbox", on_deleted, s);
    vk_timer_arm(&s->timer, 0);
}

/* --- containers --- */

static struct instance *find(struct engine_sandbox *s, const char *name)
{
    VK_LIST_FOREACH(it, &s->containers)
    {
        struct instance *c = VK_LIST_ENTRY(it, struct instance, link);

        if (vk_streq(c->name, name))
            return c;
    }
    return NULL;
}

static void on_instance(void *user)
{
    struct instance *c = user;
    struct engine_exit ended;
    struct vk_err err;

    if (c->state == INSTANCE_RUNNING) {
        c->state = INSTANCE_ENDED;
        end_readers(c);
        ended = (struct engine_exit){
            .exit_code = c->exit_code, .signal = c->exit_signal, .finished_wall_ns = vk_wall_ns()};
        c->exited(c->user, &ended);
        return;
    }
    if (c->cannot_start) {
        c->state = INSTANCE_ENDED;
        vk_err_set(&err, VK_INVALID, "exec: \"fail\": executable file not found in $PATH");
        c->started(c->user, 0, &err);
        return;
    }
    c->state = INSTANCE_RUNNING;
    c->started_wall_ns = vk_wall_ns();
    if (c->run_ms >= 0)
        vk_timer_arm(&c->timer, c->run_ms);
    c->started(c->user, c->started_wall_ns, NULL);
}

static void read_command(struct instance *c, const struct engine_container_spec *spec)
{
    const char *verb = spec->command_count ? spec->command[0] : "";
    int64_t n;

    c->run_ms = -1;
    c->cannot_start = vk_streq(verb, "fail");
    if (spec->command_count < 2 || !vk_str_int64(vk_str_of(spec->command[1]), 0, 1000000, &n))
        return;
    if (vk_streq(verb, "sleep")) {
        c->run_ms = n * 1000;
    } else if (vk_streq(verb, "exit") && n <= 255) {
        c->run_ms = 0;
        c->exit_code = (int)n;
    }
}

static int64_t start_delay(const struct simulated *sim)
{
    int64_t range = sim->config.start_max_ms - sim->config.start_min_ms;
    uint32_t random;

    if (range <= 0)
        return sim->config.start_min_ms;
    crypto_random(&random, sizeof(random));
    return sim->config.start_min_ms + (int64_t)(random % (uint64_t)(range + 1));
}

static void simulated_container_start(struct engine *e, struct engine_sandbox *s,
                                      const struct engine_container_spec *spec,
                                      engine_started_fn started, engine_exited_fn exited,
                                      void *user)
{
    struct simulated *sim = (struct simulated *)e;
    struct instance *c = find(s, spec->name);

    if (c)
        free_instance(c);
    c = vk_calloc(1, sizeof(*c));
    c->name = vk_strdup(spec->name);
    c->started = started;
    c->exited = exited;
    c->user = user;
    read_command(c, spec);
    vk_list_init(&c->followers);
    vk_list_init(&c->execs);
    vk_list_init(&c->link);
    vk_list_add_tail(&s->containers, &c->link);
    vk_timer_init(&c->timer, sim->loop, "simulated container", on_instance, c);
    vk_timer_arm(&c->timer, start_delay(sim));
}

static void simulated_container_kill(struct engine *e, struct engine_sandbox *s, const char *name,
                                     int signal)
{
    struct instance *c = find(s, name);

    (void)e;
    if (!c || c->state != INSTANCE_RUNNING)
        return;
    c->exit_code = 128 + signal;
    c->exit_signal = signal;
    vk_timer_arm(&c->timer, 0);
}

static int simulated_container_logs(struct engine *e, struct engine_sandbox *s, const char *name,
                                    int64_t tail, bool timestamps, struct vk_buf *out,
                                    struct vk_err *err)
{
    const struct instance *c = find(s, name);
    char stamp[VK_TIME_MAX];

    (void)e;
    if (!c || !c->started_wall_ns)
        return vk_err_set(err, VK_NOT_FOUND, "container %s has no log yet", name);
    if (tail == 0)
        return 0;
    if (timestamps) {
        vk_time_format_ns(c->started_wall_ns, stamp);
        vk_buf_printf(out, "%s ", stamp);
    }
    vk_buf_printf(out, "simulated container %s started\n", name);
    return 0;
}

static bool simulated_container_usage(struct engine *e, struct engine_sandbox *s, const char *name,
                                      struct engine_usage *ret)
{
    const struct instance *c = find(s, name);

    (void)e;
    if (!c || c->state != INSTANCE_RUNNING)
        return false;
    /* A steady container: one per cent of a CPU, 10 MiB. */
    *ret = (struct engine_usage){.cpu_ns = (vk_wall_ns() - c->started_wall_ns) / 100,
                                 .memory_bytes = 10 * 1024 * 1024,
                                 .working_set_bytes = 10 * 1024 * 1024,
                                 .rss_bytes = 8 * 1024 * 1024};
    return true;
}

static bool simulated_sandbox_usage(struct engine *e, struct engine_sandbox *s,
                                    struct engine_usage *ret)
{
    struct engine_usage sum = {0}, one;

    VK_LIST_FOREACH(it, &s->containers)
    {
        const struct instance *c = VK_LIST_ENTRY(it, struct instance, link);

        if (!simulated_container_usage(e, s, c->name, &one))
            continue;
        sum.cpu_ns += one.cpu_ns;
        sum.memory_bytes += one.memory_bytes;
        sum.working_set_bytes += one.working_set_bytes;
        sum.rss_bytes += one.rss_bytes;
        /* A kilobyte a second each way. */
        sum.rx_bytes = sum.tx_bytes = (vk_wall_ns() - c->started_wall_ns) / 1000000;
    }
    *ret = sum;
    return true;
}

static void terminate(void *container)
{
    struct instance *c = container;

    c->exit_code = 128 + SIGTERM;
    c->exit_signal = SIGTERM;
    vk_timer_arm(&c->timer, 0);
}

static struct engine_exec *simulated_exec_start(struct engine *e, struct engine_sandbox *s,
                                                const struct engine_exec_spec *spec,
                                                const struct engine_exec_events *events, void *user)
{
    struct instance *c = find(s, spec->container);
    struct simulated_exec_place place = {.terminate = terminate, .container = c};

    if (c && c->state == INSTANCE_RUNNING)
        place.running = &c->execs;
    return simulated_exec_new(((struct simulated *)e)->loop, &place, spec, events, user);
}

static struct engine_log_follow *simulated_log_follow(struct engine *e, struct engine_sandbox *s,
                                                      const char *name, engine_output_fn output,
                                                      engine_done_fn ended, void *user)
{
    struct instance *c = find(s, name);

    (void)e;
    if (!c || c->state != INSTANCE_RUNNING)
        return NULL;
    return log_follow_new(&c->followers, output, ended, user);
}

static void simulated_log_unfollow(struct engine *e, struct engine_log_follow *f)
{
    (void)e;
    log_follow_free(f);
}

static void simulated_free(struct engine *e)
{
    struct simulated *sim = (struct simulated *)e;

    VK_LIST_FOREACH(it, &sim->sandboxes)
    free_sandbox(VK_LIST_ENTRY(it, struct engine_sandbox, link));
    VK_LIST_FOREACH(it, &sim->pulls)
    free_pull(VK_LIST_ENTRY(it, struct pull, link));
    vk_free(sim->address_used);
    vk_free(sim);
}

static const struct engine_ops simulated_ops = {
    .name = "simulated",
    .pull = simulated_pull,
    .sandbox_create = simulated_sandbox_create,
    .sandbox_delete = simulated_sandbox_delete,
    .container_start = simulated_container_start,
    .container_kill = simulated_container_kill,
    .container_logs = simulated_container_logs,
    .container_usage = simulated_container_usage,
    .sandbox_usage = simulated_sandbox_usage,
    .exec_start = simulated_exec_start,
    .exec_write = simulated_exec_write,
    .exec_pause = simulated_exec_pause,
    .exec_close = simulated_exec_close,
    .log_follow = simulated_log_follow,
    .log_unfollow = simulated_log_unfollow,
    .free = simulated_free,
};

int engine_simulated_new(struct vk_loop *loop, const struct engine_simulated_config *config,
                         struct engine **ret, struct vk_err *err)
{
    struct vk_str bits_text,
        address_text = vk_str_cut(vk_str_of(config->pod_cidr), '/', &bits_text);
    char *address VK_AUTOFREE = vk_strndup(address_text.p, address_text.n);
    struct simulated *sim;
    struct in_addr base;
    int64_t bits;

    if (inet_pton(AF_INET, address, &base) != 1 || !vk_str_int64(bits_text, 8, 29, &bits))
        return vk_err_set(err, VK_INVALID,
                          "--pod-cidr '%s' is no IPv4 range of /8 to /29, such as 10.244.0.0/16",
                          config->pod_cidr);
    sim = vk_calloc(1, sizeof(*sim));
    sim->engine.ops = &simulated_ops;
    sim->loop = loop;
    sim->config = *config;
    sim->address_count = UINT32_C(1) << (32 - bits);
    sim->first_address = ntohl(base.s_addr) & ~(sim->address_count - 1);
    sim->address_used = vk_calloc(sim->address_count, 1);
    vk_list_init(&sim->sandboxes);
    vk_list_init(&sim->pulls);
    *ret = &sim->engine;
    return 0;
}
