/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/fake_pods_api.h"

#include "kubelet/pods/status_manager.c"

#define RUN_UNTIL(f, condition) FAKE_EVENTUALLY(&(f)->api, condition)
#define SPEC "{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}"

struct fixture {
    struct vk_loop *loop;
    struct fake_api api;
    struct status_manager *m;
    size_t written;
};

static void on_written(void *user, const char *uid)
{
    struct fixture *f = user;

    assert_true(status_manager_is_written(f->m, uid));
    f->written++;
}

static int setup(void **state)
{
    static const char *ips[] = {"10.240.0.2"};
    struct fixture *f = vk_calloc(1, sizeof(*f));

    f->loop = vk_loop_new();
    fake_api_init(&f->api, f->loop);
    f->m = status_manager_new(f->loop, &(struct status_manager_config){.client = f->api.rest,
                                                                       .node_ips = {ips, 1},
                                                                       .written = on_written,
                                                                       .user = f});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    status_manager_free(f->m);
    fake_api_release(&f->api);
    vk_loop_free(f->loop);
    vk_free(f);
    return 0;
}

static size_t in_flight(const struct fixture *f)
{
    return f->m->in_flight[LANE_NEWS] + f->m->in_flight[LANE_MINOR];
}

/* What the watch would bring of the API server's pod. */
static struct pod *seen(const struct fake_pod *p)
{
    struct vk_buf text VK_BUF_AUTO;
    struct json_writer w;
    struct pod *pod = NULL;
    struct vk_err err;

    vk_buf_init(&text, FAKE_LIMIT);
    json_writer_init(&w, &text);
    fake_write_pod(&w, NULL, p);
    if (pod_parse(vk_buf_str(&text), &pod, &err) < 0)
        fail_msg("%s", err.msg);
    return pod;
}

static void set_phase_of(struct fixture *f, const struct fake_pod *p, const char *phase)
{
    struct pod *pod = seen(p);

    status_manager_set(f->m, pod, &(struct pod_status){.phase = phase});
    pod_unref(pod);
}

static void observe(struct fixture *f, const struct fake_pod *p)
{
    struct pod *pod = seen(p);

    status_manager_observe(f->m, pod);
    pod_unref(pod);
}

static void latest_status_wins_with_one_patch_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    set_phase_of(f, p, "Pending");
    set_phase_of(f, p, "Running");
    set_phase_of(f, p, "Unknown");
    set_phase_of(f, p, "Succeeded");
    assert_int_equal(in_flight(f), 1);
    assert_false(status_manager_is_written(f->m, "1"));
    RUN_UNTIL(f, f->written == 1);
    assert_int_equal(f->api.patches, 2);
    assert_non_null(strstr(p->status, "\"Succeeded\""));
}

static void acknowledged_status_is_not_written_again_by_an_old_event(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);
    struct pod *old = seen(p);

    set_phase_of(f, p, "Running");
    RUN_UNTIL(f, f->written == 1);
    /* The watch is behind: it brings what was there before our patch, then our patch. */
    status_manager_observe(f->m, old);
    observe(f, p);
    assert_true(status_manager_is_written(f->m, "1"));
    assert_int_equal(in_flight(f), 0);
    assert_int_equal(f->api.patches, 1);
    pod_unref(old);
}

static void many_pods_are_written_64_at_a_time(void **state)
{
    struct fixture *f = *state;
    size_t most = 0;

    for (int i = 0; i < 200; i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%d", i);
        set_phase_of(f, fake_add(&f->api, name, name, SPEC, NULL), "Running");
        most = in_flight(f) > most ? in_flight(f) : most;
    }
    assert_int_equal(most, 64);
    RUN_UNTIL(f, f->written == 200);
    assert_int_equal(in_flight(f), 0);
}

/* As after the acceptance of a pod: the platform said nothing yet. */
static void accept_pod(struct fixture *f, const struct fake_pod *p)
{
    set_phase_of(f, p, NULL);
}

