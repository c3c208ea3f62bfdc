/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/authentication.h"

#include <string.h>

#include "base/alloc.h"
#include "base/crypto.h"
#include "base/json_writer.h"
#include "kubelet/server/bearer_token.h"

#define MAX_TOKENS 1024
#define MAX_BAD_TOKENS 1024
/* A refused token may only be one that the API server has not heard of yet. */
#define BAD_TOKEN_MS 10000
/* Strangers can make us ask: once for each token that they invent. From one address they leave room
 * for others. */
#define MAX_UNDER_WAY 64
#define MAX_OF_ONE 16
#define MAX_ANSWER_BYTES (256u << 10)
#define ALL_AUTHENTICATED "system:authenticated"
#define CREDENTIAL_ID "authentication.kubernetes.io/credential-id"

struct authenticator {
    struct authenticator_config config;
    struct reviews *tokens; /* NULL: tokens prove nothing */
    uint8_t salt[32];       /* so that what is kept of a token says nothing elsewhere */
};

/* ---- TokenReview ---- */

static void read_strings(const struct json *list, struct vk_arena *arena, struct json_strs *ret)
{
    ret->v = vk_arena_array(arena, json_len(list) + 1, sizeof(*ret->v));
    for (const struct json *e = json_first(list); e; e = json_next(e))
        if (json_string(e))
            ret->v[ret->n++] = vk_arena_strdup(arena, json_string(e));
}

static bool is_member(const struct json_strs *groups, const char *name)
{
    for (size_t i = 0; i < groups->n; i++)
        if (vk_streq(groups->v[i], name))
            return true;
    return false;
}

static int decode_review(const struct json *body, struct vk_arena *arena, struct review_answer *ret,
                         struct vk_err *err)
{
    const struct json *status = json_get(body, "status");
    const struct json *user = json_get(status, "user");
    const struct json *extra = json_get(user, "extra");
    const char *name = json_string_or(user, "username", "");
    struct user_info *who;

    if (!json_is_true(json_get(status, "authenticated")))
        return 0;
    if (vk_str_empty(name))
        return vk_err_set(err, VK_PROTOCOL, "the answer names no user");
    who = vk_arena_alloc(arena, sizeof(*who));
    who->name = vk_arena_strdup(arena, name);
    who->uid = vk_arena_strdup(arena, json_string_or(user, "uid", ""));
    /* One place more than there are groups: see read_strings. */
    read_strings(json_get(user, "groups"), arena, &who->groups);
    if (!is_member(&who->groups, ALL_AUTHENTICATED))
        who->groups.v[who->groups.n++] = ALL_AUTHENTICATED;
    who->extra = vk_arena_array(arena, json_len(extra) + 1, sizeof(*who->extra));
    for (const struct json *e = json_first(extra); e; e = json_next(e)) {
        struct user_extra *x = &who->extra[who->extra_count++];

        x->key = vk_arena_strdup(arena, json_key(e));
        read_strings(e, arena, &x->values);
    }
    *ret = (struct review_answer){.yes = true, .value = who};
    return 0;
}

struct authenticator *authenticator_new(struct vk_loop *loop,
                                        const struct authenticator_config *config)
{
    struct authenticator *a = vk_calloc(1, sizeof(*a));

    a->config = *config;
    crypto_random(a->salt, sizeof(a->salt));
    if (config->client)
        a->tokens = reviews_new(loop, &(struct reviews_config){
                                          .client = config->client,
                                          .path = "/apis/authentication.k8s.io/v1/tokenreviews",
                                          .what = "review a bearer token",
                                          .yes_ttl_ms = config->token_ttl_ms,
                                          .no_ttl_ms = config->token_ttl_ms < BAD_TOKEN_MS
                                                           ? config->token_ttl_ms
                                                           : BAD_TOKEN_MS,
                                          .max_yes = MAX_TOKENS,
                                          .max_no = MAX_BAD_TOKENS,
                                          .max_under_way = MAX_UNDER_WAY,
                                          .max_of_one = MAX_OF_ONE,
                                          .max_answer_bytes = MAX_ANSWER_BYTES,
                                          .decode = decode_review,
                                      });
    return a;
}

void authenticator_free(struct authenticator *a)
{
    if (!a)
        return;
    reviews_free(a->tokens);
    vk_free(a);
}

/* ---- certificates ---- */

static const char **one_string(struct vk_arena *arena, const char *text)
{
    const char **v = vk_arena_array(arena, 1, sizeof(*v));

    *v = text;
    return v;
}

static const struct user_info *holder_of(const struct tls_peer *peer, struct vk_arena *arena)
{
    struct user_info *who = vk_arena_alloc(arena, sizeof(*who));

    who->name = vk_arena_strdup(arena, peer->common_name);
    who->uid = vk_arena_strdup(arena, peer->uid);
    who->groups.v = vk_arena_array(arena, peer->organization_count + 1, sizeof(*who->groups.v));
    for (size_t i = 0; i < peer->organization_count; i++)
        who->groups.v[who->groups.n++] = vk_arena_strdup(arena, peer->organizations[i]);
    if (!is_member(&who->groups, ALL_AUTHENTICATED))
        who->groups.v[who->groups.n++] = ALL_AUTHENTICATED;
    who->extra = vk_arena_alloc(arena, sizeof(*who->extra));
    who->extra[0].key = CREDENTIAL_ID;
    who->extra[0].values.v =
        one_string(arena, vk_arena_printf(arena, "X509SHA256=%s", peer->fingerprint));
    who->extra[0].values.n = 1;
    who->extra_count = 1;
    return who;
}

