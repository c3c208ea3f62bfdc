/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/check_azure.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "aci/arm_resource.h"
#include "aci/azure_actions.h"
#include "aci/usages.h"
#include "base/alloc.h"
#include "base/url.h"
#include "provider/network.h"

/* Versions of what is not ACI's own. */
#define AUTHORIZATION_VERSION "2022-04-01"
#define RESOURCES_VERSION "2021-04-01"
#define NETWORK_VERSION "2023-09-01"
#define ACI_PROVIDER "Microsoft.ContainerInstance"
#define DELEGATION "Microsoft.ContainerInstance/containerGroups"
#define PERMISSIONS "/providers/Microsoft.Authorization/permissions"
#define MAX_TEXT 1024

#define NAME_CREDENTIALS "Azure credentials"
#define NAME_GROUP "resource group"
#define NAME_PERMISSIONS "Azure permissions"
#define NAME_PROVIDER "resource provider"
#define NAME_QUOTA "quota"
#define NAME_SUBNET "subnet"
#define NAME_SUBNET_PERMISSIONS "subnet permissions"
#define NAME_CLOCK "Azure clock"

struct subnet_check {
    struct check_azure *check;
    const char *id;
    struct arm_resource_call *subnet, *permissions;
};

struct check_azure {
    struct check_azure_config config;
    struct token_waiter *token;
    struct arm_resource_call *group, *permissions, *provider;
    struct usages_call *usages;
    struct subnet_check *subnets;
    size_t pending;
    bool has_told_clock;
};

static void tell(struct check_azure *c, enum finding_state state, const char *name,
                 const char *detail, const char *remedy)
{
    c->config.found(
        c->config.user,
        &(struct finding){.state = state, .name = name, .detail = detail, .remedy = remedy});
}

/* With the first answer that says the time, or when all is over. */
static void tell_clock(struct check_azure *c)
{
    int64_t ahead_ms = 0;
    const bool is_known = arm_client_clock_ahead_ms(c->config.arm, &ahead_ms);

    if (c->has_told_clock || (!is_known && c->pending))
        return;
    c->has_told_clock = true;
    finding_of_clock(NAME_CLOCK, "Azure", is_known, ahead_ms, c->config.found, c->config.user);
}

static void step_ended(struct check_azure *c)
{
    c->pending--;
    tell_clock(c);
    if (!c->pending)
        c->config.done(c->config.user);
}

/* ---- resource group ---- */

static void on_group(void *user, const struct json *body, const struct vk_err *err)
{
    struct check_azure *c = user;
    char *detail VK_AUTOFREE = NULL;

    (void)body;
    c->group = NULL;
    if (!err || err->code == VK_TOO_LARGE) {
        detail = vk_asprintf("%s, container groups can be read", c->config.resource_group);
        tell(c, FINDING_OK, NAME_GROUP, detail, "");
    } else if (vk_streq(err->reason, "SubscriptionNotFound")) {
        tell(c, FINDING_FAILED, NAME_GROUP, err->msg,
             "look at --subscription: an id of the tenant that gave the token");
    } else if (err->code == VK_NOT_FOUND) {
        detail = vk_asprintf("az group create --name %s --location %s, or name another one by "
                             "--resource-group",
                             c->config.resource_group, c->config.location);
        tell(c, FINDING_FAILED, NAME_GROUP, err->msg, detail);
    } else if (err->code == VK_FORBIDDEN) {
        tell(c, FINDING_FAILED, NAME_GROUP, err->msg,
             "assign the role of deploy/azure/role.json to the identity, on the resource group");
    } else if (vk_streq(err->reason, "NoRegisteredProviderFound")) {
        tell(c, FINDING_FAILED, NAME_GROUP, err->msg, "choose another --api-version");
    } else {
        tell(c, FINDING_FAILED, NAME_GROUP, err->msg,
             "look at --arm-endpoint and the way there: route, firewall, proxy");
    }
    step_ended(c);
}

/* ---- permissions ---- */

/* Appends the actions of that scope and need that the roles lack; returns how many. */
static size_t add_missing(const struct json *permissions, enum azure_scope scope,
                          enum azure_need need, struct vk_buf *out)
{
    size_t n = 0;

    for (size_t i = 0; i < azure_action_count; i++) {
        const struct azure_action *a = &azure_actions[i];

        if (a->scope != scope || a->need != need || azure_actions_allow(permissions, a->name))
            continue;
        vk_buf_printf(out, "%s%s (%s)", vk_buf_len(out) ? ", " : "", a->name, a->why);
        n++;
    }
    return n;
}

