/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/arm_error.h"

#include "aci/azure_actions.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/json.h"

/* Codes whose meaning the HTTP status does not tell. */
static const struct {
    const char *code;
    enum vk_code meaning;
    const char *hint;
} known[] = {
    {"ContainerGroupTransitioning", VK_CONFLICT, NULL},
    {"RegistryErrorResponse", VK_UNAVAILABLE, NULL},
    {"ServiceUnavailable", VK_UNAVAILABLE, NULL},
    {"ServiceAssociationLinkNotReady", VK_UNAVAILABLE, NULL},
    {"ContainerGroupQuotaReached", VK_UNAVAILABLE, NULL},
    {"ContainerGroupDeploymentNotReady", VK_UNAVAILABLE, NULL},
    {"InaccessibleImage", VK_UNAVAILABLE, NULL},
    {"InternalServerError", VK_UNAVAILABLE, NULL},
    {"ServerTimeout", VK_UNAVAILABLE, NULL},
    {"GatewayTimeout", VK_UNAVAILABLE, NULL},
    {"MissingSubscriptionRegistration", VK_UNAVAILABLE,
     "run: az provider register --namespace Microsoft.ContainerInstance"},
    {"ContainerLogNotAvailable", VK_NOT_FOUND, NULL},
    {"ContainerNotFound", VK_NOT_FOUND, NULL},
    {"ResourceNotFound", VK_NOT_FOUND, NULL},
    {"ResourceGroupNotFound", VK_NOT_FOUND, NULL},
    {"SubscriptionNotFound", VK_NOT_FOUND, NULL},
    {"InvalidResourceLocation", VK_INVALID, NULL},
    {"AuthorizationFailed", VK_FORBIDDEN, NULL},
    {"LinkedAuthorizationFailed", VK_FORBIDDEN, NULL},
    {"RequestDisallowedByPolicy", VK_INVALID, NULL},
    {"SubscriptionRequestsThrottled", VK_THROTTLED, NULL},
    {"ResourceRequestsThrottled", VK_THROTTLED, NULL},
    {"TooManyRequests", VK_THROTTLED, NULL},
    {"ExpiredAuthenticationToken", VK_UNAUTHENTICATED, NULL},
    {"InvalidAuthenticationToken", VK_UNAUTHENTICATED, NULL},
    {"InvalidAuthenticationTokenAudience", VK_UNAUTHENTICATED,
     "the token's scope must be that of the cloud that --arm-endpoint names"},
    {"InvalidAuthenticationTokenTenant", VK_UNAUTHENTICATED,
     "AZURE_TENANT_ID must be the tenant of the subscription"},
};

/* ARM's throttling messages say "after '372' seconds" where the header may be missing. */
static int64_t seconds_in_message(const char *message)
{
    const char *at = message ? strstr(message, "again after '") : NULL;
    if (!at)
        return 0;
    const char *digits = at + strlen("again after '");
    int64_t seconds = 0;
    const struct vk_str number = {.p = digits, .n = strspn(digits, "0123456789")};
    return vk_str_int64(number, 1, 24ll * 3600, &seconds) ? seconds * 1000 : 0;
}

/*
 * The action that the caller lacks: the last "action 'X'" or "action(s) 'X'" of the message, since
 * LinkedAuthorizationFailed first names one that it has. NULL: none.
 */
static const char *lacking_action(const char *message, struct vk_arena *arena)
{
    const char *found = NULL;
    for (const char *at = message; (at = strstr(at, "action"));) {
        at += strlen("action");
        if (vk_starts(at, "(s)"))
            at += strlen("(s)");
        if (vk_starts(at, " '"))
            found = at + strlen(" '");
    }
    const char *end = found ? strchr(found, '\'') : NULL;
    return end ? vk_arena_strndup(arena, found, (size_t)(end - found)) : NULL;
}

static const char *scope_of(const char *action)
{
    for (size_t i = 0; i < azure_action_count; i++)
        if (vk_strieq(azure_actions[i].name, action))
            return azure_actions[i].scope == AZURE_SUBNET         ? "the subnet"
                   : azure_actions[i].scope == AZURE_SUBSCRIPTION ? "the subscription"
                                                                  : "the resource group";
    return "that scope";
}

/* The way out comes first: what Azure says is long, and the end of it says least. */
static const char *explain_right(const char *message, struct vk_arena *arena)
{
    const char *action = vk_str_empty(message) ? NULL : lacking_action(message, arena);
    return vk_arena_printf(arena,
                           "The identity lacks %s%s: assign it the role of deploy/azure on %s; "
                           "Azure takes some minutes to know. ",
                           action ? "the action " : "a right", action ? action : "",
                           action ? scope_of(action) : "the resource group");
}

int arm_error_parse(struct vk_err *err, int http_status, struct vk_str body, int64_t retry_after_ms)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root = NULL;
    struct vk_err ignored;
    if (json_parse(body, ARM_ERROR_MAX_BYTES, arena, &root, &ignored) < 0)
        root = NULL;
    const struct json *error = json_get(root, "error");
    if (!error)
        error = root;
    const char *code = json_string(json_get(error, "code"));
    const char *message = json_string(json_get(error, "message"));

    enum vk_code meaning = vk_code_of_http(http_status);
    const char *hint = NULL;
    for (size_t i = 0; code && i < VK_COUNT(known); i++) {
        if (vk_strieq(code, known[i].code)) {
            meaning = known[i].meaning;
            hint = known[i].hint;
        }
    }
    const bool is_right = code && (vk_strieq(code, "AuthorizationFailed") ||
                                   vk_strieq(code, "LinkedAuthorizationFailed"));
    const char *before = is_right ? explain_right(message, arena) : "";
    char status_word[24];
    (void)snprintf(status_word, sizeof(status_word), "HTTP%d", http_status);
    if (vk_str_empty(message))
        (void)vk_err_set(err, meaning, "%sAzure answered HTTP %d%s%s%s%s", before, http_status,
                         code ? " " : "", code ? code : "", hint ? "; " : "", hint ? hint : "");
    else
        (void)vk_err_set(err, meaning, "%s%s%s%s", before, message, hint ? " " : "",
                         hint ? hint : "");
    for (char *c = err->msg; *c; c++) {
        if ((unsigned char)*c < ' ')
            *c = ' ';
    }
    err->http_status = http_status;
    err->retry_after_ms = retry_after_ms;
    if (meaning == VK_THROTTLED && retry_after_ms == 0)
        err->retry_after_ms = seconds_in_message(message);
    return vk_err_reason(err, vk_str_empty(code) ? status_word : code);
}
