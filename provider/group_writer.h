/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT and DELETE of pods' groups. A PUT on an existing group restarts every container, so it is
 * never sent blindly: only when the group is known not to exist (a fresh pod after a complete LIST,
 * or a GET that said 404, which for an earlier process's pod must come late enough). After an
 * unknown outcome (timeout, lost answer, 5xx, 409) a GET and the uid tag decide: adopted, or left
 * to the caller's next try, which looks first. One write per pod at a time; a delete during a
 * create waits for its end.
 */
#pragma once

#include "kubelet/provider.h"
#include "provider/capacity.h"
#include "provider/image_configs.h"
#include "provider/provider_env.h"
#include "provider/tracker.h"

struct group_writer;

/*
 * Everything is borrowed. For earlier_put_ms ARM may still carry out a PUT that got no answer,
 * counted from the failure, and one that an earlier process sent before it died, counted from now:
 * a group that is missing till then is not PUT, but looked for once more at the end of that time.
 */
struct group_writer *group_writer_new(struct vk_loop *loop, struct container_groups *groups,
                                      struct tracker *tracker, struct image_configs *images,
                                      struct capacity *capacity, const struct provider_env *env,
                                      int64_t earlier_put_ms);
/* As settle of struct provider_ops. */
size_t group_writer_settle(struct group_writer *w);
/* From here on nothing is completed; requests in flight go on until the free. */
void group_writer_stop(struct group_writer *w);
/* Before tracker_free. NULL is fine. */
void group_writer_free(struct group_writer *w);

/* As find_pod, create_pod and delete_pod of struct provider_ops. */
void group_writer_find(struct group_writer *w, const struct pod_identity *id, provider_done_fn done,
                       void *user);
void group_writer_create(struct group_writer *w, struct resolved_pod *resolved,
                         provider_done_fn done, void *user);
void group_writer_delete(struct group_writer *w, const struct pod_identity *id,
                         provider_done_fn done, void *user);
/* As restart_pod. VK_CONFLICT while another write is under way. */
void group_writer_restart(struct group_writer *w, const struct pod_identity *id,
                          provider_done_fn done, void *user);
