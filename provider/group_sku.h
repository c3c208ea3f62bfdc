/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kind of a group: SKU, priority, zone, the policy of a confidential one, the customer key that
 * encrypts it. Source: Microsoft.ContainerInstance 2025-09-01; ACI limits of Spot and Confidential.
 */
#pragma once

#include "base/json_writer.h"
#include "provider/annotations.h"

bool group_sku_is_confidential(const struct pod_annotations *annotations);
bool group_sku_is_spot(const struct pod_annotations *annotations);
/* Errors: VK_INVALID, VK_UNSUPPORTED with the annotation and the rule. */
VK_MUST_CHECK int group_sku_check(const struct pod_annotations *annotations, bool windows,
                                  struct vk_err *err);
/* Writes "zones" of the group itself; nothing where none is asked for. */
void group_sku_write_zones(struct json_writer *w, const struct pod_annotations *annotations);
/* Writes "sku" and, where asked for, "priority", "confidentialComputeProperties" and
 * "encryptionProperties". */
void group_sku_write(struct json_writer *w, const struct pod_annotations *annotations);
