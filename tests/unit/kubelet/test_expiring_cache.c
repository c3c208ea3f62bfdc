/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "kubelet/server/expiring_cache.h"

static size_t freed;

static void free_value(void *p)
{
    freed++;
    vk_free(p);
}

static int setup(void **state)
{
    freed = 0;
    vk_clock_freeze(1000, 0);
    *state = expiring_cache_new(3, free_value);
    return 0;
}

static int teardown(void **state)
{
    expiring_cache_free(*state);
    vk_clock_thaw();
    return 0;
}

static void put(struct expiring_cache *c, const char *key, int64_t ttl_ms)
{
    expiring_cache_put(c, key, vk_strdup(key), ttl_ms);
}

static void an_entry_is_there_until_its_time_has_come(void **state)
{
    struct expiring_cache *c = *state;

    put(c, "a", 100);
    assert_string_equal(expiring_cache_get(c, "a"), "a");
    assert_null(expiring_cache_get(c, "b"));
    vk_clock_advance(99);
    assert_non_null(expiring_cache_get(c, "a"));
    vk_clock_advance(1);
    assert_null(expiring_cache_get(c, "a"));
    assert_int_equal(freed, 1);
    assert_int_equal(expiring_cache_len(c), 0);
}

static void the_least_recently_used_goes_first(void **state)
{
    struct expiring_cache *c = *state;

    put(c, "a", 1000);
    put(c, "b", 1000);
    put(c, "c", 1000);
    assert_non_null(expiring_cache_get(c, "a"));
    put(c, "d", 1000);
    assert_int_equal(expiring_cache_len(c), 3);
    assert_null(expiring_cache_get(c, "b"));
    assert_non_null(expiring_cache_get(c, "a"));
    assert_non_null(expiring_cache_get(c, "c"));
    assert_non_null(expiring_cache_get(c, "d"));
}

static void a_second_put_replaces_the_first(void **state)
{
    struct expiring_cache *c = *state;

    put(c, "a", 100);
    expiring_cache_put(c, "a", vk_strdup("new"), 1000);
    assert_int_equal(freed, 1);
    vk_clock_advance(500);
    assert_string_equal(expiring_cache_get(c, "a"), "new");
    assert_int_equal(expiring_cache_len(c), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_entry_is_there_until_its_time_has_come),
        TEST(the_least_recently_used_goes_first),
        TEST(a_second_put_replaces_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
