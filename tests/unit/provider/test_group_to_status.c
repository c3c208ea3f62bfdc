/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/group_to_status.h"

#include "base/alloc.h"
#include "provider/restart_events.h"
#include "tests/unit/provider/golden.h"

static struct vk_str status_text(struct vk_str group_text, struct vk_arena *arena)
{
    struct container_group group;
    struct pod_status status;
    struct vk_err err;
    if (container_group_parse(group_text, arena, &group, &err) < 0)
        fail_msg("%s", err.msg);
    group_to_status(&group, arena, &status);
    struct vk_buf out;
    struct json_writer w;
    vk_buf_init(&out, GOLDEN_MAX_BYTES);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    pod_status_write(&w, &status);
    json_end_object(&w);
    assert_true(json_writer_done(&w));
    const char *text = vk_arena_str(arena, vk_buf_str(&out));
    vk_buf_release(&out);
    return vk_str_of(text);
}

static void check_case(const char *name, const struct json *doc, struct vk_arena *arena)
{
    const struct vk_str text = status_text(golden_text(arena, json_get(doc, "group")), arena);
    const struct json *status = golden_parse(arena, text);
    const char *diff = golden_difference(arena, json_get(doc, "status"), status, "status");
    if (diff) {
        (void)fprintf(stderr, "%s: %s\n", name, text.p);
        fail_msg("%s: differs at %s", name, diff);
    }
}

static void groups_become_the_statuses_of_the_golden_files(void **state)
{
    (void)state;
    golden_each("groups", check_case);
}

/* Cuts a member out of every object in turn: whatever ACI leaves out, a status comes of it. */
static void check_without_members(const char *name, const struct json *doc, struct vk_arena *arena)
{
    (void)name;
    struct vk_str text = golden_text(arena, json_get(doc, "group"));
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '"' || i + 1 >= text.n)
            continue;
        char *mangled = vk_strndup(text.p, text.n);
        mangled[i + 1] = mangled[i + 1] == '"' ? '"' : '~';
        struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
        struct container_group group;
        struct vk_err err;
        if (container_group_parse(vk_str_of(mangled), scratch, &group, &err) == 0) {
            struct pod_status status;
            group_to_status(&group, scratch, &status);
            assert_non_null(status.phase);
            assert_int_equal(status.conditions.n, 4);
            assert_int_equal(status.container_statuses.n + status.init_container_statuses.n,
                             group.containers.n + group.init_containers.n);
        }
        vk_free(mangled);
    }
}

static void a_mangled_group_still_gives_a_status(void **state)
{
    (void)state;
    golden_each("groups", check_without_members);
}

static const char *phase_of(const char *policy, const char *states, struct vk_arena *arena)
{
    const char *text = vk_arena_printf(
        arena, "{\"name\":\"g\",\"properties\":{\"restartPolicy\":\"%s\",\"containers\":[%s]}}",
        policy, states);
    struct container_group group;
    struct pod_status status;
    struct vk_err err;
    if (container_group_parse(vk_str_of(text), arena, &group, &err) < 0)
        fail_msg("%s in %s", err.msg, text);
    group_to_status(&group, arena, &status);
    return status.phase;
}

#define STATE(name, state)                                                                         \
    "{\"name\":\"" name "\",\"properties\":{\"instanceView\":{\"currentState\":" state "}}}"
#define RUNNING STATE("r", "{\"state\":\"Running\"}")
#define WAITING STATE("w", "{\"state\":\"Waiting\"}")
#define ENDED_WELL STATE("e", "{\"state\":\"Terminated\",\"exitCode\":0}")
#define ENDED_BADLY STATE("b", "{\"state\":\"Terminated\",\"exitCode\":3}")

static void phases_follow_the_restart_policy(void **state)
{
    (void)state;
    static const struct {
        const char *states, *always, *on_failure, *never;
    } rows[] = {
        {RUNNING, "Running", "Running", "Running"},
        {WAITING, "Pending", "Pending", "Pending"},
        {WAITING "," RUNNING, "Pending", "Pending", "Pending"},
        {ENDED_WELL, "Running", "Succeeded", "Succeeded"},
        {ENDED_BADLY, "Running", "Running", "Failed"},
        {ENDED_WELL "," RUNNING, "Running", "Running", "Running"},
        {ENDED_WELL "," ENDED_BADLY, "Running", "Running", "Failed"},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        assert_string_equal(phase_of("Always", rows[i].states, arena), rows[i].always);
        assert_string_equal(phase_of("OnFailure", rows[i].states, arena), rows[i].on_failure);
        assert_string_equal(phase_of("Never", rows[i].states, arena), rows[i].never);
    }
}

