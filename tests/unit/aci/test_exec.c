/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/exec.h"
#include "tests/unit/aci/scripted_arm.h"

struct world {
    struct scripted_arm arm;
    bool done;
    struct vk_err err;
    char uri[64], password[64];
};

static int setup(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));

    scripted_arm_start(&w->arm);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    scripted_arm_stop(&w->arm);
    vk_free(w);
    return 0;
}

static void on_endpoint(void *user, const struct exec_endpoint *endpoint, const struct vk_err *err)
{
    struct world *w = user;

    assert_false(w->done);
    assert_true(!endpoint == !!err);
    w->done = true;
    w->err = err ? *err : (struct vk_err){0};
    if (err)
        return;
    (void)snprintf(w->uri, sizeof(w->uri), "%s", endpoint->uri);
    (void)snprintf(w->password, sizeof(w->password), "%.*s", (int)endpoint->password.n,
                   endpoint->password.p);
}

#define BASE                                                                                       \
    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups/g/"  \
    "containers/a%20b/"
#define ANSWER                                                                                     \
    "{\"webSocketUri\":\"wss://h:19390/execstream/sessionId/1\",\"password\":\"p[[EOM]]\"}"

static const struct exec_target target = {.group = "g", .container = "a b", .owner = "ns"};

static void an_exec_asks_for_one_program_on_a_terminal_of_that_size(void **state)
{
    static const struct script_step steps[] = {{200, ANSWER, NULL, NULL}};
    struct world *w = *state;

    script_play(&w->arm.server, steps, VK_COUNT(steps));
    (void)exec_start(w->arm.groups, &target, "/bin/sh", 24, 80, on_endpoint, w);
    assert_false(w->done);
    script_wait(&w->arm.server, &w->done);
    assert_int_equal(w->err.code, VK_OK);
    assert_string_equal(w->uri, "wss://h:19390/execstream/sessionId/1");
    assert_string_equal(w->password, "p[[EOM]]");
    assert_string_equal(vk_buf_peek(&w->arm.server.asked),
                        "POST " BASE "exec?api-version=2025-09-01 Bearer t1 "
                        "{\"command\":\"/bin/sh\",\"terminalSize\":{\"rows\":24,\"cols\":80}}\n");
}

static void a_size_that_is_not_known_is_not_sent(void **state)
{
    static const struct script_step steps[] = {{200, ANSWER, NULL, NULL}};
    struct world *w = *state;

    script_play(&w->arm.server, steps, VK_COUNT(steps));
    (void)exec_start(w->arm.groups, &target, "/bin/sh", 0, 0, on_endpoint, w);
    script_wait(&w->arm.server, &w->done);
    assert_non_null(strstr(vk_buf_peek(&w->arm.server.asked), " {\"command\":\"/bin/sh\"}\n"));
}

static void an_attachment_has_no_body(void **state)
{
    static const struct script_step steps[] = {{200, ANSWER, NULL, NULL}};
    struct world *w = *state;

    script_play(&w->arm.server, steps, VK_COUNT(steps));
    (void)exec_attach(w->arm.groups, &target, on_endpoint, w);
    script_wait(&w->arm.server, &w->done);
    assert_int_equal(w->err.code, VK_OK);
    assert_string_equal(vk_buf_peek(&w->arm.server.asked),
                        "POST " BASE "attach?api-version=2025-09-01 Bearer t1\n");
}

static void answers_without_an_address_are_refused(void **state)
{
    static const struct row {
        struct script_step step;
        enum vk_code code;
        const char *text;
    } rows[] = {
        {{200, "{", NULL, NULL}, VK_PROTOCOL, "JSON"},
        {{200, "{\"password\":\"p\"}", NULL, NULL}, VK_PROTOCOL, "webSocketUri"},
        {{200, "{\"webSocketUri\":\"wss://h/\"}", NULL, NULL}, VK_PROTOCOL, "password"},
        {{404,
          "{\"error\":{\"code\":\"ContainerNotFound\",\"message\":\"The container 'a b' does not "
          "exist in container group 'g'.\"}}",
          NULL, NULL},
         VK_NOT_FOUND,
         "run a command in container a b of container group g"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        w->done = false;
        script_play(&w->arm.server, &rows[i].step, 1);
        (void)exec_start(w->arm.groups, &target, "/bin/sh", 0, 0, on_endpoint, w);
        script_wait(&w->arm.server, &w->done);
        assert_int_equal(w->err.code, rows[i].code);
        assert_non_null(strstr(w->err.msg, rows[i].text));
    }
}

static void a_cancelled_call_has_no_callback(void **state)
{
    static const struct script_step steps[] = {{200, ANSWER, NULL, NULL}};
    struct world *w = *state;

    script_play(&w->arm.server, steps, VK_COUNT(steps));
    exec_call_cancel(exec_start(w->arm.groups, &target, "/bin/sh", 0, 0, on_endpoint, w));
    exec_call_cancel(NULL);
    (void)exec_attach(w->arm.groups, &target, on_endpoint, w);
    script_wait(&w->arm.server, &w->done);
    assert_null(strstr(vk_buf_peek(&w->arm.server.asked), "/exec"));
}

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WORLD(an_exec_asks_for_one_program_on_a_terminal_of_that_size),
        WITH_WORLD(a_size_that_is_not_known_is_not_sent),
        WITH_WORLD(an_attachment_has_no_body),
        WITH_WORLD(answers_without_an_address_are_refused),
        WITH_WORLD(a_cancelled_call_has_no_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
