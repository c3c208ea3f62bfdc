/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/json_scan.h"

#define MAX_REST_BYTES ((size_t)1 << 20)

/*
 * Only as much grammar as it takes to find the elements: strings with escapes, bracket depth, and
 * at the root which member is being read. What it hands out goes through json_parse, and so does
 * the rest at the end; both find what is skipped over here.
 */
enum state {
    BEFORE_ROOT,
    IN_ROOT, /* everything but the elements; depth counts */
    BEFORE_ITEM,
    IN_ITEM,
    AFTER_ITEM,
    AFTER_ROOT,
};

struct json_list_reader {
    char *member;
    json_item_fn fn;
    void *user;
    struct vk_buf rest, item;
    enum state state;
    unsigned depth; /* open brackets: of the root in IN_ROOT, of the element in IN_ITEM */
    bool in_string, escaped;
    bool in_scalar;  /* IN_ITEM: an element without brackets or quotes */
    bool first_item; /* no element yet: ']' may follow */
    bool key_next;   /* at the root's own level: the next string is a member's name */
    bool is_member;  /* the name just read is ours; its value comes next */
    bool seen;
    size_t key_start; /* in rest, behind the opening quote */
    struct vk_err failure;
    bool failed;
};

struct json_list_reader *json_list_reader_new(const char *member, size_t max_item_bytes,
                                              json_item_fn fn, void *user)
{
    struct json_list_reader *r = vk_calloc(1, sizeof(*r));

    r->member = vk_strdup(member);
    r->fn = fn;
    r->user = user;
    vk_buf_init(&r->rest, MAX_REST_BYTES);
    vk_buf_init(&r->item, max_item_bytes);
    return r;
}

void json_list_reader_free(struct json_list_reader *r)
{
    if (!r)
        return;
    vk_buf_release(&r->rest);
    vk_buf_release(&r->item);
    vk_free(r->member);
    vk_free(r);
}

static bool is_json_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Position behind the bytes of a string that need no look: up to a quote or backslash. */
static size_t skip_plain(struct vk_str s, size_t i)
{
    while (i < s.n && s.p[i] != '"' && s.p[i] != '\\')
        i++;
    return i;
}

/* One step inside a string at i; returns the next position, and clears in_string at its end. */
static size_t string_step(struct json_list_reader *r, struct vk_str s, size_t i)
{
    if (r->escaped) {
        r->escaped = false;
        return i + 1;
    }
    i = skip_plain(s, i);
    if (i < s.n) {
        if (s.p[i] == '\\')
            r->escaped = true;
        else
            r->in_string = false;
        i++;
    }
    return i;
}

static int keep(struct json_list_reader *r, const char *p, size_t n, struct vk_err *err)
{
    vk_buf_add(&r->rest, p, n);
    if (r->rest.failed)
        return vk_err_set(err, VK_TOO_LARGE, "more than %zu bytes beside the list's elements",
                          MAX_REST_BYTES);
    return 0;
}

/* The name in `rest` between key_start and the closing quote, which is its last byte. */
static bool key_is_member(const struct json_list_reader *r)
{
    struct vk_str rest = vk_buf_str(&r->rest);
    struct vk_str key = {.p = rest.p + r->key_start, .n = rest.n - 1 - r->key_start};

    return vk_str_is(key, r->member);
}

static int root_string(struct json_list_reader *r, struct vk_str s, size_t *i, struct vk_err *err)
{
    size_t next = string_step(r, s, *i);

    if (keep(r, s.p + *i, next - *i, err) < 0)
        return -1;
    *i = next;
    if (!r->in_string && r->depth == 1 && r->key_next) {
        r->key_next = false;
        r->is_member = key_is_member(r);
        if (r->is_member && r->seen)
            return vk_err_set(err, VK_INVALID, "the key \"%s\" is there twice", r->member);
        r->seen |= r->is_member;
    }
    return 0;
}

/* One byte of the root outside strings. */
static int root_step(struct json_list_reader *r, char c, struct vk_err *err)
{
    if (keep(r, &c, 1, err) < 0)
        return -1;
    if (is_json_space(c) || c == ':')
        return 0;
    if (c == '[' && r->is_member && r->depth == 1) {
        r->state = BEFORE_ITEM;
        r->first_item = true;
    } else if (c == '{' || c == '[') {
        r->depth++;
    } else if (c == '}' || c == ']') {
        if (--r->depth == 0)
            r->state = AFTER_ROOT;
    } else if (c == '"') {
        r->in_string = true;
        r->key_start = vk_buf_len(&r->rest);
        return 0;
    } else if (c == ',' && r->depth == 1) {
        r->key_next = true;
    }
    r->is_member = false;
    return 0;
}

static int item_too_large(struct json_list_reader *r, struct vk_err *err)
{
    return vk_err_set(err, VK_TOO_LARGE, "an element of \"%s\" is larger than %zu bytes", r->member,
                      r->item.limit_);
}

