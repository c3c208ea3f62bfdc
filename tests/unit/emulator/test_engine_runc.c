/* SPDX-License-Identifier: Apache-2.0 */
/* Real containers. Skipped where the machine cannot run them (fixture_missing). */
#include "tests/unit/emulator/engine_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "aci/emulator/runc_mounts.h"
#include "base/log.h"

static void image_is_pulled_from_the_mirror_and_has_a_digest(void **state)
{
    (void)state;
    struct outcome o = {0}, again = {0};
    const struct engine_image_spec spec = {.image = IMAGE};
    engine->ops->pull(engine, &spec, on_pulled, &o);
    engine->ops->pull(engine, &spec, on_pulled, &again);
    assert_false(o.pulled);
    wait_for(&o.pulled);
    wait_for(&again.pulled);
    assert_string_equal(o.err.msg, "");
    assert_true(vk_starts(o.image_id, "registry.example/scratch/busybox@sha256:"));
    assert_string_equal(o.image_id, again.image_id);
}

static void unknown_image_is_not_found(void **state)
{
    (void)state;
    static const char *const images[] = {"docker.io/library/nothing:1",
                                         "registry.example/scratch/busybox:2", "UPPER/Case"};
    for (size_t i = 0; i < VK_COUNT(images); i++) {
        struct outcome o = {0};
        const struct engine_image_spec spec = {.image = images[i]};
        engine->ops->pull(engine, &spec, on_pulled, &o);
        wait_for(&o.pulled);
        assert_int_equal(o.err.code, VK_NOT_FOUND);
        assert_non_null(strstr(o.err.msg, images[i]));
    }
}

static void exit_code_and_output_arrive(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    create(&s, (struct engine_sandbox_spec){.id = "exits", .hostname = "exits"});
    char *none VK_AUTOFREE = logs_of(&s, "main", -1, false);
    assert_string_equal(none, "error NotFound");
    int64_t before = vk_wall_ns();
    run_shell(&s, &c, "main", "echo out; echo err >&2; printf end; exit 3");
    wait_for(&c.exited);
    assert_int_equal(c.end.exit_code, 3);
    assert_int_equal(c.end.signal, 0);
    assert_false(c.end.oom_killed);
    assert_true(c.started_wall_ns > before - 20000000 && c.started_wall_ns <= vk_wall_ns());
    assert_true(c.end.finished_wall_ns >= c.started_wall_ns);
    char *all VK_AUTOFREE = logs_of(&s, "main", -1, false);
    assert_string_equal(all, "out\nerr\nend");
    char *stamped VK_AUTOFREE = logs_of(&s, "main", 1, true);
    int64_t wall_ns = 0;
    assert_true(vk_time_parse((struct vk_str){.p = stamped, .n = 30}, &wall_ns));
    assert_true(wall_ns >= before);
    assert_string_equal(stamped + 30, " end");
    remove_sandbox(&s);
}

static void same_name_starts_again_with_a_new_root_and_log(void **state)
{
    (void)state;
    struct outcome s = {0};
    create(&s, (struct engine_sandbox_spec){.id = "again", .hostname = "again"});
    for (int i = 0; i < 3; i++) {
        struct outcome c = {0};
        char *script VK_AUTOFREE =
            vk_asprintf("test ! -e /mark || exit 9; touch /mark; echo run %d; exit %d", i, i);
        run_shell(&s, &c, "main", script);
        wait_for(&c.exited);
        assert_int_equal(c.end.exit_code, i);
        char *log VK_AUTOFREE = logs_of(&s, "main", -1, false);
        char *expected VK_AUTOFREE = vk_asprintf("run %d\n", i);
        assert_string_equal(log, expected);
    }
    remove_sandbox(&s);
}

