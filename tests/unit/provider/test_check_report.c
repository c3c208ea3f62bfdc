/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "provider/check_report.h"

static const char *const names[] = {"port", "long name", "quota"};

static struct check_report *sample(void)
{
    struct check_report *r = check_report_new(names, VK_COUNT(names));

    check_report_add(r, &(struct finding){FINDING_WARNING, "quota", "9 of 10", "ask for more"});
    check_report_add(r, &(struct finding){FINDING_OK, "port", "10250 is free", ""});
    check_report_add(r, &(struct finding){FINDING_FAILED, "quota", "said\n\033[31mno", "pay"});
    check_report_add(r, &(struct finding){FINDING_SKIPPED, "other", "not needed", ""});
    return r;
}

static void the_table_is_in_order_with_remedies(void **state)
{
    struct check_report *r = sample();
    struct vk_buf out VK_BUF_AUTO;

    (void)state;
    check_report_give_up(r, "no answer");
    vk_buf_init(&out, 4096);
    check_report_table(r, false, &out);
    assert_string_equal(vk_buf_peek(&out), "ok       port       10250 is free\n"
                                           "FAILED   long name  no answer\n"
                                           "                    -> see the checks above\n"
                                           "WARNING  quota      9 of 10\n"
                                           "                    -> ask for more\n"
                                           "FAILED   quota      said  [31mno\n"
                                           "                    -> pay\n"
                                           "skipped  other      not needed\n"
                                           "5 checks: 1 ok, 1 warnings, 2 failed, 1 skipped\n");
    check_report_free(r);
}

static void colour_stands_around_the_state_alone(void **state)
{
    struct check_report *r = check_report_new(names, VK_COUNT(names));
    struct vk_buf out VK_BUF_AUTO;

    (void)state;
    check_report_add(r, &(struct finding){FINDING_FAILED, "port", "taken", "move"});
    vk_buf_init(&out, 4096);
    check_report_table(r, true, &out);
    assert_string_equal(vk_buf_peek(&out), "\033[31mFAILED \033[0m  port  taken\n"
                                           "               -> move\n"
                                           "1 checks: 0 ok, 0 warnings, 1 failed, 0 skipped\n");
    check_report_free(r);
}

static void json_is_one_object(void **state)
{
    struct check_report *r = sample();
    struct vk_buf out VK_BUF_AUTO;

    (void)state;
    vk_buf_init(&out, 4096);
    check_report_json(r, &out);
    assert_string_equal(
        vk_buf_peek(&out),
        "{\"ok\":false,\"checks\":[{\"name\":\"port\",\"state\":\"ok\",\"detail\":\"10250 is "
        "free\"},{\"name\":\"quota\",\"state\":\"warning\",\"detail\":\"9 of 10\",\"remedy\":\"ask "
        "for more\"},{\"name\":\"quota\",\"state\":\"failed\",\"detail\":\"said\\n\\u001b[31mno\","
        "\"remedy\":\"pay\"},{\"name\":\"other\",\"state\":\"skipped\",\"detail\":\"not "
        "needed\"}]}\n");
    check_report_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_in_order_with_remedies),
        cmocka_unit_test(colour_stands_around_the_state_alone),
        cmocka_unit_test(json_is_one_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
