/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/faults.h"

#include <string.h>

#include "base/alloc.h"
#include "base/list.h"

#define MAX_BODY (256 * 1024)
#define MAX_FAULTS 1000

struct fault_spec {
    const char *operation, *group;
    int64_t count;
    bool has_count;
    struct fault_action action;
};
struct fault {
    struct vk_list link;
    struct vk_arena *arena; /* owned; holds spec's text */
    struct fault_spec spec;
    int64_t hits;
};
struct faults {
    struct vk_list list;
    size_t count;
};

static const struct json_field action_fields[] = {
    JSON_INT(struct fault_action, status, "status", 0, 400, 599),
    JSON_STR(struct fault_action, code, "code", 0),
    JSON_STR(struct fault_action, message, "message", 0),
    JSON_INT(struct fault_action, retry_after_s, "retryAfter", 0, 0, 86400),
    JSON_INT(struct fault_action, delay_ms, "delayMs", 0, 0, 3600000),
    JSON_BOOLEAN(struct fault_action, lost, "lost"),
    JSON_BOOLEAN(struct fault_action, hide, "hide"),
    JSON_BOOLEAN(struct fault_action, ghost, "ghost"),
    JSON_END};
static const struct json_field fault_fields[] = {
    JSON_STR(struct fault_spec, operation, "operation", 0),
    JSON_STR(struct fault_spec, group, "group", 0),
    JSON_INT_HAS(struct fault_spec, count, has_count, "count", 0, 1000000),
    JSON_OBJ(struct fault_spec, action, "action", action_fields), JSON_END};

struct faults *faults_new(void)
{
    struct faults *f = vk_calloc(1, sizeof(*f));

    vk_list_init(&f->list);
    return f;
}

static void remove_fault(struct faults *f, struct fault *one)
{
    vk_list_remove(&one->link);
    vk_arena_free(one->arena);
    vk_free(one);
    f->count--;
}

void faults_clear(struct faults *f)
{
    VK_LIST_FOREACH(it, &f->list)
    remove_fault(f, VK_LIST_ENTRY(it, struct fault, link));
}

void faults_free(struct faults *f)
{
    if (!f)
        return;
    faults_clear(f);
    vk_free(f);
}

static int refuse_unknown(const struct json *v, const struct json_field *known, struct vk_err *err)
{
    for (const struct json *m = json_first(v); m; m = json_next(m)) {
        const struct json_field *k = known;

        while (k->name && !vk_streq(k->name, json_key(m)))
            k++;
        if (!k->name)
            return vk_err_set(err, VK_INVALID, "a fault has no member '%.100s'", json_key(m));
    }
    return 0;
}

/* A typing error must not give a fault that never strikes: unknown members are refused. */
static int add_one(struct faults *f, const struct json *v, struct vk_err *err)
{
    struct vk_arena *arena = vk_arena_new();
    struct fault_spec spec = {0};
    struct fault *one;

    if (f->count >= MAX_FAULTS) {
        vk_arena_free(arena);
        return vk_err_set(err, VK_TOO_LARGE, "there are %d faults already", MAX_FAULTS);
    }
    if (json_decode(v, fault_fields, &spec, arena, "", err) < 0 ||
        refuse_unknown(v, fault_fields, err) < 0 ||
        refuse_unknown(json_get(v, "action"), action_fields, err) < 0) {
        vk_arena_free(arena);
        return -1;
    }
    one = vk_calloc(1, sizeof(*one));
    one->arena = arena;
    one->spec = spec;
    one->spec.count = spec.has_count ? spec.count : 1;
    one->spec.operation = spec.operation ? vk_arena_strdup(arena, spec.operation) : NULL;
    one->spec.group = spec.group ? vk_arena_strdup(arena, spec.group) : NULL;
    one->spec.action.code =
        vk_arena_strdup(arena, spec.action.code ? spec.action.code : "InternalServerError");
    one->spec.action.message = vk_arena_strdup(
        arena, spec.action.message ? spec.action.message : "Ordered by the control listener.");
    vk_list_init(&one->link);
    vk_list_add_tail(&f->list, &one->link);
    f->count++;
    return 0;
}

int faults_add(struct faults *f, struct vk_str body, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root;

    if (json_parse(body, MAX_BODY, arena, &root, err) < 0)
        return -1;
    if (!json_get(root, "faults"))
        return add_one(f, root, err);
    for (const struct json *v = json_first(json_get(root, "faults")); v; v = json_next(v)) {
        if (add_one(f, v, err) < 0)
            return -1;
    }
    return 0;
}

bool faults_pattern_matches(const char *pattern, const char *group)
{
    size_t n = pattern ? strlen(pattern) : 0;

    if (!pattern)
        return true;
    if (n && pattern[n - 1] == '*')
        return strncasecmp(pattern, group, n - 1) == 0;
    return vk_strieq(pattern, group);
}

static bool matches(const struct fault_spec *spec, const char *operation, const char *group)
{
    if (spec->operation && !vk_strieq(spec->operation, operation))
        return false;
    if (!group)
        return !spec->group || spec->action.hide;
    return faults_pattern_matches(spec->group, group);
}

const struct fault_action *faults_take(struct faults *f, const char *operation, const char *group,
                                       struct vk_arena *arena)
{
    VK_LIST_FOREACH(it, &f->list)
    {
        struct fault *one = VK_LIST_ENTRY(it, struct fault, link);
        struct fault_action *action;

        if (!matches(&one->spec, operation, group))
            continue;
        action = vk_arena_alloc(arena, sizeof(*action));
        *action = one->spec.action;
        action->code = vk_arena_strdup(arena, action->code);
        action->message = vk_arena_strdup(arena, action->message);
        action->group = one->spec.group ? vk_arena_strdup(arena, one->spec.group) : NULL;
        one->hits++;
        if (one->spec.count && one->hits >= one->spec.count)
            remove_fault(f, one);
        return action;
    }
    return NULL;
}

void faults_write(const struct faults *f, struct json_writer *w)
{
    json_begin_array(w, "faults");
    VK_LIST_FOREACH(it, &f->list)
    {
        const struct fault *one = VK_LIST_ENTRY(it, struct fault, link);

        json_begin_object(w, NULL);
        json_put_string_if(w, "operation", one->spec.operation);
        json_put_string_if(w, "group", one->spec.group);
        json_put_int(w, "count", one->spec.count);
        json_put_int(w, "hits", one->hits);
        json_begin_object(w, "action");
        json_put_int(w, "status", one->spec.action.status);
        json_put_string(w, "code", one->spec.action.code);
        json_put_string(w, "message", one->spec.action.message);
        json_put_int(w, "retryAfter", one->spec.action.retry_after_s);
        json_put_int(w, "delayMs", one->spec.action.delay_ms);
        json_put_bool(w, "lost", one->spec.action.lost);
        json_put_bool(w, "hide", one->spec.action.hide);
        json_put_bool(w, "ghost", one->spec.action.ghost);
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
}
