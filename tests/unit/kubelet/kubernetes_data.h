/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded objects of tests/data/kubernetes. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/file.h"

static inline struct vk_str kubernetes_data(const char *name, struct vk_arena *arena)
{
    char path[512];
    struct vk_str text;
    struct vk_err err;

    snprintf(path, sizeof(path), "%s/kubernetes/%s", VK_TEST_DATA, name);
    if (file_read(path, 4u << 20, arena, &text, &err) < 0)
        fail_msg("%s", err.msg);
    return text;
}
