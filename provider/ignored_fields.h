/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of a pod that its group does not honour although the pod runs: each is named once, in one
 * Event, so that nothing is dropped silently. Each concept's file adds its own.
 */
#pragma once

#include "base/arena.h"

#define IGNORED_FIELDS_REASON "PodFieldsIgnored"

struct ignored_fields {
    const char **v; /* "containers[web].stdin", "metadata.annotations[...]": below spec, or whole */
    size_t n;
};
void ignored_fields_init(struct ignored_fields *fields, struct vk_arena *arena);
/* A field and, in brackets, what happens instead. Beyond 256 none are kept. */
void ignored_fields_add(struct ignored_fields *fields, struct vk_arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The Event's message, at most 1,024 bytes; NULL when there is nothing to say. */
const char *ignored_fields_message(const struct ignored_fields *fields, struct vk_arena *arena);