static bool runs_on(const char *policy, const char *containers)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *text = vk_arena_printf(
        arena, "{\"name\":\"g\",\"properties\":{\"restartPolicy\":\"%s\",\"containers\":[%s]}}",
        policy, containers);
    struct container_group group;
    struct pod_status status;
    struct vk_err err;
    if (container_group_parse(vk_str_of(text), arena, &group, &err) < 0)
        fail_msg("%s in %s", err.msg, text);
    group_to_status(&group, arena, &status);
    return group_runs_on(&group, &status);
}

#define AGAIN(name, state)                                                                         \
    "{\"name\":\"" name "\",\"properties\":{\"instanceView\":{\"currentState\":" state             \
    ",\"previousState\":{\"state\":\"Terminated\",\"exitCode\":3}}}}"

/* Exit code 137 alone never is: a container may be killed, or say so itself. */
static void only_the_word_oom_killed_is_oom_killed(void **state)
{
    static const struct {
        const char *detail, *reason;
    } rows[] = {
        {"OOMKilled", "OOMKilled"},
        {"OOMKilled: memory limit reached", "OOMKilled"},
        {"Error: the container was OOMKilled", "OOMKilled"},
        {"Error", "Error"},
        {"", "Error"},
        {"Error: no room left", "Error"},
        {"NotOOMKilledAtAll", "NotOOMKilledAtAll"},
    };
    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        const char *text = vk_arena_printf(arena,
                                           "{\"name\":\"g\",\"properties\":{\"restartPolicy\":"
                                           "\"Never\",\"containers\":[{\"name\":\"c\","
                                           "\"properties\":{\"instanceView\":{\"currentState\":{"
                                           "\"state\":\"Terminated\",\"exitCode\":137,"
                                           "\"detailStatus\":\"%s\"}}}}]}}",
                                           rows[i].detail);
        struct container_group group;
        struct pod_status status;
        struct vk_err err;
        assert_int_equal(container_group_parse(vk_str_of(text), arena, &group, &err), 0);
        group_to_status(&group, arena, &status);
        const struct container_status *c = status.container_statuses.v;
        if (c->state.exit_code != 137 || !vk_streq(c->state.reason, rows[i].reason))
            fail_msg("'%s': %s", rows[i].detail, c->state.reason);
    }
}

static void a_pod_that_ended_and_runs_again_runs_on(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *containers;
        bool expected;
    } rows[] = {
        {"Never", RUNNING, false},
        {"Never", ENDED_BADLY, false},
        {"Never", ENDED_WELL "," ENDED_BADLY, false},
        {"Never", AGAIN("c", "{\"state\":\"Running\"}"), true},
        {"Never", AGAIN("c", "{\"state\":\"Waiting\"}"), true},
        {"Never", AGAIN("c", "{\"state\":\"Terminated\",\"exitCode\":0}"), false},
        /* The other one still has its first run. */
        {"Never", AGAIN("c", "{\"state\":\"Running\"}") "," RUNNING, false},
        {"Always", AGAIN("c", "{\"state\":\"Running\"}"), false},
        {"OnFailure", AGAIN("c", "{\"state\":\"Terminated\",\"exitCode\":0}"), false},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        if (runs_on(rows[i].policy, rows[i].containers) != rows[i].expected)
            fail_msg("row %zu", i);
    }
}

/* A small generator of groups, seeded so that a failure repeats. */
struct dice {
    uint64_t state;
};

static unsigned roll(struct dice *d, unsigned sides)
{
    d->state = d->state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(d->state >> 33) % sides;
}

#define PICK(d, choices) (choices)[roll(d, VK_COUNT(choices))]

