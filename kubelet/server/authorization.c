/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/authorization.h"

#include "base/alloc.h"
#include "base/crypto.h"
#include "base/json_writer.h"

#define MAX_ALLOWED 4096
#define MAX_DENIED 4096
#define MAX_UNDER_WAY 256
#define MAX_QUESTION_BYTES (512u << 10)
#define MAX_ANSWER_BYTES (1u << 20) /* it repeats the question */

struct authorizer {
    struct authorizer_config config;
    struct reviews *reviews;
};

size_t authorization_subresources(const char *segment,
                                  const char *ret[AUTHORIZATION_MAX_SUBRESOURCES])
{
    static const struct {
        const char *segment, *subresource;
        bool or_proxy;
    } table[] = {
        {"pods", "pods", true},
        {"runningpods", "pods", true},
        {"allocatedPods", "pods", true},
        {"healthz", "healthz", true},
        {"configz", "configz", true},
        {"stats", "stats", false},
        {"metrics", "metrics", false},
        {"logs", "log", false},
        {"statusz", "statusz", true},
        {"flagz", "configz", false},
        {"checkpoint", "checkpoint", false},
    };

    for (size_t i = 0; i < VK_COUNT(table); i++) {
        if (!vk_streq(table[i].segment, segment))
            continue;
        ret[0] = table[i].subresource;
        ret[1] = "proxy";
        return table[i].or_proxy ? 2 : 1;
    }
    ret[0] = "proxy";
    return 1;
}

const char *authorization_verb(const char *method)
{
    static const char *const verbs[][2] = {
        {"GET", "get"},     {"POST", "create"},   {"PUT", "update"},
        {"PATCH", "patch"}, {"DELETE", "delete"},
    };

    for (size_t i = 0; i < VK_COUNT(verbs); i++)
        if (vk_streq(verbs[i][0], method))
            return verbs[i][1];
    return "";
}

static int decode_review(const struct json *body, struct vk_arena *arena, struct review_answer *ret,
                         struct vk_err *err)
{
    const struct json *status = json_get(body, "status");

    (void)arena;
    if (json_type_of(status) != JSON_OBJECT)
        return vk_err_set(err, VK_PROTOCOL, "the answer has no status");
    ret->yes =
        json_is_true(json_get(status, "allowed")) && !json_is_true(json_get(status, "denied"));
    return 0;
}

struct authorizer *authorizer_new(struct vk_loop *loop, const struct authorizer_config *config)
{
    struct authorizer *z = vk_calloc(1, sizeof(*z));

    z->config = *config;
    z->reviews = reviews_new(loop, &(struct reviews_config){
                                       .client = config->client,
                                       .path = "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                                       .what = "review access to the kubelet port",
                                       .yes_ttl_ms = config->allow_ttl_ms,
                                       .no_ttl_ms = config->deny_ttl_ms,
                                       .max_yes = MAX_ALLOWED,
                                       .max_no = MAX_DENIED,
                                       .max_under_way = MAX_UNDER_WAY,
                                       .max_answer_bytes = MAX_ANSWER_BYTES,
                                       .decode = decode_review,
                                   });
    return z;
}

void authorizer_free(struct authorizer *z)
{
    if (!z)
        return;
    reviews_free(z->reviews);
    vk_free(z);
}

static void put_strings(struct json_writer *w, const char *key, const struct json_strs *strings)
{
    json_begin_array(w, key);
    for (size_t i = 0; i < strings->n; i++)
        json_put_string(w, NULL, strings->v[i]);
    json_end_array(w);
}

static void write_question(struct vk_buf *out, const struct authorization *n)
{
    const struct user_info *who = n->who_;
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "apiVersion", "authorization.k8s.io/v1");
    json_put_string(&w, "kind", "SubjectAccessReview");
    json_begin_object(&w, "spec");
    json_begin_object(&w, "resourceAttributes");
    json_put_string(&w, "verb", n->verb_);
    json_put_string(&w, "version", "v1");
    json_put_string(&w, "resource", "nodes");
    json_put_string(&w, "subresource", n->subresources_[n->asked_]);
    json_put_string(&w, "name", n->authorizer_->config.node_name);
    json_end_object(&w);
    json_put_string(&w, "user", who->name);
    json_put_string_if(&w, "uid", who->uid);
    put_strings(&w, "groups", &who->groups);
    json_begin_object(&w, "extra");
    for (size_t i = 0; i < who->extra_count; i++)
        put_strings(&w, who->extra[i].key, &who->extra[i].values);
    json_end_object(&w);
    json_end_object(&w);
    json_end_object(&w);
}

static void tell_error(struct authorization *n)
{
    struct vk_err err;

    vk_err_set(&err, VK_UNAVAILABLE,
               "Authorization error (user=%s, verb=%s, resource=nodes, subresource=%s)",
               n->who_->name, n->verb_, n->subresources_[n->asked_]);
    n->fn(n->user, &err);
}

static void tell_forbidden(struct authorization *n)
{
    struct vk_err err;

    vk_err_set(&err, VK_FORBIDDEN,
               "Forbidden (user=%s, verb=%s, resource=nodes, subresource(s)=[%s%s%s])",
               n->who_->name, n->verb_, n->subresources_[0], n->count_ > 1 ? " " : "",
               n->count_ > 1 ? n->subresources_[1] : "");
    n->fn(n->user, &err);
}

static void ask(struct authorization *n);

static void on_reviewed(void *user, const struct review_answer *answer, const struct vk_err *err)
{
    struct authorization *n = user;

    if (err)
        tell_error(n);
    else if (answer->yes)
        n->fn(n->user, NULL);
    else if (++n->asked_ < n->count_)
        ask(n);
    else
        tell_forbidden(n);
}

/* The question itself is what answers are kept by. */
static void ask(struct authorization *n)
{
    struct vk_buf question VK_BUF_AUTO;
    char key[65];

    vk_buf_init(&question, MAX_QUESTION_BYTES);
    write_question(&question, n);
    if (question.failed) {
        tell_error(n);
        return;
    }
    crypto_sha256_hex(vk_buf_peek(&question), vk_buf_len(&question), key);
    reviews_ask(n->authorizer_->reviews, key, "", vk_buf_str(&question), &n->wait_);
}

void authorization_init(struct authorization *n)
{
    *n = (struct authorization){0};
    review_wait_init(&n->wait_);
}

void authorize(struct authorizer *z, const struct user_info *who, const char *method,
               const char *segment, struct authorization *n)
{
    n->authorizer_ = z;
    n->who_ = who;
    n->verb_ = authorization_verb(method);
    n->count_ = authorization_subresources(segment, n->subresources_);
    n->asked_ = 0;
    n->wait_.fn = on_reviewed;
    n->wait_.user = n;
    ask(n);
}

void authorization_cancel(struct authorization *n)
{
    review_wait_cancel(&n->wait_);
}
