/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/stream_sessions.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"

#define PASSWORD_RANDOM 32
/* Recorded once from the service; a client must send it back byte for byte (aci-rest.md 7). */
#define PASSWORD_SUFFIX "[[EOM]]"

struct stream_sessions {
    struct vk_list list; /* oldest first */
    size_t count;
};

struct stream_sessions *stream_sessions_new(void)
{
    struct stream_sessions *ss = vk_calloc(1, sizeof(*ss));

    vk_list_init(&ss->list);
    return ss;
}

void stream_session_free(struct stream_session *s)
{
    if (!s)
        return;
    vk_list_remove(&s->link);
    vk_secret_release(&s->password);
    vk_free(s->group_key);
    vk_free(s->container);
    vk_free(s->program);
    vk_free(s);
}

static void forget_expired(struct stream_sessions *ss)
{
    VK_LIST_FOREACH(it, &ss->list)
    {
        struct stream_session *s = VK_LIST_ENTRY(it, struct stream_session, link);

        if (s->expires_mono_ms > vk_mono_ms())
            return;
        stream_session_free(s);
        ss->count--;
    }
}

void stream_sessions_free(struct stream_sessions *ss)
{
    if (!ss)
        return;
    VK_LIST_FOREACH(it, &ss->list)
    stream_session_free(VK_LIST_ENTRY(it, struct stream_session, link));
    vk_free(ss);
}

static void make_password(struct vk_secret *password)
{
    uint8_t random[PASSWORD_RANDOM];
    struct vk_buf text;

    vk_buf_init_secret(&text, 128);
    crypto_random(random, sizeof(random));
    crypto_base64url((struct vk_str){.p = (const char *)random, .n = sizeof(random)}, &text);
    vk_buf_adds(&text, PASSWORD_SUFFIX);
    vk_secret_set(password, vk_buf_peek(&text), vk_buf_len(&text));
    vk_buf_release_secret(&text);
    vk_wipe(random, sizeof(random));
}

struct stream_session *stream_sessions_add(struct stream_sessions *ss, const struct group *g,
                                           const char *container, const char *program,
                                           unsigned rows, unsigned cols)
{
    struct stream_session *s;

    forget_expired(ss);
    if (ss->count >= STREAM_SESSIONS_MAX)
        return NULL;
    s = vk_calloc(1, sizeof(*s));
    s->kind = program ? STREAM_EXEC : STREAM_LOG;
    crypto_uuid4(s->id);
    make_password(&s->password);
    s->group_key = vk_strdup(g->key);
    s->group_uid = g->uid;
    s->container = vk_strdup(container);
    s->program = program ? vk_strdup(program) : NULL;
    s->rows = rows;
    s->cols = cols;
    s->expires_mono_ms = vk_mono_ms() + STREAM_SESSION_LIFETIME_MS;
    vk_list_init(&s->link);
    vk_list_add_tail(&ss->list, &s->link);
    ss->count++;
    return s;
}

struct stream_session *stream_sessions_take(struct stream_sessions *ss, enum stream_kind kind,
                                            const char *id)
{
    forget_expired(ss);
    VK_LIST_FOREACH(it, &ss->list)
    {
        struct stream_session *s = VK_LIST_ENTRY(it, struct stream_session, link);

        if (s->kind != kind || !crypto_equal(vk_str_of(s->id), vk_str_of(id)))
            continue;
        vk_list_remove(&s->link);
        ss->count--;
        return s;
    }
    return NULL;
}

size_t stream_sessions_len(const struct stream_sessions *ss)
{
    return ss->count;
}

bool stream_session_accepts(const struct stream_session *s, struct vk_str password)
{
    return crypto_equal(vk_secret_reveal(&s->password), password);
}
