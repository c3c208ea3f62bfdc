/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "aci/azure_actions.h"
#include "base/alloc.h"

#define READ "Microsoft.ContainerInstance/containerGroups/read"
#define LOGS "Microsoft.ContainerInstance/containerGroups/containers/logs/read"

/* The examples of Azure's documentation of role definitions, and edges. */
static const struct {
    const char *permissions, *action;
    bool allowed;
} cases[] = {
    {"[]", READ, false},
    {"[{\"actions\":[\"*\"]}]", READ, true},
    {"[{\"actions\":[\"*/read\"]}]", READ, true},
    {"[{\"actions\":[\"*/read\"]}]", "Microsoft.ContainerInstance/containerGroups/write", false},
    {"[{\"actions\":[\"microsoft.containerinstance/CONTAINERGROUPS/*\"]}]", LOGS, true},
    {"[{\"actions\":[\"Microsoft.ContainerInstance/containerGroups\"]}]", READ, false},
    {"[{\"actions\":[\"Microsoft.*/read*\"]}]", READ, true},
    {"[{\"actions\":[\"*/logs/*\"]}]", LOGS, true},
    {"[{\"actions\":[\"*/logs/*\"]}]", READ, false},
    {"[{\"actions\":[\"*\"],\"notActions\":[\"*/logs/read\"]}]", LOGS, false},
    /* What one role withholds another may give. */
    {"[{\"actions\":[\"*\"],\"notActions\":[\"*/logs/read\"]},{\"actions\":[\"*/read\"]}]", LOGS,
     true},
    {"[{\"dataActions\":[\"*\"]}]", READ, false},
    {"{}", READ, false},
};

static void roles_are_understood_as_azure_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const struct json *permissions;
        struct vk_err err;
        assert_int_equal(
            json_parse(vk_str_of(cases[i].permissions), 4096, arena, &permissions, &err), 0);
        if (azure_actions_allow(permissions, cases[i].action) != cases[i].allowed)
            fail_msg("%s: %s", cases[i].permissions, cases[i].action);
    }
    assert_false(azure_actions_allow(NULL, READ));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_are_understood_as_azure_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
