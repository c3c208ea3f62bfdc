/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/arm_error.h"

#include <stdarg.h>
#include <stdio.h>

static int set(struct vk_err *err, int http_status, const char *code, const char *fmt, va_list args)
    VK_PRINTF(4, 0);

static int set(struct vk_err *err, int http_status, const char *code, const char *fmt, va_list args)
{
    char text[sizeof(err->msg)];

    vsnprintf(text, sizeof(text), fmt, args);
    vk_err_set(err, vk_code_of_http(http_status), "%s", text);
    err->http_status = http_status;
    return vk_err_reason(err, code);
}

int arm_error_set(struct vk_err *err, int http_status, const char *code, const char *fmt, ...)
{
    va_list args;
    int r;

    va_start(args, fmt);
    r = set(err, http_status, code, fmt, args);
    va_end(args);
    return r;
}

int arm_error_invalid(struct vk_err *err, const char *fmt, ...)
{
    va_list args;
    int r;

    va_start(args, fmt);
    r = set(err, 400, "InvalidRequestContent", fmt, args);
    va_end(args);
    return r;
}

int arm_error_transitioning(struct vk_err *err, const char *group)
{
    return arm_error_set(err, 409, "ContainerGroupTransitioning",
                         "The container group '%s' is still transitioning, please retry later.",
                         group);
}
