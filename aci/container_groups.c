/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/container_groups.h"

#include <assert.h>

#include "aci/operation.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/url.h"

#define GET_DEADLINE_MS 30000
#define PUT_DEADLINE_MS 120000
#define DELETE_DEADLINE_MS 120000
#define LIST_DEADLINE_MS 60000
#define LOGS_DEADLINE_MS 60000
/* A DELETE that ARM answered 202 is watched this long. */
#define GONE_DEADLINE_MS (5ll * 60 * 1000)
#define POLL_FIRST_MS 1000
#define POLL_MAX_MS 15000
/* 4 MB of log, escaped at worst as \u00xx, and the frame around it. */
#define LOGS_MAX_BYTES (26u << 20)
#define LIST_MAX_PAGES 1000

struct container_groups {
    struct vk_loop *loop;
    struct arm_client *arm;
    char *base; /* "/subscriptions/.../Microsoft.ContainerInstance/containerGroups" */
};

struct groups_call {
    struct container_groups *owner;
    struct arm_call *arm;
    const char *what; /* static: "create" ... */
    char *name;
    void *user;
    union {
        group_fn group;
        groups_done_fn done;
        groups_listed_fn listed;
        group_logs_fn logs;
    } fn;
    /* LIST */
    group_item_fn item;
    struct json_list_reader *reader;
    struct vk_err item_err;
    struct groups_listing listing;
    /* DELETE */
    char *poll_url; /* NULL: the group itself is polled */
    enum operation_style style;
    int64_t give_up_mono_ms, poll_ms;
    struct vk_timer timer;
};

static void on_poll_due(void *user);

static struct groups_call *call_new(struct container_groups *owner, const char *what,
                                    const char *name, void *user)
{
    struct groups_call *call = vk_calloc(1, sizeof(*call));
    call->owner = owner;
    call->what = what;
    call->name = vk_strdup(name);
    call->user = user;
    vk_timer_init(&call->timer, owner->loop, "groups-poll", on_poll_due, call);
    return call;
}

static void call_free(struct groups_call *call)
{
    arm_call_cancel(call->arm);
    vk_timer_disarm(&call->timer);
    json_list_reader_free(call->reader);
    vk_free(call->poll_url);
    vk_free(call->name);
    vk_free(call);
}

void groups_call_cancel(struct groups_call *call)
{
    if (call)
        call_free(call);
}

bool groups_call_is_waiting(const struct groups_call *call)
{
    return call && arm_call_is_waiting(call->arm);
}

static struct vk_err explain(const struct groups_call *call, const struct vk_err *err)
{
    struct vk_err out = *err;
    if (*call->name)
        (void)vk_err_wrap(&out, "%s container group %s", call->what, call->name);
    else
        (void)vk_err_wrap(&out, "%s container groups", call->what);
    return out;
}

static char *group_path(const struct container_groups *owner, const char *name, const char *rest)
{
    struct vk_buf path;
    vk_buf_init(&path, ARM_MAX_URL_BYTES);
    vk_buf_adds(&path, owner->base);
    if (*name) {
        vk_buf_addc(&path, '/');
        url_encode(&path, vk_str_of(name));
    }
    vk_buf_adds(&path, rest);
    return vk_buf_take(&path);
}

static void start(struct groups_call *call, struct arm_request request, char *target)
{
    request.target = target;
    request.operation = call->what;
    request.user = call;
    call->arm = arm_call_start(call->owner->arm, &request);
    vk_free(target);
}

static void end_with_group(struct groups_call *call, const struct container_group *group,
                           const struct vk_err *err)
{
    const group_fn fn = call->fn.group;
    void *user = call->user;
    struct vk_err explained;
    if (err)
        explained = explain(call, err);
    call_free(call);
    fn(user, group, err ? &explained : NULL);
}

static void on_group(void *user, const struct arm_response *response, const struct vk_err *err)
{
    struct groups_call *call = user;
    call->arm = NULL;
    if (err) {
        end_with_group(call, NULL, err);
        return;
    }
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct container_group group;
    struct vk_err bad;
    if (container_group_parse(response->body, arena, &group, &bad) == 0) {
        end_with_group(call, &group, NULL);
    } else if (vk_streq(call->what, "create")) {
        /* Accepted all the same; the body is only a courtesy. */
        end_with_group(call, NULL, NULL);
    } else {
        bad.code = VK_PROTOCOL;
        end_with_group(call, NULL, &bad);
    }
}

