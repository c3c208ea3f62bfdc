/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "aci/arm_error.h"
#include "base/alloc.h"

#define BODY(code) "{\"error\":{\"code\":\"" code "\",\"message\":\"why\"}}"

static void the_code_decides_what_a_refusal_means(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum vk_code code;
        const char *reason;
    } rows[] = {
        {409, BODY("ContainerGroupTransitioning"), VK_CONFLICT, "ContainerGroupTransitioning"},
        {409, BODY("RegistryErrorResponse"), VK_UNAVAILABLE, "RegistryErrorResponse"},
        {409, BODY("ServiceUnavailable"), VK_UNAVAILABLE, "ServiceUnavailable"},
        {409, BODY("ServiceAssociationLinkNotReady"), VK_UNAVAILABLE,
         "ServiceAssociationLinkNotReady"},
        {400, BODY("ContainerGroupQuotaReached"), VK_UNAVAILABLE, "ContainerGroupQuotaReached"},
        {409, BODY("ContainerGroupQuotaReached"), VK_UNAVAILABLE, "ContainerGroupQuotaReached"},
        {400, BODY("InaccessibleImage"), VK_UNAVAILABLE, "InaccessibleImage"},
        {400, BODY("InvalidOsType"), VK_INVALID, "InvalidOsType"},
        {400, BODY("InvalidContainerGroupUpdate"), VK_INVALID, "InvalidContainerGroupUpdate"},
        {409, BODY("InvalidResourceLocation"), VK_INVALID, "InvalidResourceLocation"},
        {409, BODY("MissingSubscriptionRegistration"), VK_UNAVAILABLE,
         "MissingSubscriptionRegistration"},
        {409, BODY("SomethingNew"), VK_CONFLICT, "SomethingNew"},
        {403, BODY("AuthorizationFailed"), VK_FORBIDDEN, "AuthorizationFailed"},
        {403, BODY("RequestDisallowedByPolicy"), VK_INVALID, "RequestDisallowedByPolicy"},
        {404, BODY("ResourceNotFound"), VK_NOT_FOUND, "ResourceNotFound"},
        {404, BODY("ContainerLogNotAvailable"), VK_NOT_FOUND, "ContainerLogNotAvailable"},
        {401, BODY("ExpiredAuthenticationToken"), VK_UNAUTHENTICATED, "ExpiredAuthenticationToken"},
        {429, BODY("TooManyRequests"), VK_THROTTLED, "TooManyRequests"},
        {413, "Request Entity Too Large", VK_TOO_LARGE, "HTTP413"},
        {500, BODY("InternalServerError"), VK_UNAVAILABLE, "InternalServerError"},
        {503, "", VK_UNAVAILABLE, "HTTP503"},
        {502, "<html>", VK_UNAVAILABLE, "HTTP502"},
        {400, "{\"code\":\"BadRequest\",\"message\":\"flat\"}", VK_INVALID, "BadRequest"},
        {400, "{\"error\":\"text\"}", VK_INVALID, "HTTP400"},
        {400, "[1]", VK_INVALID, "HTTP400"},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_err err;
        assert_true(arm_error_parse(&err, rows[i].status, vk_str_of(rows[i].body), 0) < 0);
        if (err.code != rows[i].code || !vk_streq(err.reason, rows[i].reason))
            fail_msg("row %zu: %s %s", i, vk_code_name(err.code), err.reason);
        assert_int_equal(err.http_status, rows[i].status);
        assert_true(err.msg[0] != '\0');
    }
}

static void a_throttling_message_names_the_wait_where_the_header_does_not(void **state)
{
    (void)state;
    const struct vk_str body = VK_STR(
        "{\"error\":{\"code\":\"ResourceRequestsThrottled\",\"message\":\"Number of requests "
        "exceeded. Please try again after '372' seconds.\"}}");
    struct vk_err err;
    (void)arm_error_parse(&err, 429, body, 0);
    assert_int_equal(err.retry_after_ms, 372000);
    (void)arm_error_parse(&err, 429, body, 5000);
    assert_int_equal(err.retry_after_ms, 5000);
}

static void a_missing_right_names_the_action_and_the_way_out(void **state)
{
    (void)state;
    static const struct {
        const char *body, *begin, *words;
    } rows[] = {
        {BODY("AuthorizationFailed"),
         "The identity lacks a right: assign it the role of deploy/azure on the resource group",
         "why"},
        {"{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"The client 'c' with object id "
         "'c' does not have authorization to perform action "
         "'Microsoft.ContainerInstance/containerGroups/write' over scope '/x' or the scope is "
         "invalid.\"}}",
         "The identity lacks the action Microsoft.ContainerInstance/containerGroups/write: assign "
         "it the role of deploy/azure on the resource group; Azure takes some minutes",
         "over scope '/x'"},
        {"{\"error\":{\"code\":\"LinkedAuthorizationFailed\",\"message\":\"The client 'c' has "
         "permission to perform action 'Microsoft.ContainerInstance/containerGroups/write' on "
         "scope '/x'; however, it does not have permission to perform action(s) "
         "'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked scope(s) '/y'.\"}}",
         "The identity lacks the action Microsoft.Network/virtualNetworks/subnets/join/action: "
         "assign it the role of deploy/azure on the subnet;",
         "on scope '/x'"},
        {"{\"error\":{\"code\":\"AuthorizationFailed\",\"message\":\"perform action 'X/y\"}}",
         "The identity lacks a right: ", "X/y"},
        {"{\"error\":{\"code\":\"AuthorizationFailed\"}}",
         "The identity lacks a right: ", "HTTP 403"},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_err err;
        (void)arm_error_parse(&err, 403, vk_str_of(rows[i].body), 0);
        assert_int_equal(err.code, VK_FORBIDDEN);
        if (!vk_starts(err.msg, rows[i].begin) || !strstr(err.msg, rows[i].words))
            fail_msg("row %zu: %s", i, err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_code_decides_what_a_refusal_means),
        cmocka_unit_test(a_throttling_message_names_the_wait_where_the_header_does_not),
        cmocka_unit_test(a_missing_right_names_the_action_and_the_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
