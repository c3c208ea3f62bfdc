/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a finished pod's group: the last output of its containers is copied into
 * finished_logs, then the group is removed.
 */
#pragma once

#include "provider/finished_logs.h"
#include "provider/group_writer.h"

struct retirement;

/* Everything is borrowed. */
struct retirement *retirement_new(struct vk_loop *loop, struct container_groups *groups,
                                  struct tracker *tracker, struct group_writer *writer,
                                  struct finished_logs *logs);
/* Nothing is completed afterwards. */
void retirement_stop(struct retirement *r);
/* NULL is fine. */
void retirement_free(struct retirement *r);

/*
 * As retire_pod of struct provider_ops. A log that ARM can't give for the moment fails the call
 * with its transient error; after three such calls for a pod the group goes without a copy.
 */
void retirement_start(struct retirement *r, const struct pod_identity *id, provider_done_fn done,
                      void *user);
