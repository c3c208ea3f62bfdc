/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "provider/image_reference.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_are_split_as_docker_does(void **state)
{
    static const struct {
        const char *image, *registry, *repository, *tag, *digest;
    } table[] = {
        {"nginx", "docker.io", "library/nginx", "latest", NULL},
        {"nginx:1.27", "docker.io", "library/nginx", "1.27", NULL},
        {"user/app", "docker.io", "user/app", "latest", NULL},
        {"docker.io/nginx", "docker.io", "library/nginx", "latest", NULL},
        {"index.docker.io/library/nginx:x", "docker.io", "library/nginx", "x", NULL},
        {"localhost/app", "localhost", "app", "latest", NULL},
        {"localhost:5000/app:2", "localhost:5000", "app", "2", NULL},
        {"Example.azurecr.io/a/b/c:v1", "example.azurecr.io", "a/b/c", "v1", NULL},
        {"app@sha256:" HEX64, "docker.io", "library/app", NULL, "sha256:" HEX64},
        {"r.io/a:1@sha256:" HEX64, "r.io", "a", "1", "sha256:" HEX64},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct image_reference r;
        struct vk_err err;

        if (image_reference_parse(table[i].image, arena, &r, &err) < 0)
            fail_msg("%s: %s", table[i].image, err.msg);
        assert_string_equal(r.registry, table[i].registry);
        assert_string_equal(r.repository, table[i].repository);
        assert_true(vk_streq(r.tag, table[i].tag));
        assert_true(vk_streq(r.digest, table[i].digest));
    }
}

static void malformed_names_are_refused(void **state)
{
    static const char *const table[] = {
        "",
        "Nginx",
        "a:",
        "a:.x",
        "a@",
        "a@sha256:12",
        "r.io/",
        "r.io//a",
        "a b",
        "r.io/a/:x",
        "a@md5:" HEX64,
        "a@sha256:G123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct image_reference r;
        struct vk_err err;

        if (image_reference_parse(table[i], arena, &r, &err) != -VK_INVALID)
            fail_msg("'%s' was taken", table[i]);
        assert_string_equal(err.reason, "InvalidImageName");
    }
}

static void registries_of_pull_secrets_are_normalized(void **state)
{
    static const struct {
        const char *server, *name;
    } table[] = {
        {"https://index.docker.io/v1/", "docker.io"},
        {"registry-1.docker.io", "docker.io"},
        {"HTTPS://X.io", "https:"}, /* no scheme is upper case; harmless, matches nothing */
        {"X.azurecr.io", "x.azurecr.io"},
        {"http://localhost:5000/", "localhost:5000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();

        assert_string_equal(registry_normalized(table[i].server, arena), table[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_split_as_docker_does),
        cmocka_unit_test(malformed_names_are_refused),
        cmocka_unit_test(registries_of_pull_secrets_are_normalized),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
