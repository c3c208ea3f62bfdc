/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands around the container groups of a subscription and is not ACI's own: whether the
 * resource provider is registered, what the caller may do, the subnets of virtual networks. Every
 * subnet that is asked for exists, and all are delegated alike. Tests change it over the control
 * listener.
 *
 * Shape of the answers: Microsoft.Resources Providers_Get; Microsoft.Authorization 2022-04-01
 * Permissions_ListForResourceGroup and _ListForResource; Microsoft.Network Subnets_Get.
 */
#pragma once

#include "aci/emulator/arm_request.h"

struct surroundings *surroundings_new(void);
/* NULL is fine. */
void surroundings_free(struct surroundings *s);
/*
 * {"registrationState":"NotRegistered","delegation":"Microsoft.Web/serverFarms","actions":["*"],
 * "notActions":[],"clockSkewSeconds":600}, each optional; delegation "" is none. Errors: VK_INVALID
 * naming the member.
 */
VK_MUST_CHECK int surroundings_set(struct surroundings *s, struct vk_str body, struct vk_err *err);
/* The members above. */
void surroundings_write(const struct surroundings *s, struct json_writer *w);
/*
 * The caller's actions allow the request's operation, or it needs none that is known here; what was
 * asked for is noted and written as "usedActions". Errors: 403 AuthorizationFailed, as ARM has it.
 */
VK_MUST_CHECK int surroundings_authorize(struct arm_request *r, struct vk_err *err);
/* By how much the Date of ARM's answers is ahead of this machine's clock. */
int64_t surroundings_clock_skew_s(const struct surroundings *s);

void surroundings_provider(struct arm_request *r);
void surroundings_permissions(struct arm_request *r);
void surroundings_subnet(struct arm_request *r);
