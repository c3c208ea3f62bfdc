/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/log_options.h"

#include "base/clock.h"
#include "base/url.h"

/* Go's strconv.ParseBool. */
static int parse_bool(const char *name, const char *text, bool *ret, struct vk_err *err)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};

    if (!text || !*text)
        return 0;
    for (size_t i = 0; i < 6; i++) {
        if (vk_streq(text, yes[i])) {
            *ret = true;
            return 0;
        }
        if (vk_streq(text, no[i])) {
            *ret = false;
            return 0;
        }
    }
    return vk_err_set(err, VK_INVALID, "%s: '%s' is no boolean", name, text);
}

static int parse_number(const char *name, const char *text, int64_t min, int64_t *ret,
                        struct vk_err *err)
{
    if (!text || !*text)
        return 0;
    if (!vk_str_int64(vk_str_of(text), min, INT64_MAX, ret))
        return vk_err_set(err, VK_INVALID, "%s: '%s' must be an integer of at least %d", name, text,
                          (int)min);
    return 0;
}

/* Alpha gate PodLogsQuerySplitStreams. Both outputs for one of them would be a wrong answer. */
static int check_stream(const char *stream, struct vk_err *err)
{
    if (vk_str_empty(stream) || vk_streq(stream, "All"))
        return 0;
    return vk_err_set(err, VK_INVALID,
                      "stream: '%s' is not kept apart here, both outputs are one log; leave it out",
                      stream);
}

int log_options_parse(const char *query, int64_t now_wall_ns, struct vk_arena *arena,
                      struct container_log_options *ret, struct vk_err *err)
{
    struct container_log_options o = {.tail_lines = -1};
    const char *since_time = url_query_get(query, "sinceTime", 0, arena);
    int64_t since_seconds = 0;

    if (parse_bool("follow", url_query_get(query, "follow", 0, arena), &o.follow, err) < 0 ||
        parse_bool("previous", url_query_get(query, "previous", 0, arena), &o.previous, err) < 0 ||
        parse_bool("timestamps", url_query_get(query, "timestamps", 0, arena), &o.timestamps, err) <
            0 ||
        parse_number("tailLines", url_query_get(query, "tailLines", 0, arena), 0, &o.tail_lines,
                     err) < 0 ||
        parse_number("limitBytes", url_query_get(query, "limitBytes", 0, arena), 1, &o.limit_bytes,
                     err) < 0 ||
        parse_number("sinceSeconds", url_query_get(query, "sinceSeconds", 0, arena), 1,
                     &since_seconds, err) < 0 ||
        check_stream(url_query_get(query, "stream", 0, arena), err) < 0)
        return -(int)err->code;
    if (since_time && *since_time && since_seconds)
        return vk_err_set(err, VK_INVALID,
                          "at most one of sinceTime and sinceSeconds may be given");
    if (since_time && *since_time && !vk_time_parse(vk_str_of(since_time), &o.since_wall_ns))
        return vk_err_set(err, VK_INVALID, "sinceTime: '%s' is no RFC 3339 time", since_time);
    /* Further back than the clock's zero means everything. */
    if (since_seconds && since_seconds < now_wall_ns / 1000000000)
        o.since_wall_ns = now_wall_ns - since_seconds * 1000000000;
    *ret = o;
    return 0;
}
