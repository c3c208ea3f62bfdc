/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/operation_reply.h"

#include "aci/emulator/arm_error.h"
#include "aci/emulator/arm_request.h"
#include "base/alloc.h"
#include "base/crypto.h"

#define MAX_STATUS (256 * 1024)

/* ARM's own is opaque and makes a URL of up to 4 KB; this one is as long and as random. */
char *operation_reply_new_signature(void)
{
    uint8_t random[2048];
    struct vk_buf certificate VK_BUF_AUTO, signature VK_BUF_AUTO;

    crypto_random(random, sizeof(random));
    vk_buf_init(&certificate, 4096);
    vk_buf_init(&signature, 4096);
    crypto_base64url((struct vk_str){.p = (const char *)random, .n = 1400}, &certificate);
    crypto_base64url((struct vk_str){.p = (const char *)random + 1400, .n = 256}, &signature);
    return vk_asprintf("&t=638500000000000000&c=%s&s=%s&h=%.43s", vk_buf_peek(&certificate),
                       vk_buf_peek(&signature), vk_buf_peek(&certificate));
}

bool operation_reply_is_location_style(const struct emulator *e)
{
    return vk_streq(e->options->lro_style, "location");
}

static const char *operation_url(struct arm_request *r, const struct operation *op,
                                 const char *collection, const char *version)
{
    const struct emulator_options *o = r->emulator->options;

    return vk_arena_printf(r->arena,
                           "%s/subscriptions/%s/providers/Microsoft.ContainerInstance/locations/"
                           "%s/%s/%s?api-version=%s%s",
                           arm_request_origin(r), o->subscription, o->location, collection, op->id,
                           version, r->emulator->operation_signature);
}

void operation_reply_header(struct arm_request *r, const struct operation *op)
{
    vk_strcpy_to(r->request_id, sizeof(r->request_id), op->id);
    if (operation_reply_is_location_style(r->emulator)) {
        arm_reply_header(r, "Location", operation_url(r, op, "operationResults", r->api_version));
        arm_reply_header(r, "Retry-After", "1");
        return;
    }
    arm_reply_header(r, "Azure-AsyncOperation", operation_url(r, op, "operations", "2018-06-01"));
}

static const struct operation *find(struct arm_request *r)
{
    const struct operation *op = operations_find(r->emulator->operations, r->operation);
    struct vk_err err;

    if (op)
        return op;
    arm_error_set(&err, 404, "ResourceNotFound", "The operation '%.60s' was not found.",
                  r->operation);
    arm_reply_error(r, &err);
    return NULL;
}

void operation_reply_status(struct arm_request *r)
{
    static const char *const names[] = {[OPERATION_IN_PROGRESS] = "Pending",
                                        [OPERATION_SUCCEEDED] = "Succeeded",
                                        [OPERATION_CANCELED] = "Canceled"};
    const struct operation *op = find(r);
    const struct group *g;
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&out, MAX_STATUS);
    if (!op)
        return;
    g = groups_find_uid(r->emulator->groups, op->group_key, op->group_uid);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "id", op->group_id);
    json_put_string(&w, "status", names[operations_status(op, r->emulator->groups)]);
    event_log_put_time(&w, "startTime", op->start_wall_ns);
    json_begin_object(&w, "properties");
    event_log_write(g ? &g->events : &(struct event_log){0}, &w, "events");
    json_end_object(&w);
    json_end_object(&w);
    arm_reply_header(r, "Retry-After", "1");
    arm_reply_json(r, 200, vk_buf_str(&out));
}

void operation_reply_result(struct arm_request *r)
{
    const struct operation *op = find(r);
    const struct group *g;
    struct vk_err err;

    if (!op)
        return;
    g = groups_find_uid(r->emulator->groups, op->group_key, op->group_uid);
    switch (operations_status(op, r->emulator->groups)) {
    case OPERATION_IN_PROGRESS:
        operation_reply_header(r, op);
        arm_reply_empty(r, 202);
        return;
    case OPERATION_CANCELED:
        arm_error_set(&err, 404, "ResourceNotFound",
                      "The container group of operation '%s' was deleted.", op->id);
        arm_reply_error(r, &err);
        return;
    case OPERATION_SUCCEEDED:
    default:
        if (g && op->kind == OPERATION_RUN)
            arm_reply_group(r, 200, g);
        else
            arm_reply_empty(r, 204);
        return;
    }
}
