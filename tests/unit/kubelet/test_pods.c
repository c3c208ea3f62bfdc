/* SPDX-License-Identifier: Apache-2.0 */
/* One pod's way through the room: created, running, failing, deleted. */
#include "base/log.h"
#include "tests/unit/kubelet/memory_provider.h"

#define RUN_UNTIL(w, condition) FAKE_EVENTUALLY(&(w)->api, condition)

static int setup(void **state)
{
    *state = world_new();
    return 0;
}

static int teardown(void **state)
{
    world_free(*state);
    return 0;
}

static struct fake_pod *start_one(struct world *w, const char *spec)
{
    struct fake_pod *p;

    pods_start(w->pods);
    RUN_UNTIL(w, pods_has_synced(w->pods) && w->api.watch);
    p = fake_add(&w->api, "web", "uid-1", spec, NULL);
    return p;
}

static struct fake_pod *run_one(struct world *w, const char *spec)
{
    struct fake_pod *p;

    w->memory.run_at_once = true;
    p = start_one(w, spec);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    return p;
}

static void new_pod_is_accepted_then_runs(void **state)
{
    struct world *w = *state;
    struct pods_entry entry;

    w->memory.hold_create = true;
    start_one(w, SPEC_ALWAYS);
    RUN_UNTIL(w, w->memory.held && *world_status(w, "web", "startTime"));
    assert_false(w->memory.last_may_exist);
    assert_string_equal(world_status(w, "web", "phase"), "Pending");
    assert_string_equal(world_status(w, "web", "hostIP"), "10.240.0.2");
    assert_string_equal(world_status(w, "web", "hostIPs"), "[{\"ip\":\"10.240.0.2\"}]");
    assert_string_equal(world_status(w, "web", "containerStatuses.0.state.waiting.reason"),
                        "ContainerCreating");
    assert_string_equal(world_status(w, "web", "conditions.Ready.status"), "False");
    assert_string_equal(world_status(w, "web", "conditions.Initialized.status"), "True");
    assert_int_equal(world_count(w, POD_WORKER_CREATING), 1);
    memory_release_held(&w->memory);
    RUN_UNTIL(w, world_count(w, POD_WORKER_STARTING) == 1);
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    assert_string_equal(world_status(w, "web", "podIPs"), "[{\"ip\":\"10.244.0.7\"}]");
    assert_string_equal(world_status(w, "web", "conditions.Ready.status"), "True");
    assert_string_equal(world_status(w, "web", "conditions.Ready.reason"), "");
    assert_string_equal(world_status(w, "web", "conditions.PodReadyToStartContainers.status"),
                        "True");
    assert_string_equal(world_status(w, "web", "observedGeneration"), "1");
    assert_true(pods_find(w->pods, "default", "web", &entry));
    assert_string_equal(entry.status->phase, "Running");
    assert_int_equal(world_count(w, POD_WORKER_RUNNING), 1);
    assert_int_equal(w->api.useless_patches, 0);
}

static void repeated_report_writes_nothing(void **state)
{
    struct world *w = *state;
    size_t patches;

    run_one(w, SPEC_ALWAYS);
    RUN_UNTIL(w, w->api.watch);
    patches = w->api.patches;
    for (int i = 0; i < 5; i++)
        memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    /* A second pod's write shows that the first one's would have been sent by now. */
    fake_add(&w->api, "other", "uid-2", SPEC_ALWAYS, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "other", "phase"), "Running"));
    assert_in_range(w->api.patches, patches + 1, patches + 2);
    assert_int_equal(w->api.useless_patches, 0);
}

static void conditions_of_others_survive(void **state)
{
    struct world *w = *state;

    w->memory.run_at_once = true;
    pods_start(w->pods);
    RUN_UNTIL(w, w->api.watch);
    fake_add(
        &w->api, "web", "uid-1", SPEC_ALWAYS,
        "{\"phase\":\"Pending\",\"qosClass\":\"BestEffort\",\"conditions\":[{\"type\":"
        "\"PodScheduled\",\"status\":\"True\",\"lastTransitionTime\":\"2026-11-24T15:00:00Z\"},"
        "{\"type\":\"example.com/gate\",\"status\":\"True\",\"message\":\"mine\"}]}");
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "conditions.Ready.status"), "True"));
    assert_string_equal(world_status(w, "web", "conditions.PodScheduled.lastTransitionTime"),
                        "2026-11-24T15:00:00Z");
    assert_non_null(strstr(fake_find(&w->api, "default", "web")->status, "\"message\":\"mine\""));
    assert_null(strstr(vk_buf_peek(&w->api.last_patch), "PodScheduled"));
}

