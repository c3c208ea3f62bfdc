/* SPDX-License-Identifier: Apache-2.0 */
/* What ARM tells about the subscription, its region and itself: aci-rest.md 4, 9, 14. */
#pragma once

#include "aci/emulator/arm_request.h"

void arm_catalog_usages(struct arm_request *r);
void arm_catalog_capabilities(struct arm_request *r);
void arm_catalog_cached_images(struct arm_request *r);
void arm_catalog_operations(struct arm_request *r);
void arm_catalog_subscription(struct arm_request *r);
void arm_catalog_subscriptions(struct arm_request *r);
void arm_catalog_resource_group(struct arm_request *r);
void arm_catalog_endpoints(struct arm_request *r);
