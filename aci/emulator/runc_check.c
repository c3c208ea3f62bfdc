/* SPDX-License-Identifier: Apache-2.0 */
/* One look of a liveness probe: a command in the container, or an HTTP request from its network. */
#include "aci/emulator/runc_engine.h"
#include "base/alloc.h"
#include "base/arena.h"

/* What curl and ip take beside the request itself. */
#define HTTP_SLACK_MS 2000

struct check {
    bool is_http;
    engine_checked_fn fn;
    void *user;
};

/* 200 to 399, as curl's --write-out has it. */
static bool is_good_status(struct vk_str text)
{
    int64_t status;
    return vk_str_int64(text, 200, 399, &status);
}

static void on_done(void *user, const struct runc_result *result)
{
    struct check *k = user;
    const struct vk_str out = vk_str_trim(result->out);
    const bool ok = result->ok && (!k->is_http || is_good_status(out));
    const struct vk_str why = result->timed_out      ? VK_STR("timed out")
                              : result->error_text.n ? result->error_text
                                                     : out;
    k->fn(k->user, ok, why);
    vk_free(k);
}

static const char *const *http_command(const struct engine_sandbox *s,
                                       const struct engine_check *check, struct vk_arena *arena)
{
    const struct engine_http *http = check->http;
    const struct engine_http_header *h = http->headers.v;
    char *ns = vk_arena_alloc(arena, 32);
    const char **argv = vk_arena_array(arena, 20 + 2 * http->headers.n, sizeof(*argv));
    size_t n = 0;
    sandbox_net_namespace(&s->engine->net, s->index, ns);
    const char *const head[] = {"ip",    "netns",     "exec", ns,           "curl",
                                "-gsSk", "--noproxy", "*",    "--max-time", NULL};
    for (size_t i = 0; head[i]; i++)
        argv[n++] = head[i];
    argv[n++] = vk_arena_printf(arena, "%lld.%03lld", (long long)(check->timeout_ms / 1000),
                                (long long)(check->timeout_ms % 1000));
    argv[n++] = "-o";
    argv[n++] = "/dev/null";
    argv[n++] = "-w";
    argv[n++] = "%{http_code}";
    for (size_t i = 0; i < http->headers.n; i++) {
        argv[n++] = "-H";
        argv[n++] = vk_arena_printf(arena, "%s: %s", h[i].name, h[i].value ? h[i].value : "");
    }
    argv[n++] = "--url";
    argv[n++] = vk_arena_printf(
        arena, "%s://%s:%lld%s%s", vk_strieq(http->scheme, "https") ? "https" : "http", s->ip,
        (long long)http->port, http->path && http->path[0] == '/' ? "" : "/",
        http->path ? http->path : "");
    return argv;
}

static const char *const *exec_command(const struct runc_instance *i,
                                       const struct engine_check *check, struct vk_arena *arena)
{
    const char **argv = vk_arena_array(arena, check->command_count + 6, sizeof(*argv));
    size_t n = 0;
    argv[n++] = "runc";
    argv[n++] = "--root";
    argv[n++] = vk_arena_printf(arena, "%s/run/runc", i->sandbox->engine->state_dir);
    argv[n++] = "exec";
    argv[n++] = i->id;
    for (size_t k = 0; k < check->command_count; k++)
        argv[n++] = check->command[k];
    return argv;
}

bool runc_container_check(struct engine *engine, struct engine_sandbox *s, const char *name,
                          const struct engine_check *check, engine_checked_fn fn, void *user)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct runc_instance *i = runc_instance_running(s, name);
    if (!i)
        return false;
    struct check *k = vk_calloc(1, sizeof(*k));
    *k = (struct check){.is_http = check->command_count == 0, .fn = fn, .user = user};
    const struct runc_command command = {
        .lane = RUNC_LANE_RUNTIME,
        .argv = k->is_http ? http_command(s, check, arena) : exec_command(i, check, arena),
        .output_fd = -1,
        .deadline_ms = check->timeout_ms + (k->is_http ? HTTP_SLACK_MS : 0),
    };
    runc_processes_run(runc_engine_of(engine)->processes, &command, on_done, k);
    return true;
}
