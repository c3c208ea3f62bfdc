/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_scan.h"

/*
 * A struct json is a cJSON node. Numbers whose text says more than a double keeps carry it in
 * valuestring, which cJSON leaves NULL for numbers.
 */

/* The hooks of cJSON know no context; there is one thread. Set only while a tree is built. */
static struct vk_arena *current_arena;

static void *arena_malloc(size_t size)
{
    return vk_arena_alloc(current_arena, size);
}

static void arena_free(void *p)
{
    (void)p;
}

static cJSON *build_tree(struct vk_str text, struct vk_arena *arena)
{
    static bool hooked;
    cJSON *tree;

    if (!hooked) {
        cJSON_Hooks hooks = {.malloc_fn = arena_malloc, .free_fn = arena_free};

        cJSON_InitHooks(&hooks);
        hooked = true;
    }
    current_arena = arena;
    tree = cJSON_ParseWithLength(text.p, text.n);
    current_arena = NULL;
    return tree;
}

static const cJSON *node_of(const struct json *v)
{
    return (const cJSON *)v;
}

static const struct json *json_of(const cJSON *node)
{
    return (const struct json *)node;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A member name that occurs twice, or NULL. Sorting keeps a hostile object from costing n^2. */
static const char *find_duplicate(const cJSON *object)
{
    const char **keys VK_AUTOFREE = NULL;
    size_t n = 0;

    for (const cJSON *a = object->child; a; a = a->next, n++) {
        const cJSON *b = object->child;

        if (n == 24)
            break;
        for (; b != a; b = b->next) {
            if (strcmp(a->string, b->string) == 0)
                return a->string;
        }
    }
    if (n < 24)
        return NULL;
    n = json_len(json_of(object));
    keys = vk_malloc(n * sizeof(keys[0]));
    n = 0;
    for (const cJSON *a = object->child; a; a = a->next)
        keys[n++] = a->string;
    qsort(keys, n, sizeof(keys[0]), compare_keys);
    for (size_t i = 1; i < n; i++) {
        if (strcmp(keys[i - 1], keys[i]) == 0)
            return keys[i];
    }
    return NULL;
}

struct finish {
    const struct json_scan_result *scan;
    size_t next, numbers;
    struct vk_arena *arena;
    struct vk_err *err;
};

/* Walks the tree in the order of the text: puts exact numbers in, looks for duplicate keys. */
static int finish_tree(struct finish *f, cJSON *node)
{
    if (cJSON_IsNumber(node)) {
        if (f->next < f->scan->number_count && f->scan->numbers[f->next].ordinal == f->numbers)
            node->valuestring = vk_arena_str(f->arena, f->scan->numbers[f->next++].text);
        f->numbers++;
        return 0;
    }
    if (cJSON_IsObject(node)) {
        const char *duplicate = find_duplicate(node);

        if (duplicate)
            return vk_err_set(f->err, VK_INVALID, "the key \"%.100s\" is there twice", duplicate);
    }
    if (cJSON_IsObject(node) || cJSON_IsArray(node)) {
        for (cJSON *child = node->child; child; child = child->next) {
            if (finish_tree(f, child) < 0)
                return -1;
        }
    }
    return 0;
}

int json_parse(struct vk_str text, size_t max_bytes, struct vk_arena *arena,
               const struct json **ret, struct vk_err *err)
{
    struct json_scan_result scan = {0};
    struct finish f = {.scan = &scan, .arena = arena, .err = err};
    cJSON *tree = NULL;
    int r;

    if (text.n > max_bytes)
        return vk_err_set(err, VK_TOO_LARGE, "%zu bytes of JSON, at most %zu are taken", text.n,
                          max_bytes);
    r = json_scan(text, &scan, err);
    if (r == 0) {
        tree = build_tree(text, arena);
        if (!tree)
            r = vk_err_set(err, VK_INVALID, "not a JSON value");
        else if (finish_tree(&f, tree) < 0)
            r = -(int)err->code;
    }
    vk_free(scan.numbers);
    if (r == 0)
        *ret = json_of(tree);
    return r;
}

enum json_type json_type_of(const struct json *v)
{
    const cJSON *node = node_of(v);

    switch (node ? node->type & 0xff : cJSON_NULL) {
    case cJSON_False:
    case cJSON_True:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

const struct json *json_get(const struct json *v, const char *key)
{
    const cJSON *node = node_of(v);

    if (!cJSON_IsObject(node))
        return NULL;
    for (const cJSON *child = node->child; child; child = child->next) {
        if (strcmp(child->string, key) == 0)
            return json_of(child);
    }
    return NULL;
}

const struct json *json_first(const struct json *v)
{
    const cJSON *node = node_of(v);

    return cJSON_IsObject(node) || cJSON_IsArray(node) ? json_of(node->child) : NULL;
}

const struct json *json_next(const struct json *v)
{
    return v ? json_of(node_of(v)->next) : NULL;
}

const char *json_key(const struct json *v)
{
    return v ? node_of(v)->string : NULL;
}

size_t json_len(const struct json *v)
{
    size_t n = 0;

    for (const struct json *child = json_first(v); child; child = json_next(child))
        n++;
    return n;
}

const char *json_string(const struct json *v)
{
    return cJSON_IsString(node_of(v)) ? node_of(v)->valuestring : NULL;
}

const char *json_string_or(const struct json *v, const char *key, const char *fallback)
{
    const char *text = json_string(json_get(v, key));

    return text ? text : fallback;
}

bool json_int64(const struct json *v, int64_t *ret)
{
    static const double exact = 9007199254740992.0; /* 2^53 */
    const cJSON *node = node_of(v);

    if (!cJSON_IsNumber(node))
        return false;
    if (node->valuestring && vk_str_int64(vk_str_of(node->valuestring), INT64_MIN, INT64_MAX, ret))
        return true;
    /* "1.0" and "1e3" are integers too; beyond 2^53 the double would be a guess. */
    if (!(node->valuedouble >= -exact && node->valuedouble <= exact))
        return false;
    if ((double)(int64_t)node->valuedouble != node->valuedouble)
        return false;
    *ret = (int64_t)node->valuedouble;
    return true;
}

int64_t json_int64_or(const struct json *v, const char *key, int64_t fallback)
{
    int64_t value;

    return json_int64(json_get(v, key), &value) ? value : fallback;
}

bool json_double(const struct json *v, double *ret)
{
    if (!cJSON_IsNumber(node_of(v)) || !isfinite(node_of(v)->valuedouble))
        return false;
    *ret = node_of(v)->valuedouble;
    return true;
}

bool json_is_true(const struct json *v)
{
    return cJSON_IsTrue(node_of(v)) != 0;
}

bool json_bool_or(const struct json *v, const char *key, bool fallback)
{
    const struct json *member = json_get(v, key);

    return cJSON_IsBool(node_of(member)) ? json_is_true(member) : fallback;
}

const char *json_number_text(const struct json *v, char *scratch, size_t scratch_size)
{
    const cJSON *node = node_of(v);

    assert(cJSON_IsNumber(node));
    if (node->valuestring)
        return node->valuestring;
    snprintf(scratch, scratch_size, "%lld", (long long)node->valuedouble);
    return scratch;
}
