/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what a file share of a pod needs: the claim, the persistent volume that it is bound to, and
 * the Secret with the account's key; each only for volumes of pods of this node.
 */
#pragma once

#include "kubelet/client/rest.h"
#include "kubelet/pods/object_cache.h"
#include "kubelet/pods/share_source.h"

struct share_read;
/*
 * share: copied by the callee, lives in the arena of share_reader_start. err NULL: success. Errors:
 * those of share_source, the API server's; VK_NOT_FOUND with reason
 * PersistentVolumeClaimNotFound or MandatorySecretNotFound.
 */
typedef void (*share_done_fn)(void *user, const struct resolved_share *share,
                              const struct vk_err *err);
/* pod, v and arena are borrowed until the call, which comes once and never from inside. */
struct share_read *share_reader_start(struct vk_loop *loop, struct rest_client *client,
                                      struct object_cache *objects, const struct pod *pod,
                                      const struct volume *v, struct vk_arena *arena,
                                      share_done_fn done, void *user);
/* No callback afterwards. NULL is fine. */
void share_read_cancel(struct share_read *r);
