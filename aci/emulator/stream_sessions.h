/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a POST of exec or attach promises: a session id and a password, good for one connection
 * within a minute (aci-rest.md 7.9: single use; the length of its life is not documented).
 */
#pragma once

#include <stdint.h>

#include "aci/emulator/group.h"
#include "base/list.h"
#include "base/secret.h"

#define STREAM_SESSION_LIFETIME_MS ((int64_t)60000)
/* Open sessions; more are refused. */
#define STREAM_SESSIONS_MAX 1000

enum stream_kind { STREAM_EXEC, STREAM_LOG };

struct stream_session {
    struct vk_list link;
    enum stream_kind kind;
    char id[37];
    struct vk_secret password;
    char *group_key; /* owned, as the two below */
    uint64_t group_uid;
    char *container;
    char *program;       /* EXEC */
    unsigned rows, cols; /* EXEC */
    int64_t expires_mono_ms;
};

struct stream_sessions;
struct stream_sessions *stream_sessions_new(void);
void stream_sessions_free(struct stream_sessions *ss);
/* program NULL: STREAM_LOG. Returns NULL when there are too many; the owner stays the store. */
struct stream_session *stream_sessions_add(struct stream_sessions *ss, const struct group *g,
                                           const char *container, const char *program,
                                           unsigned rows, unsigned cols);
/* Hands it over once; NULL when there is none, it is of the other kind, taken or expired. */
struct stream_session *stream_sessions_take(struct stream_sessions *ss, enum stream_kind kind,
                                            const char *id);
/* Open ones. */
size_t stream_sessions_len(const struct stream_sessions *ss);
/* Of a session that was taken. NULL is fine. */
void stream_session_free(struct stream_session *s);
bool stream_session_accepts(const struct stream_session *s, struct vk_str password);