struct groups_call *container_groups_put(struct container_groups *groups, const char *name,
                                         struct groups_turn turn, struct vk_str body, group_fn done,
                                         void *user)
{
    struct groups_call *call = call_new(groups, "create", name, user);
    call->fn.group = done;
    start(call,
          (struct arm_request){.method = "PUT",
                               .body = body,
                               .deadline_ms = PUT_DEADLINE_MS,
                               .priority = turn.priority,
                               .owner = turn.owner,
                               .is_group_write = true,
                               .on_done = on_group},
          group_path(groups, name, ""));
    return call;
}

struct groups_call *container_groups_get(struct container_groups *groups, const char *name,
                                         struct groups_turn turn, group_fn done, void *user)
{
    struct groups_call *call = call_new(groups, "read", name, user);
    call->fn.group = done;
    start(call,
          (struct arm_request){.method = "GET",
                               .deadline_ms = GET_DEADLINE_MS,
                               .priority = turn.priority,
                               .owner = turn.owner,
                               .idempotent = true,
                               .on_done = on_group},
          group_path(groups, name, ""));
    return call;
}

static void end_done(struct groups_call *call, const struct vk_err *err)
{
    const groups_done_fn fn = call->fn.done;
    void *user = call->user;
    struct vk_err explained;
    if (err)
        explained = explain(call, err);
    call_free(call);
    fn(user, err ? &explained : NULL);
}

static void poll_later(struct groups_call *call, int64_t retry_after_ms)
{
    if (vk_mono_ms() >= call->give_up_mono_ms) {
        struct vk_err err;
        (void)vk_err_set(&err, VK_TIMEOUT, "still there after %lld s", GONE_DEADLINE_MS / 1000);
        end_done(call, &err);
        return;
    }
    /* Many deletions at once must not eat the reads of everybody else. */
    int64_t wait = retry_after_ms < call->poll_ms ? call->poll_ms : retry_after_ms;
    if (wait > POLL_MAX_MS)
        wait = POLL_MAX_MS;
    call->poll_ms = call->poll_ms * 3 / 2;
    vk_timer_arm(&call->timer, wait);
}

static void on_polled(void *user, const struct arm_response *response, const struct vk_err *err)
{
    struct groups_call *call = user;
    call->arm = NULL;
    if (err && err->code == VK_NOT_FOUND) {
        if (!call->poll_url) {
            end_done(call, NULL);
            return;
        }
        /* The status document expired: the group itself must tell. */
        vk_free(vk_take(call->poll_url));
        poll_later(call, 0);
        return;
    }
    if (err && !vk_err_is_transient(err)) {
        end_done(call, err);
        return;
    }
    if (err || !call->poll_url) {
        poll_later(call, err ? err->retry_after_ms : response->retry_after_ms);
        return;
    }
    struct vk_err why;
    switch (operation_read(call->style, response, &why)) {
    case OPERATION_SUCCEEDED:
        end_done(call, NULL);
        return;
    case OPERATION_FAILED:
        end_done(call, &why);
        return;
    case OPERATION_RUNNING:
        poll_later(call, response->retry_after_ms);
        return;
    }
}

static void on_poll_due(void *user)
{
    struct groups_call *call = user;
    start(call,
          (struct arm_request){.method = "GET",
                               .deadline_ms = GET_DEADLINE_MS,
                               .priority = THROTTLE_TRACK,
                               .idempotent = true,
                               .on_done = on_polled},
          call->poll_url ? vk_strdup(call->poll_url) : group_path(call->owner, call->name, ""));
}

static void on_deleted(void *user, const struct arm_response *response, const struct vk_err *err)
{
    struct groups_call *call = user;
    call->arm = NULL;
    if (err) {
        end_done(call, err->code == VK_NOT_FOUND ? NULL : err);
        return;
    }
    if (response->status != 202) {
        end_done(call, NULL);
        return;
    }
    const char *url = NULL;
    call->style = operation_style_of(response, &url);
    if (call->style != OPERATION_NONE && strlen(url) <= ARM_MAX_URL_BYTES)
        call->poll_url = vk_strdup(url);
    call->give_up_mono_ms = vk_mono_ms() + GONE_DEADLINE_MS;
    call->poll_ms = POLL_FIRST_MS;
    poll_later(call, response->retry_after_ms);
}

