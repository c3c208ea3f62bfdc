/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

#define KEYS 300

static void put_get_remove(void **state)
{
    struct vk_map *map = vk_map_new();
    char key[] = "key";
    int a = 1, b = 2;

    (void)state;
    assert_null(vk_map_get(map, "key"));
    assert_null(vk_map_remove(map, "key"));
    assert_null(vk_map_put(map, key, &a));
    key[0] = 'x'; /* the map has its own copy */
    assert_ptr_equal(vk_map_get(map, "key"), &a);
    assert_ptr_equal(vk_map_put(map, "key", &b), &a);
    assert_int_equal(vk_map_len(map), 1);
    assert_null(vk_map_put(map, "", &a));
    assert_ptr_equal(vk_map_get(map, ""), &a);
    assert_ptr_equal(vk_map_remove(map, "key"), &b);
    assert_null(vk_map_get(map, "key"));
    assert_int_equal(vk_map_len(map), 1);
    vk_map_free(map, NULL);
    vk_map_free(NULL, NULL);
}

/* Against a plain array as the model; removals leave tombstones that must neither hide nor leak. */
static void long_history_agrees_with_a_model(void **state)
{
    struct vk_map *map = vk_map_new();
    void *model[KEYS] = {0};
    static char values[7];
    uint32_t random = 12345;

    (void)state;
    for (int step = 0; step < 200000; step++) {
        unsigned i;
        char key[16];

        random = random * 1664525 + 1013904223;
        i = (random >> 8) % KEYS;
        snprintf(key, sizeof(key), "pod-%u", i);
        if ((random >> 24) % 2) {
            void *value = &values[(random >> 20) % 7];

            assert_ptr_equal(vk_map_put(map, key, value), model[i]);
            model[i] = value;
        } else {
            assert_ptr_equal(vk_map_remove(map, key), model[i]);
            model[i] = NULL;
        }
    }
    for (unsigned i = 0; i < KEYS; i++) {
        char key[16];

        snprintf(key, sizeof(key), "pod-%u", i);
        assert_ptr_equal(vk_map_get(map, key), model[i]);
    }
    vk_map_free(map, NULL);
}

static void iteration_meets_each_entry_once_even_when_it_removes(void **state)
{
    struct vk_map *map = vk_map_new();
    int counts[KEYS] = {0};
    const char *key;
    size_t it = 0;
    void *value;

    (void)state;
    for (int i = 0; i < KEYS; i++) {
        char name[16];

        snprintf(name, sizeof(name), "%d", i);
        vk_map_put(map, name, &counts[i]);
    }
    while (vk_map_next(map, &it, &key, &value)) {
        char copy[16];

        ++*(int *)value;
        snprintf(copy, sizeof(copy), "%s", key);
        assert_ptr_equal(vk_map_remove(map, copy), value);
    }
    for (int i = 0; i < KEYS; i++)
        assert_int_equal(counts[i], 1);
    assert_int_equal(vk_map_len(map), 0);
    it = 0;
    assert_false(vk_map_next(map, &it, NULL, NULL));
    vk_map_free(map, NULL);
}

static void free_releases_each_value(void **state)
{
    struct vk_map *map = vk_map_new();

    (void)state;
    for (int i = 0; i < 20; i++) {
        char *name VK_AUTOFREE = vk_asprintf("%d", i);

        vk_map_put(map, name, vk_strdup("value"));
    }
    vk_map_free(map, vk_free); /* the leak check of the sanitizer is the assertion */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_get_remove),
        cmocka_unit_test(long_history_agrees_with_a_model),
        cmocka_unit_test(iteration_meets_each_entry_once_even_when_it_removes),
        cmocka_unit_test(free_releases_each_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