static void deletion_ends_with_containers_not_with_grace_period(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC_ALWAYS);

    w->memory.hold_delete = true;
    fake_begin_deletion(&w->api, p);
    RUN_UNTIL(w, w->memory.held);
    assert_string_equal(world_status(w, "web", "phase"), "Running");
    assert_int_equal(w->api.deletes, 0);
    /* A finalizer keeps the object, so that its last status can be read. */
    p->finalizer = true;
    memory_release_held(&w->memory);
    RUN_UNTIL(w, w->api.deletes == 1 && world_count(w, POD_WORKER_GONE) == 1);
    assert_string_equal(world_status(w, "web", "phase"), "Failed");
    assert_string_equal(world_status(w, "web", "containerStatuses.0.state.terminated.exitCode"),
                        "137");
    assert_string_equal(world_status(w, "web", "conditions.Ready.status"), "False");
    assert_non_null(strstr(vk_buf_peek(&w->api.last_delete), "\"gracePeriodSeconds\":0"));
    assert_non_null(strstr(vk_buf_peek(&w->api.last_delete), "\"uid\":\"uid-1\""));
    assert_int_equal(w->memory.forgets, 0);
    fake_remove(&w->api, p, false);
    RUN_UNTIL(w, world_workers(w) == 0);
    assert_int_equal(w->memory.forgets, 1);
    assert_int_equal(w->memory.deletes, 1);
    assert_int_equal(w->api.deletes, 1);
}

/* The deletion does not wait: the creation's own turn may come in an hour. */
static void pod_deleted_while_created_leaves_no_group(void **state)
{
    struct world *w = *state;
    struct fake_pod *p;

    w->memory.hold_create = true;
    p = start_one(w, SPEC_ALWAYS);
    RUN_UNTIL(w, w->memory.held);
    fake_begin_deletion(&w->api, p);
    RUN_UNTIL(w, w->memory.deletes == 1);
    /* Nothing else is asked for until both have ended. */
    fake_add(&w->api, "other", "uid-2", SPEC_ALWAYS, NULL);
    w->memory.hold_create = false;
    RUN_UNTIL(w, w->memory.creates == 2);
    assert_int_equal(w->memory.deletes, 1);
    assert_int_equal(w->memory.forgets, 0);
    memory_release_held(&w->memory);
    RUN_UNTIL(w, !fake_find(&w->api, "default", "web"));
    RUN_UNTIL(w, w->memory.forgets == 1);
    assert_int_equal(w->memory.deletes, 1);
    assert_null(vk_map_get(w->memory.groups, "uid-1"));
}

static void pod_removed_by_force_leaves_no_group(void **state)
{
    struct world *w = *state;

    run_one(w, SPEC_ALWAYS);
    fake_remove(&w->api, fake_find(&w->api, "default", "web"), false);
    RUN_UNTIL(w, w->memory.forgets == 1);
    assert_int_equal(vk_map_len(w->memory.groups), 0);
    assert_int_equal(w->api.deletes, 0);
}

/* The API server died after the first of its two steps; or it is about to do the second. */
static void pod_without_grace_period_ends_without_a_status(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC_ALWAYS);
    size_t patches = w->api.patches;

    p->by_force = true;
    p->generation++;
    fake_begin_deletion(&w->api, p);
    RUN_UNTIL(w, w->memory.forgets == 1);
    assert_int_equal(w->memory.deletes, 1);
    assert_int_equal(w->api.deletes, 1);
    assert_non_null(strstr(vk_buf_peek(&w->api.last_delete), "\"uid\":\"uid-1\""));
    assert_int_equal(w->api.patches, patches);
}

static void pod_never_tried_costs_the_provider_nothing(void **state)
{
    struct world *w = *state;
    struct fake_pod *p;

    w->memory.synced = false;
    p = start_one(w, SPEC_ALWAYS);
    RUN_UNTIL(w, world_count(w, POD_WORKER_PENDING) == 1);
    fake_begin_deletion(&w->api, p);
    RUN_UNTIL(w, w->memory.forgets == 1);
    assert_int_equal(w->memory.creates + w->memory.deletes, 0);
}

