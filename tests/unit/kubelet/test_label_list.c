/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kubelet/api/label_list.h"

#define N10 "0123456789"
#define N63 N10 N10 N10 N10 N10 N10 "012"
#define LABEL_61 N10 N10 N10 N10 N10 N10 "0"

static const struct {
    const char *text;
    const char *key, *value; /* NULL: refused */
} rows[] = {
    {"tier=burst", "tier", "burst"},
    {"tier", "tier", ""},
    {"tier=", "tier", ""},
    {"topology.kubernetes.io/zone=westeurope-1", "topology.kubernetes.io/zone", "westeurope-1"},
    {"a-b.c-d/E_f.g-H=I_j.k-L", "a-b.c-d/E_f.g-H", "I_j.k-L"},
    {N63 "=" N63, N63, N63},
    {N63 "0=x", NULL, NULL},
    {"x=" N63 "0", NULL, NULL},
    {LABEL_61 "." LABEL_61 "." LABEL_61 "." LABEL_61 ".01234/x=1",
     LABEL_61 "." LABEL_61 "." LABEL_61 "." LABEL_61 ".01234/x", "1"},
    {LABEL_61 "." LABEL_61 "." LABEL_61 "." LABEL_61 ".012345/x=1", NULL, NULL},
    {"", NULL, NULL},
    {"=x", NULL, NULL},
    {"/x=1", NULL, NULL},
    {"a/=1", NULL, NULL},
    {"a/b/c=1", NULL, NULL},
    {"A.b/c=1", NULL, NULL},
    {"a..b/c=1", NULL, NULL},
    {"a./c=1", NULL, NULL},
    {".a/c=1", NULL, NULL},
    {"-a/c=1", NULL, NULL},
    {"a-/c=1", NULL, NULL},
    {"a.-b/c=1", NULL, NULL},
    {"a-.b/c=1", NULL, NULL},
    {"-a=1", NULL, NULL},
    {"a_=1", NULL, NULL},
    {"a=-1", NULL, NULL},
    {"a=1.", NULL, NULL},
    {"a=b=c", NULL, NULL},
    {"a b=c", NULL, NULL},
    {"a=b c", NULL, NULL},
    {"t\xc3\xa4g=1", NULL, NULL},
};

static void each_label_is_taken_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const char *texts[] = {"first=1", rows[i].text};
        struct json_pairs labels;
        struct vk_err err;
        const int rc = label_list_parse(&(struct json_strs){texts, 2}, arena, &labels, &err);

        if (!rows[i].key) {
            if (rc == 0 || err.code != VK_INVALID || !strstr(err.msg, rows[i].text))
                fail_msg("row %zu: '%s' was not refused", i, rows[i].text);
            continue;
        }
        if (rc < 0)
            fail_msg("row %zu: %s", i, err.msg);
        assert_int_equal(labels.n, 2);
        assert_string_equal(labels.v[0].key, "first");
        assert_string_equal(labels.v[1].key, rows[i].key);
        assert_string_equal(labels.v[1].value, rows[i].value);
    }
}

static void a_key_that_comes_twice_is_refused(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *texts[] = {"a=1", "b=2", "a=3"};
    struct json_pairs labels;
    struct vk_err err;

    (void)state;
    assert_int_equal(label_list_parse(&(struct json_strs){texts, 3}, arena, &labels, &err),
                     -VK_INVALID);
    assert_string_equal(err.msg, "'a' is there twice");
}

static void no_list_is_no_label(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct json_pairs labels;
    struct vk_err err;

    (void)state;
    assert_int_equal(label_list_parse(&(struct json_strs){0}, arena, &labels, &err), 0);
    assert_int_equal(labels.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_label_is_taken_or_refused),
        cmocka_unit_test(a_key_that_comes_twice_is_refused),
        cmocka_unit_test(no_list_is_no_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
