/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container groups of one resource group: PUT, GET, DELETE, LIST, logs. Each operation is one
 * handle, completes once and never from inside its start; cancelling means no callback (the peer
 * may act all the same). Only GET, LIST and DELETE are ever repeated below this interface.
 */
#pragma once

#include "aci/arm_client.h"
#include "aci/container_group.h"

struct container_groups;
struct groups_call;

/* arm is borrowed. Text is copied. */
struct container_groups *container_groups_new(struct vk_loop *loop, struct arm_client *arm,
                                              const char *subscription, const char *resource_group);
/* All calls must have ended or been cancelled. NULL is fine. */
void container_groups_free(struct container_groups *groups);

/* group is borrowed for the call; NULL with err set. */
typedef void (*group_fn)(void *user, const struct container_group *group, const struct vk_err *err);
typedef void (*groups_done_fn)(void *user, const struct vk_err *err);

/* When a request gets its turn under ARM's limits, see throttle.h. Deletes, lists and logs say it
 * themselves. */
struct groups_turn {
    enum throttle_priority priority;
    const char *owner; /* namespace, copied; or NULL */
};

/*
 * Creates the group, or replaces the one of this name, which restarts all its containers. Success:
 * accepted (provisioning goes on). The answer's body is handed on where it can be read, else group
 * is NULL without err. Errors besides ARM's: the outcome is unknown after VK_TIMEOUT, after
 * VK_UNAVAILABLE without an answer (http_status 0, unless sys_errno is ECONNREFUSED) and after 5xx.
 */
struct groups_call *container_groups_put(struct container_groups *groups, const char *name,
                                         struct groups_turn turn, struct vk_str body, group_fn done,
                                         void *user);
/* VK_NOT_FOUND when there is none. */
struct groups_call *container_groups_get(struct container_groups *groups, const char *name,
                                         struct groups_turn turn, group_fn done, void *user);
/*
 * Success when ARM says that the group is gone: at once (200, 204, 404), or after polling the
 * long-running operation (202 with Azure-AsyncOperation or Location, else the group itself) for at
 * most 5 minutes.
 */
struct groups_call *container_groups_delete(struct container_groups *groups, const char *name,
                                            groups_done_fn done, void *user);

/*
 * Starts all containers of the group anew, in place. Success: accepted. A group that is changing is
 * refused with VK_CONFLICT.
 */
struct groups_call *container_groups_restart(struct container_groups *groups, const char *name,
                                             struct groups_turn turn, groups_done_fn done,
                                             void *user);

/* Each group of the list in turn, borrowed for the call, without instance views. */
typedef void (*group_item_fn)(void *user, const struct container_group *group);
struct groups_listing {
    size_t skipped; /* items that can't be decoded: absence from such a list proves nothing */
    size_t pages;   /* requests that it took */
};
/* All pages, up to 1,000. Also with err, listing says how far it came. Borrowed for the call. */
typedef void (*groups_listed_fn)(void *user, const struct groups_listing *listing,
                                 const struct vk_err *err);
struct groups_call *container_groups_list(struct container_groups *groups, group_item_fn item,
                                          groups_listed_fn done, void *user);

/*
 * A container's whole output as ACI keeps it (4 MB at most), or its last `tail` lines; with
 * timestamps each line starts with an RFC 3339 time and a blank. VK_NOT_FOUND: no such container,
 * or no log yet. content is borrowed for the call.
 */
typedef void (*group_logs_fn)(void *user, struct vk_str content, const struct vk_err *err);
struct groups_call *container_groups_logs(struct container_groups *groups, const char *name,
                                          const char *container, int64_t tail /* -1: all */,
                                          bool timestamps, group_logs_fn done, void *user);

/* POST of an action ("exec", "attach") on a container, for aci/exec.h. Method and target of the
 * request are filled in. */
struct arm_call *container_groups_action(struct container_groups *groups, const char *name,
                                         const char *container, const char *action,
                                         const struct arm_request *request);

/* True while nothing was sent yet: cancelled now, ARM never hears of it. NULL: false. */
bool groups_call_is_waiting(const struct groups_call *call);
/* NULL is fine. */
void groups_call_cancel(struct groups_call *call);