static void group_deletion_is_retried_until_it_succeeds(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC_ALWAYS);

    w->memory.fail_deletes = 3;
    vk_err_set(&w->memory.error, VK_FORBIDDEN, "not allowed now");
    fake_begin_deletion(&w->api, p);
    RUN_UNTIL(w, w->memory.forgets == 1);
    assert_int_equal(w->memory.deletes, 4);
    assert_true(world_told(w, "FailedKillPod: not allowed now"));
}

static void object_deletion_is_retried(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC_ALWAYS);

    w->api.refuse_deletes = 2;
    fake_begin_deletion(&w->api, p);
    RUN_UNTIL(w, w->memory.forgets == 1);
    assert_int_equal(w->api.deletes, 3);
    assert_int_equal(w->memory.deletes, 1);
}

static void object_is_deleted_only_after_its_last_status_is_written(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC_ALWAYS);

    p->finalizer = true;
    w->api.refuse_patches = 1;
    fake_begin_deletion(&w->api, p);
    RUN_UNTIL(w, w->api.deletes == 1);
    assert_int_equal(w->api.refuse_patches, 0);
    assert_string_equal(world_status(w, "web", "phase"), "Failed");
}

static void transient_error_waits_with_one_event_then_succeeds(void **state)
{
    struct world *w = *state;

    w->memory.fail_creates = 3;
    vk_err_set(&w->memory.error, VK_UNAVAILABLE, "quota of 10 reached");
    vk_err_reason(&w->memory.error, "ContainerGroupQuotaReached");
    w->memory.hold_create = false;
    start_one(w, SPEC_ALWAYS);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "reason"), "ContainerGroupQuotaReached"));
    assert_string_equal(world_status(w, "web", "phase"), "Pending");
    assert_string_equal(world_status(w, "web", "containerStatuses.0.state.waiting.reason"),
                        "ContainerGroupQuotaReached");
    assert_string_equal(world_status(w, "web", "containerStatuses.0.state.waiting.message"),
                        "quota of 10 reached");
    RUN_UNTIL(w, vk_map_len(w->memory.groups) == 1);
    assert_int_equal(w->memory.creates, 4);
    assert_true(w->memory.last_may_exist);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "reason"), ""));
    RUN_UNTIL(w, w->api.event_posts == 1);
    assert_string_equal(vk_buf_peek(&w->api.event_log),
                        "ContainerGroupQuotaReached: quota of 10 reached\n");
    assert_string_equal(world_status(w, "web", "containerStatuses.0.state.waiting.message"), "");
}

static void every_permanent_code_fails_the_pod_at_once(void **state)
{
    static const enum vk_code codes[] = {VK_INVALID, VK_UNSUPPORTED, VK_TOO_LARGE};
    struct world *w = *state;

    pods_start(w->pods);
    RUN_UNTIL(w, w->api.watch);
    for (size_t i = 0; i < VK_COUNT(codes); i++) {
        char name[16], uid[16];

        snprintf(name, sizeof(name), "web-%zu", i);
        snprintf(uid, sizeof(uid), "uid-%zu", i);
        w->memory.fail_creates = 1;
        vk_err_set(&w->memory.error, codes[i], "no such size");
        if (i == 0)
            vk_err_reason(&w->memory.error, "InvalidOsType");
        fake_add(&w->api, name, uid, SPEC_ALWAYS, NULL);
        RUN_UNTIL(w, vk_streq(world_status(w, name, "phase"), "Failed"));
        assert_string_equal(world_status(w, name, "reason"),
                            i == 0 ? "InvalidOsType" : "ProviderFailed");
        assert_string_equal(world_status(w, name, "message"), "no such size");
        assert_int_equal(w->memory.creates, i + 1);
    }
    RUN_UNTIL(w, world_told(w, "InvalidOsType: no such size"));
    assert_int_equal(world_count(w, POD_WORKER_FINISHED), VK_COUNT(codes));
}

static void restart_with(struct world *w, struct pod_retries retries)
{
    w->retries = retries;
    world_stop_pods(w);
    world_start_pods(w);
}

