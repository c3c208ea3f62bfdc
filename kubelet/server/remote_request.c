/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/remote_request.h"

#include <string.h>

#include "base/url.h"

#define MAX_WORDS 1000

static bool is_set(const char *query, const char *name, struct vk_arena *arena)
{
    const char *value = url_query_get(query, name, 0, arena);

    return vk_streq(value, "1") || vk_streq(value, "true");
}

static int parse_command(const char *query, struct vk_arena *arena, struct json_strs *ret,
                         struct vk_err *err)
{
    struct vk_str rest = vk_str_of(query);
    size_t words = 0, n = 0;
    const char **v;

    while (rest.n)
        words += vk_str_starts(vk_str_cut(rest, '&', &rest), VK_STR("command="));
    if (words > MAX_WORDS)
        return vk_err_set(err, VK_TOO_LARGE, "the command has more than %d words", MAX_WORDS);
    v = vk_arena_array(arena, words + 1, sizeof(*v));
    rest = vk_str_of(query);
    while (rest.n) {
        struct vk_str part = vk_str_cut(rest, '&', &rest);

        if (!vk_str_starts(part, VK_STR("command=")))
            continue;
        part = (struct vk_str){part.p + strlen("command="), part.n - strlen("command=")};
        if (!url_decode(part, true, arena, &v[n]))
            return vk_err_set(err, VK_INVALID, "word %zu of the command is malformed", n);
        n++;
    }
    *ret = (struct json_strs){.v = v, .n = n};
    return 0;
}

int remote_request_parse(const char *query, bool with_command, struct vk_arena *arena,
                         struct remote_request *ret, struct vk_err *err)
{
    struct remote_request r = {
        .streams = {.has_input = is_set(query, "input", arena),
                    .has_output = is_set(query, "output", arena),
                    .has_error = is_set(query, "error", arena),
                    .tty = is_set(query, "tty", arena)},
    };

    /* A terminal has one output. */
    if (r.streams.tty)
        r.streams.has_error = false;
    if (!r.streams.has_input && !r.streams.has_output && !r.streams.has_error)
        return vk_err_set(err, VK_INVALID, "you must specify at least 1 of stdin, stdout, stderr");
    if (with_command && parse_command(query, arena, &r.command, err) < 0)
        return -(int)err->code;
    if (with_command && !r.command.n)
        return vk_err_set(err, VK_INVALID, "you must specify at least one command");
    *ret = r;
    return 0;
}
