/* SPDX-License-Identifier: Apache-2.0 */
/* metadata.managedFields is a third of an object's text and of no use to a node: it is cut out. */
#pragma once

#include "base/arena.h"

/*
 * A copy of an object's JSON text without metadata.managedFields. Text that is not as expected is
 * copied as it is: the parser that comes next says what is wrong with it.
 */
struct vk_str without_managed_fields(struct vk_str raw, struct vk_arena *arena);
