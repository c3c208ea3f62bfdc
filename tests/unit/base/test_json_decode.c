/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"

struct port {
    const char *name;
    int64_t number;
};
struct grace {
    int64_t seconds;
    bool has_seconds;
};
struct box {
    const char *name;
    bool on, has_on;
    int64_t count;
    int32_t small;
    int64_t created_ns;
    struct json_strs args;
    struct json_pairs labels;
    struct json_array ports; /* struct port */
    struct grace grace;
    struct port *main_port;
    int64_t custom;
};

static const struct json_field port_fields[] = {
    JSON_STR(struct port, name, "name", JSON_OPTIONAL),
    JSON_INT(struct port, number, "number", JSON_REQUIRED, 1, 65535),
    JSON_END,
};
static const struct json_field grace_fields[] = {
    JSON_INT_HAS(struct grace, seconds, has_seconds, "seconds", 0, 100),
    JSON_END,
};

static int decode_doubled(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                          struct vk_err *err)
{
    int64_t number;

    (void)arena;
    if (json_type_of(v) == JSON_OBJECT) {
        struct port port = {0};

        if (json_decode(v, port_fields, &port, arena, path, err) < 0)
            return -1;
        number = port.number;
    } else if (!json_int64(v, &number)) {
        return vk_err_set(err, VK_INVALID, "%s: expected something else", path);
    } else if (number < 0) {
        return vk_err_set(err, VK_INVALID, "negative");
    }
    number *= 2;
    memcpy(out, &number, sizeof(number));
    return 0;
}

static const struct json_field box_fields[] = {
    JSON_STR(struct box, name, "name", JSON_REQUIRED),
    JSON_BOOLEAN_HAS(struct box, on, has_on, "on"),
    JSON_INT(struct box, count, "count", JSON_OPTIONAL, -10, INT64_MAX),
    {.name = "small",
     .kind = JSON_KIND_INT32,
     .offset = offsetof(struct box, small),
     .has_offset = SIZE_MAX,
     .min = INT32_MIN,
     .max = INT32_MAX},
    JSON_TIME(struct box, created_ns, "created"),
    JSON_STRINGS(struct box, args, "args"),
    JSON_MAP(struct box, labels, "labels"),
    JSON_ARR(struct box, ports, "ports", port_fields, struct port),
    JSON_OBJ(struct box, grace, "grace", grace_fields),
    JSON_OBJ_PTR(struct box, main_port, "mainPort", port_fields, struct port),
    JSON_CUSTOM(struct box, custom, "custom", decode_doubled),
    JSON_END,
};

static int decode(struct vk_arena *arena, const char *text, const char *path, struct box *box,
                  struct vk_err *err)
{
    const struct json *v;

    *box = (struct box){0};
    if (json_parse(vk_str_of(text), 100000, arena, &v, err) < 0)
        fail_msg("%s", err->msg);
    return json_decode(v, box_fields, box, arena, path, err);
}

static void all_kinds_are_filled_in(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct port *ports;
    struct vk_err err;
    struct box box;

    (void)state;
    assert_int_equal(
        decode(arena,
               "{\"name\":\"n\",\"on\":false,\"count\":9007199254740993,\"small\":-3,"
               "\"created\":\"1970-01-01T00:00:01Z\",\"args\":[\"a\",null,\"b\"],"
               "\"labels\":{\"z\":\"1\",\"y\":null},\"ports\":[{\"number\":80},"
               "{\"name\":\"x\",\"number\":443,\"unknown\":[]}],\"grace\":{\"seconds\":0},"
               "\"mainPort\":{\"number\":5},\"custom\":21,\"other\":{\"name\":5}}",
               "", &box, &err),
        0);
    assert_string_equal(box.name, "n");
    assert_true(!box.on && box.has_on);
    assert_int_equal(box.count, 9007199254740993);
    assert_int_equal(box.small, -3);
    assert_int_equal(box.created_ns, 1000000000);
    assert_int_equal(box.args.n, 3);
    assert_string_equal(box.args.v[0], "a");
    assert_string_equal(box.args.v[1], "");
    assert_string_equal(box.args.v[2], "b");
    assert_int_equal(box.labels.n, 2);
    assert_string_equal(box.labels.v[0].key, "z");
    assert_string_equal(box.labels.v[0].value, "1");
    assert_string_equal(box.labels.v[1].value, "");
    ports = box.ports.v;
    assert_int_equal(box.ports.n, 2);
    assert_null(ports[0].name);
    assert_int_equal(ports[0].number, 80);
    assert_string_equal(ports[1].name, "x");
    assert_true(box.grace.has_seconds && box.grace.seconds == 0);
    assert_int_equal(box.main_port->number, 5);
    assert_int_equal(box.custom, 42);
}

