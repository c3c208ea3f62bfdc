/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/storage_accounts.h"

#include "tests/unit/emulator/emulator_world.h"

#define SHARES(account, key)                                                                       \
    GROUP("'volumes':[{'name':'data-volume','azureFile':{'shareName':'data',"                      \
          "'storageAccountName':'" account "','storageAccountKey':'" key "'}}],",                  \
          CONTAINER("c", "'volumeMounts':[{'name':'data-volume','mountPath':'/data'}],"))

static void a_named_account_opens_by_its_key_alone(void **state)
{
    struct storage_accounts *s = storage_accounts_new();
    struct vk_err err;

    (void)state;
    assert_true(storage_accounts_opens(s, "files", "anything"));
    assert_return_code(storage_accounts_parse(s, "files=a2V5==", &err), 0);
    assert_true(storage_accounts_opens(s, "files", "a2V5=="));
    assert_false(storage_accounts_opens(s, "files", "a2V5="));
    assert_false(storage_accounts_opens(s, "files", ""));
    assert_true(storage_accounts_opens(s, "files", NULL));
    assert_true(storage_accounts_opens(s, "others", "anything"));
    /* A key that was regenerated: the old one opens nothing any more. */
    assert_return_code(storage_accounts_set(s, "files", "bmV3", &err), 0);
    assert_true(storage_accounts_opens(s, "files", "bmV3"));
    assert_false(storage_accounts_opens(s, "files", "a2V5=="));
    storage_accounts_free(s);
    storage_accounts_free(NULL);
}

static void what_is_no_account_is_refused(void **state)
{
    static const char *const bad[] = {
        "",          "files",  "files=",       "=key",
        "Files=key", "fi=key", "my-files=key", "abcdefghijklmnopqrstuvwxy=key"};
    struct storage_accounts *s = storage_accounts_new();
    struct vk_err err;

    (void)state;
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        assert_true(storage_accounts_parse(s, bad[i], &err) < 0);
        assert_int_equal(err.code, VK_INVALID);
        assert_null(strstr(err.msg, "key'"));
    }
    storage_accounts_free(s);
}

static int control(struct world *w, const char *method, const char *body)
{
    char *text VK_AUTOFREE = body ? group_body(body) : NULL;

    return world_call(w, w->control, method, "/storage-accounts", text, NULL, NULL, 0);
}

static bool has_failed_mount(const struct world *w)
{
    const struct json *view = json_get(json_get(w->answer.body, "properties"), "instanceView");
    const struct json *event = json_first(json_get(view, "events"));

    return vk_streq(json_string_or(event, "name", ""), "FailedMount") &&
           vk_streq(json_string_or(event, "message", ""), "Failed to mount Azure File Volume.") &&
           vk_streq(json_string_or(event, "type", ""), "Warning");
}

static void a_wrong_key_leaves_the_group_pending_with_an_event(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(control(&w, "POST", "{'name':'files','key':'right'}"), 200);
    assert_int_equal(control(&w, "GET", NULL), 200);
    assert_string_equal(json_string(json_first(json_get(w.answer.body, "accounts"))), "files");
    assert_null(strstr(w.answer.text, "right"));
    assert_int_equal(world_arm(&w, "PUT", WORLD_GROUP("bad"), SHARES("files", "wrong")), 201);
    for (int i = 0; i < 500 && !has_failed_mount(&w); i++) {
        static const bool never;

        vk_loop_run_until(w.loop, &never, 10);
        assert_int_equal(world_arm(&w, "GET", WORLD_GROUP("bad"), NULL), 200);
    }
    assert_true(has_failed_mount(&w));
    assert_string_equal(world_text(&w, "properties", "provisioningState"), "Creating");
    assert_int_equal(world_arm(&w, "PUT", WORLD_GROUP("good"), SHARES("files", "right")), 201);
    world_await(&w, WORLD_GROUP("good"), "Running");
    assert_int_equal(world_arm(&w, "PUT", WORLD_GROUP("free"), SHARES("others", "any")), 201);
    world_await(&w, WORLD_GROUP("free"), "Running");
    /* It can be deleted while it waits. */
    assert_int_equal(world_arm(&w, "DELETE", WORLD_GROUP("bad"), NULL), 200);
    world_end(&w);
}

static void the_control_listener_refuses_what_is_no_account(void **state)
{
    struct world w;

    (void)state;
    world_begin(&w, NULL);
    assert_int_equal(control(&w, "POST", "{'name':'files'}"), 400);
    assert_int_equal(control(&w, "POST", "{'name':'F','key':'k'}"), 400);
    assert_int_equal(control(&w, "POST", "[]"), 400);
    assert_int_equal(control(&w, "GET", NULL), 200);
    assert_int_equal(json_len(json_get(w.answer.body, "accounts")), 0);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_named_account_opens_by_its_key_alone),
        cmocka_unit_test(what_is_no_account_is_refused),
        cmocka_unit_test(a_wrong_key_leaves_the_group_pending_with_an_event),
        cmocka_unit_test(the_control_listener_refuses_what_is_no_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
