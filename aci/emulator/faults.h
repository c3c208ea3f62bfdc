/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults that a test orders over the control listener: the next `count` requests that match are
 * delayed, answered with an error, carried out without an answer, or lied to about a group.
 *
 * Shape: {"operation":"ContainerGroups_CreateOrUpdate","group":"web-*","count":3,"action":
 * {"status":429,"code":"TooManyRequests","message":"...","retryAfter":10,"delayMs":200,
 * "lost":false,"hide":false,"ghost":false}}. All but action are optional: any operation, any group
 * (a trailing * matches a prefix), count 1 (0: until removed). Without status the request is
 * carried out; lost cuts the connection instead of answering. hide: a GET, and what else asks for
 * one group, finds none; a LIST leaves out the groups that match. ghost: a DELETE is answered as
 * done, and the group stays as it is. Requests that are delayed when all faults are removed are
 * delayed no longer.
 */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/json_writer.h"
#include "base/vk_err.h"

struct fault_action {
    int64_t status; /* 0: carry out */
    const char *code, *message;
    int64_t retry_after_s; /* 0: none */
    int64_t delay_ms;
    bool lost, hide, ghost;
    const char *group; /* the pattern, or NULL */
};

struct faults;
struct faults *faults_new(void);
void faults_free(struct faults *f);
/* One fault, or {"faults":[...]}. Errors: VK_INVALID naming the member, unknown ones included. */
VK_MUST_CHECK int faults_add(struct faults *f, struct vk_str body, struct vk_err *err);
void faults_clear(struct faults *f);
/* Uses up one of the first fault that matches; its text is copied to the arena. NULL: none. group
 * NULL: a LIST, which only a fault without a group or one that hides matches. */
const struct fault_action *faults_take(struct faults *f, const char *operation, const char *group,
                                       struct vk_arena *arena);
/* A group's name and a pattern: case is ignored, a trailing * matches the rest. NULL: any. */
bool faults_pattern_matches(const char *pattern, const char *group);
/* Member "faults": what is left, with hits. */
void faults_write(const struct faults *f, struct json_writer *w);