static void first_words_of_a_burst_are_overtaken_by_news(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 200; i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%d", i);
        accept_pod(f, fake_add(&f->api, name, name, SPEC, NULL));
    }
    assert_int_equal(f->m->in_flight[LANE_MINOR], 4);
    assert_int_equal(f->m->in_flight[LANE_NEWS], 0);
    for (size_t i = 0; i < 200; i++)
        set_phase_of(f, f->api.pods[i], "Running");
    assert_int_equal(f->m->in_flight[LANE_NEWS], 64);
    RUN_UNTIL(f, f->written == 200);
    /* Those whose first word was on its way were told twice, all others once. */
    assert_int_equal(f->api.patches, 204);
    for (size_t i = 0; i < 200; i++)
        assert_non_null(strstr(f->api.pods[i]->status, "\"Running\""));
}

static void first_words_are_written_when_nothing_follows(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 20; i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%d", i);
        accept_pod(f, fake_add(&f->api, name, name, SPEC, NULL));
    }
    assert_int_equal(status_manager_busy(f->m), 20);
    RUN_UNTIL(f, f->written == 20);
    assert_int_equal(status_manager_busy(f->m), 0);
    for (size_t i = 0; i < 20; i++)
        assert_non_null(strstr(f->api.pods[i]->status, "ContainerCreating"));
}

static void reason_to_wait_is_news(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod *pod = seen(p);
    struct pod_status s;

    status_of_waiting(pod, &(struct waiting_reason){.container_reason = "ErrImagePull"}, arena, &s);
    status_manager_set(f->m, pod, &s);
    assert_int_equal(f->m->in_flight[LANE_NEWS], 1);
    RUN_UNTIL(f, f->written == 1);
    pod_unref(pod);
    /* And so is its end, though it is a word that others may wait with. */
    pod = seen(p);
    accept_pod(f, p);
    status_of_waiting(pod, &(struct waiting_reason){0}, arena, &s);
    status_manager_set(f->m, pod, &s);
    assert_int_equal(f->m->in_flight[LANE_NEWS], 1);
    pod_unref(pod);
}

static void generation_alone_is_no_news(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    set_phase_of(f, p, "Running");
    RUN_UNTIL(f, f->written == 1);
    p->generation++;
    fake_begin_deletion(&f->api, p);
    observe(f, p);
    assert_int_equal(f->m->in_flight[LANE_MINOR], 1);
    RUN_UNTIL(f, f->written == 2);
    assert_non_null(strstr(p->status, "\"observedGeneration\":2"));
    p->generation++;
    set_phase_of(f, p, "Failed");
    assert_int_equal(f->m->in_flight[LANE_NEWS], 1);
}

static void what_may_heal_is_tried_again(void **state)
{
    static const int codes[] = {429, 500, 409, 403};
    struct fixture *f = *state;

    for (size_t i = 0; i < VK_COUNT(codes); i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%zu", i);
        f->api.refusal = codes[i];
        f->api.refuse_patches = 1;
        set_phase_of(f, fake_add(&f->api, name, name, SPEC, NULL), "Running");
        RUN_UNTIL(f, f->written == i + 1);
        assert_int_equal(f->api.patches, 2 * (i + 1));
    }
}

static void pod_that_is_gone_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);
    struct pod *pod = seen(p);

    fake_remove(&f->api, p, false);
    status_manager_set(f->m, pod, &(struct pod_status){.phase = "Running"});
    RUN_UNTIL(f, f->written == 1);
    status_manager_set(f->m, pod, &(struct pod_status){.phase = "Failed"});
    assert_true(status_manager_is_written(f->m, "1"));
    assert_int_equal(in_flight(f), 0);
    pod_unref(pod);
}

/* kubectl delete --force, of which the watch shows the first step. */
static void delete_by_force(struct fixture *f, struct fake_pod *p)
{
    p->by_force = true;
    p->generation++;
    fake_begin_deletion(&f->api, p);
    observe(f, p);
}

