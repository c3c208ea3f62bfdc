/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

/* FIPS 180-4 examples. */
static void sha256_gives_the_published_digests(void **state)
{
    char hex[65];

    (void)state;
    crypto_sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypto_sha256_hex(NULL, 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4648 10. */
static const struct {
    const char *plain, *coded;
} vectors[] = {{"", ""},
               {"f", "Zg=="},
               {"fo", "Zm8="},
               {"foo", "Zm9v"},
               {"foob", "Zm9vYg=="},
               {"fooba", "Zm9vYmE="},
               {"foobar", "Zm9vYmFy"},
               {"\xfb\xff\xbe", "+/++"}};

static void base64_goes_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(vectors); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct vk_buf out VK_BUF_AUTO;
        struct vk_str back;

        /* The limit is the exact size: nothing more may be asked for. */
        vk_buf_init(&out, strlen(vectors[i].coded));
        crypto_base64(vk_str_of(vectors[i].plain), &out);
        assert_false(out.failed);
        assert_string_equal(vk_buf_peek(&out), vectors[i].coded);
        assert_true(crypto_base64_decode(vk_str_of(vectors[i].coded), arena, &back));
        assert_true(vk_str_is(back, vectors[i].plain));
        assert_int_equal(back.p[back.n], '\0');
    }
}

static void url_alphabet_has_no_padding(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf out VK_BUF_AUTO;
    struct vk_str back;

    (void)state;
    vk_buf_init(&out, 100);
    crypto_base64url(VK_STR("\xfb\xff\xbe"
                            "f"),
                     &out);
    assert_string_equal(vk_buf_peek(&out), "-_--Zg");
    assert_true(crypto_base64url_decode(VK_STR("-_--Zg"), arena, &back));
    assert_true(vk_str_is(back, "\xfb\xff\xbe"
                                "f"));
    assert_true(crypto_base64url_decode(VK_STR(""), arena, &back));
    assert_int_equal(back.n, 0);
    assert_false(crypto_base64url_decode(VK_STR("-_--Zg=="), arena, &back));
    assert_false(crypto_base64url_decode(VK_STR("+/++"), arena, &back));
    assert_false(crypto_base64url_decode(VK_STR("A"), arena, &back));
}

static void bad_base64_is_refused(void **state)
{
    static const char *const cases[] = {
        "Z",    "Zg",    "Zg=",      "Zg===", "=",         "==",    "====",
        "Z===", "Zm9v=", "Zm9v====", "Zm 9v", "Zm9v\n",    "Zm9\n", "Zm-_",
        "Zh==", "Zm9=",  "Zg==Zg==", "=Zg=",  "Z\xc3\xa9g"};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct vk_str back;

        if (crypto_base64_decode(vk_str_of(cases[i]), arena, &back))
            fail_msg("accepted: \"%s\"", cases[i]);
    }
}

static void large_inputs_are_coded_piece_by_piece(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    size_t n = ((size_t)3 << 20) * 2 + 1;
    struct vk_buf out VK_BUF_AUTO;
    char *plain VK_AUTOFREE = vk_malloc(n);
    struct vk_str back;

    (void)state;
    for (size_t i = 0; i < n; i++)
        plain[i] = (char)(i * 31 >> 3);
    vk_buf_init(&out, n * 2);
    crypto_base64((struct vk_str){.p = plain, .n = n}, &out);
    assert_int_equal(vk_buf_len(&out), (n + 2) / 3 * 4);
    assert_true(crypto_base64_decode(vk_buf_str(&out), arena, &back));
    assert_int_equal(back.n, n);
    assert_memory_equal(back.p, plain, n);
}

static void uuids_are_version_4_and_differ(void **state)
{
    char a[37], b[37];

    (void)state;
    for (int i = 0; i < 100; i++) {
        crypto_uuid4(a);
        crypto_uuid4(b);
        assert_string_not_equal(a, b);
        assert_int_equal(strlen(a), 36);
        assert_int_equal(a[14], '4');
        assert_non_null(strchr("89ab", a[19]));
        assert_int_equal(strspn(a, "0123456789abcdef-"), 36);
        assert_true(a[8] == '-' && a[13] == '-' && a[18] == '-' && a[23] == '-');
    }
}

static void equality_compares_length_and_bytes(void **state)
{
    (void)state;
    assert_true(crypto_equal(VK_STR("abc"), VK_STR("abc")));
    assert_true(crypto_equal(VK_STR(""), (struct vk_str){0}));
    assert_false(crypto_equal(VK_STR("abc"), VK_STR("abd")));
    assert_false(crypto_equal(VK_STR("abc"), VK_STR("ab")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_digests),
        cmocka_unit_test(base64_goes_both_ways),
        cmocka_unit_test(url_alphabet_has_no_padding),
        cmocka_unit_test(bad_base64_is_refused),
        cmocka_unit_test(large_inputs_are_coded_piece_by_piece),
        cmocka_unit_test(uuids_are_version_4_and_differ),
        cmocka_unit_test(equality_compares_length_and_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
