/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/node/node_object.h"

#include <assert.h>

const struct node_taint node_taint_unreachable = {.key = "virtual-kubelet.io/provider-unreachable",
                                                  .effect = "NoSchedule"};

static const struct {
    const char *type, *reason, *message;
    bool healthy;
} condition_table[NODE_CONDITION_COUNT] = {
    {"Ready", "KubeletReady", "kubelet is posting ready status", true},
    {"MemoryPressure", "KubeletHasSufficientMemory", "the node has no machine under it", false},
    {"DiskPressure", "KubeletHasNoDiskPressure", "the node has no machine under it", false},
    {"PIDPressure", "KubeletHasSufficientPID", "the node has no machine under it", false},
    {"NetworkUnavailable", "RouteCreated", "container groups bring their own network", false},
    {"ProviderUnreachable", "ProviderReachable", "the provider answers", false},
    {"ServingCertificatePending", "NotRequested", "no certificate was asked for", false},
};

void node_conditions_init(struct node_conditions *c, int64_t now_ns)
{
    for (size_t i = 0; i < NODE_CONDITION_COUNT; i++) {
        struct node_condition *v = &c->v[i];

        v->type = condition_table[i].type;
        v->status = condition_table[i].healthy;
        vk_strcpy_to(v->reason, sizeof(v->reason), condition_table[i].reason);
        vk_strcpy_to(v->message, sizeof(v->message), condition_table[i].message);
        v->last_transition_ns = now_ns;
        v->is_unknown = vk_streq(v->type, "ProviderUnreachable");
    }
}

static struct node_condition *find(struct node_conditions *c, const char *type)
{
    for (size_t i = 0; i < NODE_CONDITION_COUNT; i++)
        if (vk_streq(c->v[i].type, type))
            return &c->v[i];
    return NULL;
}

bool node_conditions_set(struct node_conditions *c, const char *type, bool status,
                         const char *reason, const char *message, int64_t now_ns)
{
    struct node_condition *v = find(c, type);
    bool changed;

    assert(v);
    changed = v->status != status || v->is_unknown;
    if (changed)
        v->last_transition_ns = now_ns;
    v->is_unknown = false;
    v->status = status;
    vk_strcpy_to(v->reason, sizeof(v->reason), reason);
    vk_strcpy_to(v->message, sizeof(v->message), message);
    return changed;
}

static bool has_label(const struct json_pairs *labels, const char *key)
{
    for (size_t i = 0; i < labels->n; i++)
        if (vk_streq(labels->v[i].key, key))
            return true;
    return false;
}

/* The labels of ours in order. */
#define LABEL_COUNT 7
static size_t labels_of(struct json_pair out[LABEL_COUNT], const struct node_identity *id,
                        const struct node_capacity *capacity, bool with_role)
{
    const char *os = vk_strieq(capacity->os, "Windows") ? "windows" : "linux";
    size_t n = 5;

    out[0] = (struct json_pair){"type", "virtual-kubelet"};
    out[1] = (struct json_pair){"kubernetes.io/os", os};
    out[2] = (struct json_pair){"kubernetes.io/arch", capacity->arch ? capacity->arch : "amd64"};
    out[3] = (struct json_pair){"kubernetes.io/hostname", id->name};
    out[4] = (struct json_pair){"node.kubernetes.io/exclude-from-external-load-balancers", "true"};
    if (capacity->label_key)
        out[n++] = (struct json_pair){capacity->label_key, capacity->label_value};
    if (with_role)
        out[n++] = (struct json_pair){"kubernetes.io/role", "agent"};
    return n;
}

/* True: `have`, which may be NULL, lacks it. */
static bool write_lacking(struct json_writer *w, const struct json_pair *label,
                          const struct json *have)
{
    if (vk_streq(json_string(json_get(have, label->key)), label->value))
        return false;
    json_put_string(w, label->key, label->value);
    return true;
}

static bool write_labels(struct json_writer *w, const struct node_identity *id,
                         const struct node_capacity *capacity, bool with_role,
                         const struct json *have)
{
    struct json_pair ours[LABEL_COUNT];
    const size_t n = labels_of(ours, id, capacity, with_role);
    bool lacked = false;

    json_begin_object(w, "labels");
    for (size_t i = 0; i < n; i++)
        if (!has_label(&id->labels, ours[i].key))
            lacked |= write_lacking(w, &ours[i], have);
    for (size_t i = 0; i < id->labels.n; i++)
        lacked |= write_lacking(w, &id->labels.v[i], have);
    json_end_object(w);
    return lacked;
}

static void write_taint(struct json_writer *w, const struct node_taint *t)
{
    json_begin_object(w, NULL);
    json_put_string(w, "key", t->key);
    json_put_string_if(w, "value", t->value);
    json_put_string(w, "effect", t->effect);
    json_end_object(w);
}

static void write_resources(struct json_writer *w, const char *key,
                            const struct node_capacity *capacity, int64_t cpu_milli, int64_t pods)
{
    char text[32];

    json_begin_object(w, key);
    snprintf(text, sizeof(text), "%lldm", (long long)cpu_milli);
    json_put_string(w, "cpu", text);
    snprintf(text, sizeof(text), "%lldKi", (long long)(capacity->memory_bytes / 1024));
    json_put_string(w, "memory", text);
    snprintf(text, sizeof(text), "%lld", (long long)pods);
    json_put_string(w, "pods", text);
    json_end_object(w);
}

