/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/surroundings.h"

#include <fnmatch.h>

#include "aci/emulator/arm_error.h"
#include "aci/emulator/arm_route.h"
#include "base/alloc.h"

#define MAX_ANSWER (256 * 1024)
#define MAX_SETTING (64 * 1024)
#define MAX_SKEW_S (10ll * 365 * 24 * 3600)

struct surroundings {
    char *registration_state, *delegation;
    char *actions, *not_actions; /* JSON arrays */
    int64_t clock_skew_s;
    uint64_t used; /* bit i: needed_actions[i] was asked for */
};

#define ACI "Microsoft.ContainerInstance/"
#define GROUPS ACI "containerGroups/"

/* Sources: Azure's list of resource provider operations; a deployment with Microsoft's role for
 * virtual nodes. An operation whose action is not known is allowed. */
static const struct {
    const char *operation, *action;
} needed_actions[] = {
    {"ContainerGroups_Get", GROUPS "read"},
    {"ContainerGroups_List", GROUPS "read"},
    {"ContainerGroups_ListByResourceGroup", GROUPS "read"},
    {"ContainerGroups_CreateOrUpdate", GROUPS "write"},
    {"ContainerGroups_Update", GROUPS "write"},
    {"ContainerGroups_Delete", GROUPS "delete"},
    {"ContainerGroups_Restart", GROUPS "restart/action"},
    {"ContainerGroups_Stop", GROUPS "stop/action"},
    {"ContainerGroups_Start", GROUPS "start/action"},
    {"Containers_ListLogs", GROUPS "containers/logs/read"},
    {"Containers_ExecuteCommand", GROUPS "containers/exec/action"},
    {"Containers_Attach", GROUPS "containers/attach/action"},
    {"Metrics_List", "Microsoft.Insights/metrics/read"},
    {"OperationStatus", ACI "locations/operations/read"},
    {"Location_ListUsage", ACI "locations/usages/read"},
    {"Providers_Get", "Microsoft.Resources/subscriptions/providers/read"},
    {"Permissions_ListForResourceGroup", "Microsoft.Authorization/permissions/read"},
    {"Permissions_ListForResource", "Microsoft.Authorization/permissions/read"},
    {"Subnets_Get", "Microsoft.Network/virtualNetworks/subnets/read"},
};
_Static_assert(VK_COUNT(needed_actions) <= 64, "a bit each");

struct surroundings *surroundings_new(void)
{
    struct surroundings *s = vk_calloc(1, sizeof(*s));

    s->registration_state = vk_strdup("Registered");
    s->delegation = vk_strdup("Microsoft.ContainerInstance/containerGroups");
    s->actions = vk_strdup("[\"*\"]");
    s->not_actions = vk_strdup("[]");
    return s;
}

void surroundings_free(struct surroundings *s)
{
    if (!s)
        return;
    vk_free(s->registration_state);
    vk_free(s->delegation);
    vk_free(s->actions);
    vk_free(s->not_actions);
    vk_free(s);
}

static void replace(char **member, const char *value)
{
    vk_free(*member);
    *member = vk_strdup(value);
}

static int set_text(char **member, const struct json *root, const char *name, struct vk_err *err)
{
    const struct json *value = json_get(root, name);

    if (!value)
        return 0;
    if (json_type_of(value) != JSON_STRING)
        return vk_err_set(err, VK_INVALID, "%s: expected text", name);
    replace(member, json_string(value));
    return 0;
}

static int set_array(char **member, const struct json *root, const char *name, struct vk_err *err)
{
    const struct json *value = json_get(root, name);
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    if (!value)
        return 0;
    if (json_type_of(value) != JSON_ARRAY)
        return vk_err_set(err, VK_INVALID, "%s: expected a list of texts", name);
    vk_buf_init(&out, MAX_SETTING);
    json_writer_init(&w, &out);
    json_put_value(&w, NULL, value);
    replace(member, vk_buf_peek(&out));
    return 0;
}

int surroundings_set(struct surroundings *s, struct vk_str body, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root;
    int64_t skew_s;

    if (json_parse(body, MAX_SETTING, arena, &root, err) < 0)
        return -(int)err->code;
    skew_s = json_int64_or(root, "clockSkewSeconds", s->clock_skew_s);
    if (skew_s < -MAX_SKEW_S || skew_s > MAX_SKEW_S)
        return vk_err_set(err, VK_INVALID, "clockSkewSeconds: expected less than ten years");
    if (set_text(&s->registration_state, root, "registrationState", err) < 0 ||
        set_text(&s->delegation, root, "delegation", err) < 0 ||
        set_array(&s->actions, root, "actions", err) < 0 ||
        set_array(&s->not_actions, root, "notActions", err) < 0)
        return -(int)err->code;
    s->clock_skew_s = skew_s;
    return 0;
}

void surroundings_write(const struct surroundings *s, struct json_writer *w)
{
    json_begin_object(w, NULL);
    json_put_string(w, "registrationState", s->registration_state);
    json_put_string(w, "delegation", s->delegation);
    json_put_raw(w, "actions", vk_str_of(s->actions));
    json_put_raw(w, "notActions", vk_str_of(s->not_actions));
    json_put_int(w, "clockSkewSeconds", s->clock_skew_s);
    json_begin_array(w, "usedActions");
    for (size_t i = 0; i < VK_COUNT(needed_actions); i++)
        if (s->used & (UINT64_C(1) << i))
            json_put_string(w, NULL, needed_actions[i].action);
    json_end_array(w);
    json_end_object(w);
}

