/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/pod_status.h"

#include <string.h>

#include "base/alloc.h"
#include "kubelet/api/json_fields.h"

#define NS_PER_S 1000000000

static const struct json_field waiting_fields[] = {
    JSON_STR(struct container_state, reason, "reason", 0),
    JSON_STR(struct container_state, message, "message", 0),
    JSON_END,
};
static const struct json_field running_fields[] = {
    JSON_TIME(struct container_state, started_at_ns, "startedAt"),
    JSON_END,
};
static const struct json_field terminated_fields[] = {
    JSON_INT(struct container_state, exit_code, "exitCode", 0, INT32_MIN, INT32_MAX),
    JSON_INT(struct container_state, signal, "signal", 0, INT32_MIN, INT32_MAX),
    JSON_STR(struct container_state, reason, "reason", 0),
    JSON_STR(struct container_state, message, "message", 0),
    JSON_TIME(struct container_state, started_at_ns, "startedAt"),
    JSON_TIME(struct container_state, finished_at_ns, "finishedAt"),
    JSON_STR(struct container_state, container_id, "containerID", 0),
    JSON_END,
};

static const struct {
    const char *name;
    enum container_state_kind kind;
    const struct json_field *fields;
} state_kinds[] = {
    {"waiting", CONTAINER_WAITING, waiting_fields},
    {"running", CONTAINER_RUNNING, running_fields},
    {"terminated", CONTAINER_TERMINATED, terminated_fields},
};

static int decode_state(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                        struct vk_err *err)
{
    struct container_state *state = out;

    if (json_type_of(v) != JSON_OBJECT)
        return vk_err_set(err, VK_INVALID, "%s: expected an object", path);
    for (size_t i = 0; i < VK_COUNT(state_kinds); i++) {
        const struct json *member = json_get(v, state_kinds[i].name);
        char where[64];

        if (!member || json_type_of(member) == JSON_NULL)
            continue;
        snprintf(where, sizeof(where), "%s.%s", path, state_kinds[i].name);
        state->kind = state_kinds[i].kind;
        return json_decode(member, state_kinds[i].fields, state, arena, where, err);
    }
    return 0;
}

static const struct json_field container_status_fields[] = {
    JSON_STR(struct container_status, name, "name", JSON_REQUIRED),
    JSON_STR(struct container_status, image, "image", 0),
    JSON_STR(struct container_status, image_id, "imageID", 0),
    JSON_STR(struct container_status, container_id, "containerID", 0),
    JSON_CUSTOM(struct container_status, state, "state", decode_state),
    JSON_CUSTOM(struct container_status, last_state, "lastState", decode_state),
    JSON_BOOLEAN(struct container_status, ready, "ready"),
    JSON_BOOLEAN_HAS(struct container_status, started, has_started, "started"),
    JSON_INT(struct container_status, restart_count, "restartCount", 0, 0, INT32_MAX),
    JSON_OBJ(struct container_status, resources, "resources", resource_list_fields),
    JSON_END,
};
static const struct json_field condition_fields[] = {
    JSON_STR(struct pod_condition, type, "type", JSON_REQUIRED),
    JSON_STR(struct pod_condition, status, "status", 0),
    JSON_STR(struct pod_condition, reason, "reason", 0),
    JSON_STR(struct pod_condition, message, "message", 0),
    JSON_TIME(struct pod_condition, last_transition_ns, "lastTransitionTime"),
    JSON_TIME(struct pod_condition, last_probe_ns, "lastProbeTime"),
    JSON_INT(struct pod_condition, observed_generation, "observedGeneration", 0, 0, INT64_MAX),
    JSON_END,
};
const struct json_field pod_status_fields[] = {
    JSON_STR(struct pod_status, phase, "phase", 0),
    JSON_STR(struct pod_status, reason, "reason", 0),
    JSON_STR(struct pod_status, message, "message", 0),
    JSON_STR(struct pod_status, host_ip, "hostIP", 0),
    JSON_STR(struct pod_status, pod_ip, "podIP", 0),
    JSON_STR(struct pod_status, qos_class, "qosClass", 0),
    JSON_STR(struct pod_status, nominated_node_name, "nominatedNodeName", 0),
    JSON_CUSTOM(struct pod_status, pod_ips, "podIPs", json_decode_ips),
    JSON_CUSTOM(struct pod_status, host_ips, "hostIPs", json_decode_ips),
    JSON_TIME(struct pod_status, start_time_ns, "startTime"),
    JSON_INT(struct pod_status, observed_generation, "observedGeneration", 0, 0, INT64_MAX),
    JSON_ARR(struct pod_status, conditions, "conditions", condition_fields, struct pod_condition),
    JSON_ARR(struct pod_status, container_statuses, "containerStatuses", container_status_fields,
             struct container_status),
    JSON_ARR(struct pod_status, init_container_statuses, "initContainerStatuses",
             container_status_fields, struct container_status),
    JSON_ARR(struct pod_status, ephemeral_container_statuses, "ephemeralContainerStatuses",
             container_status_fields, struct container_status),
    JSON_END,
};

