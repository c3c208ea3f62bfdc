/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/image_config.h"
#include "aci/emulator/image_reference.h"
#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void names_are_normalized(void **state)
{
    (void)state;
    static const struct {
        const char *image, *registry, *path, *version;
    } cases[] = {
        {"nginx", "docker.io", "library/nginx", ":latest"},
        {"docker.io/nginx:1", "docker.io", "library/nginx", ":1"},
        {"index.docker.io/a/b:1", "docker.io", "a/b", ":1"},
        {"a/b", "docker.io", "a/b", ":latest"},
        {"localhost/b:x_1.2-3", "localhost", "b", ":x_1.2-3"},
        {"localhost:5000/a/b/c:1", "localhost:5000", "a/b/c", ":1"},
        {"registry.k8s.io/pause:3.10", "registry.k8s.io", "pause", ":3.10"},
        {"mcr.example/x@sha256:ab12", "mcr.example", "x", "@sha256:ab12"},
        {"mcr.example/x:1@sha256:ab12", "mcr.example", "x", ":1@sha256:ab12"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct image_reference r;
        struct vk_err err = {0};
        if (image_reference_parse(cases[i].image, &r, &err) < 0)
            fail_msg("%s: %s", cases[i].image, err.msg);
        assert_string_equal(r.registry, cases[i].registry);
        assert_string_equal(r.path, cases[i].path);
        assert_string_equal(r.version, cases[i].version);
    }
}

static void names_that_cannot_exist_are_not_found(void **state)
{
    (void)state;
    static const char *const images[] = {
        "",           "UPPER",       "a b",       "a:",      ":tag",  "-x\n",
        "oci:/etc",   "a//../b:",    "a@",        "host:1/", "/a",    "a/",
        "docker://x", "a:tag/x\"\n", "a.b/../c]", "a$(b):1", "a:1:2", "[registry]/a",
    };
    for (size_t i = 0; i < VK_COUNT(images); i++) {
        struct image_reference r = {.path = "untouched"};
        struct vk_err err = {0};
        if (image_reference_parse(images[i], &r, &err) == 0)
            fail_msg("accepted \"%s\" as %s %s %s", images[i], r.registry, r.path, r.version);
        assert_int_equal(err.code, VK_NOT_FOUND);
        assert_string_equal(r.path, "untouched");
    }
}

static const char inspected[] =
    "[{\"Id\":\"0af1\",\"Digest\":\"sha256:d0\",\"RepoTags\":[\"reg.example/a/b:1\"],"
    "\"RepoDigests\":[\"other.example/x@sha256:d1\",\"reg.example/a/b@sha256:d2\"],"
    "\"Config\":{\"User\":\"app\",\"Env\":[\"PATH=/bin\",\"A=1\"],\"Entrypoint\":[\"/run\",\"-x\"],"
    "\"Cmd\":[\"serve\"],\"WorkingDir\":\"/srv\"},\"GraphDriver\":{\"Name\":\"overlay\","
    "\"Data\":{\"LowerDir\":\"/s/l2/diff:/s/l1/diff\",\"UpperDir\":\"/s/l3/diff\"}}}]";

static void inspected_image_is_read(void **state)
{
    (void)state;
    struct image_config *c = NULL;
    struct vk_err err = {0};
    assert_int_equal(image_config_parse(vk_str_of(inspected), "reg.example/a/b", &c, &err), 0);
    assert_string_equal(c->id, "reg.example/a/b@sha256:d2");
    assert_string_equal(c->user, "app");
    assert_string_equal(c->working_dir, "/srv");
    assert_string_equal(c->entrypoint[1], "-x");
    assert_null(c->entrypoint[2]);
    assert_string_equal(c->cmd[0], "serve");
    assert_string_equal(c->env[1], "A=1");
    static const char *const layers[] = {"/s/l3/diff", "/s/l2/diff", "/s/l1/diff"};
    for (size_t i = 0; i < VK_COUNT(layers); i++)
        assert_string_equal(c->layers[i], layers[i]);
    assert_null(c->layers[3]);
    image_config_unref(image_config_ref(c));
    image_config_unref(c);
    c = NULL;
    assert_int_equal(image_config_parse(vk_str_of(inspected), "new.example/b", &c, &err), 0);
    assert_string_equal(c->id, "new.example/b@sha256:d0");
    image_config_unref(c);
}

static void image_without_settings_is_read(void **state)
{
    (void)state;
    struct image_config *c = NULL;
    struct vk_err err = {0};
    static const char text[] = "[{\"Config\":{\"Cmd\":null},\"GraphDriver\":{\"Name\":\"overlay\","
                               "\"Data\":{\"UpperDir\":\"/s/diff\"}}}]";
    assert_int_equal(image_config_parse(vk_str_of(text), "a/b", &c, &err), 0);
    assert_null(c->entrypoint[0]);
    assert_null(c->cmd[0]);
    assert_null(c->env[0]);
    assert_string_equal(c->user, "");
    assert_string_equal(c->layers[0], "/s/diff");
    assert_null(c->layers[1]);
    image_config_unref(c);
}

static void what_is_no_image_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum vk_code code;
    } cases[] = {
        {"", VK_INVALID},
        {"[]", VK_PROTOCOL},
        {"[{\"GraphDriver\":{\"Name\":\"vfs\",\"Data\":{\"UpperDir\":\"/x\"}}}]", VK_UNSUPPORTED},
        {"[{\"GraphDriver\":{\"Name\":\"overlay\",\"Data\":{}}}]", VK_UNSUPPORTED},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct image_config *c = NULL;
        struct vk_err err = {0};
        assert_true(image_config_parse(vk_str_of(cases[i].text), "a/b", &c, &err) < 0);
        assert_int_equal(err.code, cases[i].code);
        assert_null(c);
    }
}

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\nbroken\napp:x:1000:1001::/home/app:\n"
                             "far:x:4294967295:7::/far:/bin/sh\nbad:x:x:0::/:/";
