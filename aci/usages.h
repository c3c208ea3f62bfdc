/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a subscription may have in a region, and what it has: GET locations/REGION/usages. Source:
 * Microsoft.ContainerInstance 2023-05-01 and 2025-09-01, Location_ListUsage; not paged. Needs the
 * right Microsoft.ContainerInstance/locations/usages/read on the subscription.
 */
#pragma once

#include "aci/arm_client.h"
#include "base/json.h"

struct usage {
    const char *name; /* "ContainerGroups", "StandardCores" ... */
    int64_t current, limit;
};

struct usages_call;

/* usages: struct usage, borrowed for the call; items that can't be read are left out. NULL with err
 * set. */
typedef void (*usages_fn)(void *user, const struct json_array *usages, const struct vk_err *err);
/* Waits for its turn behind all that is more urgent. arm is borrowed, text is copied. Completes
 * once, never from inside the call. */
struct usages_call *usages_get(struct arm_client *arm, const char *subscription,
                               const char *location, usages_fn done, void *user);
/* No callback afterwards. NULL is fine. */
void usages_cancel(struct usages_call *call);