static void a_right_that_the_node_lacks_is_waited_for(void **state)
{
    struct world *w = *state;

    restart_with(w, (struct pod_retries){.initial_ms = 20,
                                         .max_ms = 40,
                                         .rights_initial_ms = 300,
                                         .rights_max_ms = 300,
                                         .rights_look_ms = 3600000});
    w->memory.fail_creates = 2;
    vk_err_set(&w->memory.error, VK_FORBIDDEN, "may not write groups");
    vk_err_reason(&w->memory.error, "AuthorizationFailed");
    start_one(w, SPEC_ALWAYS);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "reason"), "AuthorizationFailed"));
    assert_string_equal(world_status(w, "web", "phase"), "Pending");
    assert_string_equal(world_status(w, "web", "containerStatuses.0.state.waiting.message"),
                        "may not write groups");
    RUN_UNTIL(w, vk_map_len(w->memory.groups) == 1);
    assert_int_equal(w->memory.creates, 3);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "reason"), ""));
    RUN_UNTIL(w, w->api.event_posts == 1);
    assert_string_equal(vk_buf_peek(&w->api.event_log),
                        "AuthorizationFailed: may not write groups\n");
}

static void a_right_that_one_pod_finds_granted_is_tried_by_the_others(void **state)
{
    struct world *w = *state;

    restart_with(w, (struct pod_retries){.initial_ms = 20,
                                         .max_ms = 40,
                                         .rights_initial_ms = 3600000,
                                         .rights_max_ms = 3600000,
                                         .rights_look_ms = 50});
    w->memory.fail_creates = 2;
    vk_err_set(&w->memory.error, VK_FORBIDDEN, "may not write groups");
    vk_err_reason(&w->memory.error, "AuthorizationFailed");
    start_one(w, SPEC_ALWAYS);
    fake_add(&w->api, "other", "uid-2", SPEC_ALWAYS, NULL);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "reason"), "AuthorizationFailed"));
    RUN_UNTIL(w, vk_streq(world_status(w, "other", "reason"), "AuthorizationFailed"));
    assert_int_equal(vk_map_len(w->memory.groups), 0);
    fake_add(&w->api, "third", "uid-3", SPEC_ALWAYS, NULL);
    RUN_UNTIL(w, vk_map_len(w->memory.groups) == 3);
    assert_int_equal(w->memory.creates, 5);
}

static void room_ends_the_wait_for_a_quota(void **state)
{
    struct world *w = *state;

    restart_with(w, (struct pod_retries){.initial_ms = 3600000, .max_ms = 3600000});
    w->memory.fail_creates = 1;
    w->memory.run_at_once = true;
    vk_err_set(&w->memory.error, VK_UNAVAILABLE, "quota of 10 reached");
    vk_err_reason(&w->memory.error, PROVIDER_REASON_QUOTA);
    start_one(w, SPEC_ALWAYS);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "reason"), PROVIDER_REASON_QUOTA));
    assert_int_equal(w->memory.creates, 1);
    pods_retry_quota(w->pods);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    assert_int_equal(w->memory.creates, 2);
}

static void inaccessible_image_waits_and_recovers(void **state)
{
    struct world *w = *state;
    const char *reason = "containerStatuses.0.state.waiting.reason";

    /* Until both reasons were seen, however briefly each of them stands. */
    w->memory.fail_creates = SIZE_MAX;
    w->memory.run_at_once = true;
    vk_err_set(&w->memory.error, VK_INVALID, "The image 'app:1' is not accessible");
    vk_err_reason(&w->memory.error, "InaccessibleImage");
    start_one(w, SPEC_ALWAYS);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", reason), "ErrImagePull"));
    assert_string_equal(world_status(w, "web", "phase"), "Pending");
    RUN_UNTIL(w, vk_streq(world_status(w, "web", reason), "ImagePullBackOff"));
    w->memory.fail_creates = 0;
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    assert_true(w->memory.creates >= 2);
    RUN_UNTIL(w, world_told(w, "Failed: The image 'app:1' is not accessible"));
}

static void a_new_image_does_not_wait_for_the_old_one_s_back_off(void **state)
{
    struct world *w = *state;
    const char *reason = "containerStatuses.0.state.waiting.reason";
    struct fake_pod *p;

    w->retries.image_initial_ms = w->retries.image_max_ms = 3600000;
    restart_with(w, w->retries);
    w->memory.fail_creates = 1;
    w->memory.run_at_once = true;
    vk_err_set(&w->memory.error, VK_INVALID, "image 'A:b:c': bad tag");
    vk_err_reason(&w->memory.error, PROVIDER_REASON_IMAGE_NAME);
    p = start_one(w, SPEC_ALWAYS);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", reason), "InvalidImageName"));
    assert_string_equal(world_status(w, "web", "phase"), "Pending");
    RUN_UNTIL(w, world_told(w, "InspectFailed: image 'A:b:c': bad tag"));
    w->memory.fail_creates = 1;
    vk_err_set(&w->memory.error, VK_INVALID, "image 'D:e:f': bad tag");
    vk_err_reason(&w->memory.error, PROVIDER_REASON_IMAGE_NAME);
    p->generation++;
    fake_send_event(&w->api, "MODIFIED", p);
    RUN_UNTIL(w, world_told(w, "InspectFailed: image 'D:e:f': bad tag"));
    p->generation++;
    fake_send_event(&w->api, "MODIFIED", p);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    assert_int_equal(w->memory.creates, 3);
}