static bool is_listed(const char *list, const char *action)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *patterns;
    struct vk_err err;

    if (json_parse(vk_str_of(list), MAX_SETTING, arena, &patterns, &err) < 0)
        return false;
    for (const struct json *p = json_first(patterns); p; p = json_next(p))
        if (json_string(p) && fnmatch(json_string(p), action, FNM_CASEFOLD | FNM_NOESCAPE) == 0)
            return true;
    return false;
}

int surroundings_authorize(struct arm_request *r, struct vk_err *err)
{
    struct surroundings *s = r->emulator->surroundings;
    size_t i = 0;

    while (i < VK_COUNT(needed_actions) &&
           !vk_streq(needed_actions[i].operation, r->route->operation))
        i++;
    if (i == VK_COUNT(needed_actions))
        return 0;
    s->used |= UINT64_C(1) << i;
    if (is_listed(s->actions, needed_actions[i].action) &&
        !is_listed(s->not_actions, needed_actions[i].action))
        return 0;
    return arm_error_set(err, 403, "AuthorizationFailed",
                         "The client '%s' with object id '%s' does not have authorization to "
                         "perform action '%s' over scope '%.150s' or the scope is invalid. If "
                         "access was recently granted, please refresh your credentials.",
                         r->emulator->options->client_id, r->emulator->options->client_id,
                         needed_actions[i].action, r->path);
}

int64_t surroundings_clock_skew_s(const struct surroundings *s)
{
    return s->clock_skew_s;
}

/* ---- answers ---- */

static void begin(struct vk_buf *out, struct json_writer *w)
{
    vk_buf_init(out, MAX_ANSWER);
    json_writer_init(w, out);
    json_begin_object(w, NULL);
}

static void finish(struct arm_request *r, struct json_writer *w)
{
    json_end_object(w);
    arm_reply_json(r, 200, vk_buf_str(w->out));
}

void surroundings_provider(struct arm_request *r)
{
    const struct emulator_options *o = r->emulator->options;
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    begin(&out, &w);
    json_put_string(&w, "id",
                    vk_arena_printf(r->arena,
                                    "/subscriptions/%s/providers/Microsoft.ContainerInstance",
                                    o->subscription));
    json_put_string(&w, "namespace", "Microsoft.ContainerInstance");
    json_put_string(&w, "registrationState", r->emulator->surroundings->registration_state);
    json_put_string(&w, "registrationPolicy", "RegistrationRequired");
    json_begin_array(&w, "resourceTypes");
    json_begin_object(&w, NULL);
    json_put_string(&w, "resourceType", "containerGroups");
    json_begin_array(&w, "locations");
    json_put_string(&w, NULL, o->location);
    json_end_array(&w);
    json_begin_array(&w, "apiVersions");
    json_put_string(&w, NULL, "2025-09-01");
    json_put_string(&w, NULL, "2023-05-01");
    json_end_array(&w);
    json_end_object(&w);
    json_end_array(&w);
    finish(r, &w);
}

void surroundings_permissions(struct arm_request *r)
{
    const struct surroundings *s = r->emulator->surroundings;
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    begin(&out, &w);
    json_begin_array(&w, "value");
    json_begin_object(&w, NULL);
    json_put_raw(&w, "actions", vk_str_of(s->actions));
    json_put_raw(&w, "notActions", vk_str_of(s->not_actions));
    json_put_raw(&w, "dataActions", VK_STR("[]"));
    json_put_raw(&w, "notDataActions", VK_STR("[]"));
    json_end_object(&w);
    json_end_array(&w);
    finish(r, &w);
}

static void write_delegation(const struct arm_request *r, struct json_writer *w)
{
    const struct surroundings *s = r->emulator->surroundings;

    if (vk_str_empty(s->delegation))
        return;
    json_begin_object(w, NULL);
    json_put_string(w, "name", "delegation");
    json_put_string(w, "id", vk_arena_printf(r->arena, "%s/delegations/delegation", r->path));
    json_put_string(w, "type", "Microsoft.Network/virtualNetworks/subnets/delegations");
    json_begin_object(w, "properties");
    json_put_string(w, "provisioningState", "Succeeded");
    json_put_string(w, "serviceName", s->delegation);
    json_put_raw(w, "actions", VK_STR("[\"Microsoft.Network/virtualNetworks/subnets/action\"]"));
    json_end_object(w);
    json_end_object(w);
}

void surroundings_subnet(struct arm_request *r)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    begin(&out, &w);
    json_put_string(&w, "name", r->container);
    json_put_string(&w, "id", r->path);
    json_put_string(&w, "type", "Microsoft.Network/virtualNetworks/subnets");
    json_begin_object(&w, "properties");
    json_put_string(&w, "provisioningState", "Succeeded");
    json_put_string(&w, "addressPrefix", "10.240.0.0/16");
    json_begin_array(&w, "delegations");
    write_delegation(r, &w);
    json_end_array(&w);
    json_end_object(&w);
    finish(r, &w);
}
