/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kubelet/server/authentication.h"

static const char *entries[] = {"O=system:masters", "CN=scraper"};
static const struct json_strs allowed = {entries, 2};

static void only_verified_peers_on_the_list_pass(void **state)
{
    static const struct {
        struct tls_peer peer;
        enum vk_code code;
    } table[] = {
        {{.verified = true, .organizations = {"system:masters"}, .organization_count = 1}, VK_OK},
        {{.verified = true, .organizations = {"a", "system:masters"}, .organization_count = 2},
         VK_OK},
        {{.verified = true, .common_name = "scraper"}, VK_OK},
        {{.verified = false, .organizations = {"system:masters"}, .organization_count = 1},
         VK_UNAUTHENTICATED},
        {{.verified = false}, VK_UNAUTHENTICATED},
        {{.verified = true, .common_name = "system:masters"}, VK_FORBIDDEN},
        {{.verified = true, .organizations = {"scraper"}, .organization_count = 1}, VK_FORBIDDEN},
        {{.verified = true, .organizations = {"system:master"}, .organization_count = 1},
         VK_FORBIDDEN},
        {{.verified = true, .organizations = {"System:Masters"}, .organization_count = 1},
         VK_FORBIDDEN},
        /* an entry behind the count is no organisation of the peer */
        {{.verified = true, .organizations = {"a", "system:masters"}, .organization_count = 1},
         VK_FORBIDDEN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct vk_err err = {0};
        int rc = authenticate(&table[i].peer, &allowed, &err);

        if (rc != -(int)table[i].code)
            fail_msg("row %zu: got %d, expected %d", i, rc, -(int)table[i].code);
    }
}

static void list_entries_name_what_they_match(void **state)
{
    static const char *const bad[] = {"system:masters", "O=", "CN=", "o=x", "", "OU=x"};
    struct vk_err err;

    (void)state;
    assert_int_equal(authentication_check_list(&allowed, &err), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *entry = bad[i];
        struct json_strs list = {&entry, 1};

        assert_int_equal(authentication_check_list(&list, &err), -VK_INVALID);
        assert_non_null(strstr(err.msg, "expected O="));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_verified_peers_on_the_list_pass),
        cmocka_unit_test(list_entries_name_what_they_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