static void missing_config_map_waits_until_it_appears(void **state)
{
    struct world *w = *state;
    const char *spec =
        "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"Always\",\"containers\":[{\"name\":\"c\","
        "\"image\":\"app:1\",\"env\":[{\"name\":\"MODE\",\"valueFrom\":{\"configMapKeyRef\":{"
        "\"name\":\"settings\",\"key\":\"mode\"}}}]}]}";

    start_one(w, spec);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "reason"), "MandatoryConfigMapNotFound"));
    assert_string_equal(world_status(w, "web", "containerStatuses.0.state.waiting.reason"),
                        "CreateContainerConfigError");
    assert_int_equal(w->memory.creates, 0);
    w->api.config_map =
        vk_strdup("{\"metadata\":{\"name\":\"settings\"},\"data\":{\"mode\":\"on\"}}");
    RUN_UNTIL(w, w->memory.creates == 1);
    assert_string_equal(vk_buf_peek(&w->memory.last_env), "MODE=on ");
    RUN_UNTIL(w, world_told(w, "MandatoryConfigMapNotFound: "));
    assert_int_equal(w->api.event_posts, 1);
}

static void forbidden_token_after_binding_is_transient(void **state)
{
    struct world *w = *state;
    const char *spec =
        "{\"nodeName\":\"burst-1\",\"restartPolicy\":\"Always\",\"serviceAccountName\":\"default\","
        "\"containers\":[{\"name\":\"c\",\"image\":\"app:1\",\"volumeMounts\":[{\"name\":\"t\","
        "\"mountPath\":\"/t\"}]}],\"volumes\":[{\"name\":\"t\","
        "\"projected\":{\"sources\":[{\"serviceAccountToken\":{\"expirationSeconds\":3607,\"path\":"
        "\"token\"}}]}}]}";

    w->api.refuse_tokens = 2;
    w->api.refusal = 403;
    start_one(w, spec);
    RUN_UNTIL(w, w->memory.creates == 1);
    assert_int_equal(w->api.tokens, 3);
    assert_string_equal(world_status(w, "web", "phase"), "Pending");
}

static void lost_group_is_created_again_once(void **state)
{
    struct world *w = *state;

    run_one(w, SPEC_ALWAYS);
    w->memory.run_at_once = false;
    memory_lose(&w->memory, "web", "uid-1");
    RUN_UNTIL(w, w->memory.creates == 2 && world_count(w, POD_WORKER_STARTING) == 1);
    assert_true(w->memory.last_may_exist);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Pending"));
    RUN_UNTIL(w, world_told(w, "ContainerGroupLost: The container group vanished and is created"));
    memory_report(&w->memory, "web", "uid-1", "Running", CONTAINER_RUNNING, 0);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    memory_lose(&w->memory, "web", "uid-1");
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Failed"));
    assert_string_equal(world_status(w, "web", "reason"), "ContainerGroupLost");
    assert_int_equal(w->memory.creates, 2);
}

static void lost_group_of_a_pod_that_never_restarts_fails_it(void **state)
{
    struct world *w = *state;

    run_one(w, SPEC_NEVER);
    memory_lose(&w->memory, "web", "uid-1");
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Failed"));
    assert_string_equal(world_status(w, "web", "reason"), "ContainerGroupLost");
    assert_string_equal(world_status(w, "web", "containerStatuses.0.state.terminated.exitCode"),
                        "137");
    assert_int_equal(w->memory.creates, 1);
}

static void terminal_phase_stays(void **state)
{
    struct world *w = *state;

    run_one(w, SPEC_NEVER);
    memory_report(&w->memory, "web", "uid-1", "Succeeded", CONTAINER_TERMINATED, 0);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Succeeded"));
    assert_string_equal(world_status(w, "web", "conditions.Ready.reason"), "PodCompleted");
    memory_report(&w->memory, "web", "uid-1", "Failed", CONTAINER_TERMINATED, 1);
    memory_lose(&w->memory, "web", "uid-1");
    fake_begin_deletion(&w->api, fake_find(&w->api, "default", "web"));
    RUN_UNTIL(w, w->memory.forgets == 1);
    assert_null(strstr(vk_buf_peek(&w->api.last_patch), "\"phase\":\"Failed\""));
    assert_int_equal(w->memory.creates, 1);
}

