/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/incidents.h"

#include "base/alloc.h"

#define MAX_BODY 4096
#define MAX_EXIT_CODE 65535

struct incident {
    const char *group, *incident;
    int64_t exit_code;
    bool has_exit_code;
};
static const struct json_field fields[] = {
    JSON_STR(struct incident, group, "group", JSON_REQUIRED),
    JSON_STR(struct incident, incident, "incident", JSON_REQUIRED),
    JSON_INT_HAS(struct incident, exit_code, has_exit_code, "exitCode", 0, MAX_EXIT_CODE),
    JSON_END};

static bool delete_group(struct group *g, const struct incident *what)
{
    (void)what;
    if (g->phase == GROUP_DELETING)
        return false;
    lifecycle_delete(g, NULL, NULL);
    return true;
}

static bool restart_group(struct group *g, const struct incident *what)
{
    return lifecycle_interrupt(g,
                               what->has_exit_code ? what->exit_code : LIFECYCLE_EXIT_TERMINATED);
}

static bool rerun_group(struct group *g, const struct incident *what)
{
    (void)what;
    return lifecycle_rerun(g);
}

/* Both are JSON's borrowed text, or the arena's. */
static int read_incident(struct vk_str body, struct vk_arena *arena, struct incident *ret,
                         struct vk_err *err)
{
    const struct json *root;

    if (json_parse(body, MAX_BODY, arena, &root, err) < 0 ||
        json_decode(root, fields, ret, arena, "", err) < 0)
        return -1;
    for (const struct json *m = json_first(root); m; m = json_next(m)) {
        const struct json_field *known = fields;

        while (known->name && !vk_streq(known->name, json_key(m)))
            known++;
        if (!known->name)
            return vk_err_set(err, VK_INVALID, "an incident has no member '%.100s'", json_key(m));
    }
    return 0;
}

int incidents_order(struct emulator *e, struct vk_str body, struct json_writer *w,
                    struct vk_err *err)
{
    static const struct {
        const char *name;
        bool (*fn)(struct group *g, const struct incident *what);
    } kinds[] = {{"delete", delete_group}, {"restart", restart_group}, {"rerun", rerun_group}};
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct incident what = {0};
    struct group **list;
    size_t count, kind = 0, struck = 0;

    if (read_incident(body, arena, &what, err) < 0)
        return -1;
    while (kind < VK_COUNT(kinds) && !vk_streq(kinds[kind].name, what.incident))
        kind++;
    if (kind == VK_COUNT(kinds))
        return vk_err_set(err, VK_INVALID, "incident: expected delete, restart or rerun");
    count = groups_list(e->groups, NULL, arena, &list);
    for (size_t i = 0; i < count; i++) {
        if (faults_pattern_matches(what.group, list[i]->name) && kinds[kind].fn(list[i], &what))
            list[struck++] = list[i];
    }
    if (!struck)
        return vk_err_set(err, VK_NOT_FOUND, "there is no group '%.100s' for a %s", what.group,
                          what.incident);
    json_begin_object(w, NULL);
    json_begin_array(w, "groups");
    for (size_t i = 0; i < struck; i++)
        json_put_string(w, NULL, list[i]->name);
    json_end_array(w);
    json_end_object(w);
    return 0;
}
