/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/container_group.h"

#include "base/clock.h"

/* "2024-05-01T00:00:00.1234567Z", anything unreadable is 0; year 1 is how .NET says "never". */
static int64_t lenient_time(const struct json *v)
{
    const char *text = json_string(v);
    int64_t ns = 0;
    if (vk_str_empty(text) || !vk_time_parse(vk_str_of(text), &ns) || ns < 0)
        return 0;
    return ns;
}

static const char *text_of(const struct json *object, const char *key)
{
    const char *text = json_string(json_get(object, key));
    return vk_str_empty(text) ? NULL : text;
}

static int64_t count_of(const struct json *object, const char *key)
{
    const int64_t n = json_int64_or(object, key, 0);
    return n < 0 ? 0 : n > INT32_MAX ? INT32_MAX : n;
}

static struct json_array read_events(const struct json *v, struct vk_arena *arena)
{
    struct json_array out = {0};
    if (!v || json_type_of(v) != JSON_ARRAY || json_len(v) == 0)
        return out;
    struct group_event *events = vk_arena_array(arena, json_len(v), sizeof(*events));
    for (const struct json *e = json_first(v); e; e = json_next(e)) {
        if (json_type_of(e) != JSON_OBJECT)
            continue;
        events[out.n++] = (struct group_event){
            .name = text_of(e, "name"),
            .message = text_of(e, "message"),
            .type = text_of(e, "type"),
            .count = count_of(e, "count"),
            .first_ns = lenient_time(json_get(e, "firstTimestamp")),
            .last_ns = lenient_time(json_get(e, "lastTimestamp")),
        };
    }
    out.v = events;
    return out;
}

static struct group_container_state *read_state(const struct json *v, struct vk_arena *arena)
{
    if (!v || json_type_of(v) != JSON_OBJECT || json_len(v) == 0)
        return NULL;
    struct group_container_state *s = vk_arena_alloc(arena, sizeof(*s));
    s->state = text_of(v, "state");
    s->detail_status = text_of(v, "detailStatus");
    s->start_ns = lenient_time(json_get(v, "startTime"));
    s->finish_ns = lenient_time(json_get(v, "finishTime"));
    s->has_exit_code = json_int64(json_get(v, "exitCode"), &s->exit_code) &&
                       s->exit_code >= INT32_MIN && s->exit_code <= INT32_MAX;
    if (!s->has_exit_code)
        s->exit_code = 0;
    return s;
}

static struct group_container_view *read_view(const struct json *v, struct vk_arena *arena)
{
    if (!v || json_type_of(v) != JSON_OBJECT)
        return NULL;
    struct group_container_view *view = vk_arena_alloc(arena, sizeof(*view));
    view->restart_count = count_of(v, "restartCount");
    view->current = read_state(json_get(v, "currentState"), arena);
    view->previous = read_state(json_get(v, "previousState"), arena);
    view->events = read_events(json_get(v, "events"), arena);
    return view;
}

/* A number times factor; 0 where there is none, or a strange one. */
static int64_t amount(const struct json *v, const char *key, double factor)
{
    double number;
    if (!json_double(json_get(v, key), &number) || number <= 0 || number > 1e6)
        return 0;
    return (int64_t)(number * factor + 0.5);
}

static struct json_array read_containers(const struct json *v, struct vk_arena *arena)
{
    struct json_array out = {0};
    if (!v || json_type_of(v) != JSON_ARRAY || json_len(v) == 0)
        return out;
    struct group_container *containers = vk_arena_array(arena, json_len(v), sizeof(*containers));
    for (const struct json *c = json_first(v); c; c = json_next(c)) {
        const struct json *properties = json_get(c, "properties");
        const char *name = text_of(c, "name");
        if (!name)
            continue;
        const struct json *requests = json_get(json_get(properties, "resources"), "requests");
        containers[out.n++] = (struct group_container){
            .name = name,
            .image = text_of(properties, "image"),
            .cpu_milli = amount(requests, "cpu", 1000),
            .memory_bytes = amount(requests, "memoryInGB", 1e9),
            .view = read_view(json_get(properties, "instanceView"), arena),
        };
    }
    out.v = containers;
    return out;
}

static struct json_pairs read_tags(const struct json *v, struct vk_arena *arena)
{
    struct json_pairs out = {0};
    if (!v || json_type_of(v) != JSON_OBJECT || json_len(v) == 0)
        return out;
    out.v = vk_arena_array(arena, json_len(v), sizeof(*out.v));
    for (const struct json *t = json_first(v); t; t = json_next(t)) {
        if (json_string(t))
            out.v[out.n++] = (struct json_pair){.key = json_key(t), .value = json_string(t)};
    }
    return out;
}

int container_group_parse(struct vk_str text, struct vk_arena *arena, struct container_group *ret,
                          struct vk_err *err)
{
    const struct json *root;
    if (json_parse(text, CONTAINER_GROUP_MAX_BYTES, arena, &root, err) < 0)
        return vk_err_wrap(err, "container group");
    const char *name = text_of(root, "name");
    if (!name)
        return vk_err_set(err, VK_INVALID, "container group: no name");
    const struct json *properties = json_get(root, "properties");
    const struct json *view = json_get(properties, "instanceView");
    const char *ip = text_of(json_get(properties, "ipAddress"), "ip");
    *ret = (struct container_group){
        .id = text_of(root, "id"),
        .name = name,
        .location = text_of(root, "location"),
        .tags = read_tags(json_get(root, "tags"), arena),
        .provisioning_state = text_of(properties, "provisioningState"),
        .restart_policy = text_of(properties, "restartPolicy"),
        /* Seen while the address is still being placed. */
        .ip = vk_streq(ip, "0.0.0.0") ? NULL : ip,
        .state = text_of(view, "state"),
        .events = read_events(json_get(view, "events"), arena),
        .containers = read_containers(json_get(properties, "containers"), arena),
        .init_containers = read_containers(json_get(properties, "initContainers"), arena),
    };
    return 0;
}

const char *container_group_tag(const struct container_group *group, const char *key)
{
    for (size_t i = 0; i < group->tags.n; i++) {
        if (vk_strieq(group->tags.v[i].key, key))
            return group->tags.v[i].value;
    }
    return NULL;
}
