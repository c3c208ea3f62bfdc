/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/pod_existence.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/planted_bug.h"
#include "base/url.h"
#include "kubelet/api/pod.h"

struct question {
    struct vk_list link;
    char *uid;
    struct rest_call *call;
    struct vk_timer refusal;
    struct vk_err err; /* of a refusal */
    pod_exists_fn done;
    void *user;
};

struct pod_existence {
    struct vk_loop *loop;
    struct rest_client *client;
    struct vk_list questions;
};

static void question_free(struct question *q)
{
    vk_list_remove(&q->link);
    vk_timer_disarm(&q->refusal);
    if (q->call)
        rest_cancel(q->call);
    vk_free(q->uid);
    vk_free(q);
}

static void answer(struct question *q, bool exists, const struct vk_err *err)
{
    pod_exists_fn done = q->done;
    void *user = q->user;

    question_free(q);
    done(user, exists, err);
}

static void on_refusal(void *user)
{
    struct question *q = user;
    struct vk_err err = q->err;

    answer(q, false, &err);
}

static void on_done(void *user, struct vk_str body, const struct vk_err *err)
{
    struct question *q = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *doc;
    struct vk_err bad;
    const char *uid;

    q->call = NULL;
    if (err && err->code == VK_NOT_FOUND) {
        answer(q, false, NULL);
        return;
    }
    if (err) {
        answer(q, false, err);
        return;
    }
    if (json_parse(body, POD_MAX_BYTES, arena, &doc, &bad) < 0) {
        answer(q, false, &bad);
        return;
    }
    uid = json_string(json_get(json_get(doc, "metadata"), "uid"));
    if (vk_str_empty(uid)) {
        vk_err_set(&bad, VK_PROTOCOL, "the API server answered a pod without a UID");
        answer(q, false, &bad);
        return;
    }
    answer(q, vk_streq(uid, q->uid) || vk_planted_bug("name-not-uid"), NULL);
}

static struct question *question_new(struct pod_existence *e, pod_exists_fn done, void *user)
{
    struct question *q = vk_calloc(1, sizeof(*q));

    q->done = done;
    q->user = user;
    vk_list_init(&q->link);
    vk_list_add_tail(&e->questions, &q->link);
    vk_timer_init(&q->refusal, e->loop, "pod existence refused", on_refusal, q);
    return q;
}

void pod_existence_ask(struct pod_existence *e, const struct pod_identity *id, pod_exists_fn done,
                       void *user)
{
    struct question *q = question_new(e, done, user);
    char *what VK_AUTOFREE = vk_asprintf("get pod %s/%s", id->namespace_, id->name);
    struct vk_buf path VK_BUF_AUTO;

    q->uid = vk_strdup(id->uid);
    vk_buf_init(&path, 8192);
    vk_buf_adds(&path, "/api/v1/namespaces/");
    url_encode(&path, vk_str_of(id->namespace_));
    vk_buf_adds(&path, "/pods/");
    url_encode(&path, vk_str_of(id->name));
    q->call = rest_start(e->client, &(struct rest_request){
                                        .method = "GET",
                                        .path = vk_buf_peek(&path),
                                        .what = what,
                                        .on_done = on_done,
                                        .user = q,
                                    });
}

void pod_existence_refuse(struct pod_existence *e, const struct vk_err *err, pod_exists_fn done,
                          void *user)
{
    struct question *q = question_new(e, done, user);

    q->err = *err;
    vk_timer_arm(&q->refusal, 0);
}

struct pod_existence *pod_existence_new(struct vk_loop *loop, struct rest_client *client)
{
    struct pod_existence *e = vk_calloc(1, sizeof(*e));

    e->loop = loop;
    e->client = client;
    vk_list_init(&e->questions);
    return e;
}

void pod_existence_free(struct pod_existence *e)
{
    if (!e)
        return;
    while (!vk_list_is_empty(&e->questions))
        question_free(VK_LIST_ENTRY(e->questions.next, struct question, link));
    vk_free(e);
}