static void random_state(struct dice *d, struct json_writer *w, const char *key)
{
    static const char *const states[] = {"Waiting",    "Running", "Terminated",
                                         "terminated", "Odd",     ""};
    static const char *const details[] = {"",
                                          "Error",
                                          "Completed",
                                          "OOMKilled",
                                          "CrashLoopBackOff: Back-off restarting failed",
                                          "some words",
                                          ":",
                                          "\xc3\xa9: x"};
    static const char *const times[] = {"2024-05-01T00:00:13Z", "2024-05-01T00:01:00.1234567Z",
                                        "0001-01-01T00:00:00Z", "soon", ""};
    static const int64_t codes[] = {0, 1, 3, 137, 7147, 7148, -1, 4294967296};
    if (!roll(d, 4))
        return;
    json_begin_object(w, key);
    if (roll(d, 8))
        json_put_string(w, "state", PICK(d, states));
    if (roll(d, 2))
        json_put_string(w, "detailStatus", PICK(d, details));
    if (roll(d, 2))
        json_put_string(w, "startTime", PICK(d, times));
    if (roll(d, 2))
        json_put_string(w, "finishTime", PICK(d, times));
    if (roll(d, 3))
        json_put_int(w, "exitCode", roll(d, 2) ? 0 : PICK(d, codes));
    json_end_object(w);
}

static void random_events(struct dice *d, struct json_writer *w)
{
    static const char *const names[] = {"Pulling", "Pulled", "Failed", "BackOff", "Started", ""};
    static const char *const messages[] = {
        "pulling image \"a@sha256:01\"", "pull failed", "\"", "\"\"", "", "mount failed"};
    json_begin_array(w, "events");
    for (unsigned i = roll(d, 4); i > 0; i--) {
        json_begin_object(w, NULL);
        if (roll(d, 8))
            json_put_string(w, "name", PICK(d, names));
        if (roll(d, 8))
            json_put_string(w, "message", PICK(d, messages));
        json_put_string(w, "type", roll(d, 2) ? "Warning" : "Normal");
        json_end_object(w);
    }
    json_end_array(w);
}

static void random_containers(struct dice *d, struct json_writer *w, const char *key, char letter)
{
    json_begin_array(w, key);
    for (unsigned i = 0, n = roll(d, 4); i < n; i++) {
        const char name[] = {letter, (char)('0' + i), '\0'};
        json_begin_object(w, NULL);
        json_put_string(w, "name", name);
        json_begin_object(w, "properties");
        json_put_string(w, "image", "app:1");
        if (roll(d, 6)) {
            json_begin_object(w, "instanceView");
            if (roll(d, 2))
                json_put_int(w, "restartCount", (int64_t)roll(d, 5) - 1);
            random_state(d, w, "currentState");
            random_state(d, w, "previousState");
            random_events(d, w);
            json_end_object(w);
        }
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
}

static void random_group(struct dice *d, struct vk_buf *out)
{
    static const char *const policies[] = {"Never", "Always", "OnFailure", "Sometimes"};
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "name", "g");
    json_begin_object(&w, "properties");
    if (roll(d, 10))
        json_put_string(&w, "restartPolicy", PICK(d, policies));
    random_containers(d, &w, "initContainers", 'i');
    random_containers(d, &w, "containers", 'c');
    if (roll(d, 2)) {
        json_begin_object(&w, "ipAddress");
        json_put_string(&w, "ip", roll(d, 2) ? "10.244.0.9" : "0.0.0.0");
        json_end_object(&w);
    }
    json_begin_object(&w, "instanceView");
    random_events(d, &w);
    json_end_object(&w);
    json_end_object(&w);
    json_end_object(&w);
    assert_true(json_writer_done(&w));
}

static bool is_end_of(const struct group_container_state *told, const struct container_state *s)
{
    if (!told || !vk_strieq(told->state, "Terminated"))
        return false;
    if (s->started_at_ns != told->start_ns || s->finished_at_ns != told->finish_ns)
        return false;
    return told->has_exit_code ? s->exit_code == told->exit_code : s->exit_code == 137;
}