static const struct pod_condition *find_condition(const struct json_array *array, const char *type)
{
    const struct pod_condition *conditions = array->v;

    for (size_t i = 0; i < array->n; i++) {
        if (vk_streq(conditions[i].type, type))
            return &conditions[i];
    }
    return NULL;
}

static const struct container_status *find_container(const struct json_array *array,
                                                     const char *name)
{
    const struct container_status *containers = array->v;

    for (size_t i = 0; i < array->n; i++) {
        if (vk_streq(containers[i].name, name))
            return &containers[i];
    }
    return NULL;
}

const struct pod_condition *pod_status_condition(const struct pod_status *s, const char *type)
{
    return find_condition(&s->conditions, type);
}

const struct container_status *pod_status_container(const struct pod_status *s, const char *name)
{
    const struct container_status *found = find_container(&s->container_statuses, name);

    return found ? found : find_container(&s->init_container_statuses, name);
}

bool container_status_runs(const struct container_status *c)
{
    return c->state.kind == CONTAINER_RUNNING ||
           (c->state.kind == CONTAINER_WAITING &&
            (vk_streq(c->state.reason, CONTAINER_HOOK_RUNS) ||
             vk_streq(c->state.reason, CONTAINER_HOOK_FAILED)));
}

static const char *copy_text(struct vk_arena *arena, const char *text)
{
    return text ? vk_arena_strdup(arena, text) : NULL;
}

static struct json_strs copy_strs(struct vk_arena *arena, const struct json_strs *src)
{
    struct json_strs copy = {.v = vk_arena_array(arena, src->n, sizeof(*src->v)), .n = src->n};

    for (size_t i = 0; i < src->n; i++)
        copy.v[i] = vk_arena_strdup(arena, src->v[i]);
    return copy;
}

static struct json_pairs copy_pairs(struct vk_arena *arena, const struct json_pairs *src)
{
    struct json_pairs copy = {.v = vk_arena_array(arena, src->n, sizeof(*src->v)), .n = src->n};

    for (size_t i = 0; i < src->n; i++)
        copy.v[i] = (struct json_pair){.key = vk_arena_strdup(arena, src->v[i].key),
                                       .value = copy_text(arena, src->v[i].value)};
    return copy;
}

static void copy_state(struct container_state *state, struct vk_arena *arena)
{
    state->reason = copy_text(arena, state->reason);
    state->message = copy_text(arena, state->message);
    state->container_id = copy_text(arena, state->container_id);
}

static struct json_array copy_containers(struct vk_arena *arena, const struct json_array *src)
{
    struct container_status *copy = vk_arena_array(arena, src->n, sizeof(*copy));

