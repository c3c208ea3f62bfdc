/* SPDX-License-Identifier: Apache-2.0 */
/* Azure file shares as volumes of a group, by the account's key. */
#pragma once

#include "base/json_writer.h"
#include "kubelet/api/resolved_pod.h"

/* The volume is a share: azureFile, or file.csi.azure.com inline or by a claim. */
bool azure_file_is(const struct volume *v);
/* What was read of it, or NULL. */
const struct resolved_share *azure_file_find(const struct resolved_pod *pod, const char *volume);
/* Errors: VK_INVALID for names that Azure does not take. */
VK_MUST_CHECK int azure_file_check(const struct resolved_share *share, struct vk_err *err);
/* Writes "azureFile". */
void azure_file_write(struct json_writer *w, const struct resolved_share *share);