static void tell_permissions(struct check_azure *c, const char *name, enum azure_scope scope,
                             const struct json *body)
{
    const struct json *permissions = json_get(body, "value");
    const char *remedy = scope == AZURE_SUBNET
                             ? "assign the role of deploy/azure/subnet-role.json on the subnet"
                             : "assign the role of deploy/azure/role.json on the resource group";
    struct vk_buf missing VK_BUF_AUTO;
    char *detail VK_AUTOFREE = NULL;
    size_t required, partly;

    vk_buf_init(&missing, 4 * MAX_TEXT);
    required = add_missing(permissions, scope, AZURE_REQUIRED, &missing);
    partly = add_missing(permissions, scope, AZURE_PARTLY, &missing);
    detail = vk_asprintf("lacks %s", vk_buf_peek(&missing));
    if (required)
        tell(c, FINDING_FAILED, name, detail, remedy);
    else if (partly)
        tell(c, FINDING_WARNING, name, detail, remedy);
    else
        tell(c, FINDING_OK, name, "all that is needed", "");
}

static void tell_permissions_unknown(struct check_azure *c, const char *name,
                                     const struct vk_err *err)
{
    tell(c, err->code == VK_FORBIDDEN ? FINDING_WARNING : FINDING_FAILED, name, err->msg,
         err->code == VK_FORBIDDEN
             ? "to have this checked grant Microsoft.Authorization/permissions/read"
             : "see the check of the resource group");
}

static void on_permissions(void *user, const struct json *body, const struct vk_err *err)
{
    struct check_azure *c = user;

    c->permissions = NULL;
    if (err)
        tell_permissions_unknown(c, NAME_PERMISSIONS, err);
    else
        tell_permissions(c, NAME_PERMISSIONS, AZURE_RESOURCE_GROUP, body);
    step_ended(c);
}

/* ---- resource provider ---- */