    for (size_t i = 0; i < src->n; i++) {
        struct container_status *c = &copy[i];

        *c = ((const struct container_status *)src->v)[i];
        c->name = copy_text(arena, c->name);
        c->image = copy_text(arena, c->image);
        c->image_id = copy_text(arena, c->image_id);
        c->container_id = copy_text(arena, c->container_id);
        copy_state(&c->state, arena);
        copy_state(&c->last_state, arena);
        c->resources.requests = copy_pairs(arena, &c->resources.requests);
        c->resources.limits = copy_pairs(arena, &c->resources.limits);
    }
    return (struct json_array){.v = copy, .n = src->n};
}

static struct json_array copy_conditions(struct vk_arena *arena, const struct json_array *src)
{
    struct pod_condition *copy = vk_arena_array(arena, src->n, sizeof(*copy));

    for (size_t i = 0; i < src->n; i++) {
        struct pod_condition *c = &copy[i];

        *c = ((const struct pod_condition *)src->v)[i];
        c->type = copy_text(arena, c->type);
        c->status = copy_text(arena, c->status);
        c->reason = copy_text(arena, c->reason);
        c->message = copy_text(arena, c->message);
    }
    return (struct json_array){.v = copy, .n = src->n};
}

void pod_status_copy(struct pod_status *dst, const struct pod_status *src, struct vk_arena *arena)
{
    struct pod_status copy = *src;

    copy.phase = copy_text(arena, src->phase);
    copy.reason = copy_text(arena, src->reason);
    copy.message = copy_text(arena, src->message);
    copy.host_ip = copy_text(arena, src->host_ip);
    copy.pod_ip = copy_text(arena, src->pod_ip);
    copy.qos_class = copy_text(arena, src->qos_class);
    copy.nominated_node_name = copy_text(arena, src->nominated_node_name);
    copy.pod_ips = copy_strs(arena, &src->pod_ips);
    copy.host_ips = copy_strs(arena, &src->host_ips);
    copy.conditions = copy_conditions(arena, &src->conditions);
    copy.container_statuses = copy_containers(arena, &src->container_statuses);
    copy.init_container_statuses = copy_containers(arena, &src->init_container_statuses);
    copy.ephemeral_container_statuses = copy_containers(arena, &src->ephemeral_container_statuses);
    *dst = copy;
}

/* The wire has seconds. Rounds down also before 1970. */
static int64_t seconds(int64_t ns)
{
    return ns / NS_PER_S - (ns % NS_PER_S < 0);
}

static bool time_equal(int64_t a, int64_t b)
{
    return (a == 0) == (b == 0) && seconds(a) == seconds(b);
}

static bool state_equal(const struct container_state *a, const struct container_state *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case CONTAINER_STATE_NONE:
        return true;
    case CONTAINER_WAITING:
        return vk_streq(a->reason, b->reason) && vk_streq(a->message, b->message);
    case CONTAINER_RUNNING:
        return time_equal(a->started_at_ns, b->started_at_ns);
    case CONTAINER_TERMINATED:
    default:
        return a->exit_code == b->exit_code && a->signal == b->signal &&
               vk_streq(a->reason, b->reason) && vk_streq(a->message, b->message) &&
               vk_streq(a->container_id, b->container_id) &&
               time_equal(a->started_at_ns, b->started_at_ns) &&
               time_equal(a->finished_at_ns, b->finished_at_ns);
    }
}

static bool container_equal(const struct container_status *a, const struct container_status *b)
{
    return vk_streq(a->image, b->image) && vk_streq(a->image_id, b->image_id) &&
           vk_streq(a->container_id, b->container_id) && a->ready == b->ready &&
           a->has_started == b->has_started && (!a->has_started || a->started == b->started) &&
           a->restart_count == b->restart_count && state_equal(&a->state, &b->state) &&
           state_equal(&a->last_state, &b->last_state);
}

static bool condition_equal(const struct pod_condition *a, const struct pod_condition *b)
{
    return vk_streq(a->status, b->status) && vk_streq(a->reason, b->reason) &&
           vk_streq(a->message, b->message) && a->observed_generation == b->observed_generation &&
           time_equal(a->last_transition_ns, b->last_transition_ns) &&
           time_equal(a->last_probe_ns, b->last_probe_ns);
}

