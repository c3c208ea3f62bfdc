/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/kubelet/kubernetes_data.h"

#include "base/alloc.h"
#include "kubelet/client/watch_decoder.h"

#define LIMIT 20000

struct seen {
    struct vk_buf text; /* "<type> <object>\n" of each event */
    int fail_at;        /* index of the event that is refused, or -1 */
    int count;
};

static int on_event(void *user, enum watch_event_type type, struct vk_str object,
                    struct vk_err *err)
{
    struct seen *seen = user;

    if (seen->count++ == seen->fail_at)
        return vk_err_set(err, VK_CONFLICT, "refused");
    vk_buf_printf(&seen->text, "%d %.*s\n", (int)type, (int)object.n, object.p);
    return 0;
}

/* Feeds text in two pieces (or byte by byte when split is SIZE_MAX), each in memory of its own. */
static int feed(struct vk_str text, size_t split, struct seen *seen, struct vk_err *err)
{
    struct watch_decoder *d = watch_decoder_new(LIMIT, on_event, seen);
    size_t at = 0;
    int rc = 0;

    seen->count = 0;
    vk_buf_init(&seen->text, 1 << 20);
    while (at < text.n && rc == 0) {
        size_t n = split == SIZE_MAX ? 1 : at < split && split <= text.n ? split - at : text.n - at;
        char *piece VK_AUTOFREE = vk_malloc(n);

        memcpy(piece, text.p + at, n);
        rc = watch_decoder_feed(d, (struct vk_str){.p = piece, .n = n}, err);
        at += n;
    }
    watch_decoder_free(d);
    return rc;
}

static void events_come_out_the_same_at_every_split(void **state)
{
    static const char text[] = "{\"type\":\"ADDED\",\"object\":{\"a\":\"x\\n}\\\"\"}}\n"
                               "\n"
                               "{\"type\":\"MODIFIED\",\"object\":{\"a\":[1,2]}}\r\n"
                               "{\"object\":{\"b\":{}},\"type\":\"DELETED\"}\n"
                               " { \"type\" : \"BOOKMARK\" , \"object\" : { } } \n"
                               "{\"type\":\"ERROR\",\"object\":{\"code\":410}}\n"
                               "{\"type\":\"ADDED\",\"object\":{\"cut\":1";
    static const char expected[] = "0 {\"a\":\"x\\n}\\\"\"}\n"
                                   "1 {\"a\":[1,2]}\n"
                                   "2 {\"b\":{}}\n"
                                   "3 { }\n"
                                   "4 {\"code\":410}\n";

    (void)state;
    for (size_t split = 0; split <= sizeof(text); split++) {
        struct seen seen = {.fail_at = -1};
        struct vk_err err;

        assert_int_equal(feed(VK_STR(text), split == sizeof(text) ? SIZE_MAX : split, &seen, &err),
                         0);
        assert_string_equal(vk_buf_peek(&seen.text), expected);
        vk_buf_release(&seen.text);
    }
}

static void a_recorded_watch_is_decoded(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str text = kubernetes_data("watch-pods.jsonl", arena);
    struct seen seen = {.fail_at = -1};
    struct vk_err err;

    (void)state;
    assert_int_equal(feed(text, 1400, &seen, &err), 0);
    assert_int_equal(seen.count, 3);
    assert_true(vk_starts(vk_buf_peek(&seen.text), "1 {\"kind\":\"Pod\","));
    vk_buf_release(&seen.text);
}

static void bad_lines_end_the_watch(void **state)
{
    static const struct {
        const char *text;
        enum vk_code code;
    } cases[] = {
        {"nonsense\n", VK_PROTOCOL},
        {"{}\n", VK_PROTOCOL},
        {"[]\n", VK_PROTOCOL},
        {"{\"type\":\"ADDED\"}\n", VK_PROTOCOL},
        {"{\"type\":\"ADDED\",\"object\":7}\n", VK_PROTOCOL},
        {"{\"type\":\"ADDED\",\"object\":{}\n", VK_PROTOCOL},
        {"{\"type\":\"RENAMED\",\"object\":{}}\n", VK_PROTOCOL},
        {"{\"type\":7,\"object\":{}}\n", VK_PROTOCOL},
        {"{\"object\":{}}\n", VK_PROTOCOL},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct seen seen = {.fail_at = -1};
        struct vk_err err;

        assert_int_equal(feed(vk_str_of(cases[i].text), 3, &seen, &err), -(int)cases[i].code);
        assert_int_equal(seen.count, 0);
        vk_buf_release(&seen.text);
    }
}

static void a_line_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
    static const size_t lengths[] = {LIMIT - 1, LIMIT, LIMIT + 1, LIMIT * 2};
    static const size_t splits[] = {0, 5, LIMIT - 1, LIMIT, LIMIT + 1, SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(lengths); i++) {
        char *line VK_AUTOFREE = vk_malloc(lengths[i] + 1);
        int n = snprintf(line, 100, "{\"type\":\"ADDED\",\"object\":{\"a\":\"");

        memset(line + n, 'x', lengths[i] - (size_t)n);
        memcpy(line + lengths[i] - 3, "\"}}", 3);
        line[lengths[i]] = '\n';
        for (size_t j = 0; j < VK_COUNT(splits); j++) {
            struct seen seen = {.fail_at = -1};
            struct vk_err err;
            int rc = feed((struct vk_str){.p = line, .n = lengths[i] + 1}, splits[j], &seen, &err);

            assert_int_equal(rc, lengths[i] <= LIMIT ? 0 : -VK_TOO_LARGE);
            assert_int_equal(seen.count, lengths[i] <= LIMIT);
            vk_buf_release(&seen.text);
        }
    }
}

static void the_functions_error_ends_the_feed(void **state)
{
    struct seen seen = {.fail_at = 1};
    struct vk_err err;

    (void)state;
    assert_int_equal(feed(VK_STR("{\"type\":\"ADDED\",\"object\":{}}\n"
                                 "{\"type\":\"ADDED\",\"object\":{}}\n"
                                 "{\"type\":\"ADDED\",\"object\":{}}\n"),
                          0, &seen, &err),
                     -VK_CONFLICT);
    assert_int_equal(seen.count, 2);
    vk_buf_release(&seen.text);
    watch_decoder_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_out_the_same_at_every_split),
        cmocka_unit_test(a_recorded_watch_is_decoded),
        cmocka_unit_test(bad_lines_end_the_watch),
        cmocka_unit_test(a_line_may_be_as_long_as_the_limit_and_no_longer),
        cmocka_unit_test(the_functions_error_ends_the_feed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