/* "West Europe" and "westeurope" are one region. */
static bool is_same_region(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (*a == ' ')
            a++;
        while (*b == ' ')
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

/* An empty list says nothing. */
static bool has(const struct json *list, const char *text,
                bool (*is_same)(const char *, const char *))
{
    for (const struct json *item = json_first(list); item; item = json_next(item))
        if (is_same(json_string(item) ? json_string(item) : "", text))
            return true;
    return json_len(list) == 0;
}

static const struct json *find_groups_type(const struct json *provider)
{
    const struct json *type = json_first(json_get(provider, "resourceTypes"));

    while (type && !vk_strieq(json_string_or(type, "resourceType", ""), "containerGroups"))
        type = json_next(type);
    return type;
}

static void tell_provider(struct check_azure *c, const struct json *provider)
{
    const struct json *type = find_groups_type(provider);
    const char *state = json_string_or(provider, "registrationState", "unknown");
    char *detail VK_AUTOFREE = vk_asprintf(ACI_PROVIDER " is %s", state);
    char *remedy VK_AUTOFREE = NULL;

    if (!vk_strieq(state, "Registered")) {
        remedy = vk_asprintf("az provider register --namespace " ACI_PROVIDER " --subscription %s",
                             c->config.subscription);
        tell(c, FINDING_FAILED, NAME_PROVIDER, detail, remedy);
    } else if (!has(json_get(type, "locations"), c->config.location, is_same_region)) {
        vk_free(detail);
        detail = vk_asprintf("there are no container groups in region %s", c->config.location);
        tell(c, FINDING_FAILED, NAME_PROVIDER, detail,
             "choose another --location: az provider show --namespace " ACI_PROVIDER
             " --query \"resourceTypes[?resourceType=='containerGroups'].locations\"");
    } else if (!has(json_get(type, "apiVersions"), c->config.api_version, vk_strieq)) {
        vk_free(detail);
        detail = vk_asprintf("does not know API version %s", c->config.api_version);
        tell(c, FINDING_FAILED, NAME_PROVIDER, detail, "choose another --api-version");
    } else {
        vk_free(detail);
        detail = vk_asprintf("registered, region %s, API version %s", c->config.location,
                             c->config.api_version);
        tell(c, FINDING_OK, NAME_PROVIDER, detail, "");
    }
}

static void on_provider(void *user, const struct json *body, const struct vk_err *err)
{
    struct check_azure *c = user;

    c->provider = NULL;
    if (!err)
        tell_provider(c, body);
    else if (err->code == VK_FORBIDDEN)
        tell(c, FINDING_WARNING, NAME_PROVIDER, err->msg,
             "to have this checked grant Microsoft.Resources/subscriptions/providers/read on the "
             "subscription");
    else
        tell(c, FINDING_FAILED, NAME_PROVIDER, err->msg, "see the check of the resource group");
    step_ended(c);
}

/* ---- quota ---- */

static void tell_quota(struct check_azure *c, const struct json_array *usages)
{
    const struct usage *v = usages->v;
    enum finding_state state = FINDING_OK;
    char *remedy VK_AUTOFREE =
        vk_asprintf("ask for more: az quota, or a support request for Container Instances in %s",
                    c->config.location);
    struct vk_buf detail VK_BUF_AUTO;

    vk_buf_init(&detail, MAX_TEXT);
    for (size_t i = 0; i < usages->n; i++) {
        const int64_t left = v[i].limit - v[i].current;

        if (!vk_streq(v[i].name, "ContainerGroups") && !vk_streq(v[i].name, "StandardCores"))
            continue;
        vk_buf_printf(&detail, "%s%s %" PRId64 " of %" PRId64, vk_buf_len(&detail) ? ", " : "",
                      v[i].name, v[i].current, v[i].limit);
        if (left <= 0)
            state = FINDING_FAILED;
        else if (left < v[i].limit / 10 && state == FINDING_OK)
            state = FINDING_WARNING;
    }
    if (!vk_buf_len(&detail))
        tell(c, FINDING_SKIPPED, NAME_QUOTA, "Azure named no quota of container groups", "");
    else
        tell(c, state, NAME_QUOTA, vk_buf_peek(&detail), state == FINDING_OK ? "" : remedy);
}

static void on_usages(void *user, const struct json_array *usages, const struct vk_err *err)
{
    struct check_azure *c = user;

    c->usages = NULL;
    if (!err)
        tell_quota(c, usages);
    else if (err->code == VK_FORBIDDEN)
        tell(c, FINDING_WARNING, NAME_QUOTA, err->msg,
             "grant Microsoft.ContainerInstance/locations/usages/read on the subscription: without "
             "it the node offers what --cpu, --memory and --pods say");
    else
        tell(c, FINDING_FAILED, NAME_QUOTA, err->msg, "see the check of the resource group");
    step_ended(c);
}

/* ---- subnets ---- */

/* For messages: the last segment. */
static const char *short_name(const char *id)
{
    const char *slash = strrchr(id, '/');

    return slash ? slash + 1 : id;
}

static void tell_subnet(struct subnet_check *s, const struct json *body)
{
    const struct json *delegations = json_get(json_get(body, "properties"), "delegations");
    const char *other = NULL;
    char *detail VK_AUTOFREE = NULL;
    char *remedy VK_AUTOFREE =
        vk_asprintf("az network vnet subnet update --ids %s --delegations " DELEGATION, s->id);

    for (const struct json *d = json_first(delegations); d; d = json_next(d)) {
        other = json_string_or(json_get(d, "properties"), "serviceName", "");
        if (vk_strieq(other, DELEGATION)) {
            detail = vk_asprintf("%s is delegated to container groups", short_name(s->id));
            tell(s->check, FINDING_OK, NAME_SUBNET, detail, "");
            return;
        }
    }
    detail = other ? vk_asprintf("%s is delegated to %s", short_name(s->id), other)
                   : vk_asprintf("%s is not delegated", short_name(s->id));
    tell(s->check, FINDING_FAILED, NAME_SUBNET, detail, remedy);
}

static void on_subnet(void *user, const struct json *body, const struct vk_err *err)
{
    struct subnet_check *s = user;

    s->subnet = NULL;
    if (!err)
        tell_subnet(s, body);
    else if (err->code == VK_FORBIDDEN)
        tell(s->check, FINDING_WARNING, NAME_SUBNET, err->msg,
             "to have this checked grant Microsoft.Network/virtualNetworks/subnets/read");
    else
        tell(s->check, FINDING_FAILED, NAME_SUBNET, err->msg,
             "look at --subnet-id: az network vnet subnet list");
    step_ended(s->check);
}

static void on_subnet_permissions(void *user, const struct json *body, const struct vk_err *err)
{
    struct subnet_check *s = user;

    s->permissions = NULL;
    if (err)
        tell_permissions_unknown(s->check, NAME_SUBNET_PERMISSIONS, err);
    else
        tell_permissions(s->check, NAME_SUBNET_PERMISSIONS, AZURE_SUBNET, body);
    step_ended(s->check);
}

static void ask_subnet(struct check_azure *c, struct subnet_check *s)
{
    char *permissions VK_AUTOFREE = vk_asprintf("%s" PERMISSIONS, s->id);

    /* The check of the options has told it. */
    if (!network_is_subnet_id(s->id)) {
        tell(c, FINDING_SKIPPED, NAME_SUBNET, "--subnet-id names none", "");
        tell(c, FINDING_SKIPPED, NAME_SUBNET_PERMISSIONS, "--subnet-id names none", "");
        return;
    }
    c->pending += 2;
    s->subnet = arm_resource_get(c->config.arm, s->id, NETWORK_VERSION, "subnet", "the subnet",
                                 on_subnet, s);
    s->permissions =
        arm_resource_get(c->config.arm, permissions, AUTHORIZATION_VERSION, "permissions",
                         "permissions on the subnet", on_subnet_permissions, s);
}

static void ask_subnets(struct check_azure *c)
{
    if (!c->config.subnets.n) {
        tell(c, FINDING_SKIPPED, NAME_SUBNET, "without --subnet-id groups have no private address",
             "");
        tell(c, FINDING_SKIPPED, NAME_SUBNET_PERMISSIONS, "there is no subnet", "");
    }
    for (size_t i = 0; i < c->config.subnets.n; i++)
        ask_subnet(c, &c->subnets[i]);
}

/* ---- all of it ---- */

static void ask_all(struct check_azure *c)
{
    const struct check_azure_config *config = &c->config;
    struct vk_buf group VK_BUF_AUTO;
    char *path VK_AUTOFREE = NULL;

    vk_buf_init(&group, ARM_MAX_URL_BYTES);
    vk_buf_adds(&group, "/subscriptions/");
    url_encode(&group, vk_str_of(config->subscription));
    path = vk_asprintf("%s/providers/" ACI_PROVIDER, vk_buf_peek(&group));
    c->pending += 4;
    c->provider = arm_resource_get(config->arm, path, RESOURCES_VERSION, "provider",
                                   "the resource provider", on_provider, c);
    vk_buf_adds(&group, "/resourceGroups/");
    url_encode(&group, vk_str_of(config->resource_group));
    vk_free(path);
    path = vk_asprintf("%s/providers/" ACI_PROVIDER "/containerGroups", vk_buf_peek(&group));
    c->group =
        arm_resource_get(config->arm, path, NULL, "list", "the container groups", on_group, c);
    vk_buf_adds(&group, PERMISSIONS);
    c->permissions =
        arm_resource_get(config->arm, vk_buf_peek(&group), AUTHORIZATION_VERSION, "permissions",
                         "permissions on the resource group", on_permissions, c);
    c->usages = usages_get(config->arm, config->subscription, config->location, on_usages, c);
    ask_subnets(c);
}

static void on_token(void *user, struct vk_str token, const struct vk_err *err)
{
    static const char *const skipped[] = {NAME_GROUP, NAME_PERMISSIONS, NAME_PROVIDER,
                                          NAME_QUOTA, NAME_SUBNET,      NAME_SUBNET_PERMISSIONS};
    struct check_azure *c = user;

    (void)token;
    c->token = NULL;
    if (err) {
        tell(c, FINDING_FAILED, NAME_CREDENTIALS, err->msg,
             "look at the credentials (--tenant-id, --client-id and the secret, or the managed "
             "identity) and at the way to --authority-host or --imds-endpoint");
        for (size_t i = 0; i < VK_COUNT(skipped); i++)
            tell(c, FINDING_SKIPPED, skipped[i], "there is no token to ask with", "");
    } else {
        tell(c, FINDING_OK, NAME_CREDENTIALS, "a token for Azure Resource Manager was given", "");
        ask_all(c);
    }
    step_ended(c);
}

struct check_azure *check_azure_new(const struct check_azure_config *config)
{
    struct check_azure *c = vk_calloc(1, sizeof(*c));

    c->config = *config;
    c->subnets = vk_calloc(config->subnets.n + 1, sizeof(*c->subnets));
    for (size_t i = 0; i < config->subnets.n; i++)
        c->subnets[i] = (struct subnet_check){.check = c, .id = config->subnets.v[i]};
    c->pending = 1;
    c->token = token_source_get(config->tokens, on_token, c);
    return c;
}

void check_azure_free(struct check_azure *c)
{
    if (!c)
        return;
    token_waiter_cancel(c->token);
    arm_resource_cancel(c->group);
    arm_resource_cancel(c->permissions);
    arm_resource_cancel(c->provider);
    usages_cancel(c->usages);
    for (size_t i = 0; i < c->config.subnets.n; i++) {
        arm_resource_cancel(c->subnets[i].subnet);
        arm_resource_cancel(c->subnets[i].permissions);
    }
    vk_free(c->subnets);
    vk_free(c);
}
