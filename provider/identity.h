/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Managed identities of a group: those that its containers can use, and those that ACI itself uses
 * to pull images, to read Key Vault and to decrypt. Each must be assigned to the group.
 */
#pragma once

#include "base/json_writer.h"
#include "provider/annotations.h"

struct group_identities {
    bool system;
    struct json_strs user_assigned; /* resource ids, each once */
};
/* A resource id of a user-assigned identity. */
bool identity_is_resource_id(const char *text);
/* Errors: VK_INVALID with the annotation. */
VK_MUST_CHECK int identity_of_pod(const struct pod_annotations *annotations, struct vk_arena *arena,
                                  struct group_identities *ret, struct vk_err *err);
/* Writes "identity"; nothing where there is none. */
void identity_write(struct json_writer *w, const struct group_identities *identities);