static const struct user_info *anonymous(struct vk_arena *arena)
{
    struct user_info *who = vk_arena_alloc(arena, sizeof(*who));

    who->name = "system:anonymous";
    who->groups.v = one_string(arena, "system:unauthenticated");
    who->groups.n = 1;
    return who;
}

/* ---- the way of one request ---- */

static void copy_strings(const struct json_strs *from, struct vk_arena *arena, struct json_strs *to)
{
    to->v = vk_arena_array(arena, from->n + 1, sizeof(*to->v));
    for (; to->n < from->n; to->n++)
        to->v[to->n] = vk_arena_strdup(arena, from->v[to->n]);
}

static const struct user_info *copy(const struct user_info *from, struct vk_arena *arena)
{
    struct user_info *to = vk_arena_alloc(arena, sizeof(*to));

    to->name = vk_arena_strdup(arena, from->name);
    to->uid = vk_arena_strdup(arena, from->uid);
    copy_strings(&from->groups, arena, &to->groups);
    to->extra = vk_arena_array(arena, from->extra_count + 1, sizeof(*to->extra));
    for (; to->extra_count < from->extra_count; to->extra_count++) {
        to->extra[to->extra_count].key = vk_arena_strdup(arena, from->extra[to->extra_count].key);
        copy_strings(&from->extra[to->extra_count].values, arena,
                     &to->extra[to->extra_count].values);
    }
    return to;
}

static void on_token_reviewed(void *user, const struct review_answer *answer,
                              const struct vk_err *err)
{
    struct authentication *n = user;
    struct vk_err refused;

    if (err) {
        n->fn(n->user, NULL, err);
    } else if (!answer->yes) {
        vk_err_set(&refused, VK_UNAUTHENTICATED, "the bearer token does not hold");
        n->fn(n->user, NULL, &refused);
    } else {
        n->fn(n->user, copy(answer->value, n->arena_), NULL);
    }
}

static void review_token(struct authenticator *a, const char *address, struct vk_str token,
                         struct authentication *n)
{
    struct vk_buf body VK_BUF_AUTO;
    struct vk_buf salted VK_BUF_AUTO;
    struct json_writer w;
    char key[65];

    vk_buf_init_secret(&salted, sizeof(a->salt) + token.n);
    vk_buf_add(&salted, a->salt, sizeof(a->salt));
    vk_buf_addstr(&salted, token);
    crypto_sha256_hex(vk_buf_peek(&salted), vk_buf_len(&salted), key);
    vk_buf_init_secret(&body, HTTP1_MAX_HEAD * 6 + 256);
    json_writer_init(&w, &body);
    json_begin_object(&w, NULL);
    json_put_string(&w, "apiVersion", "authentication.k8s.io/v1");
    json_put_string(&w, "kind", "TokenReview");
    json_begin_object(&w, "spec");
    json_put_str(&w, "token", token);
    json_end_object(&w);
    json_end_object(&w);
    n->wait_.fn = on_token_reviewed;
    n->wait_.user = n;
    reviews_ask(a->tokens, key, address, vk_buf_str(&body), &n->wait_);
}

void authentication_init(struct authentication *n)
{
    *n = (struct authentication){0};
    review_wait_init(&n->wait_);
}

void authenticate(struct authenticator *a, const struct tls_peer *peer,
                  const struct http1_head *head, struct vk_arena *arena, struct authentication *n)
{
    struct vk_secret token = {0};
    struct vk_err err;
    bool has_token;
    int rc;

    n->arena_ = arena;
    if (peer->verified && *peer->common_name) {
        n->fn(n->user, holder_of(peer, arena), NULL);
        return;
    }
    rc = bearer_token_read(head, &token, &err);
    has_token = !vk_secret_is_empty(&token);
    if (has_token && a->tokens)
        review_token(a, peer->address, vk_secret_reveal(&token), n);
    vk_secret_release(&token);
    if (has_token && a->tokens)
        return;
    /* Whoever shows a credential that does not hold is nobody, not anybody. */
    if (rc == 0 && !has_token && a->config.allow_anonymous && !peer->has_certificate) {
        n->fn(n->user, anonymous(arena), NULL);
        return;
    }
    if (rc == 0)
        vk_err_set(&err, VK_UNAUTHENTICATED, "%s",
                   peer->has_certificate ? "the client certificate does not hold"
                                         : "no credential");
    n->fn(n->user, NULL, &err);
}

void authentication_cancel(struct authentication *n)
{
    review_wait_cancel(&n->wait_);
}