static void pod_whose_grace_period_is_0_is_not_written(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    set_phase_of(f, p, "Running");
    RUN_UNTIL(f, f->written == 1);
    delete_by_force(f, p);
    set_phase_of(f, p, "Failed");
    assert_int_equal(status_manager_busy(f->m), 0);
    assert_true(status_manager_is_written(f->m, "1"));
    assert_string_equal(status_manager_get(f->m, "1")->phase, "Failed");
    set_phase_of(f, fake_add(&f->api, "b", "2", SPEC, NULL), "Running");
    RUN_UNTIL(f, f->written == 2);
    assert_int_equal(f->api.patches, 2);
}

static void finalizer_keeps_a_pod_writable(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    p->finalizer = true;
    set_phase_of(f, p, "Running");
    delete_by_force(f, p);
    set_phase_of(f, p, "Failed");
    RUN_UNTIL(f, f->written == 1);
    assert_non_null(strstr(p->status, "\"Failed\""));
}

static void writes_to_a_pod_that_is_going_are_given_up(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 6; i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%d", i);
        accept_pod(f, fake_add(&f->api, name, name, SPEC, NULL));
    }
    assert_int_equal(in_flight(f), 4);
    assert_int_equal(status_manager_busy(f->m), 6);
    /* One that waits for its turn, then one that is under way: its place goes to the next. */
    delete_by_force(f, f->api.pods[4]);
    assert_int_equal(status_manager_busy(f->m), 5);
    delete_by_force(f, f->api.pods[0]);
    assert_int_equal(status_manager_busy(f->m), 4);
    assert_int_equal(in_flight(f), 4);
    assert_true(status_manager_is_written(f->m, "p0"));
    RUN_UNTIL(f, f->written == 6);
    assert_int_equal(status_manager_busy(f->m), 0);
    assert_null(strstr(f->api.pods[4]->status, "ContainerCreating"));
}

static void patch_to_be_tried_again_is_given_up_when_the_pod_goes(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);
    const struct entry *e;

    f->api.refuse_patches = 1;
    set_phase_of(f, p, "Running");
    e = vk_map_get(f->m->entries, "1");
    RUN_UNTIL(f, vk_timer_is_armed(&e->retry));
    delete_by_force(f, p);
    assert_false(vk_timer_is_armed(&e->retry));
    assert_true(status_manager_is_written(f->m, "1"));
}

static bool waits(const struct fixture *f)
{
    const struct entry *e = vk_map_get(f->m->entries, "1");

    return vk_timer_is_armed(&e->retry);
}

static void patch_that_somebody_overtook_waits_for_the_watch(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    set_phase_of(f, p, "Running");
    fake_send_event(&f->api, "MODIFIED", p);
    RUN_UNTIL(f, waits(f));
    assert_int_equal(f->api.conflicts, 1);
    assert_null(strstr(p->status, "\"Running\""));
    observe(f, p);
    assert_false(waits(f));
    assert_int_equal(in_flight(f), 1);
    RUN_UNTIL(f, f->written == 1);
    assert_int_equal(f->api.patches, 2);
    assert_non_null(strstr(p->status, "\"Running\""));
}

static void watch_that_was_faster_than_the_refusal_costs_no_wait(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    set_phase_of(f, p, "Running");
    fake_send_event(&f->api, "MODIFIED", p);
    observe(f, p);
    RUN_UNTIL(f, f->api.conflicts == 1 && f->written == 1);
    assert_int_equal(f->api.patches, 2);
}

static void without_a_newer_version_a_patch_names_none(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    set_phase_of(f, p, "Running");
    fake_send_event(&f->api, "MODIFIED", p);
    RUN_UNTIL(f, waits(f));
    assert_non_null(strstr(vk_buf_peek(&f->api.last_patch), "resourceVersion"));
    /* Nobody watches. */
    RUN_UNTIL(f, f->written == 1);
    assert_int_equal(f->api.patches, 2);
    assert_null(strstr(vk_buf_peek(&f->api.last_patch), "resourceVersion"));
    set_phase_of(f, p, "Failed");
    RUN_UNTIL(f, f->written == 2);
    assert_non_null(strstr(vk_buf_peek(&f->api.last_patch), "resourceVersion"));
    assert_int_equal(f->api.conflicts, 1);
}

