/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/operation.h"

#include "aci/arm_error.h"
#include "base/arena.h"
#include "base/json.h"

enum operation_style operation_style_of(const struct arm_response *response, const char **ret_url)
{
    if (!vk_str_empty(response->async_operation)) {
        *ret_url = response->async_operation;
        return OPERATION_ASYNC;
    }
    if (!vk_str_empty(response->location)) {
        *ret_url = response->location;
        return OPERATION_LOCATION;
    }
    return OPERATION_NONE;
}

enum operation_state operation_read(enum operation_style style, const struct arm_response *response,
                                    struct vk_err *err)
{
    if (style == OPERATION_LOCATION)
        return response->status == 202 ? OPERATION_RUNNING : OPERATION_SUCCEEDED;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root = NULL;
    struct vk_err ignored;
    if (json_parse(response->body, ARM_ERROR_MAX_BYTES, arena, &root, &ignored) < 0)
        return OPERATION_RUNNING;
    const char *status = json_string(json_get(root, "status"));
    if (vk_strieq(status, "Succeeded"))
        return OPERATION_SUCCEEDED;
    if (!vk_strieq(status, "Failed") && !vk_strieq(status, "Canceled"))
        return OPERATION_RUNNING;
    if (json_get(json_get(root, "error"), "code"))
        (void)arm_error_parse(err, 200, response->body, 0);
    else
        (void)vk_err_set(err, VK_UNAVAILABLE, "the operation ended as %s", status);
    return OPERATION_FAILED;
}
