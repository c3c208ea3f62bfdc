/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static void text_comes_back_terminated(void **state)
{
    struct vk_secret s = {0};

    (void)state;
    assert_true(vk_secret_is_empty(&s));
    assert_int_equal(vk_secret_reveal(&s).n, 0);
    vk_secret_set(&s, "hunter2", 7);
    assert_false(vk_secret_is_empty(&s));
    assert_string_equal(vk_secret_reveal(&s).p, "hunter2");
    vk_secret_set(&s, vk_secret_reveal(&s).p + 3, 4); /* from itself */
    assert_string_equal(vk_secret_reveal(&s).p, "ter2");
    vk_secret_set(&s, NULL, 0);
    assert_true(vk_secret_is_empty(&s));
    vk_secret_release(&s);
    vk_secret_release(&s);
}

static void each_size_has_its_own_memory(void **state)
{
    static const size_t sizes[] = {1,    62,   63,   64,    65,    127,   128,
                                   1000, 4095, 4096, 16383, 16384, 20000, 1 << 20};
    struct vk_secret secrets[VK_COUNT(sizes)][3] = {0};
    char *text VK_AUTOFREE = vk_malloc(1 << 20);

    (void)state;
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < VK_COUNT(sizes); i++) {
            for (size_t j = 0; j < 3; j++) {
                memset(text, (int)(i * 3 + j + 1), sizes[i]);
                vk_secret_set(&secrets[i][j], text, sizes[i]);
            }
        }
        for (size_t i = 0; i < VK_COUNT(sizes); i++) {
            for (size_t j = 0; j < 3; j++) {
                struct vk_str s = vk_secret_reveal(&secrets[i][j]);

                assert_int_equal(s.n, sizes[i]);
                for (size_t k = 0; k < s.n; k++) {
                    if (s.p[k] != (char)(i * 3 + j + 1))
                        fail_msg("size %zu, byte %zu", sizes[i], k);
                }
                assert_int_equal(s.p[s.n], 0);
                if (round == 0 && j == 1)
                    vk_secret_release(&secrets[i][j]);
            }
        }
    }
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        for (size_t j = 0; j < 3; j++)
            vk_secret_release(&secrets[i][j]);
    }
}

/* Released pieces stay mapped, so the place can still be looked at: only the chain's link is there.
 */
static void release_wipes_the_text(void **state)
{
    struct vk_secret s = {0};
    const char *place;

    (void)state;
    vk_secret_set(&s, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 40);
    place = vk_secret_reveal(&s).p;
    vk_secret_release(&s);
    for (size_t i = sizeof(void *); i < 40; i++)
        assert_int_equal(place[i], 0);
}

static void arena_wipes_its_secrets(void **state)
{
    struct vk_arena *arena = vk_arena_new();
    struct vk_secret *s = vk_arena_secret(arena, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", 30);
    const char *place = vk_secret_reveal(s).p;

    (void)state;
    assert_string_equal(place, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
    vk_arena_free(arena);
    for (size_t i = sizeof(void *); i < 30; i++)
        assert_int_equal(place[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_back_terminated),
        cmocka_unit_test(each_size_has_its_own_memory),
        cmocka_unit_test(release_wipes_the_text),
        cmocka_unit_test(arena_wipes_its_secrets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
