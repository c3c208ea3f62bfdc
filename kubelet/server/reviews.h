/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the API server about a request: TokenReview and SubjectAccessReview. Answers are
 * kept for a while, yes and no apart, so that a flood of the one can't push out the other; equal
 * questions under way are asked once; a question that the API server does not answer is asked again
 * for some seconds and then fails. Source: k8s v1.37.2 apiserver plugin/pkg/authenticator/token/
 * webhook, plugin/pkg/authorizer/webhook.
 */
#pragma once

#include "base/json.h"
#include "base/list.h"
#include "kubelet/client/rest.h"

struct reviews;

/* value is what `decode` made of a yes. Borrowed for the callback. */
struct review_answer {
    bool yes;
    const void *value;
};
/* In the asker's memory; must be cancelled before that memory goes. */
struct review_wait {
    struct vk_list link_;
    /* Exactly one of answer and err is NULL. */
    void (*fn)(void *user, const struct review_answer *answer, const struct vk_err *err);
    void *user;
};
struct reviews_config {
    struct rest_client *client; /* borrowed */
    const char *path;           /* of the POST */
    const char *what;           /* "review a token", for messages */
    int64_t yes_ttl_ms, no_ttl_ms;
    size_t max_yes, max_no;  /* answers kept */
    size_t max_under_way;    /* questions; more fail at once */
    size_t max_of_one;       /* of these one asker's own; 0: no bound */
    size_t max_answer_bytes; /* of JSON */
    /* Reads the answer; what it returns by ret->value lives in the arena. */
    int (*decode)(const struct json *body, struct vk_arena *arena, struct review_answer *ret,
                  struct vk_err *err);
};
struct reviews *reviews_new(struct vk_loop *loop, const struct reviews_config *config);
/* Nobody may wait any more. */
void reviews_free(struct reviews *r);

void review_wait_init(struct review_wait *wait);
/*
 * key: equal for equal questions. body: the JSON to send; copied, wiped afterwards. wait->fn is
 * called from inside when the answer is known or nothing more can be asked, else later; once.
 * asker: who may use up no more than max_of_one; copied. Errors: VK_THROTTLED over max_under_way or
 * max_of_one, else those of the API server's.
 */
void reviews_ask(struct reviews *r, const char *key, const char *asker, struct vk_str body,
                 struct review_wait *wait);
/* No call afterwards; harmless when there is none to come. */
void review_wait_cancel(struct review_wait *wait);