struct groups_call *container_groups_delete(struct container_groups *groups, const char *name,
                                            groups_done_fn done, void *user)
{
    struct groups_call *call = call_new(groups, "delete", name, user);
    call->fn.done = done;
    start(call,
          (struct arm_request){.method = "DELETE",
                               .deadline_ms = DELETE_DEADLINE_MS,
                               .priority = THROTTLE_DELETE,
                               .is_group_write = true,
                               .idempotent = true,
                               .on_done = on_deleted},
          group_path(groups, name, ""));
    return call;
}

static void on_restarted(void *user, const struct arm_response *response, const struct vk_err *err)
{
    struct groups_call *call = user;
    (void)response;
    call->arm = NULL;
    end_done(call, err);
}

struct groups_call *container_groups_restart(struct container_groups *groups, const char *name,
                                             struct groups_turn turn, groups_done_fn done,
                                             void *user)
{
    struct groups_call *call = call_new(groups, "restart", name, user);
    call->fn.done = done;
    start(call,
          (struct arm_request){.method = "POST",
                               .deadline_ms = PUT_DEADLINE_MS,
                               .priority = turn.priority,
                               .owner = turn.owner,
                               .on_done = on_restarted},
          group_path(groups, name, "/restart"));
    return call;
}

static int on_item(void *user, struct vk_str raw, struct vk_err *err)
{
    (void)err;
    struct groups_call *call = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct container_group group;
    struct vk_err bad;
    if (container_group_parse(raw, arena, &group, &bad) < 0) {
        log_v(2, "Skipped an unreadable container group", LERR(&bad));
        call->listing.skipped++;
        return 0;
    }
    call->item(call->user, &group);
    return 0;
}

static int on_list_piece(void *user, struct vk_str piece)
{
    struct groups_call *call = user;
    return json_list_reader_feed(call->reader, piece, &call->item_err);
}

static void on_page(void *user, const struct arm_response *response, const struct vk_err *err);

static void read_page(struct groups_call *call, char *target)
{
    json_list_reader_free(call->reader);
    call->reader = json_list_reader_new("value", CONTAINER_GROUP_MAX_BYTES, on_item, call);
    call->item_err = (struct vk_err){0};
    call->listing.pages++;
    start(call,
          (struct arm_request){.method = "GET",
                               .deadline_ms = LIST_DEADLINE_MS,
                               .priority = THROTTLE_TRACK,
                               .on_body = on_list_piece,
                               .on_done = on_page},
          target);
}

static void end_list(struct groups_call *call, const struct vk_err *err)
{
    const groups_listed_fn fn = call->fn.listed;
    void *user = call->user;
    const struct groups_listing listing = call->listing;
    struct vk_err explained;
    if (err)
        explained = explain(call, err);
    call_free(call);
    fn(user, &listing, err ? &explained : NULL);
}

static void on_page(void *user, const struct arm_response *response, const struct vk_err *err)
{
    (void)response;
    struct groups_call *call = user;
    call->arm = NULL;
    if (err) {
        end_list(call, call->item_err.code != VK_OK ? &call->item_err : err);
        return;
    }
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str rest;
    const struct json *root;
    struct vk_err bad;
    if (json_list_reader_end(call->reader, &rest, &bad) < 0 ||
        json_parse(rest, CONTAINER_GROUP_MAX_BYTES, arena, &root, &bad) < 0) {
        bad.code = VK_PROTOCOL;
        end_list(call, &bad);
        return;
    }
    const char *next = json_string(json_get(root, "nextLink"));
    if (vk_str_empty(next)) {
        end_list(call, NULL);
    } else if (call->listing.pages >= LIST_MAX_PAGES) {
        (void)vk_err_set(&bad, VK_TOO_LARGE, "more than %d pages", LIST_MAX_PAGES);
        end_list(call, &bad);
    } else if (*next == '/') {
        (void)vk_err_set(&bad, VK_PROTOCOL, "nextLink is not an absolute URL");
        end_list(call, &bad);
    } else {
        read_page(call, vk_strdup(next));
    }
}

