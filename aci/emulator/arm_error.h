/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of ARM and of the container instance service as vk_err: http_status is what is answered,
 * reason is the body's `code`, msg its `message`. Codes that no source shows are spelled
 * InvalidRequestContent. Source: aci-rest.md 11 (recorded and documented answers).
 */
#pragma once

#include "base/vk_err.h"

/* Returns a negative number. */
int arm_error_set(struct vk_err *err, int http_status, const char *code, const char *fmt, ...)
    VK_PRINTF(4, 5);
/* 400 InvalidRequestContent: a documented rule whose code no source shows. */
int arm_error_invalid(struct vk_err *err, const char *fmt, ...) VK_PRINTF(2, 3);
int arm_error_transitioning(struct vk_err *err, const char *group);