static const char group[] = "root:x:0:\nstaff:x:50:app,other\nvideo:x:44:other\ndocker:x:999:app";

static void users_are_resolved(void **state)
{
    (void)state;
    static const struct {
        const char *user;
        uint32_t uid, gid;
        size_t groups;
        const char *home;
    } cases[] = {
        {"", 0, 0, 0, "/root"},
        {"0", 0, 0, 0, "/root"},
        {"app", 1000, 1001, 2, "/home/app"},
        {"1000", 1000, 1001, 2, "/home/app"},
        {"app:50", 1000, 50, 0, "/home/app"},
        {"app:video", 1000, 44, 0, "/home/app"},
        {"1234", 1234, 0, 0, "/"},
        {"1234:5678", 1234, 5678, 0, "/"},
        {"far", 4294967295, 7, 0, "/far"},
    };
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct image_user u;
        struct vk_err err = {0};
        if (image_user_resolve(cases[i].user, vk_str_of(passwd), vk_str_of(group), &u, &err) < 0)
            fail_msg("%s: %s", cases[i].user, err.msg);
        assert_int_equal(u.uid, cases[i].uid);
        assert_int_equal(u.gid, cases[i].gid);
        assert_int_equal(u.group_count, cases[i].groups);
        assert_string_equal(u.home, cases[i].home);
    }
}

static void user_zero_needs_no_files(void **state)
{
    (void)state;
    struct image_user u;
    struct vk_err err = {0};
    assert_int_equal(image_user_resolve("", VK_STR(""), VK_STR(""), &u, &err), 0);
    assert_int_equal(u.uid, 0);
    assert_string_equal(u.home, "/root");
}

static void unknown_users_and_groups_are_invalid(void **state)
{
    (void)state;
    static const char *const users[] = {"nobody", "bad", "app:none", "-1", "4294967296", "app:x:y"};
    for (size_t i = 0; i < VK_COUNT(users); i++) {
        struct image_user u = {.uid = 77};
        struct vk_err err = {0};
        if (image_user_resolve(users[i], vk_str_of(passwd), vk_str_of(group), &u, &err) == 0)
            fail_msg("accepted %s", users[i]);
        assert_int_equal(err.code, VK_INVALID);
        assert_int_equal(u.uid, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_normalized),
        cmocka_unit_test(names_that_cannot_exist_are_not_found),
        cmocka_unit_test(inspected_image_is_read),
        cmocka_unit_test(image_without_settings_is_read),
        cmocka_unit_test(what_is_no_image_is_refused),
        cmocka_unit_test(users_are_resolved),
        cmocka_unit_test(user_zero_needs_no_files),
        cmocka_unit_test(unknown_users_and_groups_are_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
