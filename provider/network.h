/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group's address and subnet. A group is reachable inside its subnet only, unless an annotation
 * of the pod asks for a public address, which takes it out of the subnet: ACI gives one or the
 * other.
 */
#pragma once

#include "base/json_writer.h"
#include "provider/annotations.h"
#include "provider/group_layout.h"

/* As far as the shape tells: /subscriptions/.../subnets/NAME. */
bool network_is_subnet_id(const char *id);
/* The group stands in a subnet: the pod's or the node's. */
bool network_has_subnet(const struct pod_annotations *annotations, const struct provider_env *env);
bool network_is_public(const struct pod_annotations *annotations, const struct provider_env *env);
/* It has an address, private or public, at which others find it. */
bool network_has_address(const struct group_layout *layout,
                         const struct pod_annotations *annotations, const struct provider_env *env);
/* Errors: VK_UNSUPPORTED, VK_INVALID with the field and the rule. */
VK_MUST_CHECK int network_check(const struct group_layout *layout,
                                const struct pod_annotations *annotations,
                                const struct provider_env *env, struct vk_err *err);
/*
 * Writes "ipAddress" and "subnetIds". ipAddress is Private where there is a subnet (or the
 * environment says so) and a port to list: ACI refuses an ipAddress without ports, and gives a
 * group in a subnet its address all the same. Of several subnets the pod's UID picks one, always
 * the same.
 */
void network_write(struct json_writer *w, const struct pod *pod, const struct group_layout *layout,
                   const struct pod_annotations *annotations, const struct provider_env *env);