/* Both lists are keyed, by name and by type: their order says nothing. */
static bool containers_equal(const struct json_array *a, const struct json_array *b)
{
    const struct container_status *mine = a->v;

    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct container_status *other = find_container(b, mine[i].name);

        if (!other || !container_equal(&mine[i], other))
            return false;
    }
    return true;
}

static bool conditions_equal(const struct json_array *a, const struct json_array *b)
{
    const struct pod_condition *mine = a->v;

    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct pod_condition *other = find_condition(b, mine[i].type);

        if (!other || !condition_equal(&mine[i], other))
            return false;
    }
    return true;
}

/* podIPs is the list form of podIP: the API server fills in the one from the other. `one` is the
 * caller's memory. */
static struct json_strs address_list(const struct json_strs *list, const char **one)
{
    if (list->n || vk_str_empty(*one))
        return *list;
    return (struct json_strs){.v = one, .n = 1};
}

static bool addresses_equal(const struct json_strs *a, const char *a_one, const struct json_strs *b,
                            const char *b_one)
{
    struct json_strs left = address_list(a, &a_one), right = address_list(b, &b_one);

    if (!vk_streq(a_one, b_one) || left.n != right.n)
        return false;
    for (size_t i = 0; i < left.n; i++) {
        if (!vk_streq(left.v[i], right.v[i]))
            return false;
    }
    return true;
}

bool pod_status_equal(const struct pod_status *a, const struct pod_status *b)
{
    return vk_streq(a->phase, b->phase) && vk_streq(a->reason, b->reason) &&
           vk_streq(a->message, b->message) && vk_streq(a->qos_class, b->qos_class) &&
           vk_streq(a->nominated_node_name, b->nominated_node_name) &&
           addresses_equal(&a->pod_ips, a->pod_ip, &b->pod_ips, b->pod_ip) &&
           addresses_equal(&a->host_ips, a->host_ip, &b->host_ips, b->host_ip) &&
           time_equal(a->start_time_ns, b->start_time_ns) &&
           a->observed_generation == b->observed_generation &&
           conditions_equal(&a->conditions, &b->conditions) &&
           containers_equal(&a->container_statuses, &b->container_statuses) &&
           containers_equal(&a->init_container_statuses, &b->init_container_statuses) &&
           containers_equal(&a->ephemeral_container_statuses, &b->ephemeral_container_statuses);
}

static void put_time(struct json_writer *w, const char *key, int64_t ns)
{
    if (ns)
        json_put_time_s(w, key, ns);
}

static void put_int(struct json_writer *w, const char *key, int64_t value)
{
    if (value)
        json_put_int(w, key, value);
}

static const char *text_or_empty(const char *text)
{
    return text ? text : "";
}

static void write_terminated(struct json_writer *w, const struct container_state *s)
{
    json_begin_object(w, "terminated");
    json_put_int(w, "exitCode", s->exit_code);
    put_int(w, "signal", s->signal);
    json_put_string_if(w, "reason", s->reason);
    json_put_string_if(w, "message", s->message);
    put_time(w, "startedAt", s->started_at_ns);
    put_time(w, "finishedAt", s->finished_at_ns);
    json_put_string_if(w, "containerID", s->container_id);
    json_end_object(w);
}

static void write_state(struct json_writer *w, const char *key, const struct container_state *s)
{
    json_begin_object(w, key);
    switch (s->kind) {
    case CONTAINER_WAITING:
        json_begin_object(w, "waiting");
        json_put_string_if(w, "reason", s->reason);
        json_put_string_if(w, "message", s->message);
        json_end_object(w);
        break;
    case CONTAINER_RUNNING:
        json_begin_object(w, "running");
        put_time(w, "startedAt", s->started_at_ns);
        json_end_object(w);
        break;
    case CONTAINER_TERMINATED:
        write_terminated(w, s);
        break;
    case CONTAINER_STATE_NONE:
    default:
        break;
    }
    json_end_object(w);
}