static void signal_ends_it_with_128_and_the_signal(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    create(&s, (struct engine_sandbox_spec){.id = "signal", .hostname = "signal"});
    run_shell(&s, &c, "main", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done");
    for (char *log = NULL; !log || !*log;) {
        vk_free(log);
        bool never = false;
        (void)vk_loop_run_until(loop, &never, 10);
        log = logs_of(&s, "main", -1, false);
        if (*log) {
            vk_free(log);
            break;
        }
    }
    engine->ops->container_kill(engine, s.sandbox, "main", SIGTERM);
    wait_for(&c.exited);
    assert_int_equal(c.end.exit_code, 7);
    c = (struct outcome){0};
    run_shell(&s, &c, "main", "sleep 1000");
    engine->ops->container_kill(engine, s.sandbox, "main", SIGKILL);
    wait_for(&c.exited);
    assert_int_equal(c.end.exit_code, 137);
    assert_int_equal(c.end.signal, SIGKILL);
    assert_false(c.end.oom_killed);
    engine->ops->container_kill(engine, s.sandbox, "main", SIGKILL);
    remove_sandbox(&s);
}

static void out_of_memory_is_seen(void **state)
{
    (void)state;
    static const struct {
        int64_t container_bytes, group_bytes;
    } limits[] = {{24 << 20, 0}, {0, 24 << 20}};
    for (size_t i = 0; i < VK_COUNT(limits); i++) {
        struct outcome s = {0}, c = {0};
        create(&s, (struct engine_sandbox_spec){
                       .id = "oom", .hostname = "oom", .memory_bytes = limits[i].group_bytes});
        const char *const command[] = {"sh", "-c", "x=a; while :; do x=$x$x; done", NULL};
        struct engine_container_spec spec = container("main", command);
        spec.memory_bytes = limits[i].container_bytes;
        start(&s, &c, spec);
        wait_for(&c.started);
        assert_string_equal(c.err.msg, "");
        wait_for(&c.exited);
        assert_int_equal(c.end.exit_code, 137);
        assert_true(c.end.oom_killed);
        remove_sandbox(&s);
    }
}

static void start_errors_say_why(void **state)
{
    (void)state;
    static const char *const no_program[] = {"/does/not/exist", NULL};
    static const char *const program[] = {"true", NULL};
    static const char *const odd[] = {"CAP_NOTHING"};
    struct outcome s = {0};
    create(&s, (struct engine_sandbox_spec){.id = "errors", .hostname = "errors"});
    struct engine_container_spec specs[4] = {
        container("a", no_program),
        container("b", program),
        container("c", program),
        container("d", program),
    };
    specs[1].image = "registry.example/never/pulled:1";
    specs[2].mounts = &(const struct engine_mount){.volume = "none", .path = "/x"};
    specs[2].mount_count = 1;
    specs[3].add_capabilities = odd;
    specs[3].add_capability_count = 1;
    static const char *const texts[] = {"/does/not/exist", "was not pulled", "does not have",
                                        "unknown capability"};
    for (size_t i = 0; i < VK_COUNT(specs); i++) {
        struct outcome c = {0};
        start(&s, &c, specs[i]);
        assert_false(c.started);
        wait_for(&c.started);
        if (!strstr(c.err.msg, texts[i]))
            fail_msg("case %zu: \"%s\" lacks \"%s\"", i, c.err.msg, texts[i]);
        char *log VK_AUTOFREE = logs_of(&s, specs[i].name, -1, false);
        assert_string_equal(log, "error NotFound");
    }
    remove_sandbox(&s);
}

static void machine_that_is_in_the_way_is_not_the_containers_doing(void **state)
{
    (void)state;
    static const char *const program[] = {"true", NULL};
    static const char *const nothing[] = {"/does/not/exist", NULL};
    struct outcome s = {0}, spoilt = {0}, wrong = {0}, good = {0};
    create(&s, (struct engine_sandbox_spec){.id = "spoilt", .hostname = "spoilt"});
    char *taken VK_AUTOFREE = vk_asprintf("%s/sandboxes/%s/main.1", state_dir, s.sandbox->folder);
    assert_int_equal(mkdir(taken, 0700), 0);
    start(&s, &spoilt, container("main", program));
    wait_for(&spoilt.started);
    assert_non_null(strstr(spoilt.err.msg, "main.1"));
    assert_int_not_equal(spoilt.err.code, VK_INVALID);
    start(&s, &wrong, container("main", nothing));
    wait_for(&wrong.started);
    assert_int_equal(wrong.err.code, VK_INVALID);
    start(&s, &good, container("main", program));
    wait_for(&good.exited);
    assert_int_equal(good.end.exit_code, 0);
    remove_sandbox(&s);
}

static void refused_overlay_says_what_the_kernel_said(void **state)
{
    (void)state;
    struct vk_err err;
    struct image_config *image = image_store_get(runc_engine_of(engine)->images, IMAGE);
    char *folder VK_AUTOFREE = vk_asprintf("%s/overlay", state_dir);
    char *links VK_AUTOFREE = vk_asprintf("%s/layers", state_dir);
    int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_int_equal(mkdir(folder, 0700), 0);
    int rc = runc_mounts_overlay(links, image->layers, folder, folder, folder, &err);
    assert_int_equal(rc, -VK_UNAVAILABLE);
    assert_int_equal(err.sys_errno, EINVAL);
    assert_non_null(strstr(err.msg, folder));
    if (log < 0)
        print_message("the kernel's log is not for us\n");
    else if (!strstr(err.msg, "(overlayfs: workdir and upperdir must be separate subtrees)"))
        fail_msg("%s", err.msg);
    if (log >= 0)
        close(log);
    assert_int_equal(rmdir(folder), 0);
}

static void volumes_environment_and_user_are_as_specified(void **state)
{
    (void)state;
    const struct engine_file files[] = {{.name = "token", .content = VK_STR("s3cret")}};
    const struct engine_volume volumes[] = {
        {.name = "secret", .kind = ENGINE_VOLUME_SECRET, .files = files, .file_count = 1},
        {.name = "work", .kind = ENGINE_VOLUME_EMPTY_DIR},
        {.name = "shared", .kind = ENGINE_VOLUME_SHARE, .share = "account/share"},
    };
    const struct engine_mount mounts[] = {
        {.volume = "secret", .path = "/run/secret", .read_only = true},
        {.volume = "work", .path = "/work"},
        {.volume = "work", .path = "/part", .sub_path = "a/b"},
        {.volume = "shared", .path = "/shared"},
    };
    const struct engine_env env[] = {{"BOTH", "spec"}, {"TWO WORDS", "a=b c"}};
    const char *const servers[] = {"10.0.0.10"};
    struct outcome s = {0}, c = {0};
    create(&s, (struct engine_sandbox_spec){.id = "volumes",
                                            .hostname = "box",
                                            .volumes = volumes,
                                            .volume_count = VK_COUNT(volumes),
                                            .name_servers = servers,
                                            .name_server_count = 1,
                                            .search_domains = "a.example b.example",
                                            .dns_options = "ndots:5"});
    const char *const command[] = {
        "sh", "-c",
        "cat /run/secret/token; echo; (echo x >/run/secret/token) 2>/dev/null && echo writable; "
        "stat -f -c %T /run/secret; echo $FROM_IMAGE $BOTH $HOME; id -u; id -g; id -G; pwd; "
        "hostname; cat /etc/resolv.conf; cat /etc/hosts | tail -n 1 | cut -f 2; "
        "echo here >/part/f; cat /work/a/b/f; echo kept >/shared/f; grep NoNewPrivs "
        "/proc/self/status; grep CapEff /proc/self/status",
        NULL};
    struct engine_container_spec spec = container("main", command);
    spec.env = env;
    spec.env_count = VK_COUNT(env);
    spec.mounts = mounts;
    spec.mount_count = VK_COUNT(mounts);
    spec.run_as_user = 1000;
    spec.no_new_privileges = true;
    start(&s, &c, spec);
    wait_for(&c.started);
    assert_string_equal(c.err.msg, "");
    wait_for(&c.exited);
    char *log VK_AUTOFREE = logs_of(&s, "main", -1, false);
    assert_string_equal(log, "s3cret\ntmpfs\nyes spec /home/app\n1000\n1000\n1000 2000\n/tmp\nbox\n"
                             "nameserver 10.0.0.10\nnameserver 168.63.129.16\n"
                             "search a.example b.example\noptions ndots:5\nbox\nhere\n"
                             "NoNewPrivs:\t1\nCapEff:\t0000000000000000\n");
    char *secrets VK_AUTOFREE =
        vk_asprintf("%s/sandboxes/%s/secrets", state_dir, s.sandbox->folder);
    assert_true(file_mentions("/proc/self/mountinfo", secrets));
    remove_sandbox(&s);
    assert_false(file_mentions("/proc/self/mountinfo", secrets));
    char *share VK_AUTOFREE = vk_asprintf("%s/shares/account/share/f", state_dir);
    assert_true(file_mentions(share, "kept"));
}

static void containers_of_a_group_share_the_network_and_groups_reach_each_other(void **state)
{
    (void)state;
    struct outcome one = {0}, two = {0}, server = {0}, inside = {0}, outside = {0};
    create(&one, (struct engine_sandbox_spec){.id = "one", .hostname = "one"});
    create(&two, (struct engine_sandbox_spec){.id = "two", .hostname = "two"});
    assert_string_not_equal(one.ip, two.ip);
    run_shell(&one, &server, "server", "mkdir /w; echo hello >/w/f; httpd -f -p 80 -h /w");
    run_shell(&one, &inside, "client",
              "until wget -qO- http://127.0.0.1/f 2>/dev/null; do sleep 0.05; done");
    char *script VK_AUTOFREE = vk_asprintf("wget -qO- http://%s/f", one.ip);
    wait_for(&inside.exited);
    run_shell(&two, &outside, "client", script);
    wait_for(&outside.exited);
    char *first VK_AUTOFREE = logs_of(&one, "client", -1, false);
    char *second VK_AUTOFREE = logs_of(&two, "client", -1, false);
    assert_string_equal(first, "hello\n");
    assert_string_equal(second, "hello\n");
    struct engine_usage usage = {0};
    assert_true(engine->ops->container_usage(engine, one.sandbox, "server", &usage));
    assert_true(usage.memory_bytes > 0 && usage.cpu_ns > 0);
    assert_true(usage.rx_bytes > 0 && usage.tx_bytes > 0);
    assert_false(engine->ops->container_usage(engine, one.sandbox, "client", &usage));
    remove_sandbox(&one);
    remove_sandbox(&two);
}

static void loud_container_keeps_its_newest_lines(void **state)
{
    (void)state;
    struct outcome s = {0}, c = {0};
    create(&s, (struct engine_sandbox_spec){.id = "loud", .hostname = "loud"});
    run_shell(&s, &c, "main", "seq 1 400000");
    wait_for(&c.exited);
    char *log VK_AUTOFREE = logs_of(&s, "main", -1, false);
    assert_true(strlen(log) <= 16384);
    assert_true(vk_ends(log, "\n399999\n400000\n"));
    assert_true(vk_starts(log, "399001\n"));
    remove_sandbox(&s);
}

static void deletion_leaves_nothing(void **state)
{
    (void)state;
    const struct engine_file files[] = {{.name = "f", .content = VK_STR("x")}};
    const struct engine_volume volumes[] = {
        {.name = "secret", .kind = ENGINE_VOLUME_SECRET, .files = files, .file_count = 1}};
    struct outcome s = {0}, c[3] = {{0}};
    create(&s, (struct engine_sandbox_spec){
                   .id = "delete", .hostname = "d", .volumes = volumes, .volume_count = 1});
    char *folder VK_AUTOFREE = vk_strdup(s.sandbox->folder);
    uint32_t index = s.sandbox->index;
    run_shell(&s, &c[0], "a", "sleep 1000 & sleep 1000");
    /* One that runs, one that is asked for, one that cannot start: deleted in the same turn. */
    static const char *const sleeps[] = {"sleep", "1000", NULL};
    static const char *const nothing[] = {"/nothing", NULL};
    start(&s, &c[1], container("b", sleeps));
    start(&s, &c[2], container("c", nothing));
    remove_sandbox(&s);
    assert_int_equal(c[0].exits, 0);
    assert_int_equal(c[1].starts + c[1].exits, 0);
    assert_int_equal(c[2].starts, 0);
    assert_sandbox_gone(folder, index);
}

static void same_sandbox_name_is_refused_and_free_again_after_deletion(void **state)
{
    (void)state;
    struct outcome s = {0}, other = {0}, later = {0};
    const struct engine_sandbox_spec spec = {.id = "twice", .hostname = "t"};
    create(&s, spec);
    engine->ops->sandbox_create(engine, &spec, on_created, &other);
    assert_false(other.created);
    wait_for(&other.created);
    assert_null(other.sandbox);
    assert_int_equal(other.err.code, VK_ALREADY_EXISTS);
    engine->ops->sandbox_delete(engine, s.sandbox, on_deleted, &s);
    /* Not even the end of the deletion needs to be waited for. */
    create(&later, spec);
    wait_for(&s.deleted);
    assert_string_not_equal(later.ip, s.ip);
    remove_sandbox(&later);
}

static void twenty_at_once(void **state)
{
    (void)state;
    enum { N = 20 };
    static const char *const sleeps[] = {"sleep", "1000", NULL};
    struct outcome s[N] = {{0}}, c[N] = {{0}};
    int64_t begin = vk_mono_us();
    for (int i = 0; i < N; i++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "many-%d", i);
        const struct engine_sandbox_spec spec = {
            .id = id, .hostname = id, .memory_bytes = 64 << 20};
        engine->ops->sandbox_create(engine, &spec, on_created, &s[i]);
    }
    for (int i = 0; i < N; i++) {
        wait_for(&s[i].created);
        assert_string_equal(s[i].err.msg, "");
        start(&s[i], &c[i], container("main", sleeps));
    }
    for (int i = 0; i < N; i++) {
        wait_for(&c[i].started);
        assert_string_equal(c[i].err.msg, "");
    }
    int64_t running = vk_mono_us();
    for (int i = 0; i < N; i++)
        engine->ops->sandbox_delete(engine, s[i].sandbox, on_deleted, &s[i]);
    for (int i = 0; i < N; i++)
        wait_for(&s[i].deleted);
    int64_t end = vk_mono_us();
    print_message("20 at once: started in %lld ms, deleted in %lld ms\n",
                  (long long)(running - begin) / 1000, (long long)(end - running) / 1000);
    assert_true(vk_list_is_empty(&runc_engine_of(engine)->sandboxes));
}

