/* SPDX-License-Identifier: Apache-2.0 */
#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/json_scan.h"
#include "base/json_writer.h"
#include "base/map.h"

/*
 * Events of libyaml are written as JSON text and that text is parsed: one set of rules for values.
 * An alias repeats the text of its anchor, within a budget of nodes and bytes, which is what keeps
 * nested aliases from growing without bound.
 */
#define MAX_ALIAS_NODES 10000

struct anchor {
    size_t start, end; /* in the text; end is 0 while the anchor is open */
    size_t nodes;
};

struct frame {
    bool is_mapping;
    bool want_key;
    char *key;           /* owned: of the value that comes next */
    struct vk_map *keys; /* of a mapping: the set of its keys */
    struct anchor *anchor;
    size_t nodes_before;
};

struct reader {
    yaml_parser_t parser;
    struct vk_buf text;
    struct vk_buf piece; /* one value's JSON */
    struct json_writer writer;
    struct frame frames[JSON_MAX_DEPTH];
    unsigned depth;
    struct vk_map *anchors;
    size_t nodes, alias_nodes;
    bool texts_only;
    struct vk_arena *arena;
    struct vk_err *err;
};

static int fail_at(struct reader *r, yaml_mark_t mark, const char *what)
{
    return vk_err_set(r->err, VK_INVALID, "line %zu, column %zu: %s", mark.line + 1,
                      mark.column + 1, what);
}

static int parser_failure(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *what = p->problem ? p->problem : "not YAML";

    /* The reader's errors (encoding) have no mark. */
    if (p->error == YAML_READER_ERROR)
        return vk_err_set(r->err, VK_INVALID, "at byte %zu: %s", p->problem_offset, what);
    return fail_at(r, p->problem_mark, what);
}

static void frame_clear(struct frame *f)
{
    vk_free(f->key);
    vk_map_free(f->keys, NULL);
    *f = (struct frame){0};
}

/* Between documents. */
static void reader_clear(struct reader *r)
{
    while (r->depth > 0)
        frame_clear(&r->frames[--r->depth]);
    vk_map_free(r->anchors, NULL);
    r->anchors = vk_map_new();
    vk_buf_clear(&r->text);
    json_writer_init(&r->writer, &r->text);
    r->nodes = r->alias_nodes = 0;
}

static struct frame *top(struct reader *r)
{
    return r->depth ? &r->frames[r->depth - 1] : NULL;
}

/* The key that the writer needs for the value that comes now. */
static const char *pending_key(struct reader *r)
{
    struct frame *f = top(r);

    return f && f->is_mapping ? f->key : NULL;
}

static void value_done(struct reader *r)
{
    struct frame *f = top(r);

    if (f && f->is_mapping) {
        vk_free(f->key);
        f->key = NULL;
        f->want_key = true;
    }
}

/* libyaml's strings are unsigned char; ours are not. */
static const char *chars(const yaml_char_t *s)
{
    return (const char *)s;
}

static struct vk_str scalar_text(const yaml_event_t *e)
{
    return (struct vk_str){.p = chars(e->data.scalar.value), .n = e->data.scalar.length};
}

static int put_key(struct reader *r, const yaml_event_t *e)
{
    static char present;
    struct frame *f = top(r);
    struct vk_str text = scalar_text(e);

    if (text.n == 2 && text.p[0] == '<' && text.p[1] == '<' &&
        e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return fail_at(r, e->start_mark, "merge keys (<<) are not supported");
    f->key = vk_strndup(text.p, text.n);
    f->want_key = false;
    if (vk_map_put(f->keys, f->key, &present))
        return vk_err_set(r->err, VK_INVALID,
                          "line %zu, column %zu: the key \"%.100s\" is there "
                          "twice",
                          e->start_mark.line + 1, e->start_mark.column + 1, f->key);
    return 0;
}

static bool is_word(struct vk_str s, const char *const words[3])
{
    return vk_str_is(s, words[0]) || vk_str_is(s, words[1]) || vk_str_is(s, words[2]);
}

/* Digits of a base behind sign and prefix; false when that is not what s is, or beyond 64 bits. */
static bool digits_value(struct vk_str s, int base, bool negative, int64_t *ret)
{
    int64_t value = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : 99;

        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    *ret = value;
    return true;
}

/* YAML 1.1 integers as people write them: 10, -3, 0x1f, 0644 and 0o644 (file modes). */
static bool is_integer(struct vk_str s, int64_t *ret)
{
    bool negative = s.n && s.p[0] == '-';
    int base = 10;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
        s.p++;
        s.n--;
    }
    if (s.n > 1 && s.p[0] == '0') {
        size_t prefix = s.p[1] == 'x' || s.p[1] == 'o' ? 2 : 1;

        base = s.p[1] == 'x' ? 16 : 8;
        s.p += prefix;
        s.n -= prefix;
    }
    return digits_value(s, base, negative, ret);
}

