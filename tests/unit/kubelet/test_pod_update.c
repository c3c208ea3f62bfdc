/* SPDX-License-Identifier: Apache-2.0 */
/* What of a changed pod its group can't follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "kubelet/pods/pod_update.h"
#include "tests/unit/kubelet/fake_pod_changes.h"
#include "tests/unit/kubelet/memory_provider.h"

#define POD(labels, spec)                                                                          \
    "{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"u\",\"labels\":{" labels  \
    "},\"annotations\":{\"note\":\"1\"}},\"spec\":{" spec "}}"
#define CONTAINER(image, cpu)                                                                      \
    "{\"name\":\"c\",\"image\":\"" image "\",\"resources\":{\"requests\":{\"cpu\":\"" cpu "\"}}}"
#define CONTAINERS(image, cpu) "\"containers\":[" CONTAINER(image, cpu) "]"
#define INIT(image) "\"initContainers\":[" CONTAINER(image, "1") "],"
#define DEBUG(image) "\"ephemeralContainers\":[" CONTAINER(image, "1") "],"
#define VOLUME(kind) ",\"volumes\":[{\"name\":\"info\"," kind "}]"
#define ITEMS(field)                                                                               \
    "\"downwardAPI\":{\"items\":[{\"path\":\"x\",\"fieldRef\":{\"fieldPath\":\"" field "\"}}]}"
#define PROJECTED(source) "\"projected\":{\"sources\":[{" source "}]}"

static const struct {
    const char *before, *now;
    /* The beginning of each; NULL: nothing. */
    const char *image, *resources, *downward_api, *ephemeral;
} rows[] = {
    {POD("", CONTAINERS("a:1", "1")), POD("", CONTAINERS("a:1", "1")), NULL, NULL, NULL, NULL},
    {POD("", CONTAINERS("a:1", "1")),
     POD("", CONTAINERS("a:1", "1") ",\"activeDeadlineSeconds\":5,\"tolerations\":[{}]"), NULL,
     NULL, NULL, NULL},
    {POD("", CONTAINERS("a:1", "1")), POD("", CONTAINERS("a:2", "1")),
     "containers[c].image: a:1 goes on to run, not a:2", NULL, NULL, NULL},
    {POD("", INIT("a:1") CONTAINERS("b", "1")), POD("", INIT("a:2") CONTAINERS("b", "1")),
     "initContainers[c].image: a:1", NULL, NULL, NULL},
    {POD("", CONTAINERS("a:1", "1")), POD("", CONTAINERS("a:1", "2")), NULL,
     "containers[c].resources: infeasible", NULL, NULL},
    {POD("", CONTAINERS("a:1", "1")), POD("\"x\":\"y\"", CONTAINERS("a:1", "1")), NULL, NULL, NULL,
     NULL},
    {POD("\"x\":\"y\"", CONTAINERS("a:1", "1") VOLUME(ITEMS("metadata.labels"))),
     POD("\"x\":\"z\"", CONTAINERS("a:1", "1") VOLUME(ITEMS("metadata.labels"))), NULL, NULL,
     "metadata.labels: volume info goes on", NULL},
    {POD("\"x\":\"y\"", CONTAINERS("a:1", "1") VOLUME(ITEMS("metadata.annotations"))),
     POD("\"x\":\"z\"", CONTAINERS("a:1", "1") VOLUME(ITEMS("metadata.annotations"))), NULL, NULL,
     NULL, NULL},
    {POD("\"x\":\"y\"", CONTAINERS("a:1", "1") VOLUME(PROJECTED(ITEMS("metadata.labels['x']")))),
     POD("", CONTAINERS("a:1", "1") VOLUME(PROJECTED(ITEMS("metadata.labels['x']")))), NULL, NULL,
     "metadata.labels: volume info goes on", NULL},
    {POD("", DEBUG("a") CONTAINERS("b", "1")), POD("", DEBUG("a") CONTAINERS("b", "1")), NULL, NULL,
     NULL, NULL},
    {POD("", CONTAINERS("b", "1")), POD("", DEBUG("a") CONTAINERS("b", "1")), NULL, NULL, NULL,
     "ephemeralContainers[c]: it is not started"},
};

static void check(size_t row, const char *text, const char *expected)
{
    if (!text != !expected || (text && !vk_starts(text, expected)))
        fail_msg("row %zu: %s, not %s", row, text ? text : "nothing",
                 expected ? expected : "nothing");
}

static void what_the_group_can_not_follow_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct pod *before, *now;
        struct pod_update u;
        struct vk_err err;

        assert_int_equal(pod_parse(vk_str_of(rows[i].before), &before, &err), 0);
        assert_int_equal(pod_parse(vk_str_of(rows[i].now), &now, &err), 0);
        pod_update_between(before, now, arena, &u);
        check(i, u.image, rows[i].image);
        check(i, u.resources, rows[i].resources);
        check(i, u.downward_api, rows[i].downward_api);
        check(i, u.ephemeral, rows[i].ephemeral);
        pod_unref(before);
        pod_unref(now);
    }
}

