/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "kubelet/streaming/terminal_size.h"

static const struct {
    const char *in, *sizes; /* columns x rows */
} cases[] = {
    {"{\"Width\":80,\"Height\":24}\n", "80x24 "},
    {"{\"Width\":80,\"Height\":24}{\"Width\":81,\"Height\":25}", "80x24 81x25 "},
    {" \n\t{ \"height\" : 3 , \"width\" : 65535, \"Other\":\"x\" }\r\n", "65535x3 "},
    {"{\"Width\":80}\n{\"Width\":0,\"Height\":1}\n{\"Width\":8,\"Height\":2}", "8x2 "},
    {"{\"Width\":65536,\"Height\":24}{\"Width\":80,\"Height\":24}", ""},
    {"{\"Width\":-1,\"Height\":24}{\"Width\":80,\"Height\":24}", ""},
    {"{\"Width\":\"80\",\"Height\":24}{\"Width\":80,\"Height\":24}", ""},
    {"garbage}{\"Width\":80,\"Height\":24}", ""},
    {"{\"Width\":80,", ""},
    {"", ""},
};

static void sizes_are_the_same_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_str whole = vk_str_of(cases[i].in);

        for (size_t split = 0; split <= whole.n; split++) {
            struct vk_str parts[] = {{whole.p, split}, {whole.p + split, whole.n - split}};
            struct terminal_size_reader r = {0};
            struct vk_buf got VK_BUF_AUTO;
            struct terminal_size size;

            vk_buf_init(&got, 1024);
            for (size_t p = 0; p < 2; p++)
                while (terminal_size_read(&r, &parts[p], &size))
                    vk_buf_printf(&got, "%ux%u ", size.columns, size.rows);
            assert_string_equal(vk_buf_peek(&got), cases[i].sizes);
        }
    }
}

static void object_without_end_is_given_up(void **state)
{
    struct terminal_size_reader r = {0};
    struct terminal_size size;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct vk_str in = VK_STR("[");

        assert_false(terminal_size_read(&r, &in, &size));
    }
    {
        struct vk_str in = VK_STR("}{\"Width\":80,\"Height\":24}");

        assert_false(terminal_size_read(&r, &in, &size));
        assert_int_equal(in.n, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_the_same_at_every_split),
        cmocka_unit_test(object_without_end_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
