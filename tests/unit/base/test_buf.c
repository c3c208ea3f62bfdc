/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static void empty_buffer_shows_an_empty_text(void **state)
{
    struct vk_buf buf VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&buf, 10);
    assert_string_equal(vk_buf_peek(&buf), "");
    assert_int_equal(vk_buf_len(&buf), 0);
    vk_buf_consume(&buf, 0);
    vk_buf_add(&buf, NULL, 0);
    assert_string_equal(vk_buf_peek(&buf), "");
    assert_false(buf.failed);
}

static void appended_text_is_terminated(void **state)
{
    struct vk_buf buf VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&buf, 1000);
    vk_buf_adds(&buf, "a");
    vk_buf_addc(&buf, 'b');
    vk_buf_addstr(&buf, VK_STR("cd"));
    vk_buf_printf(&buf, "%d-%s", 42, "x");
    assert_string_equal(vk_buf_peek(&buf), "abcd42-x");
    assert_int_equal(vk_buf_len(&buf), 8);
    memcpy(vk_buf_reserve(&buf, 100), "yz", 2);
    vk_buf_commit(&buf, 2);
    assert_string_equal(vk_buf_peek(&buf), "abcd42-xyz");
}

static void over_the_limit_fails_and_stays_failed(void **state)
{
    struct vk_buf buf VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&buf, 4);
    vk_buf_adds(&buf, "abcd");
    assert_false(buf.failed);
    vk_buf_addc(&buf, 'e');
    assert_true(buf.failed);
    assert_string_equal(vk_buf_peek(&buf), "abcd");
    vk_buf_consume(&buf, 4);
    vk_buf_addc(&buf, 'f');
    assert_true(buf.failed);
    assert_int_equal(vk_buf_len(&buf), 0);
    vk_buf_clear(&buf);
    assert_false(buf.failed);
    assert_null(vk_buf_reserve(&buf, SIZE_MAX));
    assert_true(buf.failed);
    vk_buf_clear(&buf);
    vk_buf_printf(&buf, "%s", "too long");
    assert_true(buf.failed);
    assert_string_equal(vk_buf_peek(&buf), "");
}

/* The queue's content is checked against a counter, so any slip of a byte shows. */
static void queue_keeps_order_with_bounded_memory(void **state)
{
    struct vk_buf buf VK_BUF_AUTO;
    uint32_t in = 0, out = 0;

    (void)state;
    vk_buf_init(&buf, 4096);
    for (unsigned round = 0; round < 20000; round++) {
        unsigned add = round * 7 % 13, drop = round * 5 % 12;

        for (unsigned i = 0; i < add && vk_buf_len(&buf) + sizeof(in) <= 4096; i++, in++)
            vk_buf_add(&buf, &in, sizeof(in));
        for (unsigned i = 0; i < drop && vk_buf_len(&buf) >= sizeof(out); i++, out++) {
            uint32_t value;

            memcpy(&value, vk_buf_peek(&buf), sizeof(value));
            assert_int_equal(value, out);
            vk_buf_consume(&buf, sizeof(value));
        }
        assert_int_equal(vk_buf_len(&buf), (in - out) * sizeof(in));
        assert_int_equal(vk_buf_peek(&buf)[vk_buf_len(&buf)], '\0');
    }
    assert_false(buf.failed);
    assert_true(out > 50000);
    assert_true(buf.cap_ <= (size_t)4 * 4096);
}

static void take_detaches_the_unconsumed_text(void **state)
{
    struct vk_buf buf VK_BUF_AUTO;
    char *first VK_AUTOFREE = NULL;
    char *second VK_AUTOFREE = NULL;

    (void)state;
    vk_buf_init(&buf, 100);
    vk_buf_adds(&buf, "hello world");
    vk_buf_consume(&buf, 6);
    first = vk_buf_take(&buf);
    assert_string_equal(first, "world");
    assert_int_equal(vk_buf_len(&buf), 0);
    second = vk_buf_take(&buf);
    assert_string_equal(second, "");
    vk_buf_adds(&buf, "again");
    assert_string_equal(vk_buf_peek(&buf), "again");
}

static void secret_buffer_wipes_what_it_clears(void **state)
{
    struct vk_buf buf;
    const char *memory;

    (void)state;
    vk_buf_init_secret(&buf, 100000);
    vk_buf_adds(&buf, "password");
    memory = vk_buf_peek(&buf);
    vk_buf_clear(&buf);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(memory[i], 0);
    for (int i = 0; i < 9000; i++)
        vk_buf_adds(&buf, "0123456789");
    assert_int_equal(vk_buf_len(&buf), 90000);
    assert_memory_equal(vk_buf_peek(&buf) + 89990, "0123456789", 11);
    vk_buf_release_secret(&buf);
    assert_string_equal(vk_buf_peek(&buf), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_buffer_shows_an_empty_text),
        cmocka_unit_test(appended_text_is_terminated),
        cmocka_unit_test(over_the_limit_fails_and_stays_failed),
        cmocka_unit_test(queue_keeps_order_with_bounded_memory),
        cmocka_unit_test(take_detaches_the_unconsumed_text),
        cmocka_unit_test(secret_buffer_wipes_what_it_clears),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