#define SPEC_IMAGE(policy, image)                                                                  \
    "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"" policy                                        \
    "\",\"containers\":[{\"name\":\"c\",\"image\":\"" image "\"}]}"

/* The platform's update. */
static struct {
    size_t calls, fail;
    bool hold;
    char image[32];
    struct vk_err error;
    struct vk_timer timer;
    provider_done_fn done;
    void *user;
} updates;

static void on_update_ended(void *user)
{
    (void)user;
    const bool fails = updates.fail > 0;

    updates.fail -= fails;
    updates.done(updates.user, fails ? &updates.error : NULL);
}

static void update(void *user, struct resolved_pod *pod, provider_done_fn done, void *done_user)
{
    struct memory_provider *p = user;

    updates.calls++;
    vk_strcpy_to(updates.image, sizeof(updates.image), pod->containers[0].spec->image);
    updates.done = done;
    updates.user = done_user;
    resolved_pod_free(pod);
    vk_timer_init(&updates.timer, p->loop, "update", on_update_ended, NULL);
    if (!updates.hold)
        vk_timer_arm(&updates.timer, 0);
}

static struct world *world_that_updates(const char *spec, struct fake_pod **ret)
{
    static struct provider_ops ops;
    struct world *w = world_new();

    memset(&updates, 0, sizeof(updates));
    ops = memory_ops;
    ops.update_pod = update;
    w->provider.ops = &ops;
    w->memory.run_at_once = true;
    pods_start(w->pods);
    *ret = fake_add(&w->api, "web", "uid-1", spec, NULL);
    FAKE_EVENTUALLY(&w->api, vk_streq(world_status(w, "web", "phase"), "Running"));
    return w;
}

static void settle(struct world *w)
{
    const bool never = false;

    for (int i = 0; i < 30; i++)
        (void)vk_loop_run_until(w->api.loop, &never, 2);
}

static void a_platform_that_can_not_is_told_of(void **state)
{
    struct world *w = world_new();
    struct fake_pod *p;

    (void)state;
    w->memory.run_at_once = true;
    pods_start(w->pods);
    p = fake_add(&w->api, "web", "uid-1", SPEC_ALWAYS, NULL);
    FAKE_EVENTUALLY(&w->api, vk_streq(world_status(w, "web", "phase"), "Running"));
    fake_set_spec(&w->api, p, SPEC_IMAGE("Always", "app:2"));
    FAKE_EVENTUALLY(&w->api, world_told(w, "ImageNotUpdated: containers[c].image: app:1 goes on"));
    assert_int_equal(w->memory.creates, 1);
    assert_int_equal(vk_map_len(w->memory.groups), 1);
    world_free(w);
}

static void a_new_image_is_one_update(void **state)
{
    struct fake_pod *p;
    struct world *w = world_that_updates(SPEC_IMAGE("Always", "app:1"), &p);

    (void)state;
    settle(w);
    assert_int_equal(updates.calls, 0);
    fake_set_spec(&w->api, p, SPEC_IMAGE("Always", "app:2"));
    FAKE_EVENTUALLY(&w->api, world_told(w, "ImagesUpdated: "));
    assert_string_equal(updates.image, "app:2");
    /* What the platform goes on to show for a while is no reason for another one. */
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    settle(w);
    assert_int_equal(updates.calls, 1);
    assert_int_equal(w->memory.creates, 1);
    world_free(w);
}

static void an_image_that_changes_again_meanwhile_is_another_update(void **state)
{
    struct fake_pod *p;
    struct world *w = world_that_updates(SPEC_IMAGE("Always", "app:1"), &p);

    (void)state;
    updates.hold = true;
    fake_set_spec(&w->api, p, SPEC_IMAGE("Always", "app:2"));
    FAKE_EVENTUALLY(&w->api, updates.calls == 1);
    fake_set_spec(&w->api, p, SPEC_IMAGE("Always", "app:3"));
    settle(w);
    updates.hold = false;
    vk_timer_arm(&updates.timer, 0);
    FAKE_EVENTUALLY(&w->api, updates.calls == 2);
    settle(w);
    assert_string_equal(updates.image, "app:3");
    assert_int_equal(updates.calls, 2);
    world_free(w);
}

