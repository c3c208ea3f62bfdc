/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aci/emulator/group_view.h"
#include "aci/emulator/groups.h"
#include "aci/emulator/lifecycle.h"
#include "base/file.h"
#include "tests/unit/emulator/group_body.h"
#include "tests/unit/emulator/scripted_engine.h"

struct world {
    struct vk_loop *loop;
    struct scripted_engine engine;
    struct lifecycle *lifecycle;
    struct groups *groups;
    struct group *g;
    struct vk_buf out;
};

static void begin(struct world *w, struct vk_str body)
{
    struct group_image *image = vk_calloc(1, sizeof(*image));
    struct group_spec *spec;
    struct vk_err err;

    *w = (struct world){.loop = vk_loop_new()};
    w->engine.engine.ops = &scripted_ops;
    w->lifecycle = lifecycle_new(w->loop, &w->engine.engine, &(struct lifecycle_config){0});
    w->groups = groups_new("sub");
    w->g = groups_add(w->groups, w->loop, w->lifecycle, "RG", "web");
    if (group_spec_parse(body, &spec, &err) < 0)
        fail_msg("%s", err.msg);
    image->image = vk_strdup("busybox");
    image->id = vk_strdup("busybox@sha256:abc");
    image->pulling_ns = 1700000000123456789;
    image->pulled_ns = 1700000001123456789;
    group_adopt_spec(w->g, spec, image, 1);
    lifecycle_run(w->g, "Pending");
    vk_buf_init(&w->out, 1 << 20);
}

static void end(struct world *w)
{
    groups_free(w->groups);
    lifecycle_free(w->lifecycle);
    vk_loop_free(w->loop);
    vk_buf_release(&w->out);
}

static const char *view(struct world *w, enum group_view_kind kind)
{
    struct json_writer writer;

    vk_buf_clear(&w->out);
    json_writer_init(&writer, &w->out);
    group_view_write(w->g, kind, "tenant", &writer, NULL);
    assert_true(json_writer_done(&writer));
    return vk_buf_peek(&w->out);
}

static struct vk_str read_data(struct vk_arena *arena, const char *name)
{
    struct vk_str text;
    struct vk_err err;

    if (file_read(vk_arena_printf(arena, VK_TEST_DATA "/aci/%s", name), 1 << 20, arena, &text,
                  &err) < 0)
        fail_msg("%s", err.msg);
    return text;
}

/* The same text for the same tree. */
static const char *canonical(struct vk_arena *arena, struct vk_str text, struct vk_buf *out)
{
    const struct json *root;
    struct json_writer w;
    struct vk_err err;

    vk_buf_init(out, 1 << 20);
    if (json_parse(text, 1 << 20, arena, &root, &err) < 0)
        fail_msg("%s", err.msg);
    json_writer_init(&w, out);
    json_put_value(&w, NULL, root);
    return vk_buf_peek(out);
}

static void an_accepted_group_is_shown_with_defaults_and_without_secrets(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf expected VK_BUF_AUTO;
    const char *got, *want;
    struct world w;

    (void)state;
    begin(&w, read_data(arena, "group-full.json"));
    want = canonical(arena, read_data(arena, "group-full.accepted.json"), &expected);
    got = view(&w, GROUP_VIEW_FULL);
    /* cmocka's own messages are too short for it. */
    if (strcmp(got, want) != 0) {
        fprintf(stderr, "got:      %s\nexpected: %s\n", got, want);
        fail();
    }
    end(&w);
}

static void no_secret_is_ever_shown(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct world w;

    (void)state;
    begin(&w, read_data(arena, "group-full.json"));
    assert_non_null(strstr(read_data(arena, "group-full.json").p, "U0VDUkVU"));
    for (int list = 0; list < 2; list++) {
        const char *text = view(&w, list ? GROUP_VIEW_LIST : GROUP_VIEW_FULL);

        /* Every secret of the file begins with one of these. */
        assert_null(strstr(text, "U0VDUkVU"));
        assert_null(strstr(text, "SECRET"));
    }
    end(&w);
}

