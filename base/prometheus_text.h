/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads Prometheus' text format, version 0.0.4: sample by sample, the counterpart of prometheus.h.
 * Comments and time stamps are passed over. Pure.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"
#include "base/vk_err.h"

struct prometheus_sample {
    const char *name;
    struct vk_str labels; /* between the braces, as written */
    double value;         /* also infinite, or no number */
};
/* Borrowed for the call. */
typedef void (*prometheus_sample_fn)(void *user, const struct prometheus_sample *sample);

/* Errors: VK_INVALID naming the line; what came before it was handed out. */
VK_MUST_CHECK int prometheus_parse(struct vk_str text, prometheus_sample_fn fn, void *user,
                                   struct vk_err *err);
/* The value of that label, unescaped; "" when there is none, as Prometheus has it. Lives in the
 * arena. */
const char *prometheus_label(const struct prometheus_sample *sample, const char *name,
                             struct vk_arena *arena);