struct groups_call *container_groups_list(struct container_groups *groups, group_item_fn item,
                                          groups_listed_fn done, void *user)
{
    struct groups_call *call = call_new(groups, "list", "", user);
    call->item = item;
    call->fn.listed = done;
    read_page(call, group_path(groups, "", ""));
    return call;
}

static void end_logs(struct groups_call *call, struct vk_str content, const struct vk_err *err)
{
    const group_logs_fn fn = call->fn.logs;
    void *user = call->user;
    struct vk_err explained;
    if (err)
        explained = explain(call, err);
    call_free(call);
    fn(user, content, err ? &explained : NULL);
}

static void on_logs(void *user, const struct arm_response *response, const struct vk_err *err)
{
    struct groups_call *call = user;
    call->arm = NULL;
    if (err) {
        end_logs(call, VK_STR(""), err);
        return;
    }
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root;
    struct vk_err bad;
    if (json_parse(response->body, LOGS_MAX_BYTES, arena, &root, &bad) < 0) {
        bad.code = VK_PROTOCOL;
        end_logs(call, VK_STR(""), &bad);
        return;
    }
    /* content null does occur and means nothing yet. */
    end_logs(call, vk_str_of(json_string_or(root, "content", "")), NULL);
}

struct groups_call *container_groups_logs(struct container_groups *groups, const char *name,
                                          const char *container, int64_t tail, bool timestamps,
                                          group_logs_fn done, void *user)
{
    struct groups_call *call = call_new(groups, "read the log in", name, user);
    call->fn.logs = done;
    struct vk_buf rest;
    vk_buf_init(&rest, 1024);
    vk_buf_adds(&rest, "/containers/");
    url_encode(&rest, vk_str_of(container));
    vk_buf_adds(&rest, "/logs");
    if (tail >= 0) {
        char number[24];
        (void)snprintf(number, sizeof(number), "%lld", (long long)tail);
        url_query_add(&rest, "tail", number);
    }
    if (timestamps)
        url_query_add(&rest, "timestamps", "true");
    start(call,
          (struct arm_request){.method = "GET",
                               .deadline_ms = LOGS_DEADLINE_MS,
                               .priority = THROTTLE_USER,
                               .max_body = LOGS_MAX_BYTES,
                               .idempotent = true,
                               .on_done = on_logs},
          group_path(groups, name, vk_buf_peek(&rest)));
    vk_buf_release(&rest);
    return call;
}

struct arm_call *container_groups_action(struct container_groups *groups, const char *name,
                                         const char *container, const char *action,
                                         const struct arm_request *request)
{
    struct arm_request post = *request;
    struct vk_buf rest VK_BUF_AUTO;
    vk_buf_init(&rest, ARM_MAX_URL_BYTES);
    vk_buf_adds(&rest, "/containers/");
    url_encode(&rest, vk_str_of(container));
    vk_buf_addc(&rest, '/');
    vk_buf_adds(&rest, action);
    char *target VK_AUTOFREE = group_path(groups, name, vk_buf_peek(&rest));
    post.method = "POST";
    post.target = target;
    return arm_call_start(groups->arm, &post);
}

struct container_groups *container_groups_new(struct vk_loop *loop, struct arm_client *arm,
                                              const char *subscription, const char *resource_group)
{
    struct container_groups *groups = vk_calloc(1, sizeof(*groups));
    groups->loop = loop;
    groups->arm = arm;
    struct vk_buf base;
    vk_buf_init(&base, ARM_MAX_URL_BYTES);
    vk_buf_adds(&base, "/subscriptions/");
    url_encode(&base, vk_str_of(subscription));
    vk_buf_adds(&base, "/resourceGroups/");
    url_encode(&base, vk_str_of(resource_group));
    vk_buf_adds(&base, "/providers/Microsoft.ContainerInstance/containerGroups");
    groups->base = vk_buf_take(&base);
    return groups;
}

void container_groups_free(struct container_groups *groups)
{
    if (!groups)
        return;
    vk_free(groups->base);
    vk_free(groups);
}
