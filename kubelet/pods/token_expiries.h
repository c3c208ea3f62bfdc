/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the tokens in the volumes of running pods expire. Files of a running container can't be
 * replaced here, so nothing renews them: the pod gets one Event when four fifths of its shortest
 * token's life are over, which is when a kubelet would fetch a new one. What a former process
 * knew is read from the pod's annotation (status_annotations.h). Source: k8s v1.37.2
 * pkg/kubelet/token/token_manager.go requiresRefresh.
 */
#pragma once

#include "base/clock.h"
#include "kubelet/client/event_recorder.h"
#include "kubelet/pods/pod_references.h"

/* What is asked for: as long as the API server lets its own tokens live. It grants what it wants.
 */
#define TOKEN_LIFE_S (365 * 24 * 3600)

struct token_expiries;

struct token_expiries *token_expiries_new(struct vk_loop *loop, struct event_recorder *events);
/* NULL is fine. */
void token_expiries_free(struct token_expiries *t);
/* These tokens, and no others any more, are what the pod's next group is to be given. */
void token_expiries_note(struct token_expiries *t, const struct pod *pod,
                         const struct token_reference *tokens, size_t count);
/* The group was: those noted last count from now on. Refused, it runs on with what it had, or
 * nothing runs. */
void token_expiries_take(struct token_expiries *t, const char *uid);
/* A pod of a former process, as its annotation has it. */
void token_expiries_restore(struct token_expiries *t, const struct pod *pod);
/* When the first of the pod's tokens expires, RFC 3339. False: not known. */
bool token_expiries_text(const struct token_expiries *t, const char *uid, char out[VK_TIME_MAX]);
void token_expiries_forget(struct token_expiries *t, const char *uid);

struct token_expiry_counts {
    size_t expiring;              /* pods that got their Event */
    int64_t first_expiry_wall_ms; /* of all tokens; 0: there is none */
};
void token_expiries_count(const struct token_expiries *t, struct token_expiry_counts *ret);
