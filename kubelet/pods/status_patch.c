/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/status_patch.h"

#include "kubelet/pods/pod_resize.h"

/* `set` holds what pod_status_write writes; the rest are members that may be removed, and lists
 * that are replaced. */
struct changes {
    struct pod_status set;
    const struct pod_condition *conditions;
    size_t condition_count;
    bool no_resize; /* its condition goes */
    bool any, reason, message, pod_ip, host_ip, pod_ips, host_ips;
};

static bool strs_equal(const struct json_strs *a, const struct json_strs *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!vk_streq(a->v[i], b->v[i]))
            return false;
    return true;
}

static bool lists_equal(const struct json_array *a, const struct json_array *b)
{
    const struct pod_status x = {.container_statuses = *a}, y = {.container_statuses = *b};

    return pod_status_equal(&x, &y);
}

static bool condition_equal(const struct pod_condition *a, const struct pod_condition *b,
                            bool new_generation)
{
    /* A generation is brought up to date with the status's own, and is no news by itself. */
    if (new_generation && a->observed_generation != b->observed_generation)
        return false;
    return vk_streq(a->status, b->status) && vk_streq(a->reason, b->reason) &&
           vk_streq(a->message, b->message);
}

static void diff_conditions(const struct pod_status *from, const struct pod_status *to,
                            struct pod_condition *out, struct changes *c)
{
    const struct pod_condition *v = to->conditions.v;
    bool new_generation = from->observed_generation != to->observed_generation;
    size_t n = 0;

    for (size_t i = 0; i < to->conditions.n; i++) {
        const struct pod_condition *old = pod_status_condition(from, v[i].type);

        if (!old || !condition_equal(old, &v[i], new_generation))
            out[n++] = v[i];
    }
    c->no_resize = pod_status_condition(from, POD_RESIZE_PENDING) &&
                   !pod_status_condition(to, POD_RESIZE_PENDING);
    c->any |= c->no_resize;
    c->conditions = out;
    c->condition_count = n;
    c->any |= n > 0;
}

static bool diff_text(const char *from, const char *to, const char **set, bool *any)
{
    if (vk_streq(from, to))
        return false;
    if (set)
        *set = to;
    *any = true;
    return true;
}

static void diff(const struct pod_status *from, const struct pod_status *to,
                 struct pod_condition *conditions, struct changes *c)
{
    *c = (struct changes){0};
    diff_text(from->phase, to->phase, &c->set.phase, &c->any);
    c->reason = diff_text(from->reason, to->reason, NULL, &c->any);
    c->message = diff_text(from->message, to->message, NULL, &c->any);
    c->host_ip = diff_text(from->host_ip, to->host_ip, NULL, &c->any);
    c->pod_ip = diff_text(from->pod_ip, to->pod_ip, NULL, &c->any);
    diff_text(from->qos_class, to->qos_class, &c->set.qos_class, &c->any);
    if (from->start_time_ns != to->start_time_ns) {
        c->set.start_time_ns = to->start_time_ns;
        c->any = true;
    }
    if (from->observed_generation != to->observed_generation) {
        c->set.observed_generation = to->observed_generation;
        c->any = true;
    }
    if (!lists_equal(&from->container_statuses, &to->container_statuses)) {
        c->set.container_statuses = to->container_statuses;
        c->any = true;
    }
    if (!lists_equal(&from->init_container_statuses, &to->init_container_statuses)) {
        c->set.init_container_statuses = to->init_container_statuses;
        c->any = true;
    }
    if (!lists_equal(&from->ephemeral_container_statuses, &to->ephemeral_container_statuses)) {
        c->set.ephemeral_container_statuses = to->ephemeral_container_statuses;
        c->any = true;
    }
    c->pod_ips = !strs_equal(&from->pod_ips, &to->pod_ips);
    c->host_ips = !strs_equal(&from->host_ips, &to->host_ips);
    c->any |= c->pod_ips || c->host_ips;
    diff_conditions(from, to, conditions, c);
}

static void put_text(struct json_writer *w, const char *key, bool changed, const char *to)
{
    if (changed)
        json_put_string(w, key, vk_str_empty(to) ? NULL : to);
}

/* A member that is merely left out would survive the merge: what is not said any more is null. */
static void put_conditions(struct json_writer *w, const struct changes *c)
{
    if (!c->condition_count && !c->no_resize)
        return;
    json_begin_array(w, "conditions");
    if (c->no_resize) {
        json_begin_object(w, NULL);
        json_put_string(w, "$patch", "delete");
        json_put_string(w, "type", POD_RESIZE_PENDING);
        json_end_object(w);
    }
    for (size_t i = 0; i < c->condition_count; i++) {
        const struct pod_condition *p = &c->conditions[i];

        json_begin_object(w, NULL);
        json_put_string(w, "type", p->type);
        json_put_string(w, "status", p->status);
        json_put_time_s(w, "lastTransitionTime", p->last_transition_ns);
        if (p->observed_generation)
            json_put_int(w, "observedGeneration", p->observed_generation);
        put_text(w, "reason", true, p->reason);
        put_text(w, "message", true, p->message);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_ips(struct json_writer *w, const char *key, const struct json_strs *ips)
{
    json_begin_array(w, key);
    json_begin_object(w, NULL);
    json_put_string(w, "$patch", "replace");
    json_end_object(w);
    for (size_t i = 0; i < ips->n; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "ip", ips->v[i]);
        json_end_object(w);
    }
    json_end_array(w);
}

bool status_patch_write(const char *uid, const char *resource_version,
                        const struct json_pairs *annotations, const struct pod_status *from,
                        const struct pod_status *to, struct vk_buf *out)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod_condition *conditions =
        vk_arena_array(arena, to->conditions.n + 1, sizeof(*conditions));
    struct json_writer w;
    struct changes c;

    diff(from, to, conditions, &c);
    if (!c.any)
        return false;
    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "metadata");
    json_put_string(&w, "uid", uid);
    json_put_string_if(&w, "resourceVersion", resource_version);
    if (annotations && annotations->n > 0) {
        json_begin_object(&w, "annotations");
        for (size_t i = 0; i < annotations->n; i++)
            json_put_string(&w, annotations->v[i].key, annotations->v[i].value);
        json_end_object(&w);
    }
    json_end_object(&w);
    json_begin_object(&w, "status");
    pod_status_write(&w, &c.set);
    put_text(&w, "reason", c.reason, to->reason);
    put_text(&w, "message", c.message, to->message);
    put_text(&w, "hostIP", c.host_ip, to->host_ip);
    put_text(&w, "podIP", c.pod_ip, to->pod_ip);
    put_conditions(&w, &c);
    if (c.pod_ips)
        put_ips(&w, "podIPs", &to->pod_ips);
    if (c.host_ips)
        put_ips(&w, "hostIPs", &to->host_ips);
    json_end_object(&w);
    json_end_object(&w);
    return true;
}