static void put_plain(struct json_writer *w, struct vk_str s, bool texts_only)
{
    static const char *const yes[] = {"true", "True", "TRUE"};
    static const char *const no[] = {"false", "False", "FALSE"};
    static const char *const null[] = {"null", "Null", "NULL"};
    int64_t number;

    if (s.n == 0 || vk_str_is(s, "~") || is_word(s, null))
        json_put_null(w, NULL);
    else if (!texts_only && (is_word(s, yes) || is_word(s, no)))
        json_put_bool(w, NULL, is_word(s, yes));
    else if (!texts_only && is_integer(s, &number))
        json_put_int(w, NULL, number);
    else
        json_put_str(w, NULL, s);
}

/* Names may be given again; open frames still point to the anchor before, so it stays. */
static struct anchor *new_anchor(struct reader *r, const yaml_char_t *name)
{
    struct anchor *a;

    if (!name)
        return NULL;
    a = vk_arena_alloc(r->arena, sizeof(*a));
    vk_map_put(r->anchors, chars(name), a);
    return a;
}

/* Writes the JSON text in `piece` as the next value; returns where it begins. */
static size_t put_piece(struct reader *r)
{
    json_put_raw(&r->writer, pending_key(r), vk_buf_str(&r->piece));
    value_done(r);
    return vk_buf_len(&r->text) - vk_buf_len(&r->piece);
}

static int too_large(struct reader *r)
{
    return vk_err_set(r->err, VK_TOO_LARGE, "the YAML grows too large");
}

static int on_scalar(struct reader *r, const yaml_event_t *e)
{
    struct frame *f = top(r);
    struct vk_str text = scalar_text(e);
    struct json_writer w;
    struct anchor *a;
    size_t start;

    if (e->data.scalar.tag)
        return fail_at(r, e->start_mark, "tags are not supported");
    if (text.n && memchr(text.p, '\0', text.n))
        return fail_at(r, e->start_mark, "NUL characters are not supported");
    if (f && f->is_mapping && f->want_key) {
        if (e->data.scalar.anchor)
            return fail_at(r, e->start_mark, "anchors on keys are not supported");
        return put_key(r, e);
    }
    r->nodes++;
    vk_buf_clear(&r->piece);
    json_writer_init(&w, &r->piece);
    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        put_plain(&w, text, r->texts_only);
    else
        json_put_str(&w, NULL, text);
    if (r->piece.failed)
        return too_large(r);
    start = put_piece(r);
    a = new_anchor(r, e->data.scalar.anchor);
    if (a)
        *a = (struct anchor){.start = start, .end = vk_buf_len(&r->text), .nodes = 1};
    return 0;
}

static int on_alias(struct reader *r, const yaml_event_t *e)
{
    struct frame *f = top(r);
    const struct anchor *a = vk_map_get(r->anchors, chars(e->data.alias.anchor));

    if (f && f->is_mapping && f->want_key)
        return fail_at(r, e->start_mark, "only scalars can be keys");
    if (!a || a->end == 0)
        return fail_at(r, e->start_mark, "an alias of an anchor that is not there (yet)");
    r->nodes += a->nodes;
    r->alias_nodes += a->nodes;
    if (r->alias_nodes > MAX_ALIAS_NODES)
        return vk_err_set(r->err, VK_TOO_LARGE,
                          "line %zu, column %zu: aliases repeat more than %d "
                          "nodes",
                          e->start_mark.line + 1, e->start_mark.column + 1, MAX_ALIAS_NODES);
    vk_buf_clear(&r->piece);
    vk_buf_add(&r->piece, vk_buf_peek(&r->text) + a->start, a->end - a->start);
    if (r->piece.failed)
        return too_large(r);
    put_piece(r);
    return 0;
}

static int on_begin(struct reader *r, const yaml_event_t *e, bool is_mapping)
{
    const yaml_char_t *name =
        is_mapping ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
    const yaml_char_t *tag = is_mapping ? e->data.mapping_start.tag : e->data.sequence_start.tag;
    struct frame *f = top(r);
    struct anchor *a;

    if (tag)
        return fail_at(r, e->start_mark, "tags are not supported");
    if (f && f->is_mapping && f->want_key)
        return fail_at(r, e->start_mark, "only scalars can be keys");
    if (r->depth == JSON_MAX_DEPTH)
        return fail_at(r, e->start_mark, "nested too deeply");
    r->nodes++;
    a = new_anchor(r, name);
    if (is_mapping)
        json_begin_object(&r->writer, pending_key(r));
    else
        json_begin_array(&r->writer, pending_key(r));
    if (a)
        a->start = vk_buf_len(&r->text) - 1;
    r->frames[r->depth++] = (struct frame){.is_mapping = is_mapping,
                                           .want_key = is_mapping,
                                           .keys = is_mapping ? vk_map_new() : NULL,
                                           .anchor = a,
                                           .nodes_before = r->nodes - 1};
    return 0;
}