static void null_counts_as_absent(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_err err;
    struct box box;

    (void)state;
    assert_int_equal(decode(arena,
                            "{\"name\":\"\",\"on\":null,\"count\":null,\"created\":null,"
                            "\"args\":null,\"labels\":null,\"ports\":null,\"grace\":null,"
                            "\"mainPort\":null,\"custom\":null}",
                            "", &box, &err),
                     0);
    assert_false(box.has_on);
    assert_false(box.grace.has_seconds);
    assert_null(box.main_port);
    assert_int_equal(box.ports.n, 0);
    assert_int_equal(box.custom, 0);
}

static void zero_time_counts_as_absent(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_err err;
    struct box box;

    (void)state;
    assert_int_equal(
        decode(arena, "{\"name\":\"\",\"created\":\"0001-01-01T00:00:00Z\"}", "", &box, &err), 0);
    assert_int_equal(box.created_ns, 0);
}

static void errors_name_the_whole_path(void **state)
{
    static const struct {
        const char *text, *path, *msg;
    } cases[] = {
        {"[]", "", "expected an object"},
        {"[]", "spec", "spec: expected an object"},
        {"{}", "", "name: is required"},
        {"{\"name\":null}", "spec", "spec.name: is required"},
        {"{\"name\":1}", "spec", "spec.name: expected a string"},
        {"{\"name\":\"\",\"on\":\"true\"}", "", "on: expected true or false"},
        {"{\"name\":\"\",\"count\":-11}", "",
         "count: expected an integer in -10..9223372036854775807"},
        {"{\"name\":\"\",\"count\":1.5}", "",
         "count: expected an integer in -10..9223372036854775807"},
        {"{\"name\":\"\",\"small\":2147483648}", "",
         "small: expected an integer in -2147483648..2147483647"},
        {"{\"name\":\"\",\"created\":\"yesterday\"}", "", "created: expected an RFC 3339 time"},
        {"{\"name\":\"\",\"created\":5}", "", "created: expected an RFC 3339 time"},
        {"{\"name\":\"\",\"args\":\"a\"}", "", "args: expected an array of strings"},
        {"{\"name\":\"\",\"args\":[\"a\",1]}", "spec", "spec.args[1]: expected a string"},
        {"{\"name\":\"\",\"labels\":[]}", "", "labels: expected an object of strings"},
        {"{\"name\":\"\",\"labels\":{\"a/b\":1}}", "metadata",
         "metadata.labels[\"a/b\"]: expected a string"},
        {"{\"name\":\"\",\"ports\":{}}", "", "ports: expected an array"},
        {"{\"name\":\"\",\"ports\":[{\"number\":1},{\"number\":65536}]}", "spec.containers[2]",
         "spec.containers[2].ports[1].number: expected an integer in 1..65535"},
        {"{\"name\":\"\",\"ports\":[5]}", "", "ports[0]: expected an object"},
        {"{\"name\":\"\",\"ports\":[{}]}", "", "ports[0].number: is required"},
        {"{\"name\":\"\",\"grace\":{\"seconds\":101}}", "",
         "grace.seconds: expected an integer in 0..100"},
        {"{\"name\":\"\",\"mainPort\":{\"number\":0}}", "x",
         "x.mainPort.number: expected an integer in 1..65535"},
        {"{\"name\":\"\",\"custom\":\"\"}", "x", "x.custom: expected something else"},
        {"{\"name\":\"\",\"custom\":{}}", "x", "x.custom.number: is required"},
        {"{\"name\":\"\",\"custom\":-1}", "x", "x.custom: negative"},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct vk_err err;
        struct box box;

        assert_true(decode(arena, cases[i].text, cases[i].path, &box, &err) < 0);
        assert_int_equal(err.code, VK_INVALID);
        assert_string_equal(err.msg, cases[i].msg);
    }
}

static void null_elements_are_zero_structs(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_err err;
    struct box box;

    (void)state;
    assert_int_equal(
        decode(arena, "{\"name\":\"\",\"ports\":[null,{\"number\":1}]}", "", &box, &err), 0);
    assert_int_equal(box.ports.n, 2);
    assert_int_equal(((const struct port *)box.ports.v)[0].number, 0);
    assert_int_equal(((const struct port *)box.ports.v)[1].number, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_are_filled_in),
        cmocka_unit_test(null_counts_as_absent),
        cmocka_unit_test(zero_time_counts_as_absent),
        cmocka_unit_test(errors_name_the_whole_path),
        cmocka_unit_test(null_elements_are_zero_structs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
