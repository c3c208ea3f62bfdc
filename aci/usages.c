/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/usages.h"

#include "base/alloc.h"
#include "base/url.h"

#define DEADLINE_MS 30000
#define MAX_BYTES (1u << 20)

struct usages_call {
    struct arm_call *arm;
    usages_fn done;
    void *user;
};

static bool read_usage(const struct json *item, struct usage *ret)
{
    const char *name = json_string(json_get(json_get(item, "name"), "value"));
    struct usage usage = {.name = name};
    if (vk_str_empty(name) || !json_int64(json_get(item, "currentValue"), &usage.current) ||
        !json_int64(json_get(item, "limit"), &usage.limit) || usage.current < 0 || usage.limit < 0)
        return false;
    *ret = usage;
    return true;
}

static int read_usages(struct vk_str body, struct vk_arena *arena, struct json_array *ret,
                       struct vk_err *err)
{
    const struct json *root;
    if (json_parse(body, MAX_BYTES, arena, &root, err) < 0)
        return -(int)err->code;
    const struct json *list = json_get(root, "value");
    if (!list || json_type_of(list) != JSON_ARRAY)
        return vk_err_set(err, VK_PROTOCOL, "no list of usages in the answer");
    struct usage *usages = vk_arena_array(arena, json_len(list) + 1, sizeof(*usages));
    size_t n = 0;
    for (const struct json *item = json_first(list); item; item = json_next(item))
        n += read_usage(item, &usages[n]);
    *ret = (struct json_array){.v = usages, .n = n};
    return 0;
}

static void finish(struct usages_call *call, const struct json_array *usages,
                   const struct vk_err *err)
{
    const usages_fn done = call->done;
    void *user = call->user;
    struct vk_err explained;
    if (err) {
        explained = *err;
        (void)vk_err_wrap(&explained, "read usages");
    }
    vk_free(call);
    done(user, usages, err ? &explained : NULL);
}

static void on_answer(void *user, const struct arm_response *response, const struct vk_err *err)
{
    struct usages_call *call = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct json_array usages;
    struct vk_err bad;
    if (err)
        finish(call, NULL, err);
    else if (read_usages(response->body, arena, &usages, &bad) < 0)
        finish(call, NULL, &bad);
    else
        finish(call, &usages, NULL);
}

struct usages_call *usages_get(struct arm_client *arm, const char *subscription,
                               const char *location, usages_fn done, void *user)
{
    struct usages_call *call = vk_calloc(1, sizeof(*call));
    struct vk_buf path VK_BUF_AUTO;
    call->done = done;
    call->user = user;
    vk_buf_init(&path, ARM_MAX_URL_BYTES);
    vk_buf_adds(&path, "/subscriptions/");
    url_encode(&path, vk_str_of(subscription));
    vk_buf_adds(&path, "/providers/Microsoft.ContainerInstance/locations/");
    url_encode(&path, vk_str_of(location));
    vk_buf_adds(&path, "/usages");
    call->arm = arm_call_start(arm, &(struct arm_request){.method = "GET",
                                                          .operation = "usages",
                                                          .target = vk_buf_peek(&path),
                                                          .deadline_ms = DEADLINE_MS,
                                                          .priority = THROTTLE_TRACK,
                                                          .idempotent = true,
                                                          .on_done = on_answer,
                                                          .user = call});
    return call;
}

void usages_cancel(struct usages_call *call)
{
    if (!call)
        return;
    arm_call_cancel(call->arm);
    vk_free(call);
}