static void one_after_the_other(void **state)
{
    (void)state;
    enum { N = 10 };
    static const char *const sleeps[] = {"sleep", "1000", NULL};
    int64_t start_us = 0, delete_us = 0;
    for (int i = 0; i < N; i++) {
        struct outcome s = {0}, c = {0};
        int64_t begin = vk_mono_us();
        create(&s, (struct engine_sandbox_spec){.id = "single", .hostname = "single"});
        start(&s, &c, container("main", sleeps));
        wait_for(&c.started);
        int64_t running = vk_mono_us();
        remove_sandbox(&s);
        start_us += running - begin;
        delete_us += vk_mono_us() - running;
    }
    print_message("one sandbox and container: started in %lld us, deleted in %lld us\n",
                  (long long)start_us / N, (long long)delete_us / N);
}

/* In a process of its own, which is killed while a container runs. */
static void run_until_killed(int report)
{
    engine = new_engine();
    struct outcome pull = {0}, s = {0}, c = {0};
    const struct engine_image_spec image = {.image = IMAGE};
    engine->ops->pull(engine, &image, on_pulled, &pull);
    wait_for(&pull.pulled);
    create(&s, (struct engine_sandbox_spec){.id = "orphan", .hostname = "o"});
    run_shell(&s, &c, "main", "sleep 1000");
    pid_t pid = VK_LIST_ENTRY(s.sandbox->instances.next, struct runc_instance, node)->pid;
    (void)!write(report, &pid, sizeof(pid));
    for (;;)
        pause();
}

