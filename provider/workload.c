/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/workload.h"

#include "base/alloc.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "kubelet/api/pod.h"

/* No pod has it: UIDs are made by the API server. */
#define UID "00000000-0000-4000-8000-000000000000"

static const struct {
    const char *kind, *path[4]; /* to the template, which has metadata and spec */
} templates[] = {
    {"Pod", {NULL}},
    {"Deployment", {"spec", "template", NULL}},
    {"ReplicaSet", {"spec", "template", NULL}},
    {"ReplicationController", {"spec", "template", NULL}},
    {"StatefulSet", {"spec", "template", NULL}},
    {"DaemonSet", {"spec", "template", NULL}},
    {"Job", {"spec", "template", NULL}},
    {"CronJob", {"spec", "jobTemplate", "spec", "template"}},
};

static const struct json *template_of(const struct json *object, const char *kind, bool *ret_known)
{
    for (size_t i = 0; i < VK_COUNT(templates); i++) {
        if (!vk_streq(templates[i].kind, kind))
            continue;
        *ret_known = true;
        for (size_t k = 0; k < VK_COUNT(templates[i].path) && templates[i].path[k]; k++)
            object = json_get(object, templates[i].path[k]);
        return object;
    }
    return NULL;
}

static void write_metadata(struct json_writer *w, const struct json *meta, const struct workload *x,
                           bool is_stateful)
{
    const struct json *labels = json_get(meta, "labels");
    const struct json *annotations = json_get(meta, "annotations");
    struct vk_buf name VK_BUF_AUTO;
    vk_buf_init(&name, 1024);
    vk_buf_printf(&name, "%s%s", x->name, is_stateful ? "-0" : "");
    json_begin_object(w, "metadata");
    json_put_string(w, "name", vk_buf_peek(&name));
    json_put_string(w, "namespace", x->namespace_);
    json_put_string(w, "uid", UID);
    if (labels)
        json_put_value(w, "labels", labels);
    if (annotations)
        json_put_value(w, "annotations", annotations);
    json_end_object(w);
}

/* The claims that a StatefulSet makes for each of its pods are volumes of the pod. */
static void write_volumes(struct json_writer *w, const struct json *volumes,
                          const struct json *claims, const struct workload *x)
{
    json_begin_array(w, "volumes");
    for (const struct json *v = json_first(volumes); v; v = json_next(v))
        json_put_value(w, NULL, v);
    for (const struct json *c = json_first(claims); c; c = json_next(c)) {
        const char *name = json_string_or(json_get(c, "metadata"), "name", "");
        struct vk_buf claim VK_BUF_AUTO;
        vk_buf_init(&claim, 1024);
        vk_buf_printf(&claim, "%s-%s-0", name, x->name);
        json_begin_object(w, NULL);
        json_put_string(w, "name", name);
        json_begin_object(w, "persistentVolumeClaim");
        json_put_string(w, "claimName", vk_buf_peek(&claim));
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_spec(struct json_writer *w, const struct json *spec, const struct json *claims,
                       const struct workload *x)
{
    json_begin_object(w, "spec");
    for (const struct json *m = json_first(spec); m; m = json_next(m)) {
        if (!vk_streq(json_key(m), "volumes"))
            json_put_value(w, json_key(m), m);
    }
    write_volumes(w, json_get(spec, "volumes"), claims, x);
    json_end_object(w);
}

static struct vk_str pod_text(const struct json *object, const struct json *template,
                              const struct workload *x, struct vk_arena *arena)
{
    const struct json *claims = json_get(json_get(object, "spec"), "volumeClaimTemplates");
    const bool stateful = vk_streq(x->kind, "StatefulSet");
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;
    vk_buf_init(&out, POD_MAX_BYTES);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    write_metadata(&w, json_get(template, "metadata"), x, stateful);
    write_spec(&w, json_get(template, "spec"), stateful ? claims : NULL, x);
    json_end_object(&w);
    return vk_str_of(vk_arena_str(arena, vk_buf_str(&out)));
}

int workload_read(const struct json *object, struct vk_arena *arena, struct workload *ret,
                  struct vk_err *err)
{
    const struct json *meta = json_get(object, "metadata");
    const char *name = json_string_or(meta, "name", NULL);
    struct workload out = {
        .kind = vk_arena_strdup(arena, json_string_or(object, "kind", "")),
        .namespace_ = vk_arena_strdup(arena, json_string_or(meta, "namespace", "default")),
    };
    if (!*out.kind)
        return vk_err_set(err, VK_INVALID, "an object has no kind");
    out.name =
        name ? vk_arena_strdup(arena, name)
             : vk_arena_printf(arena, "%sx", json_string_or(meta, "generateName", "unnamed-"));
    const struct json *template = template_of(object, out.kind, &out.has_pods);
    if (out.has_pods && json_type_of(json_get(template, "spec")) != JSON_OBJECT)
        return vk_err_set(err, VK_INVALID, "%s %s has no %s", out.kind, out.name,
                          vk_streq(out.kind, "Pod") ? "spec" : "pod template");
    if (vk_streq(out.kind, "DaemonSet"))
        out.refused = "a DaemonSet serves the pods of a machine, and there is none under a virtual "
                      "node; make it a sidecar of the pods that need it";
    if (out.has_pods)
        out.pod = pod_text(object, template, &out, arena);
    *ret = out;
    return 0;
}
