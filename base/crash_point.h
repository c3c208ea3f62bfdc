/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named steps at which a test lets the process die as by kill -9. Only a build with VK_CRASH_POINTS
 * knows them; in any other build a point costs nothing and cannot be armed.
 */
#pragma once

#include "base/vk_err.h"

#ifdef VK_CRASH_POINTS

#include <stdio.h>

/*
 * name: a literal such as "before-put", unique in the program. Each point enters itself into the
 * list, so that a test which walks through the list misses none.
 */
#define vk_crash_point(name)                                                                       \
    do {                                                                                           \
        static const char *const vk_point_ __attribute__((section("vk_crash_points"), used)) =     \
            (name);                                                                                \
        vk_crash_point_reached(vk_point_);                                                         \
    } while (0)

void vk_crash_point_reached(const char *name);

/*
 * spec: "NAME" or "NAME:N", to die when NAME is reached for the N-th time; NULL or "" for never.
 * Errors: VK_INVALID for a name that no point has, or an N that is no number from 1.
 */
VK_MUST_CHECK int vk_crash_point_arm(const char *spec, struct vk_err *err);

/* One name a line. */
void vk_crash_point_list(FILE *out);

#else
#define vk_crash_point(name) ((void)(name))
#endif
