/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"

static void durations_follow_go(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t ms;
    } cases[] = {
        {"0", true, 0},
        {"10s", true, 10000},
        {"1m30s", true, 90000},
        {"250ms", true, 250},
        {"1h2m3s4ms", true, 3723004},
        {"1.5s", true, 1500},
        {".5s", true, 500},
        {"1.s", true, 1000},
        {"1500us", true, 1},
        {"1500\xc2\xb5s", true, 1},
        {"999999ns", true, 0},
        {"-5s", true, -5000},
        {"+5s", true, 5000},
        {"0.0000001h", true, 0},
        {"1ms1s", true, 1001},
        {"2562047h", true, 9223369200000},
        {"", false, 0},
        {"10", false, 0},
        {"s", false, 0},
        {".s", false, 0},
        {"1x", false, 0},
        {"1 s", false, 0},
        {"1s ", false, 0},
        {"1sm", false, 0},
        {"-", false, 0},
        {"1d", false, 0},
        {"2562048h", false, 0},
        {"99999999999999999999s", false, 0},
        {"1e3s", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        int64_t ms = 4711;

        if (option_parse_duration(vk_str_of(cases[i].text), &ms) != cases[i].ok)
            fail_msg("\"%s\"", cases[i].text);
        assert_int_equal(ms, cases[i].ok ? cases[i].ms : 4711);
    }
}

static void environment_names_are_upper_case(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();

    (void)state;
    assert_string_equal(option_env_name("ACI_KUBELET", "node-ip", arena), "ACI_KUBELET_NODE_IP");
    assert_string_equal(option_env_name("X", "v", arena), "X_V");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_follow_go),
        cmocka_unit_test(environment_names_are_upper_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
