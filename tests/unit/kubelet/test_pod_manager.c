/* SPDX-License-Identifier: Apache-2.0 */
/* What a reflector tells, without one: the callbacks are called directly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "kubelet/pods/pod_manager.c"

struct log {
    struct pod_manager *m;
    struct vk_buf text; /* "+uid" initial, "~uid" changed, "-uid" removed, "!" synced */
};

static void on_test_changed(void *user, const struct pod *pod, bool initial)
{
    struct log *l = user;

    vk_buf_printf(&l->text, "%s%s ", initial ? "+" : "~", pod->meta.uid);
}

static void on_test_removed(void *user, const struct pod *pod)
{
    struct log *l = user;

    vk_buf_printf(&l->text, "-%s ", pod->meta.uid);
    assert_null(pod_manager_get(l->m, pod->meta.uid));
}

static void on_test_synced(void *user)
{
    struct log *l = user;

    vk_buf_adds(&l->text, "! ");
    assert_true(pod_manager_has_synced(l->m));
}

static const struct pod_manager_events test_events = {
    .changed = on_test_changed, .removed = on_test_removed, .synced = on_test_synced};

static int setup(void **state)
{
    struct log *l = vk_calloc(1, sizeof(*l));

    vk_buf_init(&l->text, 65536);
    l->m = pod_manager_new(NULL, NULL, "n", &test_events, l);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    struct log *l = *state;

    pod_manager_free(l->m);
    vk_buf_release(&l->text);
    vk_free(l);
    return 0;
}

static struct vk_str raw_pod(char *out, size_t size, const char *name, const char *uid,
                             const char *spec)
{
    snprintf(out, size,
             "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"d\",\"uid\":\"%s\"},\"spec\":%s}",
             name, uid, spec);
    return vk_str_of(out);
}

static int put(struct log *l, const char *name, const char *uid, const char *spec)
{
    char text[512];
    struct vk_err err;

    return on_upsert(l->m, raw_pod(text, sizeof(text), name, uid, spec), &err);
}

static void first_list_is_initial_then_synced(void **state)
{
    struct log *l = *state;

    on_list_begin(l->m);
    put(l, "a", "1", "{}");
    put(l, "b", "2", "{}");
    assert_false(pod_manager_has_synced(l->m));
    on_list_end(l->m);
    put(l, "a", "1", "{}");
    put(l, "c", "3", "{}");
    assert_string_equal(vk_buf_peek(&l->text), "+1 +2 ! ~1 ~3 ");
    assert_int_equal(pod_manager_len(l->m), 3);
    assert_string_equal(pod_manager_get_by_name(l->m, "d", "c")->meta.uid, "3");
    assert_null(pod_manager_get_by_name(l->m, "other", "c"));
}

static void list_without_a_pod_removes_it_and_syncs_once(void **state)
{
    struct log *l = *state;

    on_list_begin(l->m);
    put(l, "a", "1", "{}");
    put(l, "b", "2", "{}");
    on_list_end(l->m);
    on_list_begin(l->m);
    put(l, "b", "2", "{}");
    on_list_end(l->m);
    assert_string_equal(vk_buf_peek(&l->text), "+1 +2 ! ~2 -1 ");
}

static void broken_list_removes_nothing(void **state)
{
    struct log *l = *state;

    on_list_begin(l->m);
    put(l, "a", "1", "{}");
    put(l, "b", "2", "{}");
    on_list_end(l->m);
    vk_buf_clear(&l->text);
    on_list_begin(l->m);
    on_list_begin(l->m);
    put(l, "a", "1", "{}");
    put(l, "b", "2", "{}");
    on_list_end(l->m);
    assert_string_equal(vk_buf_peek(&l->text), "~1 ~2 ");
}

static void unreadable_pod_is_not_gone(void **state)
{
    struct log *l = *state;

    on_list_begin(l->m);
    put(l, "a", "1", "{}");
    on_list_end(l->m);
    vk_buf_clear(&l->text);
    on_list_begin(l->m);
    assert_true(put(l, "a", "1", "{\"containers\":7}") < 0);
    assert_true(put(l, "x", "9", "{\"containers\":7}") < 0);
    on_list_end(l->m);
    assert_string_equal(vk_buf_peek(&l->text), "");
    assert_non_null(pod_manager_get(l->m, "1"));
}

static void unreadable_deletion_still_removes(void **state)
{
    struct log *l = *state;
    char text[512];
    struct vk_err err;

    put(l, "a", "1", "{}");
    assert_int_equal(
        on_deleted(l->m, raw_pod(text, sizeof(text), "a", "1", "{\"containers\":7}"), &err), 0);
    assert_int_equal(on_deleted(l->m, raw_pod(text, sizeof(text), "z", "8", "{}"), &err), 0);
    assert_true(on_deleted(l->m, VK_STR("nonsense"), &err) < 0);
    assert_string_equal(vk_buf_peek(&l->text), "+1 -1 ");
}

static void name_belongs_to_the_newest_uid(void **state)
{
    struct log *l = *state;
    char text[512];
    struct vk_err err;

    put(l, "a", "1", "{}");
    put(l, "a", "2", "{}");
    assert_string_equal(pod_manager_get_by_name(l->m, "d", "a")->meta.uid, "2");
    assert_non_null(pod_manager_get(l->m, "1"));
    assert_int_equal(on_deleted(l->m, raw_pod(text, sizeof(text), "a", "1", "{}"), &err), 0);
    assert_string_equal(pod_manager_get_by_name(l->m, "d", "a")->meta.uid, "2");
    assert_int_equal(on_deleted(l->m, raw_pod(text, sizeof(text), "a", "2", "{}"), &err), 0);
    assert_null(pod_manager_get_by_name(l->m, "d", "a"));
}

static void pod_without_identity_is_refused(void **state)
{
    struct log *l = *state;
    struct vk_err err;

    assert_true(on_upsert(l->m, VK_STR("{\"metadata\":{\"name\":\"a\"},\"spec\":{}}"), &err) < 0);
    assert_true(on_upsert(l->m, VK_STR("{\"metadata\":{\"uid\":\"1\"},\"spec\":{}}"), &err) < 0);
    assert_int_equal(pod_manager_len(l->m), 0);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ONE(first_list_is_initial_then_synced), ONE(list_without_a_pod_removes_it_and_syncs_once),
        ONE(broken_list_removes_nothing),       ONE(unreadable_pod_is_not_gone),
        ONE(unreadable_deletion_still_removes), ONE(name_belongs_to_the_newest_uid),
        ONE(pod_without_identity_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
