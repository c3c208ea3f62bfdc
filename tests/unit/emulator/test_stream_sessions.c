/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "aci/emulator/stream_sessions.h"
#include "base/alloc.h"
#include "base/clock.h"

static struct stream_sessions *sessions;
static struct group group = {.uid = 7};
static char key[] = "burst/web";

static int set_up(void **state)
{
    (void)state;
    group.key = key;
    vk_clock_freeze(1000, 1000);
    sessions = stream_sessions_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stream_sessions_free(sessions);
    vk_clock_thaw();
    return 0;
}

static struct stream_session *add_exec(void)
{
    return stream_sessions_add(sessions, &group, "main", "/bin/sh", 24, 80);
}

static void session_is_good_for_one_connection(void **state)
{
    struct stream_session *s = add_exec(), *taken;
    char id[37];

    (void)state;
    assert_true(vk_strcpy_to(id, sizeof(id), s->id));
    taken = stream_sessions_take(sessions, STREAM_EXEC, id);
    assert_ptr_equal(taken, s);
    assert_string_equal(taken->group_key, "burst/web");
    assert_int_equal(taken->group_uid, 7);
    assert_string_equal(taken->container, "main");
    assert_string_equal(taken->program, "/bin/sh");
    assert_null(stream_sessions_take(sessions, STREAM_EXEC, id));
    assert_int_equal(stream_sessions_len(sessions), 0);
    stream_session_free(taken);
}

static void session_expires_after_a_minute(void **state)
{
    char early[37], late[37];
    struct stream_session *taken;

    (void)state;
    assert_true(vk_strcpy_to(early, sizeof(early), add_exec()->id));
    vk_clock_advance(1);
    assert_true(vk_strcpy_to(late, sizeof(late), add_exec()->id));
    vk_clock_advance(STREAM_SESSION_LIFETIME_MS - 1);
    assert_null(stream_sessions_take(sessions, STREAM_EXEC, early));
    taken = stream_sessions_take(sessions, STREAM_EXEC, late);
    assert_non_null(taken);
    stream_session_free(taken);
}

static void other_kind_or_unknown_id_opens_nothing(void **state)
{
    struct stream_session *exec = add_exec();
    struct stream_session *log = stream_sessions_add(sessions, &group, "main", NULL, 0, 0);

    (void)state;
    assert_int_equal(log->kind, STREAM_LOG);
    assert_null(stream_sessions_take(sessions, STREAM_LOG, exec->id));
    assert_null(stream_sessions_take(sessions, STREAM_EXEC, log->id));
    assert_null(stream_sessions_take(sessions, STREAM_EXEC, ""));
    assert_null(
        stream_sessions_take(sessions, STREAM_EXEC, "00000000-0000-4000-8000-000000000000"));
    assert_int_equal(stream_sessions_len(sessions), 2);
}

static void passwords_differ_and_every_byte_counts(void **state)
{
    struct stream_session *a = add_exec(), *b = add_exec();
    struct vk_str password = vk_secret_reveal(&a->password);
    char *wrong VK_AUTOFREE = vk_strndup(password.p, password.n);

    (void)state;
    assert_true(password.n >= 40);
    assert_true(vk_ends(wrong, "[[EOM]]"));
    assert_true(stream_session_accepts(a, password));
    assert_false(stream_session_accepts(b, password));
    assert_false(stream_session_accepts(a, VK_STR("")));
    assert_false(stream_session_accepts(a, (struct vk_str){.p = password.p, .n = password.n - 1}));
    for (size_t i = 0; i < password.n; i++) {
        wrong[i] ^= 1;
        assert_false(stream_session_accepts(a, vk_str_of(wrong)));
        wrong[i] ^= 1;
    }
}

static void too_many_are_refused_until_some_expire(void **state)
{
    (void)state;
    for (int i = 0; i < STREAM_SESSIONS_MAX; i++)
        assert_non_null(add_exec());
    assert_null(add_exec());
    vk_clock_advance(STREAM_SESSION_LIFETIME_MS);
    assert_non_null(add_exec());
    assert_int_equal(stream_sessions_len(sessions), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(session_is_good_for_one_connection),     TEST(session_expires_after_a_minute),
        TEST(other_kind_or_unknown_id_opens_nothing), TEST(passwords_differ_and_every_byte_counts),
        TEST(too_many_are_refused_until_some_expire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