static void pod_that_somebody_writes_to_all_the_time_is_written(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    set_phase_of(f, p, "Running");
    for (size_t i = 0; i < MAX_CONFLICTS; i++) {
        fake_send_event(&f->api, "MODIFIED", p);
        RUN_UNTIL(f, f->api.conflicts == i + 1 && waits(f));
        observe(f, p);
        assert_int_equal(in_flight(f), 1);
    }
    fake_send_event(&f->api, "MODIFIED", p);
    RUN_UNTIL(f, f->written == 1);
    assert_int_equal(f->api.patches, MAX_CONFLICTS + 1);
    set_phase_of(f, p, "Failed");
    RUN_UNTIL(f, f->written == 2);
    assert_non_null(strstr(vk_buf_peek(&f->api.last_patch), "resourceVersion"));
}

static void patch_whose_answer_was_lost_is_told_by_the_watch(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    f->api.lose_patches = 1;
    set_phase_of(f, p, "Running");
    RUN_UNTIL(f, waits(f));
    assert_false(status_manager_is_written(f->m, "1"));
    observe(f, p);
    assert_int_equal(f->written, 1);
    assert_int_equal(f->api.patches, 1);
}

static void refused_status_waits_for_another_one(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    f->api.refusal = 422;
    f->api.refuse_patches = 1;
    set_phase_of(f, p, "Running");
    RUN_UNTIL(f, f->written == 1);
    assert_int_equal(f->api.patches, 1);
    set_phase_of(f, p, "Running");
    assert_int_equal(in_flight(f), 0);
    set_phase_of(f, p, "Failed");
    RUN_UNTIL(f, f->written == 2);
    assert_non_null(strstr(p->status, "\"Failed\""));
}

static void answer_that_ignores_the_patch_is_no_endless_loop(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    f->api.ignore_patches = true;
    set_phase_of(f, p, "Running");
    RUN_UNTIL(f, f->written == 1);
    assert_int_equal(f->api.patches, 1);
}

static void forgotten_pod_is_not_written(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *a = fake_add(&f->api, "a", "1", SPEC, NULL);

    set_phase_of(f, a, "Running");
    status_manager_forget(f->m, "1");
    status_manager_forget(f->m, "unknown");
    assert_int_equal(in_flight(f), 0);
    assert_null(status_manager_get(f->m, "1"));
    assert_true(status_manager_is_written(f->m, "1"));
    set_phase_of(f, fake_add(&f->api, "b", "2", SPEC, NULL), "Running");
    RUN_UNTIL(f, f->written == 1);
}

static void foreign_end_stays(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    set_phase_of(f, p, "Running");
    RUN_UNTIL(f, f->written == 1);
    vk_free(p->status);
    p->status = vk_strdup("{\"phase\":\"Failed\",\"reason\":\"Evicted\"}");
    fake_send_event(&f->api, "MODIFIED", p);
    observe(f, p);
    RUN_UNTIL(f, f->written == 2);
    set_phase_of(f, p, "Running");
    assert_string_equal(status_manager_get(f->m, "1")->phase, "Failed");
    assert_string_equal(status_manager_get(f->m, "1")->reason, "Evicted");
    assert_non_null(strstr(p->status, "\"Failed\""));
}