static void write_conditions(struct json_writer *w, const struct node_conditions *c, int64_t now_ns)
{
    json_begin_array(w, "conditions");
    for (size_t i = 0; i < NODE_CONDITION_COUNT; i++) {
        const struct node_condition *v = &c->v[i];

        if (v->is_unknown)
            continue;
        json_begin_object(w, NULL);
        json_put_string(w, "type", v->type);
        json_put_string(w, "status", v->status ? "True" : "False");
        json_put_time_s(w, "lastHeartbeatTime", now_ns);
        json_put_time_s(w, "lastTransitionTime", v->last_transition_ns);
        json_put_string(w, "reason", v->reason);
        json_put_string(w, "message", v->message);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_address(struct json_writer *w, const char *type, const char *address)
{
    json_begin_object(w, NULL);
    json_put_string(w, "type", type);
    json_put_string(w, "address", address);
    json_end_object(w);
}

static void write_status(struct json_writer *w, const struct node_identity *id,
                         const struct node_capacity *capacity, const struct node_conditions *c,
                         int64_t now_ns)
{
    json_begin_object(w, "status");
    write_resources(w, "capacity", capacity, capacity->cpu_milli, capacity->pods);
    write_resources(w, "allocatable", capacity,
                    capacity->is_limited ? capacity->allocatable_cpu_milli : capacity->cpu_milli,
                    capacity->is_limited ? capacity->allocatable_pods : capacity->pods);
    write_conditions(w, c, now_ns);
    json_begin_array(w, "addresses");
    write_address(w, "InternalIP", id->internal_ip);
    write_address(w, "Hostname", id->name);
    json_end_array(w);
    json_begin_object(w, "daemonEndpoints");
    json_begin_object(w, "kubeletEndpoint");
    json_put_int(w, "Port", id->kubelet_port);
    json_end_object(w);
    json_end_object(w);
    json_begin_object(w, "nodeInfo");
    json_put_string(w, "machineID", "");
    json_put_string(w, "systemUUID", "");
    json_put_string(w, "bootID", "");
    json_put_string(w, "kernelVersion", "");
    json_put_string(w, "osImage", "Azure Container Instances");
    json_put_string(w, "containerRuntimeVersion", id->runtime_version);
    json_put_string(w, "kubeletVersion", id->kubelet_version);
    json_put_string(w, "kubeProxyVersion", "");
    json_put_string(w, "operatingSystem", vk_strieq(capacity->os, "Windows") ? "windows" : "linux");
    json_put_string(w, "architecture", capacity->arch ? capacity->arch : "amd64");
    json_end_object(w);
    json_end_object(w);
}

void node_object_write(struct vk_buf *out, const struct node_identity *id,
                       const struct node_capacity *capacity, const struct node_conditions *c,
                       bool with_role, int64_t now_ns)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "apiVersion", "v1");
    json_put_string(&w, "kind", "Node");
    json_begin_object(&w, "metadata");
    json_put_string(&w, "name", id->name);
    (void)write_labels(&w, id, capacity, with_role, NULL);
    json_end_object(&w);
    json_begin_object(&w, "spec");
    if (id->taint) {
        json_begin_array(&w, "taints");
        write_taint(&w, id->taint);
        json_end_array(&w);
    }
    json_end_object(&w);
    write_status(&w, id, capacity, c, now_ns);
    json_end_object(&w);
}

void node_status_patch_write(struct vk_buf *out, const struct node_identity *id,
                             const struct node_capacity *capacity, const struct node_conditions *c,
                             int64_t now_ns)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    write_status(&w, id, capacity, c, now_ns);
    json_end_object(&w);
}

static bool is_taint(const struct json *t, const struct node_taint *taint)
{
    return vk_streq(json_string_or(t, "key", ""), taint->key) &&
           vk_streq(json_string_or(t, "effect", ""), taint->effect);
}

static const struct json *taints_of(const struct json *node)
{
    return json_get(json_get(node, "spec"), "taints");
}

static bool has_taint(const struct json *node, const struct node_taint *taint)
{
    for (const struct json *t = json_first(taints_of(node)); t; t = json_next(t))
        if (is_taint(t, taint))
            return true;
    return false;
}

bool node_adopt_patch_write(struct vk_buf *out, const struct node_identity *id,
                            const struct node_capacity *capacity, const struct json *node,
                            bool with_role)
{
    const struct json *have = json_get(json_get(node, "metadata"), "labels");
    bool add_taint = id->taint && !has_taint(node, id->taint);
    bool changed = add_taint;
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "metadata");
    changed |= write_labels(&w, id, capacity, with_role, have);
    json_end_object(&w);
    if (add_taint) {
        /* A merge patch replaces the list, so the taints of others are written again. */
        json_begin_object(&w, "spec");
        json_begin_array(&w, "taints");
        for (const struct json *t = json_first(taints_of(node)); t; t = json_next(t))
            json_put_value(&w, NULL, t);
        write_taint(&w, id->taint);
        json_end_array(&w);
        json_end_object(&w);
    }
    json_end_object(&w);
    if (!changed)
        vk_buf_clear(out);
    return changed;
}

bool node_taint_patch_write(struct vk_buf *out, const struct node_taint *taint, bool wanted,
                            const struct json *node)
{
    struct json_writer w;

    if (has_taint(node, taint) == wanted)
        return false;
    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "metadata");
    json_put_string_if(&w, "resourceVersion",
                       json_string(json_get(json_get(node, "metadata"), "resourceVersion")));
    json_end_object(&w);
    json_begin_object(&w, "spec");
    json_begin_array(&w, "taints");
    for (const struct json *t = json_first(taints_of(node)); t; t = json_next(t))
        if (!is_taint(t, taint))
            json_put_value(&w, NULL, t);
    if (wanted)
        write_taint(&w, taint);
    json_end_array(&w);
    json_end_object(&w);
    json_end_object(&w);
    return true;
}