static void write_quantities(struct json_writer *w, const char *key, const struct json_pairs *list)
{
    if (list->n == 0)
        return;
    json_begin_object(w, key);
    for (size_t i = 0; i < list->n; i++)
        json_put_string(w, list->v[i].key, text_or_empty(list->v[i].value));
    json_end_object(w);
}

static void write_resources(struct json_writer *w, const struct resource_list *r)
{
    if (r->requests.n == 0 && r->limits.n == 0)
        return;
    json_begin_object(w, "resources");
    write_quantities(w, "limits", &r->limits);
    write_quantities(w, "requests", &r->requests);
    json_end_object(w);
}

static void write_containers(struct json_writer *w, const char *key, const struct json_array *array)
{
    const struct container_status *containers = array->v;

    if (array->n == 0)
        return;
    json_begin_array(w, key);
    for (size_t i = 0; i < array->n; i++) {
        const struct container_status *c = &containers[i];

        json_begin_object(w, NULL);
        json_put_string(w, "name", text_or_empty(c->name));
        write_state(w, "state", &c->state);
        write_state(w, "lastState", &c->last_state);
        json_put_bool(w, "ready", c->ready);
        json_put_int(w, "restartCount", c->restart_count);
        json_put_string(w, "image", text_or_empty(c->image));
        json_put_string(w, "imageID", text_or_empty(c->image_id));
        json_put_string_if(w, "containerID", c->container_id);
        if (c->has_started)
            json_put_bool(w, "started", c->started);
        write_resources(w, &c->resources);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_conditions(struct json_writer *w, const struct json_array *array)
{
    const struct pod_condition *conditions = array->v;

    if (array->n == 0)
        return;
    json_begin_array(w, "conditions");
    for (size_t i = 0; i < array->n; i++) {
        const struct pod_condition *c = &conditions[i];

        json_begin_object(w, NULL);
        json_put_string(w, "type", text_or_empty(c->type));
        put_int(w, "observedGeneration", c->observed_generation);
        json_put_string(w, "status", text_or_empty(c->status));
        put_time(w, "lastProbeTime", c->last_probe_ns);
        put_time(w, "lastTransitionTime", c->last_transition_ns);
        json_put_string_if(w, "reason", c->reason);
        json_put_string_if(w, "message", c->message);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_addresses(struct json_writer *w, const char *key, const struct json_strs *list,
                            const char *one)
{
    struct json_strs addresses = address_list(list, &one);

    if (addresses.n == 0)
        return;
    json_begin_array(w, key);
    for (size_t i = 0; i < addresses.n; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "ip", addresses.v[i]);
        json_end_object(w);
    }
    json_end_array(w);
}

void pod_status_write(struct json_writer *w, const struct pod_status *s)
{
    put_int(w, "observedGeneration", s->observed_generation);
    json_put_string_if(w, "phase", s->phase);
    write_conditions(w, &s->conditions);
    json_put_string_if(w, "message", s->message);
    json_put_string_if(w, "reason", s->reason);
    json_put_string_if(w, "nominatedNodeName", s->nominated_node_name);
    json_put_string_if(w, "hostIP", s->host_ip);
    write_addresses(w, "hostIPs", &s->host_ips, s->host_ip);
    json_put_string_if(w, "podIP", s->pod_ip);
    write_addresses(w, "podIPs", &s->pod_ips, s->pod_ip);
    put_time(w, "startTime", s->start_time_ns);
    write_containers(w, "initContainerStatuses", &s->init_container_statuses);
    write_containers(w, "containerStatuses", &s->container_statuses);
    write_containers(w, "ephemeralContainerStatuses", &s->ephemeral_container_statuses);
    json_put_string_if(w, "qosClass", s->qos_class);
}