static void only_pods_of_replica_sets_get_a_deletion_cost(void **state)
{
#define OWNED(kind, controller)                                                                    \
    "\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"" kind                            \
    "\",\"name\":\"o\",\"uid\":\"o\",\"controller\":" controller "}]"
    static const struct {
        const char *metadata;
        bool counts;
    } cases[] = {
        {OWNED("ReplicaSet", "true"), true},
        {OWNED("ReplicaSet", "false"), false},
        {OWNED("StatefulSet", "true"), false},
        {"\"labels\":{}", false},
        {OWNED("ReplicaSet", "true") ",\"annotations\":{\"" POD_DELETION_COST "\":\"7\"}", false},
        {OWNED("ReplicaSet", "true") ",\"annotations\":{\"other\":\"7\"}", true},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char *text VK_AUTOFREE =
            vk_asprintf("{\"metadata\":{\"namespace\":\"n\",\"name\":\"p\",\"uid\":\"u\",%s},"
                        "\"spec\":" SPEC "}",
                        cases[i].metadata);
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        char *const notes[STATUS_NOTES] = {NULL};
        struct json_pairs said;
        struct pod *pod = NULL;
        struct vk_err err;

        if (pod_parse(vk_str_of(text), &pod, &err) < 0)
            fail_msg("%s", err.msg);
        assert_int_equal(status_annotations(pod, 0, notes, arena).n, 0);
        said = status_annotations(pod, -5, notes, arena);
        if (said.n != cases[i].counts || (said.n && !vk_streq(said.v[0].value, "-5")))
            fail_msg("%s", cases[i].metadata);
        pod_unref(pod);
    }
}

static bool last_patch_says(const struct fixture *f, const char *text)
{
    return strstr(vk_buf_peek(&f->api.last_patch), text) != NULL;
}

static void the_billed_size_goes_with_the_next_patch(void **state)
{
    struct fixture *f = *state;
    struct fake_pod *p = fake_add(&f->api, "a", "1", SPEC, NULL);

    status_manager_note(f->m, "1", STATUS_NOTE_SIZE, "too early");
    set_phase_of(f, p, "Pending");
    RUN_UNTIL(f, f->written == 1);
    assert_false(last_patch_says(f, "annotations"));
    status_manager_note(f->m, "1", STATUS_NOTE_SIZE, "1 CPU and 1 GB");
    status_manager_note(f->m, "1", STATUS_NOTE_SIZE, "2 CPU and 3.5 GB");
    assert_int_equal(in_flight(f), 0);
    set_phase_of(f, p, "Running");
    RUN_UNTIL(f, f->written == 2);
    assert_true(
        last_patch_says(f, "\"annotations\":{\"" POD_BILLED_SIZE "\":\"2 CPU and 3.5 GB\"}"));
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ONE(latest_status_wins_with_one_patch_at_a_time),
        ONE(acknowledged_status_is_not_written_again_by_an_old_event),
        ONE(many_pods_are_written_64_at_a_time),
        ONE(first_words_of_a_burst_are_overtaken_by_news),
        ONE(first_words_are_written_when_nothing_follows),
        ONE(reason_to_wait_is_news),
        ONE(generation_alone_is_no_news),
        ONE(what_may_heal_is_tried_again),
        ONE(pod_that_is_gone_is_left_alone),
        ONE(pod_whose_grace_period_is_0_is_not_written),
        ONE(finalizer_keeps_a_pod_writable),
        ONE(writes_to_a_pod_that_is_going_are_given_up),
        ONE(patch_to_be_tried_again_is_given_up_when_the_pod_goes),
        ONE(patch_that_somebody_overtook_waits_for_the_watch),
        ONE(watch_that_was_faster_than_the_refusal_costs_no_wait),
        ONE(without_a_newer_version_a_patch_names_none),
        ONE(pod_that_somebody_writes_to_all_the_time_is_written),
        ONE(patch_whose_answer_was_lost_is_told_by_the_watch),
        ONE(refused_status_waits_for_another_one),
        ONE(answer_that_ignores_the_patch_is_no_endless_loop),
        ONE(forgotten_pod_is_not_written),
        ONE(foreign_end_stays),
        cmocka_unit_test(only_pods_of_replica_sets_get_a_deletion_cost),
        cmocka_unit_test_setup_teardown(the_billed_size_goes_with_the_next_patch, setup, teardown),
    };

    log_init(LOG_TEXT, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
