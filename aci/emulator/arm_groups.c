/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/arm_groups.h"

#include <string.h>

#include "aci/emulator/arm_error.h"
#include "aci/emulator/group_validate.h"
#include "aci/emulator/group_view.h"
#include "aci/emulator/operation_reply.h"
#include "base/alloc.h"
#include "base/crypto.h"
#include "base/url.h"

#define MAX_LIST (64 * 1024 * 1024)
/* 4 MB are kept; stamps come on top. */
#define MAX_LOG (16 * 1024 * 1024)
#define MAX_LOG_ANSWER (64 * 1024 * 1024)
#define MAX_PATCH (1024 * 1024)

struct group *arm_groups_find(struct arm_request *r)
{
    struct group *g = groups_find(r->emulator->groups, r->resource_group, r->group);
    struct vk_err err;

    if (g && g->phase != GROUP_CHECKING && !(r->fault && r->fault->hide))
        return g;
    arm_error_set(
        &err, 404, "ResourceNotFound",
        "The Resource 'Microsoft.ContainerInstance/containerGroups/%.100s' under resource "
        "group '%.100s' was not found. For more details please go to "
        "https://aka.ms/ARMResourceNotFoundFix",
        r->group, r->resource_group);
    arm_reply_error(r, &err);
    return NULL;
}

static void refuse_transition(struct arm_request *r)
{
    struct vk_err err;

    arm_error_transitioning(&err, r->group);
    arm_reply_error(r, &err);
}

void arm_groups_get(struct arm_request *r)
{
    const struct group *g = arm_groups_find(r);

    if (g)
        arm_reply_group(r, 200, g);
}

/* --- list --- */

static const char *next_link(struct arm_request *r, const struct group *last)
{
    struct vk_buf token VK_BUF_AUTO, link VK_BUF_AUTO;

    vk_buf_init(&token, 4096);
    vk_buf_init(&link, 16384);
    crypto_base64url(vk_str_of(last->key), &token);
    vk_buf_printf(&link, "%s%s", arm_request_origin(r), r->path);
    url_query_add(&link, "api-version", r->api_version);
    url_query_add(&link, "$skiptoken", vk_buf_peek(&token));
    return vk_arena_str(r->arena, vk_buf_str(&link));
}

/* Where the page begins: behind the group that ended the last one, there or not. */
static int first_of_page(struct arm_request *r, struct group *const *list, size_t count,
                         size_t *ret, struct vk_err *err)
{
    const char *token = arm_request_query(r, "$skiptoken");
    struct vk_str key;
    const char *text;
    size_t i = 0;

    if (token) {
        if (!crypto_base64url_decode(vk_str_of(token), r->arena, &key))
            return arm_error_set(err, 400, "InvalidSkipToken", "The skip token is invalid.");
        text = vk_arena_str(r->arena, key);
        while (i < count && strcmp(list[i]->key, text) <= 0)
            i++;
    }
    *ret = i;
    return 0;
}

/* The rest, in the same order. */
static size_t leave_out_hidden(const struct fault_action *fault, struct group **list, size_t count)
{
    size_t kept = 0;

    if (!fault || !fault->hide)
        return count;
    for (size_t i = 0; i < count; i++) {
        if (!faults_pattern_matches(fault->group, list[i]->name))
            list[kept++] = list[i];
    }
    return kept;
}

void arm_groups_list(struct arm_request *r)
{
    struct group **list;
    size_t all = groups_list(r->emulator->groups, r->resource_group, r->arena, &list);
    size_t count = leave_out_hidden(r->fault, list, all);
    size_t i, end, page = (size_t)r->emulator->options->page_size;
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;
    struct vk_err err;

    vk_buf_init(&out, MAX_LIST);
    if (first_of_page(r, list, count, &i, &err) < 0) {
        arm_reply_error(r, &err);
        return;
    }
    end = count - i > page ? i + page : count;
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "value");
    for (; i < end; i++)
        group_view_write(list[i], GROUP_VIEW_LIST, r->emulator->options->tenant, &w, NULL);
    json_end_array(&w);
    if (end < count)
        json_put_string(&w, "nextLink", next_link(r, list[end - 1]));
    json_end_object(&w);
    arm_reply_json(r, 200, vk_buf_str(&out));
}

/* --- tags --- */

void arm_groups_patch(struct arm_request *r)
{
    struct patch {
        struct json_pairs tags;
    } patch = {0};
    static const struct json_field fields[] = {JSON_MAP(struct patch, tags, "tags"), JSON_END};
    struct group *g = arm_groups_find(r);
    const struct json *root;
    struct vk_err err, refusal;

    if (!g)
        return;
    if (json_parse(arm_request_body(r), MAX_PATCH, r->arena, &root, &err) < 0 ||
        json_decode(root, fields, &patch, r->arena, "", &err) < 0) {
        arm_error_invalid(&refusal,
                          "The request content was invalid and could not be deserialized: '%s'.",
                          err.msg);
        arm_reply_error(r, &refusal);
        return;
    }
    if (group_validate_tags(&patch.tags, &err) < 0) {
        arm_reply_error(r, &err);
        return;
    }
    if (json_get(root, "tags"))
        group_set_tags(g, &patch.tags);
    arm_reply_group(r, 200, g);
}

/* --- deletion, stop, start, restart --- */

