/* SPDX-License-Identifier: Apache-2.0 */
/* What a registry says of a request that it refuses. Pure. Source: distribution-spec 1.1, errors.
 */
#pragma once

#include "base/json.h"

/*
 * The first error's message, or its code where it has none: at most 200 characters of printable
 * ASCII, others as '?', in the arena. NULL where the body says nothing, as of a proxy or of HEAD.
 */
const char *registry_error_text(struct vk_str body, struct vk_arena *arena);
