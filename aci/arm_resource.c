/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/arm_resource.h"

#include "base/alloc.h"

#define DEADLINE_MS 15000
#define MAX_BYTES (4u << 20)

struct arm_resource_call {
    struct arm_call *arm;
    const char *what;
    arm_resource_fn done;
    void *user;
};

static void finish(struct arm_resource_call *call, const struct json *body,
                   const struct vk_err *err)
{
    const struct arm_resource_call ended = *call;
    struct vk_err explained;
    if (err) {
        explained = *err;
        (void)vk_err_wrap(&explained, "read %s", ended.what);
    }
    vk_free(call);
    ended.done(ended.user, err ? NULL : body, err ? &explained : NULL);
}

static void on_answer(void *user, const struct arm_response *response, const struct vk_err *err)
{
    struct arm_resource_call *call = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *body = NULL;
    struct vk_err bad;
    if (!err && json_parse(response->body, MAX_BYTES, arena, &body, &bad) < 0)
        err = &bad;
    finish(call, body, err);
}

struct arm_resource_call *arm_resource_get(struct arm_client *arm, const char *path,
                                           const char *api_version, const char *operation,
                                           const char *what, arm_resource_fn done, void *user)
{
    struct arm_resource_call *call = vk_calloc(1, sizeof(*call));
    *call = (struct arm_resource_call){.what = what, .done = done, .user = user};
    call->arm = arm_call_start(arm, &(struct arm_request){.method = "GET",
                                                          .operation = operation,
                                                          .target = path,
                                                          .api_version = api_version,
                                                          .deadline_ms = DEADLINE_MS,
                                                          .priority = THROTTLE_USER,
                                                          .idempotent = true,
                                                          .on_done = on_answer,
                                                          .user = call});
    return call;
}

void arm_resource_cancel(struct arm_resource_call *call)
{
    if (!call)
        return;
    arm_call_cancel(call->arm);
    vk_free(call);
}
