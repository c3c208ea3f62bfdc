/* SPDX-License-Identifier: Apache-2.0 */
/* A real registry and podman. Skipped where the machine has none (fixture_missing). */
#include "tests/unit/emulator/registry_fixture.h"

#include "aci/emulator/image_store.h"
#include "aci/emulator/runc_mounts.h"
#include "base/clock.h"
#include "base/log.h"

#define IMAGE "private.example/scratch/busybox:1"
#define WAIT_MS 60000

static struct registry_fixture fixture;
static struct vk_loop *loop;
static struct runc_processes *processes;
static struct image_store *store;
static char *state_dir;

struct outcome {
    bool done;
    struct vk_err err;
    char id[256];
};

static void on_pulled(void *user, const struct engine_image *image, const struct vk_err *err)
{
    struct outcome *o = user;
    assert_false(o->done);
    o->done = true;
    if (err)
        o->err = *err;
    else
        (void)vk_strcpy_to(o->id, sizeof(o->id), image->id);
}

static struct outcome pull(const char *image, const char *user, const char *password)
{
    struct outcome o = {0};
    const struct engine_image_spec spec = {.image = image, .username = user, .password = password};
    image_store_pull(store, &spec, on_pulled, &o);
    assert_false(o.done);
    assert_true(vk_loop_run_until(loop, &o.done, WAIT_MS));
    return o;
}

static void credentials_decide(void **state)
{
    (void)state;
    static const struct {
        const char *user, *password;
        enum vk_code code;
    } cases[] = {
        {NULL, NULL, VK_UNAUTHENTICATED},
        {"user", "wrong", VK_UNAUTHENTICATED},
        {"user", "p:a\"ss", VK_OK},
        /* The image is in the store by now; without credentials it is refused all the same. */
        {NULL, NULL, VK_UNAUTHENTICATED},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct outcome o = pull(IMAGE, cases[i].user, cases[i].password);
        if (o.err.code != cases[i].code)
            fail_msg("case %zu: %s", i, o.err.msg);
        assert_null(strstr(o.err.msg, "p:a"));
        assert_int_equal(vk_starts(o.id, "private.example/scratch/busybox@sha256:"),
                         cases[i].code == VK_OK);
    }
    struct image_config *config = image_store_get(store, IMAGE);
    assert_non_null(config);
    assert_string_equal(config->cmd[0], "sleep");
    assert_string_equal(config->working_dir, "/tmp");
}

static void digest_names_the_same_image(void **state)
{
    (void)state;
    struct outcome tagged = pull(IMAGE, "user", "p:a\"ss");
    struct outcome by_digest = pull(tagged.id, "user", "p:a\"ss");
    assert_string_equal(by_digest.err.msg, "");
    assert_string_equal(by_digest.id, tagged.id);
    char *both VK_AUTOFREE = vk_asprintf("%s%s", IMAGE, strchr(tagged.id, '@'));
    struct outcome tag_and_digest = pull(both, "user", "p:a\"ss");
    assert_string_equal(tag_and_digest.err.msg, "");
    assert_string_equal(tag_and_digest.id, tagged.id);
}

/* Counts the processes of podman while twelve wait. */
static void pulls_of_one_image_share_a_process_and_others_wait_their_turn(void **state)
{
    (void)state;
    enum { N = 12 };
    struct outcome same[N] = {{0}}, other[N] = {{0}};
    const struct engine_image_spec spec = {
        .image = IMAGE, .username = "user", .password = "p:a\"ss"};
    for (int i = 0; i < N; i++) {
        image_store_pull(store, &spec, on_pulled, &same[i]);
        char name[64];
        (void)snprintf(name, sizeof(name), "private.example/none/x%d:1", i);
        const struct engine_image_spec none = {
            .image = name, .username = "user", .password = "p:a\"ss"};
        image_store_pull(store, &none, on_pulled, &other[i]);
    }
    char *count VK_AUTOFREE =
        vk_asprintf("test $(ps -o comm= --ppid %d | grep -c podman) = 4", (int)getpid());
    assert_int_equal(fixture_shell(count), 0);
    /* The password, plain or in base64, is in no argument, environment or file. */
    char *seen VK_AUTOFREE = vk_asprintf(
        "e=$(printf 'user:p:a\"ss' | base64); for p in $(ps -o pid= --ppid %d); do "
        "tr '\\0' '\\n' </proc/$p/cmdline | grep -qaF -e 'p:a\"ss' -e $e && ps -o comm= $p | grep "
        "-q "
        "podman && exit 1; cat /proc/$p/environ | grep -qaF -e 'p:a\"ss' -e $e && exit 1; done; "
        "! grep -rqsF -e 'p:a\"ss' -e $e %s",
        (int)getpid(), state_dir);
    assert_int_equal(fixture_shell(seen), 0);
    for (int i = 0; i < N; i++) {
        assert_true(same[i].done || vk_loop_run_until(loop, &same[i].done, WAIT_MS));
        assert_true(other[i].done || vk_loop_run_until(loop, &other[i].done, WAIT_MS));
        assert_string_equal(same[i].err.msg, "");
        assert_string_equal(same[i].id, same[0].id);
        assert_int_equal(other[i].err.code, VK_NOT_FOUND);
    }
}

