/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New images for a group that runs: ACI takes a PUT of the whole group for it, which starts all its
 * containers anew. So it is sent only after a look has shown that the group runs other images, and
 * what it runs decides again after a PUT whose outcome is unknown, in this process or the next.
 */
#pragma once

#include "aci/container_group.h"
#include "kubelet/api/resolved_pod.h"
#include "provider/group_writer.h"

/* Each container of the pod has its image there, however its name is written. Pure. */
bool group_update_is_done(const struct container_group *group, const struct resolved_pod *pod);
/* As update_pod of struct provider_ops. */
void group_writer_update(struct group_writer *w, struct resolved_pod *resolved,
                         provider_done_fn done, void *user);