static void on_deleted(void *user, struct group *g)
{
    struct arm_request *r = user;
    const struct vk_str *last_known = r->data;

    (void)g;
    arm_reply_json(r, 200, *last_known);
}

void arm_groups_delete(struct arm_request *r)
{
    struct group *g = groups_find(r->emulator->groups, r->resource_group, r->group);
    struct vk_str *last_known;

    if (!g) {
        arm_reply_empty(r, 204);
        return;
    }
    /* Its PUT has not been answered: there may be a group in a moment, or none. */
    if (g->phase == GROUP_CHECKING) {
        refuse_transition(r);
        return;
    }
    if (r->fault && r->fault->ghost) {
        arm_reply_group(r, 200, g);
        return;
    }
    if (operation_reply_is_location_style(r->emulator)) {
        operation_reply_header(
            r, operations_add(r->emulator->operations, OPERATION_DELETE, g, g->generation));
        lifecycle_delete(g, NULL, NULL);
        arm_reply_empty(r, 202);
        return;
    }
    last_known = vk_arena_alloc(r->arena, sizeof(*last_known));
    *last_known = arm_reply_render(r, g);
    r->data = last_known;
    lifecycle_delete(g, on_deleted, r);
}

static void on_stopped(void *user, struct group *g)
{
    (void)g;
    arm_reply_empty(user, 204);
}

void arm_groups_stop(struct arm_request *r)
{
    struct group *g = arm_groups_find(r);

    if (!g)
        return;
    if (g->phase == GROUP_STOPPED)
        arm_reply_empty(r, 204);
    else if (group_is_in_transition(g))
        refuse_transition(r);
    else
        lifecycle_stop(g, on_stopped, r);
}

static void reply_begun(struct arm_request *r, const struct group *g, uint64_t generation,
                        int status)
{
    operation_reply_header(r,
                           operations_add(r->emulator->operations, OPERATION_RUN, g, generation));
    arm_reply_empty(r, status);
}

void arm_groups_start(struct arm_request *r)
{
    struct group *g = arm_groups_find(r);
    uint64_t generation;

    if (!g)
        return;
    if (group_is_in_transition(g)) {
        refuse_transition(r);
    } else if (g->phase == GROUP_RUNNING) {
        arm_reply_empty(r, 204);
    } else {
        generation = g->generation + 1;
        lifecycle_start(g);
        reply_begun(r, g, generation, 202);
    }
}

void arm_groups_restart(struct arm_request *r)
{
    struct group *g = arm_groups_find(r);
    uint64_t generation;

    if (!g)
        return;
    if (group_is_in_transition(g)) {
        refuse_transition(r);
        return;
    }
    generation = g->generation + 1;
    if (g->phase == GROUP_STOPPED)
        lifecycle_start(g);
    else
        lifecycle_restart(g);
    reply_begun(r, g, generation, 204);
}

/* --- containers --- */

const struct container *arm_groups_find_container(struct arm_request *r, const struct group *g)
{
    const struct container *c = group_container(g, r->container);
    struct vk_err err;

    if (c)
        return c;
    arm_error_set(&err, 404, "ContainerNotFound",
                  "The container '%.100s' does not exist in container group '%s'.", r->container,
                  g->name);
    arm_reply_error(r, &err);
    return NULL;
}

static int read_log(struct arm_request *r, const struct group *g, const struct container *c,
                    struct vk_buf *out, struct vk_err *err)
{
    struct engine *e = r->emulator->engine;
    const char *tail = arm_request_query(r, "tail");
    int64_t lines = -1;

    if (tail && !vk_str_int64(vk_str_of(tail), 0, INT32_MAX, &lines))
        return arm_error_invalid(err, "The value '%.50s' of the query parameter 'tail' is invalid.",
                                 tail);
    if (g->sandbox && e->ops->container_logs(e, g->sandbox, c->name, lines,
                                             vk_strieq(arm_request_query(r, "timestamps"), "true"),
                                             out, err) == 0)
        return 0;
    if (g->sandbox && err->code != VK_NOT_FOUND)
        return arm_error_set(err, 500, "InternalServerError",
                             "Encountered an internal server error.");
    return arm_error_set(err, 404, "ContainerLogNotAvailable",
                         "Log of container '%s' in container group '%s' is not available yet. "
                         "Please check container 'InstanceView' for more information or retry "
                         "later.",
                         c->name, g->name);
}

void arm_groups_logs(struct arm_request *r)
{
    const struct group *g = arm_groups_find(r);
    const struct container *c = g ? arm_groups_find_container(r, g) : NULL;
    struct vk_buf log VK_BUF_AUTO, out VK_BUF_AUTO;
    struct json_writer w;
    struct vk_err err;

    vk_buf_init(&log, MAX_LOG);
    vk_buf_init(&out, MAX_LOG_ANSWER);
    if (!c)
        return;
    if (read_log(r, g, c, &log, &err) < 0) {
        arm_reply_error(r, &err);
        return;
    }
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_str(&w, "content", vk_buf_str(&log));
    json_end_object(&w);
    arm_reply_json(r, 200, vk_buf_str(&out));
}

void arm_groups_outbound(struct arm_request *r)
{
    if (arm_groups_find(r))
        arm_reply_json(r, 200, VK_STR("[]"));
}