/* Nothing in a container's status that ACI did not say. */
static void check_status(const struct group_container *c, const struct container_status *s,
                         bool never, bool is_init)
{
    static const struct group_container_view none;
    const struct group_container_view *view = c->view ? c->view : &none;
    const bool runs = view->current && vk_strieq(view->current->state, "Running");
    assert_string_equal(s->name, c->name);
    assert_int_equal(s->restart_count, view->restart_count);
    if (s->state.kind == CONTAINER_RUNNING) {
        assert_true(runs && s->started && s->ready != is_init);
        assert_int_equal(s->state.started_at_ns, view->current->start_ns);
        assert_false(never && container_was_restarted(view));
    } else if (s->state.kind == CONTAINER_TERMINATED) {
        const bool unseen = never && view->restart_count > 0 && s->state.exit_code == 137 &&
                            !s->state.started_at_ns && !s->state.finished_at_ns;
        assert_true(is_end_of(view->current, &s->state) || is_end_of(view->previous, &s->state) ||
                    unseen);
        assert_false(s->started);
        assert_non_null(s->container_id);
        assert_non_null(s->state.reason);
        assert_true(!s->ready || (is_init && s->state.exit_code == 0));
    } else {
        assert_int_equal(s->state.kind, CONTAINER_WAITING);
        assert_non_null(s->state.reason);
        assert_false(runs || s->ready || s->started);
    }
    if (s->last_state.kind != CONTAINER_STATE_NONE)
        assert_true(is_end_of(view->previous, &s->last_state));
    assert_true(!*s->image_id || vk_streq(s->image_id, "a@sha256:01"));
}

static void check_group(const struct container_group *group, const struct pod_status *s)
{
    const bool never = group_forbids_restarts(group);
    const struct json_array *told[] = {&group->init_containers, &group->containers};
    const struct json_array *said[] = {&s->init_container_statuses, &s->container_statuses};
    for (size_t l = 0; l < 2; l++) {
        const struct group_container *c = told[l]->v;
        const struct container_status *k = said[l]->v;
        assert_int_equal(told[l]->n, said[l]->n);
        for (size_t i = 0; i < told[l]->n; i++)
            check_status(&c[i], &k[i], never, l == 0);
    }
    const bool ended = vk_streq(s->phase, "Succeeded") || vk_streq(s->phase, "Failed");
    assert_true(ended || vk_streq(s->phase, "Pending") || vk_streq(s->phase, "Running"));
    assert_true(ended || !group_runs_on(group, s));
    assert_true(vk_streq(s->pod_ip, group->ip) || (!s->pod_ip && !group->ip));
    assert_int_equal(s->pod_ips.n, group->ip != NULL);
    if (vk_streq(s->phase, "Succeeded")) {
        const struct container_status *k = s->container_statuses.v;
        assert_true(s->container_statuses.n > 0);
        for (size_t i = 0; i < s->container_statuses.n; i++)
            assert_true(k[i].state.kind == CONTAINER_TERMINATED && k[i].state.exit_code == 0);
    }
}

static void random_groups_never_make_anything_up(void **state)
{
    (void)state;
    struct dice d = {.state = 7};
    size_t phases[4] = {0};
    for (unsigned i = 0; i < 20000; i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct vk_buf text VK_BUF_AUTO;
        vk_buf_init(&text, GOLDEN_MAX_BYTES);
        random_group(&d, &text);
        struct container_group group;
        struct pod_status status;
        struct vk_err err;
        if (container_group_parse(vk_buf_str(&text), arena, &group, &err) < 0)
            fail_msg("%s in %s", err.msg, vk_buf_peek(&text));
        group_to_status(&group, arena, &status);
        check_group(&group, &status);
        phases[0] += vk_streq(status.phase, "Pending");
        phases[1] += vk_streq(status.phase, "Running");
        phases[2] += vk_streq(status.phase, "Succeeded");
        phases[3] += vk_streq(status.phase, "Failed");
    }
    for (size_t i = 0; i < 4; i++)
        assert_true(phases[i] > 50);
}

static void a_sidecar_that_outlives_its_job_must_go(void **state)
{
    (void)state;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *doc =
        golden_load(arena, VK_TEST_DATA "/groups/sidecar-outlives-the-job.json");
    struct container_group group;
    struct pod_status status;
    struct vk_err err;
    assert_return_code(
        container_group_parse(golden_text(arena, json_get(doc, "group")), arena, &group, &err), 0);
    group_to_status(&group, arena, &status);
    assert_string_equal(status.phase, "Succeeded");
    assert_true(group_runs_on(&group, &status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_become_the_statuses_of_the_golden_files),
        cmocka_unit_test(a_mangled_group_still_gives_a_status),
        cmocka_unit_test(phases_follow_the_restart_policy),
        cmocka_unit_test(only_the_word_oom_killed_is_oom_killed),
        cmocka_unit_test(a_pod_that_ended_and_runs_again_runs_on),
        cmocka_unit_test(a_sidecar_that_outlives_its_job_must_go),
        cmocka_unit_test(random_groups_never_make_anything_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
