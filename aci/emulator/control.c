/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/control.h"

#include "aci/emulator/arm_front.h"
#include "aci/emulator/arm_request.h"
#include "aci/emulator/exec_stream.h"
#include "aci/emulator/group_view.h"
#include "aci/emulator/incidents.h"
#include "aci/emulator/surroundings.h"
#include "base/alloc.h"

#define MAX_ANSWER (64 * 1024 * 1024)
#define MAX_SETTING 4096
#define JSON_TYPE "application/json; charset=utf-8"

static void write_stats(struct emulator *e, struct json_writer *w)
{
    json_begin_object(w, NULL);
    request_stats_write(e->stats, w);
    rate_limits_write(e->rates, w);
    json_put_int(w, "groups", (int64_t)groups_len(e->groups));
    json_put_int(w, "sandboxes", (int64_t)lifecycle_sandboxes(e->lifecycle));
    json_put_int(w, "tokens", (int64_t)tokens_len(e->tokens));
    json_put_int(w, "streams", (int64_t)exec_stream_count(e));
    json_put_string(w, "engine", e->engine->ops->name);
    json_end_object(w);
}

static void write_container(const struct container *c, struct json_writer *w)
{
    static const char *const phases[] = {
        [CONTAINER_IDLE] = "idle", [CONTAINER_STARTING] = "starting", [CONTAINER_HELD] = "held",
        [CONTAINER_UP] = "up",     [CONTAINER_BACKOFF] = "backoff",   [CONTAINER_DONE] = "done"};

    json_begin_object(w, NULL);
    json_put_string(w, "name", c->name);
    json_put_bool(w, "init", c->is_init);
    json_put_string(w, "phase", phases[c->phase]);
    json_put_int(w, "restartCount", c->restart_count);
    if (c->current.kind != CONTAINER_WAITING)
        json_put_int(w, "startTime", c->current.start_ns);
    else
        json_put_null(w, "startTime");
    group_view_state(&c->current, w, "currentState");
    json_end_object(w);
}

static void write_group(const struct group *g, struct json_writer *w)
{
    static const char *const phases[] = {
        [GROUP_CHECKING] = "checking", [GROUP_PENDING] = "pending",  [GROUP_INIT] = "init",
        [GROUP_RUNNING] = "running",   [GROUP_ENDED] = "ended",      [GROUP_STOPPING] = "stopping",
        [GROUP_STOPPED] = "stopped",   [GROUP_DELETING] = "deleting"};

    json_begin_object(w, NULL);
    json_put_string(w, "name", g->name);
    json_put_string(w, "id", g->id);
    json_put_raw(w, "tags", vk_str_of(g->tags));
    json_put_int(w, "uid", (int64_t)g->uid);
    json_put_int(w, "generation", (int64_t)g->generation);
    json_put_int(w, "createTime", g->created_wall_ns);
    json_put_int(w, "puts", g->puts);
    json_put_string(w, "phase", phases[g->phase]);
    json_put_string(w, "state", group_state(g));
    json_put_string(w, "provisioningState", g->provisioning_state);
    json_put_string(w, "ip", g->ip);
    json_put_bool(w, "sandbox", g->sandbox || g->sandbox_creating || g->sandbox_deleting);
    json_begin_array(w, "containers");
    for (size_t i = 0; i < g->container_count; i++)
        write_container(&g->containers[i], w);
    json_end_array(w);
    json_end_object(w);
}

static void write_groups(struct emulator *e, struct json_writer *w)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct group **list;
    size_t count = groups_list(e->groups, NULL, arena, &list);

    json_begin_object(w, NULL);
    json_begin_array(w, "groups");
    for (size_t i = 0; i < count; i++)
        write_group(list[i], w);
    json_end_array(w);
    json_end_object(w);
}

static void write_error(struct json_writer *w, const char *text)
{
    json_begin_object(w, NULL);
    json_put_string(w, "error", text);
    json_end_object(w);
}

static int handle_faults(struct emulator *e, struct http_exchange *x, struct json_writer *w)
{
    const char *method = http_exchange_head(x)->method;
    struct vk_err err;

    if (vk_streq(method, "POST") && faults_add(e->faults, http_exchange_body(x), &err) < 0) {
        write_error(w, err.msg);
        return 400;
    }
    if (vk_streq(method, "DELETE")) {
        faults_clear(e->faults);
        arm_front_end_delays(e);
    }
    json_begin_object(w, NULL);
    faults_write(e->faults, w);
    json_end_object(w);
    return 200;
}

static int handle_incidents(struct emulator *e, struct http_exchange *x, struct json_writer *w)
{
    struct vk_err err;

    if (!vk_streq(http_exchange_head(x)->method, "POST")) {
        write_error(w, "incidents are ordered by POST");
        return 405;
    }
    if (incidents_order(e, http_exchange_body(x), w, &err) < 0) {
        write_error(w, err.msg);
        return err.code == VK_NOT_FOUND ? 404 : 400;
    }
    return 200;
}

/* A POST has a member of that name with some text; anything else asks for what is set, and gives
 * NULL. */
static int read_setting(struct http_exchange *x, const char *member, struct vk_arena *arena,
                        const char **ret, struct vk_err *err)
{
    const struct json *root;

    *ret = NULL;
    if (!vk_streq(http_exchange_head(x)->method, "POST"))
        return 0;
    if (json_parse(http_exchange_body(x), MAX_SETTING, arena, &root, err) < 0)
        return -1;
    *ret = json_string_or(root, member, "");
    return vk_str_empty(*ret) ? vk_err_set(err, VK_INVALID, "%s: expected some text", member) : 0;
}

