/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"

struct item {
    int number;
    struct vk_list node;
};

static void order_is_that_of_adding(void **state)
{
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    struct vk_list head;
    int expected = 1;

    (void)state;
    vk_list_init(&head);
    assert_true(vk_list_is_empty(&head));
    vk_list_add_tail(&head, &items[1].node);
    vk_list_add_tail(&head, &items[2].node);
    vk_list_add_head(&head, &items[0].node);
    VK_LIST_FOREACH(it, &head)
    assert_int_equal(VK_LIST_ENTRY(it, struct item, node)->number, expected++);
    assert_int_equal(expected, 4);
}

static void current_node_may_leave_during_iteration(void **state)
{
    struct item items[5];
    struct vk_list head;
    int seen = 0;

    (void)state;
    vk_list_init(&head);
    for (size_t i = 0; i < VK_COUNT(items); i++) {
        vk_list_init(&items[i].node);
        assert_false(vk_list_is_linked(&items[i].node));
        vk_list_add_tail(&head, &items[i].node);
        assert_true(vk_list_is_linked(&items[i].node));
    }
    VK_LIST_FOREACH(it, &head)
    {
        vk_list_remove(it);
        assert_false(vk_list_is_linked(it));
        seen++;
    }
    assert_int_equal(seen, 5);
    assert_true(vk_list_is_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_that_of_adding),
        cmocka_unit_test(current_node_may_leave_during_iteration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
