/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/finished_logs.h"

#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"
#include "provider/finished_log_files.h"

struct kept_log {
    struct vk_list link;
    char *container, *text;
    size_t n;
};

/* All logs of one pod. */
struct kept_pod {
    struct vk_list link; /* the one that was used last is the last one */
    char *uid;
    struct vk_list logs;
    size_t bytes;
};

struct finished_logs {
    struct vk_map *by_uid;
    struct vk_list pods;
    size_t bytes, total_max;
    char *folder; /* NULL: in memory alone */
};

static void log_free(struct finished_logs *l, struct kept_pod *pod, struct kept_log *log)
{
    pod->bytes -= log->n;
    l->bytes -= log->n;
    vk_list_remove(&log->link);
    vk_free(log->container);
    vk_free(log->text);
    vk_free(log);
}

static void pod_free(struct finished_logs *l, struct kept_pod *pod)
{
    VK_LIST_FOREACH(it, &pod->logs)
    {
        log_free(l, pod, VK_LIST_ENTRY(it, struct kept_log, link));
    }
    (void)vk_map_remove(l->by_uid, pod->uid);
    vk_list_remove(&pod->link);
    vk_free(pod->uid);
    vk_free(pod);
}

/* With its files. */
static void pod_forget(struct finished_logs *l, struct kept_pod *pod)
{
    VK_LIST_FOREACH(it, &pod->logs)
    {
        if (l->folder)
            finished_log_files_remove(l->folder, pod->uid,
                                      VK_LIST_ENTRY(it, struct kept_log, link)->container);
    }
    pod_free(l, pod);
}

void finished_logs_free(struct finished_logs *l)
{
    if (!l)
        return;
    VK_LIST_FOREACH(it, &l->pods)
    {
        pod_free(l, VK_LIST_ENTRY(it, struct kept_pod, link));
    }
    vk_map_free(l->by_uid, NULL);
    vk_free(l->folder);
    vk_free(l);
}

static void touch(struct finished_logs *l, struct kept_pod *pod)
{
    vk_list_remove(&pod->link);
    vk_list_add_tail(&l->pods, &pod->link);
}

static struct kept_pod *pod_of(struct finished_logs *l, const char *uid)
{
    struct kept_pod *pod = vk_map_get(l->by_uid, uid);
    if (pod)
        return pod;
    pod = vk_calloc(1, sizeof(*pod));
    pod->uid = vk_strdup(uid);
    vk_list_init(&pod->link);
    vk_list_init(&pod->logs);
    (void)vk_map_put(l->by_uid, uid, pod);
    return pod;
}

static struct kept_log *find(const struct kept_pod *pod, const char *container)
{
    VK_LIST_FOREACH(it, &pod->logs)
    {
        struct kept_log *log = VK_LIST_ENTRY(it, struct kept_log, link);
        if (vk_streq(log->container, container))
            return log;
    }
    return NULL;
}

/* The last bytes of a text, whole lines where there are any. */
static struct vk_str end_of(struct vk_str text)
{
    if (text.n <= FINISHED_LOG_MAX)
        return text;
    struct vk_str end = {.p = text.p + (text.n - FINISHED_LOG_MAX), .n = FINISHED_LOG_MAX};
    const char *newline = end.p[-1] == '\n' ? NULL : memchr(end.p, '\n', end.n);
    if (newline && newline + 1 < end.p + end.n) {
        end.n -= (size_t)(newline + 1 - end.p);
        end.p = newline + 1;
    }
    return end;
}

static void keep(struct finished_logs *l, const char *uid, const char *container, struct vk_str end)
{
    struct kept_pod *pod = pod_of(l, uid);
    struct kept_log *log = find(pod, container);
    if (log)
        log_free(l, pod, log);
    log = vk_calloc(1, sizeof(*log));
    log->container = vk_strdup(container);
    log->text = vk_strndup(end.p, end.n);
    log->n = end.n;
    vk_list_init(&log->link);
    vk_list_add_tail(&pod->logs, &log->link);
    pod->bytes += end.n;
    l->bytes += end.n;
    touch(l, pod);
    while ((l->bytes > l->total_max || vk_map_len(l->by_uid) > FINISHED_LOGS_PODS) &&
           l->pods.next != &pod->link)
        pod_forget(l, VK_LIST_ENTRY(l->pods.next, struct kept_pod, link));
}

void finished_logs_keep(struct finished_logs *l, const char *uid, const char *container,
                        struct vk_str text)
{
    const struct vk_str end = end_of(text);
    if (l->folder)
        finished_log_files_write(l->folder, uid, container, end);
    keep(l, uid, container, end);
}

static void on_file(void *user, const char *uid, const char *container, struct vk_str text)
{
    keep(user, uid, container, text);
}

struct finished_logs *finished_logs_new(size_t total_max, const char *folder)
{
    struct finished_logs *l = vk_calloc(1, sizeof(*l));
    l->by_uid = vk_map_new();
    l->total_max = total_max;
    vk_list_init(&l->pods);
    if (vk_str_empty(folder) || !finished_log_files_open(folder))
        return l;
    l->folder = vk_strdup(folder);
    finished_log_files_read(folder, FINISHED_LOG_MAX, on_file, l);
    return l;
}

bool finished_logs_find(struct finished_logs *l, const char *uid, const char *container,
                        struct vk_str *ret)
{
    struct kept_pod *pod = vk_map_get(l->by_uid, uid);
    const struct kept_log *log = pod ? find(pod, container) : NULL;
    if (!log)
        return false;
    touch(l, pod);
    *ret = (struct vk_str){.p = log->text, .n = log->n};
    return true;
}

void finished_logs_forget(struct finished_logs *l, const char *uid)
{
    struct kept_pod *pod = vk_map_get(l->by_uid, uid);
    if (pod)
        pod_forget(l, pod);
}

size_t finished_logs_bytes(const struct finished_logs *l)
{
    return l->bytes;
}