static void pod_ended_by_somebody_else_loses_its_group(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC_ALWAYS);

    vk_free(p->status);
    p->status = vk_strdup("{\"phase\":\"Failed\",\"reason\":\"Evicted\"}");
    fake_send_event(&w->api, "MODIFIED", p);
    RUN_UNTIL(w, vk_map_len(w->memory.groups) == 0);
    assert_string_equal(world_status(w, "web", "phase"), "Failed");
    assert_string_equal(world_status(w, "web", "reason"), "Evicted");
    assert_non_null(fake_find(&w->api, "default", "web"));
    assert_int_equal(world_count(w, POD_WORKER_FINISHED), 1);
}

static void overwritten_status_is_repaired(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC_ALWAYS);

    vk_free(p->status);
    p->status = vk_strdup("{\"phase\":\"Pending\",\"qosClass\":\"BestEffort\"}");
    fake_send_event(&w->api, "MODIFIED", p);
    RUN_UNTIL(w, vk_streq(world_status(w, "web", "phase"), "Running"));
    assert_string_equal(world_status(w, "web", "podIP"), "10.244.0.7");
}

static void same_name_with_a_new_uid_is_another_pod(void **state)
{
    struct world *w = *state;
    struct fake_pod *p = run_one(w, SPEC_ALWAYS);
    struct pods_entry entry;

    w->memory.hold_delete = true;
    fake_remove(&w->api, p, false);
    fake_add(&w->api, "web", "uid-2", SPEC_ALWAYS, NULL);
    RUN_UNTIL(w, w->memory.held && vk_streq(world_status(w, "web", "phase"), "Running"));
    assert_int_equal(vk_map_len(w->memory.groups), 2);
    assert_true(pods_find(w->pods, "default", "web", &entry));
    assert_string_equal(entry.pod->meta.uid, "uid-2");
    /* Late news of the old one must not touch the new one. */
    memory_report(&w->memory, "web", "uid-1", "Failed", CONTAINER_TERMINATED, 9);
    memory_release_held(&w->memory);
    RUN_UNTIL(w, w->memory.forgets == 1);
    assert_int_equal(vk_map_len(w->memory.groups), 1);
    assert_non_null(vk_map_get(w->memory.groups, "uid-2"));
    assert_string_equal(world_status(w, "web", "phase"), "Running");
    assert_int_equal(w->api.deletes, 0);
}

static void refused_status_patch_is_tried_again(void **state)
{
    struct world *w = *state;

    w->api.refuse_patches = 2;
    run_one(w, SPEC_ALWAYS);
    assert_true(w->api.patches >= 3);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        ONE(new_pod_is_accepted_then_runs),
        ONE(repeated_report_writes_nothing),
        ONE(conditions_of_others_survive),
        ONE(deletion_ends_with_containers_not_with_grace_period),
        ONE(pod_deleted_while_created_leaves_no_group),
        ONE(pod_removed_by_force_leaves_no_group),
        ONE(pod_without_grace_period_ends_without_a_status),
        ONE(pod_never_tried_costs_the_provider_nothing),
        ONE(group_deletion_is_retried_until_it_succeeds),
        ONE(object_deletion_is_retried),
        ONE(object_is_deleted_only_after_its_last_status_is_written),
        ONE(transient_error_waits_with_one_event_then_succeeds),
        ONE(every_permanent_code_fails_the_pod_at_once),
        ONE(a_right_that_the_node_lacks_is_waited_for),
        ONE(a_right_that_one_pod_finds_granted_is_tried_by_the_others),
        ONE(room_ends_the_wait_for_a_quota),
        ONE(inaccessible_image_waits_and_recovers),
        ONE(a_new_image_does_not_wait_for_the_old_one_s_back_off),
        ONE(missing_config_map_waits_until_it_appears),
        ONE(forbidden_token_after_binding_is_transient),
        ONE(lost_group_is_created_again_once),
        ONE(lost_group_of_a_pod_that_never_restarts_fails_it),
        ONE(terminal_phase_stays),
        ONE(pod_ended_by_somebody_else_loses_its_group),
        ONE(overwritten_status_is_repaired),
        ONE(same_name_with_a_new_uid_is_another_pod),
        ONE(refused_status_patch_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
