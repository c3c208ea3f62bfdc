/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/realtime.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define PORT 18899
#define EXTENSION "realtime-metrics"
#define MAX_ANSWER (256 * 1024)
/* The one client asks now and then. */
#define MAX_CONNECTIONS 32

struct realtime {
    struct vk_list link;
    struct emulator *emulator;
    struct engine_sandbox *sandbox;
    struct http_server *http;
    struct vk_err err;
};

static void write_cpu_and_memory(const struct engine_usage *usage, struct json_writer *w)
{
    json_begin_object(w, "cpu");
    json_put_int(w, "usageCoreNanoSeconds", usage->cpu_ns);
    json_end_object(w);
    json_begin_object(w, "memory");
    json_put_int(w, "usageBytes", usage->memory_bytes);
    json_put_int(w, "workingSetBytes", usage->working_set_bytes);
    json_put_int(w, "rssBytes", usage->rss_bytes);
    json_end_object(w);
}

static void write_interface(const struct engine_usage *usage, struct json_writer *w)
{
    json_put_string(w, "name", "eth0");
    json_put_int(w, "rxBytes", usage->rx_bytes);
    json_put_int(w, "rxErrors", 0);
    json_put_int(w, "txBytes", usage->tx_bytes);
    json_put_int(w, "txErrors", 0);
}

void realtime_write(const struct emulator *e, const struct group *g, struct json_writer *w)
{
    struct engine *engine = e->engine;
    struct engine_usage usage = {0};

    if (g->sandbox)
        (void)engine->ops->sandbox_usage(engine, g->sandbox, &usage);
    json_begin_object(w, NULL);
    json_put_int(w, "timestamp", vk_wall_ns());
    write_cpu_and_memory(&usage, w);
    json_begin_object(w, "network");
    write_interface(&usage, w);
    json_begin_array(w, "interfaces");
    json_begin_object(w, NULL);
    write_interface(&usage, w);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
    json_begin_array(w, "containers");
    for (size_t i = 0; g->sandbox && i < g->container_count; i++) {
        const struct container *c = &g->containers[i];

        if (c->phase != CONTAINER_UP ||
            !engine->ops->container_usage(engine, g->sandbox, c->name, &usage))
            continue;
        json_begin_object(w, NULL);
        json_put_string(w, "name", c->name);
        write_cpu_and_memory(&usage, w);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static struct group *group_of(const struct emulator *e, const struct engine_sandbox *s)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct group **list;
    size_t count = groups_list(e->groups, NULL, arena, &list);

    for (size_t i = 0; i < count; i++) {
        if (list[i]->sandbox == s)
            return list[i];
    }
    return NULL;
}

static void on_request(void *user, struct http_exchange *x)
{
    const struct realtime *t = user;
    const struct http1_head *head = http_exchange_head(x);
    const struct group *g = group_of(t->emulator, t->sandbox);
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    if (!g || !vk_streq(head->method, "GET") || !vk_streq(head->path, "/v1/stats")) {
        http_exchange_reply(x, 404, "text/plain; charset=utf-8", VK_STR("404 page not found\n"));
        return;
    }
    vk_buf_init(&out, MAX_ANSWER);
    json_writer_init(&w, &out);
    realtime_write(t->emulator, g, &w);
    http_exchange_reply(x, 200, "application/json", vk_buf_str(&out));
}

static bool is_asked_for(const struct group *g)
{
    const struct json *extensions = json_get(json_get(g->spec->root, "properties"), "extensions");

    for (const struct json *it = json_first(extensions); it; it = json_next(it)) {
        if (vk_streq(json_string_or(json_get(it, "properties"), "extensionType", ""), EXTENSION))
            return true;
    }
    return false;
}

static void listen_inside(void *user)
{
    struct realtime *t = user;
    struct http_server_config config = {
        .listener = {.address = "0.0.0.0",
                     .port = PORT,
                     .plain = true,
                     .max_connections = MAX_CONNECTIONS},
        .max_body = 1024,
    };

    if (http_server_new(t->emulator->loop, &config, on_request, t, &t->http, &t->err) < 0)
        t->http = NULL;
}

static void close_port(struct realtime *t)
{
    vk_list_remove(&t->link);
    http_server_free(t->http);
    vk_free(t);
}

static void on_up(void *user, struct engine_sandbox *s)
{
    struct emulator *e = user;
    const struct group *g = group_of(e, s);
    struct realtime *t;

    if (!g || !g->spec || !is_asked_for(g))
        return;
    t = vk_calloc(1, sizeof(*t));
    t->emulator = e;
    t->sandbox = s;
    vk_list_init(&t->link);
    vk_list_add_tail(&e->realtime, &t->link);
    if (e->engine->ops->sandbox_enter(e->engine, s, listen_inside, t) && t->http)
        return;
    log_warning("No realtime metrics for a container group", LS("group", g->key), LERR(&t->err));
    close_port(t);
}

static void on_down(void *user, struct engine_sandbox *s)
{
    struct emulator *e = user;

    VK_LIST_FOREACH(it, &e->realtime)
    {
        struct realtime *t = VK_LIST_ENTRY(it, struct realtime, link);

        if (t->sandbox == s)
            close_port(t);
    }
}

void realtime_init(struct emulator *e)
{
    vk_list_init(&e->realtime);
    e->realtime_watch =
        (struct engine_watch){.sandbox_up = on_up, .sandbox_down = on_down, .user = e};
    e->engine->watch = &e->realtime_watch;
}

void realtime_release(struct emulator *e)
{
    VK_LIST_FOREACH(it, &e->realtime)
    {
        close_port(VK_LIST_ENTRY(it, struct realtime, link));
    }
    e->engine->watch = NULL;
}
