/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/sandbox_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"

static struct sandbox_net made(const char *cidr)
{
    struct sandbox_net net;
    struct vk_err err = {0};
    if (sandbox_net_init(&net, "aci1a2b3c", cidr, &err) < 0)
        fail_msg("%s: %s", cidr, err.msg);
    return net;
}

static void bad_ranges_are_refused(void **state)
{
    (void)state;
    static const char *const ranges[] = {
        "",           "10.0.0.0",  "10.0.0.0/",  "10.0.0.0/30", "10.0.0/16",
        "10.0.0.0/7", "fd00::/64", "10.0.0.0/x", "300.0.0.0/8", "10.0.0.0/16/1"};
    for (size_t i = 0; i < VK_COUNT(ranges); i++) {
        struct sandbox_net net;
        struct vk_err err = {0};
        if (sandbox_net_init(&net, "aci1a2b3c", ranges[i], &err) == 0)
            fail_msg("accepted %s", ranges[i]);
        assert_int_equal(err.code, VK_INVALID);
    }
}

static void addresses_are_unique_and_come_back_last(void **state)
{
    (void)state;
    struct sandbox_net net = made("10.244.0.9/29");
    struct vk_err err = {0};
    char ip[SANDBOX_IP_MAX];
    uint32_t index = 0;
    static const char *const expected[] = {"10.244.0.10", "10.244.0.11", "10.244.0.12",
                                           "10.244.0.13", "10.244.0.14"};
    for (size_t i = 0; i < VK_COUNT(expected); i++) {
        assert_int_equal(sandbox_net_take(&net, &index, &err), 0);
        sandbox_net_ip(&net, index, ip);
        assert_string_equal(ip, expected[i]);
    }
    index = 99;
    assert_true(sandbox_net_take(&net, &index, &err) < 0);
    assert_int_equal(err.code, VK_UNAVAILABLE);
    assert_int_equal(index, 99);
    sandbox_net_give_back(&net, 4);
    sandbox_net_give_back(&net, 2);
    assert_int_equal(sandbox_net_take(&net, &index, &err), 0);
    assert_int_equal(index, 2);
    sandbox_net_give_back(&net, 2);
    assert_int_equal(sandbox_net_take(&net, &index, &err), 0);
    assert_int_equal(index, 4);
    sandbox_net_release(&net);
}

static void device_names_fit_and_do_not_meet(void **state)
{
    (void)state;
    struct sandbox_net net = made("10.0.0.0/8");
    /* 0xb would be the name of a bridge called "b"; the last index is the longest name. */
    static const uint32_t indexes[] = {2, 0xb, 0xbb, 0xfffffe};
    for (size_t i = 0; i < VK_COUNT(indexes); i++) {
        struct vk_buf script VK_BUF_AUTO;
        vk_buf_init(&script, 4096);
        sandbox_net_remove_script(&net, indexes[i], &script);
        char device[64];
        assert_int_equal(sscanf(vk_buf_peek(&script), "link del %63s", device), 1);
        assert_true(strlen(device) < 16);
        assert_string_not_equal(device, "aci1a2b3cbr");
    }
    sandbox_net_release(&net);
}

static void scripts_name_what_they_make(void **state)
{
    (void)state;
    struct sandbox_net net = made("10.244.0.0/16");
    struct vk_buf script VK_BUF_AUTO;
    vk_buf_init(&script, 4096);
    sandbox_net_outer_script(&net, 300, &script);
    assert_string_equal(vk_buf_peek(&script),
                        "netns add aci1a2b3c-300\n"
                        "link add aci1a2b3c12c type veth peer name eth0 netns aci1a2b3c-300\n"
                        "link set aci1a2b3c12c master aci1a2b3cbr up\n");
    vk_buf_clear(&script);
    sandbox_net_inner_script(&net, 300, &script);
    assert_string_equal(vk_buf_peek(&script), "link set lo up\n"
                                              "addr add 10.244.1.44/16 dev eth0\n"
                                              "link set eth0 up\n"
                                              "route add default via 10.244.0.1\n");
    sandbox_net_release(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_ranges_are_refused),
        cmocka_unit_test(addresses_are_unique_and_come_back_last),
        cmocka_unit_test(device_names_fit_and_do_not_meet),
        cmocka_unit_test(scripts_name_what_they_make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