static void killed_predecessor_is_cleaned_up(void **state)
{
    (void)state;
    int ends[2];
    pid_t container_pid = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        run_until_killed(ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], &container_pid, sizeof(container_pid)), sizeof(container_pid));
    close(ends[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    char *below VK_AUTOFREE = vk_asprintf("%s/sandboxes", state_dir);
    assert_true(file_mentions("/proc/self/mountinfo", below));
    assert_int_equal(kill(container_pid, 0), 0);
    engine = new_engine();
    struct runc_engine *e = runc_engine_of(engine);
    char *ns VK_AUTOFREE = vk_asprintf("%s-", e->name);
    char *cgroup VK_AUTOFREE = vk_asprintf("/%s", e->name);
    char *device VK_AUTOFREE = vk_asprintf("%s2", e->name);
    assert_nothing_left(ns, below, device, cgroup);
}

static void end_of_the_engine_leaves_nothing(void **state)
{
    (void)state;
    static const char *const sleeps[] = {"sleep", "1000", NULL};
    struct outcome s = {0}, half = {0}, c = {0}, late = {0}, pull = {0};
    create(&s, (struct engine_sandbox_spec){.id = "last", .hostname = "last"});
    start(&s, &c, container("main", sleeps));
    wait_for(&c.started);
    start(&s, &late, container("late", sleeps));
    const struct engine_sandbox_spec spec = {.id = "half", .hostname = "half"};
    engine->ops->sandbox_create(engine, &spec, on_created, &half);
    const struct engine_image_spec image = {.image = IMAGE};
    engine->ops->pull(engine, &image, on_pulled, &pull);
    char *name VK_AUTOFREE = vk_strdup(runc_engine_of(engine)->name);
    char *cgroup VK_AUTOFREE = vk_asprintf("/%s", name);
    int64_t begin = vk_mono_us();
    engine->ops->free(engine);
    engine = NULL;
    print_message("end of the engine: %lld ms\n", (long long)(vk_mono_us() - begin) / 1000);
    vk_loop_free(loop);
    assert_int_equal(late.starts + half.created + pull.pulled, 0);
    assert_nothing_left(name, state_dir, name, cgroup);
    assert_false(has_entry(state_dir, "sandboxes"));
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    /* What the killed predecessor leaves comes to us and is reaped, whatever the machine's init
     * does.
     */
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    log_init(LOG_TEXT, getenv("VK_TEST_V") ? 4 : 0);
    const char *missing = fixture_missing();
    if (missing) {
        print_message("skipped: %s\n", missing);
    } else if (!fixture_start(&fixture, "", "")) {
        fixture_stop(&fixture);
        return 1;
    }
    state_dir = vk_asprintf("%s/state", fixture.directory);
#define TEST(f)                                                                                    \
    {                                                                                              \
        .name = #f, .test_func = missing ? fixture_skipped : (f)                                   \
    }
    const struct CMUnitTest tests[] = {
        TEST(killed_predecessor_is_cleaned_up),
        TEST(image_is_pulled_from_the_mirror_and_has_a_digest),
        TEST(unknown_image_is_not_found),
        TEST(exit_code_and_output_arrive),
        TEST(same_name_starts_again_with_a_new_root_and_log),
        TEST(signal_ends_it_with_128_and_the_signal),
        TEST(out_of_memory_is_seen),
        TEST(start_errors_say_why),
        TEST(machine_that_is_in_the_way_is_not_the_containers_doing),
        TEST(refused_overlay_says_what_the_kernel_said),
        TEST(volumes_environment_and_user_are_as_specified),
        TEST(containers_of_a_group_share_the_network_and_groups_reach_each_other),
        TEST(loud_container_keeps_its_newest_lines),
        TEST(deletion_leaves_nothing),
        TEST(same_sandbox_name_is_refused_and_free_again_after_deletion),
        TEST(one_after_the_other),
        TEST(twenty_at_once),
        TEST(end_of_the_engine_leaves_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (engine)
        engine->ops->free(engine);
    if (!missing)
        fixture_stop(&fixture);
    vk_free(state_dir);
    return failed;
}