static void names_that_cannot_exist_end_later_not_at_once(void **state)
{
    (void)state;
    struct outcome o = pull("Not A Name", NULL, NULL);
    assert_int_equal(o.err.code, VK_NOT_FOUND);
    assert_null(image_store_get(store, "Not A Name"));
}

static void registry_in_trouble_is_unavailable(void **state)
{
    (void)state;
    struct vk_err err = {0};
    struct image_store *other = NULL;
    char *directory VK_AUTOFREE = vk_asprintf("%s/other", fixture.directory);
    assert_int_equal(fixture_shell("true"), 0);
    char *make VK_AUTOFREE = vk_asprintf("mkdir %s", directory);
    assert_int_equal(fixture_shell(make), 0);
    assert_int_equal(image_store_new(loop, processes, directory, "127.0.0.1:1", &other, &err), 0);
    struct outcome o = {0};
    const struct engine_image_spec spec = {.image = IMAGE};
    image_store_pull(other, &spec, on_pulled, &o);
    assert_true(vk_loop_run_until(loop, &o.done, WAIT_MS));
    assert_int_equal(o.err.code, VK_UNAVAILABLE);
    assert_non_null(strstr(o.err.msg, "connection refused"));
    image_store_free(other);
}

static void answers_are_told_apart_by_their_last_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum vk_code code;
    } cases[] = {
        {"Trying to pull x...\nError: reading manifest 1 in a/b: manifest unknown: manifest "
         "unknown",
         VK_NOT_FOUND},
        {"Error: unable to retrieve auth token: invalid username/password: unauthorized: "
         "authentication required",
         VK_UNAUTHENTICATED},
        {"Error: requested access to the resource is denied", VK_UNAUTHENTICATED},
        {"manifest unknown\nError: dial tcp: connection refused", VK_UNAVAILABLE},
        {"Error: received unexpected HTTP status: 503 Service Unavailable", VK_UNAVAILABLE},
        {"", VK_UNAVAILABLE},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_err err = {0};
        assert_true(image_store_pull_error(vk_str_of(cases[i].text), "a/b:1", &err) < 0);
        assert_int_equal(err.code, cases[i].code);
        assert_non_null(strstr(err.msg, "\"a/b:1\""));
        assert_null(strstr(err.msg, "Error: "));
        assert_null(strchr(err.msg, '\n'));
    }
}

int main(void)
{
    struct vk_err err = {0};
    log_init(LOG_TEXT, getenv("VK_TEST_V") ? 4 : 0);
    const char *missing = fixture_missing();
    if (missing) {
        print_message("skipped: %s\n", missing);
    } else if (!fixture_start(&fixture, "user", "p:a\"ss")) {
        fixture_stop(&fixture);
        return 1;
    } else {
        state_dir = vk_asprintf("%s/state", fixture.directory);
        char *make VK_AUTOFREE = vk_asprintf("mkdir %s", state_dir);
        loop = vk_loop_new();
        processes = runc_processes_new(loop);
        if (fixture_shell(make) ||
            image_store_new(loop, processes, state_dir, "127.0.0.1:5000", &store, &err) < 0) {
            print_message("%s\n", err.msg);
            return 1;
        }
    }
#define TEST(f)                                                                                    \
    {                                                                                              \
        .name = #f, .test_func = missing ? fixture_skipped : (f)                                   \
    }
    const struct CMUnitTest tests[] = {
        TEST(credentials_decide),
        TEST(digest_names_the_same_image),
        TEST(pulls_of_one_image_share_a_process_and_others_wait_their_turn),
        TEST(names_that_cannot_exist_end_later_not_at_once),
        TEST(registry_in_trouble_is_unavailable),
        cmocka_unit_test(answers_are_told_apart_by_their_last_line),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (!missing) {
        runc_processes_free(processes);
        image_store_free(store);
        vk_loop_free(loop);
        runc_mounts_detach_below(fixture.directory);
        fixture_stop(&fixture);
    }
    vk_free(state_dir);
    return failed;
}
