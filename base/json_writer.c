/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_writer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { KIND_OBJECT = 1, KIND_ARRAY = 2 };

void json_writer_init(struct json_writer *w, struct vk_buf *out)
{
    *w = (struct json_writer){.out = out};
}

/* U+2028 and U+2029 need no escape: RFC 8259 allows them, and nobody evaluates this as a script. */
static void write_string(struct vk_buf *out, struct vk_str s)
{
    static const char short_escapes[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    size_t plain = 0;

    vk_buf_addc(out, '"');
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        size_t len = vk_utf8_len(s.p + i, s.n - i);

        if (len && c >= 0x20 && c != '"' && c != '\\') {
            i += len;
            continue;
        }
        vk_buf_add(out, s.p + plain, i - plain);
        if (len == 0)
            vk_buf_adds(out, "\xef\xbf\xbd");
        else if (c >= 0x20)
            vk_buf_add(out, (const char[]){'\\', (char)c}, 2);
        else if (short_escapes[c])
            vk_buf_add(out, (const char[]){'\\', short_escapes[c]}, 2);
        else
            vk_buf_printf(out, "\\u%04x", (unsigned)c);
        plain = ++i;
    }
    vk_buf_add(out, s.p + plain, s.n - plain);
    vk_buf_addc(out, '"');
}

/* What stands in front of every value: comma, key, colon. */
static void prepare(struct json_writer *w, const char *key)
{
    bool in_object = w->depth > 0 && w->kind[w->depth - 1] == KIND_OBJECT;

    assert(in_object == (key != NULL));
    assert(w->depth > 0 || !w->comma); /* one value at the root */
    if (w->comma)
        vk_buf_addc(w->out, ',');
    w->comma = true;
    if (key) {
        write_string(w->out, vk_str_of(key));
        vk_buf_addc(w->out, ':');
    }
}

static void begin(struct json_writer *w, const char *key, uint8_t kind, char bracket)
{
    prepare(w, key);
    assert(w->depth < sizeof(w->kind));
    w->kind[w->depth++] = kind;
    w->comma = false;
    vk_buf_addc(w->out, bracket);
}

static void end(struct json_writer *w, uint8_t kind, char bracket)
{
    assert(w->depth > 0 && w->kind[w->depth - 1] == kind);
    w->depth--;
    w->comma = true;
    vk_buf_addc(w->out, bracket);
}

void json_begin_object(struct json_writer *w, const char *key)
{
    begin(w, key, KIND_OBJECT, '{');
}

void json_end_object(struct json_writer *w)
{
    end(w, KIND_OBJECT, '}');
}

void json_begin_array(struct json_writer *w, const char *key)
{
    begin(w, key, KIND_ARRAY, '[');
}

void json_end_array(struct json_writer *w)
{
    end(w, KIND_ARRAY, ']');
}

void json_put_raw(struct json_writer *w, const char *key, struct vk_str raw)
{
    assert(raw.n > 0);
    prepare(w, key);
    vk_buf_addstr(w->out, raw);
}

void json_put_str(struct json_writer *w, const char *key, struct vk_str value)
{
    prepare(w, key);
    write_string(w->out, value);
}

void json_put_string(struct json_writer *w, const char *key, const char *value)
{
    if (value)
        json_put_str(w, key, vk_str_of(value));
    else
        json_put_null(w, key);
}

void json_put_string_if(struct json_writer *w, const char *key, const char *value)
{
    if (!vk_str_empty(value))
        json_put_str(w, key, vk_str_of(value));
}

void json_put_int(struct json_writer *w, const char *key, int64_t value)
{
    prepare(w, key);
    vk_buf_printf(w->out, "%" PRId64, value);
}

void json_put_bool(struct json_writer *w, const char *key, bool value)
{
    json_put_raw(w, key, value ? VK_STR("true") : VK_STR("false"));
}

void json_put_null(struct json_writer *w, const char *key)
{
    json_put_raw(w, key, VK_STR("null"));
}

void json_put_fixed(struct json_writer *w, const char *key, int64_t value, unsigned decimals)
{
    /* Unsigned, since the magnitude of INT64_MIN is no int64_t. */
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint64_t unit = 1;

    assert(decimals <= 18);
    while (decimals > 0 && magnitude % 10 == 0) {
        magnitude /= 10;
        decimals--;
    }
    for (unsigned i = 0; i < decimals; i++)
        unit *= 10;
    prepare(w, key);
    if (value < 0)
        vk_buf_addc(w->out, '-');
    vk_buf_printf(w->out, "%" PRIu64, magnitude / unit);
    if (decimals > 0)
        vk_buf_printf(w->out, ".%0*" PRIu64, (int)decimals, magnitude % unit);
}

/* Towards the past, so that a time never shows as later than it was. */
static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

void json_put_time_s(struct json_writer *w, const char *key, int64_t wall_ns)
{
    char text[VK_TIME_MAX];

    vk_time_format_s(floor_div(wall_ns, 1000000), text);
    json_put_string(w, key, text);
}

void json_put_time_us(struct json_writer *w, const char *key, int64_t wall_ns)
{
    char text[VK_TIME_MAX];

    vk_time_format_us(floor_div(wall_ns, 1000), text);
    json_put_string(w, key, text);
}

static void put_children(struct json_writer *w, const struct json *value, bool named)
{
    for (const struct json *child = json_first(value); child; child = json_next(child))
        json_put_value(w, named ? json_key(child) : NULL, child);
}

void json_put_value(struct json_writer *w, const char *key, const struct json *value)
{
    char scratch[32];

    switch (json_type_of(value)) {
    case JSON_NULL:
        json_put_null(w, key);
        break;
    case JSON_BOOL:
        json_put_bool(w, key, json_is_true(value));
        break;
    case JSON_NUMBER:
        json_put_raw(w, key, vk_str_of(json_number_text(value, scratch, sizeof(scratch))));
        break;
    case JSON_STRING:
        json_put_string(w, key, json_string(value));
        break;
    case JSON_ARRAY:
        json_begin_array(w, key);
        put_children(w, value, false);
        json_end_array(w);
        break;
    case JSON_OBJECT:
        json_begin_object(w, key);
        put_children(w, value, true);
        json_end_object(w);
        break;
    default:
        assert(false); /* unknown type of value */
    }
}

bool json_writer_done(const struct json_writer *w)
{
    return w->depth == 0 && w->comma && !w->out->failed;
}