static void on_end(struct reader *r)
{
    struct frame *f = top(r);

    if (f->is_mapping)
        json_end_object(&r->writer);
    else
        json_end_array(&r->writer);
    if (f->anchor) {
        f->anchor->end = vk_buf_len(&r->text);
        f->anchor->nodes = r->nodes - f->nodes_before;
    }
    frame_clear(f);
    r->depth--;
    value_done(r);
}

/* One event of a document's inside. */
static int on_event(struct reader *r, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(r, e);
    case YAML_ALIAS_EVENT:
        return on_alias(r, e);
    case YAML_MAPPING_START_EVENT:
        return on_begin(r, e, true);
    case YAML_SEQUENCE_START_EVENT:
        return on_begin(r, e, false);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        on_end(r);
        return 0;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    default:
        return 0;
    }
}

/* Reads up to the end of a document; *ret is NULL at the end of the stream. */
static int next_document(struct reader *r, const struct json **ret)
{
    reader_clear(r);
    for (;;) {
        yaml_event_t event;
        yaml_event_type_t type;
        int result;

        if (!yaml_parser_parse(&r->parser, &event))
            return parser_failure(r);
        type = event.type;
        result = on_event(r, &event);
        yaml_event_delete(&event);
        if (result < 0)
            return result;
        if (r->text.failed)
            return too_large(r);
        if (type == YAML_STREAM_END_EVENT) {
            *ret = NULL;
            return 0;
        }
        if (type == YAML_DOCUMENT_END_EVENT)
            return json_parse(vk_buf_str(&r->text), SIZE_MAX, r->arena, ret, r->err);
    }
}

static int read_documents(struct reader *r, yaml_document_fn fn, void *user)
{
    for (;;) {
        const struct json *doc = NULL;
        int result = next_document(r, &doc);

        if (result < 0 || !doc)
            return result;
        if (json_type_of(doc) == JSON_NULL)
            continue;
        result = fn(user, doc, r->err);
        if (result != 0)
            return result;
    }
}

static int read_stream(struct vk_str text, size_t max_bytes, bool texts_only,
                       struct vk_arena *arena, yaml_document_fn fn, void *user, struct vk_err *err)
{
    struct reader *r;
    int result;

    if (text.n > max_bytes)
        return vk_err_set(err, VK_TOO_LARGE, "%zu bytes of YAML, at most %zu are taken", text.n,
                          max_bytes);
    r = vk_calloc(1, sizeof(*r));
    r->arena = arena;
    r->texts_only = texts_only;
    r->err = err;
    /* A character can take six bytes in JSON; the rest is for what aliases repeat. */
    vk_buf_init_secret(&r->text, text.n * 8 + 65536);
    vk_buf_init_secret(&r->piece, text.n * 8 + 65536);
    if (!yaml_parser_initialize(&r->parser))
        abort();
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    result = read_documents(r, fn, user);
    yaml_parser_delete(&r->parser);
    reader_clear(r);
    vk_map_free(r->anchors, NULL);
    vk_buf_release(&r->text);
    vk_buf_release(&r->piece);
    vk_free(r);
    return result < 0 ? result : 0;
}

int yaml_parse_stream(struct vk_str text, size_t max_bytes, struct vk_arena *arena,
                      yaml_document_fn fn, void *user, struct vk_err *err)
{
    return read_stream(text, max_bytes, false, arena, fn, user, err);
}

/* Returns 1 to stop: the rest of the stream is not read. */
static int take_first(void *user, const struct json *doc, struct vk_err *err)
{
    (void)err;
    *(const struct json **)user = doc;
    return 1;
}

static int read_first(struct vk_str text, size_t max_bytes, bool texts_only, struct vk_arena *arena,
                      const struct json **ret, struct vk_err *err)
{
    const struct json *first = NULL;
    int result = read_stream(text, max_bytes, texts_only, arena, take_first, &first, err);

    if (result < 0)
        return result;
    *ret = first;
    return 0;
}

int yaml_parse(struct vk_str text, size_t max_bytes, struct vk_arena *arena,
               const struct json **ret, struct vk_err *err)
{
    return read_first(text, max_bytes, false, arena, ret, err);
}

int yaml_parse_texts(struct vk_str text, size_t max_bytes, struct vk_arena *arena,
                     const struct json **ret, struct vk_err *err)
{
    return read_first(text, max_bytes, true, arena, ret, err);
}