static int handle_out_of_memory(struct emulator *e, struct http_exchange *x, struct json_writer *w)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *detail;
    struct vk_err err;

    if (read_setting(x, "detailStatus", arena, &detail, &err) < 0) {
        write_error(w, err.msg);
        return 400;
    }
    if (detail)
        lifecycle_set_oom_detail(e->lifecycle, detail);
    json_begin_object(w, NULL);
    json_put_string(w, "detailStatus", lifecycle_oom_detail(e->lifecycle));
    json_end_object(w);
    return 200;
}

static int handle_quotas(struct emulator *e, struct http_exchange *x, struct json_writer *w)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root;
    struct vk_err err;

    if (vk_streq(http_exchange_head(x)->method, "POST")) {
        int64_t groups, cores;

        if (json_parse(http_exchange_body(x), MAX_SETTING, arena, &root, &err) < 0) {
            write_error(w, err.msg);
            return 400;
        }
        groups = json_int64_or(root, "groups", e->quota_groups);
        cores = json_int64_or(root, "cores", e->quota_cores);
        if (groups < 0 || cores < 0) {
            write_error(w, "groups, cores: expected numbers from 0");
            return 400;
        }
        e->quota_groups = groups;
        e->quota_cores = cores;
    }
    json_begin_object(w, NULL);
    json_put_int(w, "groups", e->quota_groups);
    json_put_int(w, "cores", e->quota_cores);
    json_end_object(w);
    return 200;
}

static int handle_surroundings(struct emulator *e, struct http_exchange *x, struct json_writer *w)
{
    struct vk_err err;

    if (vk_streq(http_exchange_head(x)->method, "POST") &&
        surroundings_set(e->surroundings, http_exchange_body(x), &err) < 0) {
        write_error(w, err.msg);
        return 400;
    }
    surroundings_write(e->surroundings, w);
    return 200;
}

static int handle_storage_accounts(struct emulator *e, struct http_exchange *x,
                                   struct json_writer *w)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root;
    struct vk_err err;

    if (vk_streq(http_exchange_head(x)->method, "POST") &&
        (json_parse(http_exchange_body(x), MAX_SETTING, arena, &root, &err) < 0 ||
         storage_accounts_set(e->accounts, json_string_or(root, "name", NULL),
                              json_string_or(root, "key", NULL), &err) < 0)) {
        write_error(w, err.msg);
        return 400;
    }
    json_begin_object(w, NULL);
    storage_accounts_write(e->accounts, w, "accounts");
    json_end_object(w);
    return 200;
}

static int handle_tokens(struct emulator *e, struct http_exchange *x, struct json_writer *w)
{
    if (vk_streq(http_exchange_head(x)->method, "DELETE"))
        tokens_expire(e->tokens);
    json_begin_object(w, NULL);
    json_put_int(w, "tokens", (int64_t)tokens_len(e->tokens));
    json_end_object(w);
    return 200;
}

static int handle_attach(struct emulator *e, struct http_exchange *x, struct json_writer *w)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *replay;
    struct vk_err err;

    if (read_setting(x, "replay", arena, &replay, &err) < 0) {
        write_error(w, err.msg);
        return 400;
    }
    if (replay) {
        if (!vk_streq(replay, "all") && !vk_streq(replay, "none")) {
            write_error(w, "replay: expected \"all\" or \"none\"");
            return 400;
        }
        e->attach_replays = vk_streq(replay, "all");
    }
    json_begin_object(w, NULL);
    json_put_string(w, "replay", e->attach_replays ? "all" : "none");
    json_end_object(w);
    return 200;
}

void control_handle(void *user, struct http_exchange *x)
{
    struct emulator *e = user;
    const char *path = http_exchange_head(x)->path;
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;
    int status = 200;

    vk_buf_init(&out, MAX_ANSWER);
    json_writer_init(&w, &out);
    if (vk_streq(path, "/stats")) {
        write_stats(e, &w);
    } else if (vk_streq(path, "/groups")) {
        write_groups(e, &w);
    } else if (vk_streq(path, "/faults")) {
        status = handle_faults(e, x, &w);
    } else if (vk_streq(path, "/incidents")) {
        status = handle_incidents(e, x, &w);
    } else if (vk_streq(path, "/attach")) {
        status = handle_attach(e, x, &w);
    } else if (vk_streq(path, "/out-of-memory")) {
        status = handle_out_of_memory(e, x, &w);
    } else if (vk_streq(path, "/quotas")) {
        status = handle_quotas(e, x, &w);
    } else if (vk_streq(path, "/surroundings")) {
        status = handle_surroundings(e, x, &w);
    } else if (vk_streq(path, "/storage-accounts")) {
        status = handle_storage_accounts(e, x, &w);
    } else if (vk_streq(path, "/tokens")) {
        status = handle_tokens(e, x, &w);
    } else {
        write_error(&w, "there are /stats, /groups, /faults, /incidents, /attach, /out-of-memory, "
                        "/quotas, /surroundings, /storage-accounts and /tokens");
        status = 404;
    }
    http_exchange_reply(x, status, JSON_TYPE, vk_buf_str(&out));
}