static void containers_have_a_view_once_the_group_is_placed(void **state)
{
    static const bool never;
    char *body VK_AUTOFREE = group_body(GROUP(SUBNET, CONTAINER("c", "")));
    struct world w;

    (void)state;
    begin(&w, vk_str_of(body));
    assert_null(strstr(view(&w, GROUP_VIEW_FULL), "currentState"));
    assert_null(strstr(view(&w, GROUP_VIEW_FULL), "\"ip\""));
    vk_loop_run_until(w.loop, &never, 0);
    scripted_create(&w.engine);
    assert_non_null(strstr(view(&w, GROUP_VIEW_FULL),
                           "\"instanceView\":{\"restartCount\":0,\"currentState\":{\"state\":"
                           "\"Waiting\",\"startTime\":\"2023-11-14T22:13:21.1234567Z\","
                           "\"detailStatus\":\"\"},\"events\":[{\"count\":1,\"firstTimestamp\":"
                           "\"2023-11-14T22:13:20.1234567Z\",\"lastTimestamp\":"
                           "\"2023-11-14T22:13:20.1234567Z\",\"name\":\"Pulling\",\"message\":"
                           "\"pulling image \\\"busybox@sha256:abc\\\"\",\"type\":\"Normal\"}"));
    assert_non_null(
        strstr(view(&w, GROUP_VIEW_FULL),
               "\"ipAddress\":{\"type\":\"Private\",\"ports\":[],\"ip\":\"10.244.0.2\"}"));
    assert_null(strstr(view(&w, GROUP_VIEW_LIST), "instanceView"));
    end(&w);
}

static void states_are_worded_as_the_service_words_them(void **state)
{
    static const struct {
        struct container_state s;
        const char *text;
    } cases[] = {
        {{.kind = CONTAINER_WAITING, .detail = "CrashLoopBackOff: Back-off restarting failed"},
         "{\"state\":\"Waiting\",\"detailStatus\":\"CrashLoopBackOff: Back-off restarting "
         "failed\"}"},
        {{.kind = CONTAINER_RUNNING, .start_ns = 1700000000000000000},
         "{\"state\":\"Running\",\"startTime\":\"2023-11-14T22:13:20.0000000Z\",\"detailStatus\":"
         "\"\"}"},
        {{.kind = CONTAINER_TERMINATED,
          .start_ns = 1700000000000000000,
          .finish_ns = 1700000001000000000,
          .has_exit_code = true,
          .exit_code = 2,
          .detail = "Error"},
         "{\"state\":\"Terminated\",\"startTime\":\"2023-11-14T22:13:20.0000000Z\",\"exitCode\":2,"
         "\"finishTime\":\"2023-11-14T22:13:21.0000000Z\",\"detailStatus\":\"Error\"}"},
        {{.kind = CONTAINER_TERMINATED,
          .start_ns = 1700000000000000000,
          .finish_ns = 1700000001000000000,
          .detail = "Container stopped per client request"},
         "{\"state\":\"Terminated\",\"startTime\":\"2023-11-14T22:13:20.0000000Z\",\"finishTime\":"
         "\"2023-11-14T22:13:21.0000000Z\",\"detailStatus\":\"Container stopped per client "
         "request\"}"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_buf out VK_BUF_AUTO;
        struct json_writer w;

        vk_buf_init(&out, 4096);
        json_writer_init(&w, &out);
        group_view_state(&cases[i].s, &w, NULL);
        assert_string_equal(vk_buf_peek(&out), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_accepted_group_is_shown_with_defaults_and_without_secrets),
        cmocka_unit_test(no_secret_is_ever_shown),
        cmocka_unit_test(containers_have_a_view_once_the_group_is_placed),
        cmocka_unit_test(states_are_worded_as_the_service_words_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