static void errors_decide_whether_it_is_tried_again(void **state)
{
    static const struct {
        enum vk_code code;
        const char *reason, *told;
        size_t calls;
    } errors[] = {
        {VK_UNAVAILABLE, "", "FailedUpdatePod: no", 3},
        {VK_CONFLICT, "", "ImagesUpdated: ", 3},
        {VK_INVALID, PROVIDER_REASON_IMAGE, "Failed: no", 3},
        {VK_INVALID, "", "ImageNotUpdated: no", 1},
        {VK_FORBIDDEN, "", "FailedUpdatePod: no", 1},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(errors); i++) {
        struct fake_pod *p;
        struct world *w = world_that_updates(SPEC_IMAGE("Always", "app:1"), &p);

        (void)vk_err_set(&updates.error, errors[i].code, "no");
        (void)vk_err_reason(&updates.error, errors[i].reason);
        updates.fail = 2;
        fake_set_spec(&w->api, p, SPEC_IMAGE("Always", "app:2"));
        FAKE_EVENTUALLY(&w->api, updates.calls == errors[i].calls);
        FAKE_EVENTUALLY(&w->api, world_told(w, errors[i].told));
        settle(w);
        assert_int_equal(updates.calls, errors[i].calls);
        assert_string_equal(world_status(w, "web", "phase"), "Running");
        world_free(w);
    }
}

static void the_next_process_looks_whether_it_was_done(void **state)
{
    struct fake_pod *p;
    struct world *w = world_that_updates(SPEC_IMAGE("Always", "app:1"), &p);

    (void)state;
    world_stop_pods(w);
    fake_set_spec(&w->api, p, SPEC_IMAGE("Always", "app:2"));
    world_start_pods(w);
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    pods_start(w->pods);
    FAKE_EVENTUALLY(&w->api, updates.calls == 1);
    settle(w);
    assert_int_equal(updates.calls, 1);
    assert_string_equal(updates.image, "app:2");
    assert_int_equal(w->memory.creates, 1);
    world_free(w);
}

static void what_has_ended_for_good_is_not_run_again(void **state)
{
    struct fake_pod *p;
    struct world *w = world_that_updates(SPEC_IMAGE("Never", "app:1"), &p);

    (void)state;
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_TERMINATED, 0);
    settle(w);
    fake_set_spec(&w->api, p, SPEC_IMAGE("Never", "app:2"));
    FAKE_EVENTUALLY(&w->api, world_told(w, "ImageNotUpdated: the image was changed, but"));
    settle(w);
    assert_int_equal(updates.calls, 0);
    world_free(w);
}

static void deletion_does_not_wait_for_an_update(void **state)
{
    struct fake_pod *p;
    struct world *w = world_that_updates(SPEC_IMAGE("Always", "app:1"), &p);

    (void)state;
    updates.hold = true;
    fake_set_spec(&w->api, p, SPEC_IMAGE("Always", "app:2"));
    FAKE_EVENTUALLY(&w->api, updates.calls == 1);
    fake_begin_deletion(&w->api, p);
    FAKE_EVENTUALLY(&w->api, w->memory.deletes == 1);
    /* Nor is it begun again by what becomes of the pod meanwhile. */
    w->memory.hold_delete = true;
    fake_send_event(&w->api, "MODIFIED", p);
    settle(w);
    assert_int_equal(w->memory.deletes, 1);
    vk_timer_arm(&updates.timer, 0);
    FAKE_EVENTUALLY(&w->api, world_workers(w) == 0);
    assert_int_equal(updates.calls, 1);
    world_free(w);
}

static void a_lost_group_does_not_wait_for_an_update(void **state)
{
    struct fake_pod *p;
    struct world *w = world_that_updates(SPEC_IMAGE("Always", "app:1"), &p);

    (void)state;
    (void)vk_err_set(&updates.error, VK_UNAVAILABLE, "no");
    updates.error.retry_after_ms = 3600000;
    updates.fail = 1;
    fake_set_spec(&w->api, p, SPEC_IMAGE("Always", "app:2"));
    FAKE_EVENTUALLY(&w->api, world_told(w, "FailedUpdatePod: no"));
    memory_lose(&w->memory, "web", "uid-1");
    FAKE_EVENTUALLY(&w->api, w->memory.creates == 2);
    settle(w);
    assert_int_equal(updates.calls, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_group_can_not_follow_is_named),
        cmocka_unit_test(a_platform_that_can_not_is_told_of),
        cmocka_unit_test(a_new_image_is_one_update),
        cmocka_unit_test(an_image_that_changes_again_meanwhile_is_another_update),
        cmocka_unit_test(errors_decide_whether_it_is_tried_again),
        cmocka_unit_test(the_next_process_looks_whether_it_was_done),
        cmocka_unit_test(what_has_ended_for_good_is_not_run_again),
        cmocka_unit_test(deletion_does_not_wait_for_an_update),
        cmocka_unit_test(a_lost_group_does_not_wait_for_an_update),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