/* Hands out the element that ends before `tail.p + tail.n`; its beginning may be in `item`. */
static int deliver(struct json_list_reader *r, struct vk_str tail, struct vk_err *err)
{
    struct vk_str whole = tail;
    int result;

    r->state = AFTER_ITEM;
    r->in_scalar = false;
    if (vk_buf_len(&r->item) || tail.n > r->item.limit_) {
        vk_buf_addstr(&r->item, tail);
        if (r->item.failed)
            return item_too_large(r, err);
        whole = vk_buf_str(&r->item);
    }
    result = r->fn(r->user, whole, err);
    vk_buf_clear(&r->item);
    return result < 0 ? -1 : 0;
}

/* Reads on in an element from i; returns at its end or at the end of the piece. */
static int item_run(struct json_list_reader *r, struct vk_str s, size_t *pos, struct vk_err *err)
{
    size_t start = *pos;
    size_t i = start;
    bool done = false;

    while (i < s.n && !done) {
        char c = s.p[i];

        if (r->in_string) {
            i = string_step(r, s, i);
            done = !r->in_string && r->depth == 0;
            continue;
        }
        if (r->in_scalar) {
            done = c == ',' || c == ']' || is_json_space(c);
            i += done ? 0 : 1;
            continue;
        }
        if (c == '"')
            r->in_string = true;
        else if (c == '{' || c == '[')
            r->depth++;
        else if (c == '}' || c == ']')
            done = --r->depth == 0;
        else if (r->depth == 0)
            r->in_scalar = true;
        i++;
    }
    *pos = i;
    if (done)
        return deliver(r, (struct vk_str){.p = s.p + start, .n = i - start}, err);
    vk_buf_add(&r->item, s.p + start, i - start);
    return r->item.failed ? item_too_large(r, err) : 0;
}

/* Between elements: brackets, commas, white space. Consumes c unless an element begins with it. */
static int between_items(struct json_list_reader *r, char c, size_t *i, struct vk_err *err)
{
    if (is_json_space(c)) {
        ++*i;
    } else if (c == ']' && (r->state == AFTER_ITEM || r->first_item)) {
        ++*i;
        r->state = IN_ROOT;
        r->is_member = false;
        return keep(r, "]", 1, err);
    } else if (r->state == AFTER_ITEM) {
        if (c != ',')
            return vk_err_set(err, VK_INVALID, "expected ',' or ']' in \"%s\"", r->member);
        ++*i;
        r->state = BEFORE_ITEM;
        r->first_item = false;
    } else if (c == ',' || c == ']' || c == '}' || c == ':') {
        return vk_err_set(err, VK_INVALID, "expected an element in \"%s\"", r->member);
    } else {
        r->state = IN_ITEM;
        r->depth = 0;
    }
    return 0;
}

static int outside_root(struct json_list_reader *r, char c, struct vk_err *err)
{
    if (is_json_space(c))
        return 0;
    if (r->state == AFTER_ROOT)
        return vk_err_set(err, VK_INVALID, "text behind the list");
    if (c != '{')
        return vk_err_set(err, VK_INVALID, "a list must be a JSON object");
    r->state = IN_ROOT;
    r->depth = 1;
    r->key_next = true;
    return keep(r, "{", 1, err);
}

static int step(struct json_list_reader *r, struct vk_str s, size_t *i, struct vk_err *err)
{
    switch (r->state) {
    case BEFORE_ROOT:
    case AFTER_ROOT:
        return outside_root(r, s.p[(*i)++], err);
    case IN_ROOT:
        if (r->in_string)
            return root_string(r, s, i, err);
        return root_step(r, s.p[(*i)++], err);
    case BEFORE_ITEM:
    case AFTER_ITEM:
        if (between_items(r, s.p[*i], i, err) < 0)
            return -1;
        /* Back at the root's own level: its bracket is the only open one. */
        if (r->state == IN_ROOT)
            r->depth = 1;
        return 0;
    case IN_ITEM:
        return item_run(r, s, i, err);
    default:
        assert(false); /* unknown state */
        return -1;
    }
}

int json_list_reader_feed(struct json_list_reader *r, struct vk_str piece, struct vk_err *err)
{
    if (r->failed) {
        *err = r->failure;
        return -(int)err->code;
    }
    for (size_t i = 0; i < piece.n;) {
        if (step(r, piece, &i, err) < 0) {
            r->failed = true;
            r->failure = *err;
            return -(int)err->code;
        }
    }
    return 0;
}

int json_list_reader_end(struct json_list_reader *r, struct vk_str *ret_rest, struct vk_err *err)
{
    struct json_scan_result scan = {0};
    int result;

    if (r->failed) {
        *err = r->failure;
        return -(int)err->code;
    }
    if (r->state != AFTER_ROOT)
        return vk_err_set(err, VK_INVALID, "the list ends early");
    result = json_scan(vk_buf_str(&r->rest), &scan, err);
    vk_free(scan.numbers);
    if (result < 0)
        return vk_err_wrap(err, "the list beside its elements");
    *ret_rest = vk_buf_str(&r->rest);
    return 0;
}
