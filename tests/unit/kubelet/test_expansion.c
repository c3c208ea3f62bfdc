/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kubelet/pods/expansion.h"

static struct vk_str lookup(void *user, struct vk_str name)
{
    (void)user;
    if (vk_str_is(name, "A"))
        return VK_STR("one");
    if (vk_str_is(name, "EMPTY"))
        return VK_STR("");
    if (vk_str_is(name, "REF"))
        return VK_STR("$(A)");
    return (struct vk_str){0};
}

/* The cases are those that Kubernetes' own test has for each rule. */
static void follows_the_rules_of_kubernetes(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"", ""},
        {"plain", "plain"},
        {"$(A)", "one"},
        {"x$(A)y$(A)z", "xoneyonez"},
        {"$(EMPTY)", ""},
        {"$(NONE)", "$(NONE)"},
        {"$(NONE)$(A)", "$(NONE)one"},
        {"$(REF)", "$(A)"},
        {"$$(A)", "$(A)"},
        {"$$$(A)", "$one"},
        {"$$$$(A)", "$$(A)"},
        {"$$", "$"},
        {"$", "$"},
        {"a$", "a$"},
        {"$A", "$A"},
        {"$(A", "$(A"},
        {"$(", "$("},
        {"$()", "$()"},
        {"$)", "$)"},
        {"$(A))", "one)"},
        {"$($(A))", "$($(A))"},
        {"$ (A)", "$ (A)"},
        {"\xc3\xa4$(A)\xc3\xa4", "\xc3\xa4one\xc3\xa4"},
        {"$\xc3\xa4", "$\xc3\xa4"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vk_buf out VK_BUF_AUTO;

        vk_buf_init(&out, 1024);
        expansion_expand(vk_str_of(rows[i].in), lookup, NULL, &out);
        assert_false(out.failed);
        if (!vk_streq(vk_buf_peek(&out), rows[i].out))
            fail_msg("\"%s\" became \"%s\", not \"%s\"", rows[i].in, vk_buf_peek(&out),
                     rows[i].out);
    }
}

static void stops_at_the_limit(void **state)
{
    struct vk_buf out VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&out, 8);
    expansion_expand(VK_STR("$(A)$(A)$(A)"), lookup, NULL, &out);
    assert_true(out.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_rules_of_kubernetes),
        cmocka_unit_test(stops_at_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
