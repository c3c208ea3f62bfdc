/* SPDX-License-Identifier: Apache-2.0 */
/* GET /pods and /runningpods/ */
#include "base/json_writer.h"
#include "kubelet/server/handlers.h"
#include "kubelet/server/long_answer.h"

/* 5,000 pods of 3 KB; a list beyond it is an error rather than a cut one. */
#define POD_LIST_LIMIT (256u << 20)

struct pod_list {
    struct json_writer w;
    bool running_only;
};

static bool has_running_container(const struct pod_status *status)
{
    const struct container_status *cs = status->container_statuses.v;

    for (size_t i = 0; i < status->container_statuses.n; i++)
        if (cs[i].state.kind == CONTAINER_RUNNING)
            return true;
    return false;
}

static void add_pod(void *user, const struct pods_entry *entry)
{
    struct pod_list *list = user;

    if (!list->running_only || has_running_container(entry->status))
        json_put_raw(&list->w, NULL, entry->pod->raw);
}

static void reply_list(const struct handler_context *c, struct http_exchange *x, bool running_only)
{
    struct pod_list list = {.running_only = running_only};
    struct vk_buf text;
    struct vk_err err;

    vk_buf_init(&text, POD_LIST_LIMIT);
    json_writer_init(&list.w, &text);
    json_begin_object(&list.w, NULL);
    json_put_string(&list.w, "kind", "PodList");
    json_put_string(&list.w, "apiVersion", "v1");
    json_begin_object(&list.w, "metadata");
    json_end_object(&list.w);
    json_begin_array(&list.w, "items");
    pods_foreach(c->pods, add_pod, &list);
    json_end_array(&list.w);
    json_end_object(&list.w);
    if (!json_writer_done(&list.w)) {
        vk_buf_release(&text);
        vk_err_set(&err, VK_TOO_LARGE, "the list of pods is larger than %u bytes", POD_LIST_LIMIT);
        handler_reply_error(x, &err, 500);
        return;
    }
    long_answer_send(x, "application/json", &text);
}

void handle_pods(const struct handler_context *c, struct http_exchange *x)
{
    reply_list(c, x, false);
}

void handle_running_pods(const struct handler_context *c, struct http_exchange *x)
{
    reply_list(c, x, true);
}
