/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bugs that a test plants to show that it would find them. Only a build with VK_PLANTED_BUGS has
 * them, and there the environment ACI_KUBELET_PLANTED_BUG names the one that is active. In any
 * other build the condition is false and costs nothing.
 */
#pragma once

#include <stdbool.h>

#ifdef VK_PLANTED_BUGS

#include <stdlib.h>
#include <string.h>

static inline bool vk_planted_bug(const char *name)
{
    const char *active = getenv("ACI_KUBELET_PLANTED_BUG");

    return active && strcmp(active, name) == 0;
}

#else
#define vk_planted_bug(name) ((void)(name), false)
#endif
