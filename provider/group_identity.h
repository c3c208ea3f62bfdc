/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pod a container group belongs to. Groups in the wild carry these names for good: format 1
 * is read for ever, a change is a new format. The UID decides, names only make portals readable.
 * Tag names have no '/', which ARM forbids.
 */
#pragma once

#include <stdbool.h>

#include "aci/container_group.h"
#include "base/json_writer.h"

#define GROUP_FORMAT "1"
#define GROUP_TAG_FORMAT "aci-kubelet-format"
#define GROUP_TAG_CLUSTER                                                                          \
    "aci-kubelet-cluster" /* UID of namespace kube-system, or --cluster-id                         \
                           */
#define GROUP_TAG_NODE "aci-kubelet-node"
#define GROUP_TAG_NAMESPACE "aci-kubelet-namespace"
#define GROUP_TAG_POD "aci-kubelet-pod"
#define GROUP_TAG_UID "aci-kubelet-uid"

/* Names of the containers that are native sidecars, separated by commas; absent where there are
 * none. ACI itself does not tell them apart. */
#define GROUP_TAG_SIDECARS "aci-kubelet-sidecars"

#define GROUP_NAME_MAX 63

/*
 * "<namespace>-<name>" cut to 42 characters, with every run of characters that ACI does not take
 * turned into one hyphen, then '-' and 20 hex digits of SHA-256(uid). Source: ACI's name rules, 1
 * to 63 of [a-z0-9-], no hyphen at either end.
 */
void group_name(const char *namespace_, const char *name, const char *uid,
                char out[GROUP_NAME_MAX + 1]);

struct group_identity {
    const char *cluster, *node, *namespace_, *pod, *uid;
};
/* Writes the six members of the tags object. */
void group_identity_write(struct json_writer *w, const struct group_identity *identity);
/* False for groups that are not of format 1 or lack a tag: nobody's, never touched. Borrowed. */
bool group_identity_read(const struct container_group *group, struct group_identity *ret);
/* The container is a native sidecar by the group's tag. */
bool group_container_is_sidecar(const struct container_group *group, const char *container);
