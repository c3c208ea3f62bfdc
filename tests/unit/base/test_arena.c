/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 16, 100, 1000, 1500, 3000, 40000, 70000, 200000, 1, 64};
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    unsigned char *pieces[VK_COUNT(sizes)];
    size_t total = 0;

    (void)state;
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        pieces[i] = vk_arena_alloc(arena, sizes[i]);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(pieces[i][j], 0);
        memset(pieces[i], (int)i + 1, sizes[i]);
        total += sizes[i];
    }
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(pieces[i][j], i + 1);
    }
    assert_int_equal(vk_arena_used(arena), total);
}

static void many_small_pieces_keep_their_content(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    char *texts[5000];

    (void)state;
    for (size_t i = 0; i < VK_COUNT(texts); i++)
        texts[i] = vk_arena_printf(arena, "text %zu", i);
    for (size_t i = 0; i < VK_COUNT(texts); i++) {
        char *expected VK_AUTOFREE = vk_asprintf("text %zu", i);

        assert_string_equal(texts[i], expected);
    }
}

static void pieces_behind_text_are_aligned_and_a_sized_arena_may_grow(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 4096, 100000};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(sizes); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new_sized(sizes[i]);
        char *texts[300];
        int64_t *numbers[300];

        for (size_t j = 0; j < VK_COUNT(texts); j++) {
            texts[j] = vk_arena_printf(arena, "%zu", j * 7);
            numbers[j] = vk_arena_alloc(arena, sizeof(**numbers));
            assert_int_equal((uintptr_t)numbers[j] % alignof(max_align_t), 0);
            *numbers[j] = (int64_t)j;
        }
        for (size_t j = 0; j < VK_COUNT(texts); j++) {
            char *expected VK_AUTOFREE = vk_asprintf("%zu", j * 7);

            assert_string_equal(texts[j], expected);
            assert_int_equal(*numbers[j], j);
        }
    }
}

static void strings_are_copied_and_terminated(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    char source[] = "abcdef";
    char *a = vk_arena_strdup(arena, source);
    char *b = vk_arena_strndup(arena, source, 3);
    char *c = vk_arena_str(arena, (struct vk_str){.p = source + 1, .n = 2});

    (void)state;
    memset(source, 'x', sizeof(source) - 1);
    assert_string_equal(a, "abcdef");
    assert_string_equal(b, "abc");
    assert_string_equal(c, "bc");
    assert_string_equal(vk_arena_strdup(arena, NULL), "");
    assert_string_equal(vk_arena_strndup(arena, "ab", 10), "ab");
    assert_string_equal(vk_arena_str(arena, (struct vk_str){0}), "");
}

static char order[8];

static void note(void *p)
{
    size_t n = strlen(order);

    order[n] = *(const char *)p;
    order[n + 1] = '\0';
}

static void cleanups_run_once_in_reverse_while_memory_lives(void **state)
{
    struct vk_arena *arena = vk_arena_new();

    (void)state;
    order[0] = '\0';
    vk_arena_on_free(arena, note, vk_arena_strdup(arena, "a"));
    vk_arena_on_free(arena, note, vk_arena_strdup(arena, "b"));
    vk_arena_on_free(arena, note, vk_arena_strdup(arena, "c"));
    assert_string_equal(order, "");
    vk_arena_free(arena);
    assert_string_equal(order, "cba");
    vk_arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(many_small_pieces_keep_their_content),
        cmocka_unit_test(pieces_behind_text_are_aligned_and_a_sized_arena_may_grow),
        cmocka_unit_test(strings_are_copied_and_terminated),
        cmocka_unit_test(cleanups_run_once_in_reverse_while_memory_lives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
