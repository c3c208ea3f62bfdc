/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/downward_api.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "kubelet/api/quantity.h"

#define MAX_MAP_TEXT (1u << 20)

/* The letter of Go's escape for it, or 0. */
static char escape_letter(unsigned char c)
{
    static const struct {
        char c, letter;
    } escapes[] = {{'"', '"'},  {'\\', '\\'}, {'\a', 'a'}, {'\b', 'b'}, {'\f', 'f'},
                   {'\n', 'n'}, {'\r', 'r'},  {'\t', 't'}, {'\v', 'v'}};

    for (size_t i = 0; i < VK_COUNT(escapes); i++)
        if ((unsigned char)escapes[i].c == c)
            return escapes[i].letter;
    return 0;
}

/* What unicode.IsPrint of Go denies of all that people type or paste: controls, spaces but the
 * common one, marks of direction and of width. */
static bool is_hidden(uint32_t rune)
{
    static const uint32_t ranges[][2] = {{0x80, 0xa0},     {0xad, 0xad},     {0x2000, 0x200f},
                                         {0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000},
                                         {0xe000, 0xf8ff}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}};

    for (size_t i = 0; i < VK_COUNT(ranges); i++)
        if (rune >= ranges[i][0] && rune <= ranges[i][1])
            return true;
    return false;
}

/* The rune that begins at s, of valid UTF-8 and up to U+FFFF; 0 for longer ones. */
static uint32_t rune_at(const unsigned char *s, size_t *ret_length)
{
    if (s[0] >= 0xc0 && s[0] < 0xe0) {
        *ret_length = 2;
        return (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
    }
    if (s[0] >= 0xe0 && s[0] < 0xf0) {
        *ret_length = 3;
        return (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
    }
    *ret_length = 1;
    return 0;
}

/* Go's strconv.Quote for text that is valid UTF-8. */
static void add_quoted(struct vk_buf *out, const char *s)
{
    vk_buf_addc(out, '"');
    while (*s) {
        const unsigned char c = (unsigned char)*s;
        size_t length;
        const uint32_t rune = rune_at((const unsigned char *)s, &length);

        if (escape_letter(c))
            vk_buf_printf(out, "\\%c", escape_letter(c));
        else if (c < 0x20 || c == 0x7f)
            vk_buf_printf(out, "\\x%02x", c);
        else if (is_hidden(rune))
            vk_buf_printf(out, "\\u%04x", rune);
        else
            vk_buf_add(out, s, length);
        s += length;
    }
    vk_buf_addc(out, '"');
}

static const char *next_key(const struct json_pairs *pairs, const char *after)
{
    const char *best = NULL;

    for (size_t i = 0; i < pairs->n; i++) {
        const char *k = pairs->v[i].key;

        if ((!after || strcmp(k, after) > 0) && (!best || strcmp(k, best) < 0))
            best = k;
    }
    return best;
}

/* One line key="value" per pair, sorted by key. */
static const char *map_text(const struct json_pairs *pairs, struct vk_arena *arena)
{
    struct vk_buf out VK_BUF_AUTO;
    const char *key = NULL;

    vk_buf_init(&out, MAX_MAP_TEXT);
    while ((key = next_key(pairs, key))) {
        if (vk_buf_len(&out))
            vk_buf_addc(&out, '\n');
        vk_buf_printf(&out, "%s=", key);
        add_quoted(&out, pairs_get(pairs, key));
    }
    return vk_arena_str(arena, vk_buf_str(&out));
}

static const char *join(const struct json_strs *strs, struct vk_arena *arena)
{
    const char *text = "";

    for (size_t i = 0; i < strs->n; i++)
        text = i ? vk_arena_printf(arena, "%s,%s", text, strs->v[i]) : strs->v[i];
    return text;
}

/* "metadata.labels['x']": the value, or "" when the pod has none. NULL: no subscripted path. */
static const char *subscripted(const struct pod *pod, const char *path, struct vk_arena *arena)
{
    static const struct {
        const char *prefix;
        size_t offset;
    } maps[] = {{"metadata.labels['", offsetof(struct object_meta, labels)},
                {"metadata.annotations['", offsetof(struct object_meta, annotations)}};

    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(maps[i].prefix);
        const char *value;

        if (!vk_starts(path, maps[i].prefix) || !vk_ends(path + n, "']"))
            continue;
        value = pairs_get((const void *)((const char *)&pod->meta + maps[i].offset),
                          vk_arena_strndup(arena, path + n, strlen(path + n) - 2));
        return value ? value : "";
    }
    return NULL;
}

int downward_api_field(const struct pod_references *r, const struct field_ref *field,
                       struct vk_arena *arena, const char **ret, struct vk_err *err)
{
    const struct pod *pod = r->pod;
    const char *path = field->field_path ? field->field_path : "";
    const char *value = subscripted(pod, path, arena);

    if (value) {
        *ret = value;
        return 0;
    }
    if (vk_streq(path, "metadata.name"))
        value = pod->meta.name;
    else if (vk_streq(path, "metadata.namespace"))
        value = pod->meta.namespace_;
    else if (vk_streq(path, "metadata.uid"))
        value = pod->meta.uid;
    else if (vk_streq(path, "metadata.labels"))
        value = map_text(&pod->meta.labels, arena);
    else if (vk_streq(path, "metadata.annotations"))
        value = map_text(&pod->meta.annotations, arena);
    else if (vk_streq(path, "spec.nodeName") || vk_streq(path, "spec.host"))
        value = pod->spec.node_name;
    else if (vk_streq(path, "spec.serviceAccountName"))
        value = pod->spec.service_account_name;
    else if (vk_streq(path, "status.hostIP"))
        value = r->node_ips->n ? r->node_ips->v[0] : "";
    else if (vk_streq(path, "status.hostIPs"))
        value = join(r->node_ips, arena);
    else if (vk_streq(path, "status.podIP") || vk_streq(path, "status.podIPs"))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "fieldRef %s is not known before the pod runs on this node; leave it out "
                          "or let the container ask its own interface",
                          path);
    else
        return vk_err_set(err, VK_UNSUPPORTED, "fieldRef %s is not known here; leave it out", path);
    *ret = value ? value : "";
    return 0;
}

static const struct container *find_container(const struct pod *pod, const char *name)
{
    const struct json_array *lists[] = {&pod->spec.containers, &pod->spec.init_containers};

    for (size_t k = 0; k < 2; k++) {
        const struct container *c = lists[k]->v;

        for (size_t i = 0; i < lists[k]->n; i++)
            if (vk_streq(c[i].name, name))
                return &c[i];
    }
    return NULL;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b > 0);
}

static bool resource_value(const struct pod_references *r, const struct container *c,
                           const char *resource, const char *divisor, int64_t *ret)
{
    bool is_limit = vk_starts(resource, "limits."), is_cpu = vk_ends(resource, ".cpu");
    bool is_memory = vk_ends(resource, ".memory");
    const char *name = strchr(resource, '.') + 1;
    const char *text = pairs_get(is_limit ? &c->resources.limits : &c->resources.requests, name);
    int64_t amount = 0, unit = 1;
    bool (*parse)(const char *, int64_t *) = is_cpu ? quantity_milli : quantity_value;

    if (text && !parse(text, &amount))
        return false;
    /* A container without a limit may use what the node has. */
    if (!text && is_limit)
        amount = is_cpu ? r->node_cpu_milli : is_memory ? r->node_memory_bytes : 0;
    if (is_cpu)
        unit = 1000;
    if (!vk_str_empty(divisor) && !vk_streq(divisor, "0") && (!parse(divisor, &unit) || unit <= 0))
        return false;
    *ret = ceil_div(amount, unit);
    return true;
}

int downward_api_resource(const struct pod_references *r, const struct resource_field_ref *ref,
                          const struct container *self, struct vk_arena *arena, const char **ret,
                          struct vk_err *err)
{
    static const char *const known[] = {
        "limits.cpu",   "limits.memory",   "limits.ephemeral-storage",
        "requests.cpu", "requests.memory", "requests.ephemeral-storage"};
    const char *resource = ref->resource ? ref->resource : "";
    const struct container *c =
        vk_str_empty(ref->container_name) ? self : find_container(r->pod, ref->container_name);
    bool is_known = false;
    int64_t value;

    if (!c)
        return vk_err_set(err, VK_INVALID, "resourceFieldRef %s: the pod has no container \"%s\"",
                          resource, ref->container_name ? ref->container_name : "");
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        is_known |= vk_streq(known[i], resource);
    if (!is_known)
        return vk_err_set(
            err, VK_UNSUPPORTED,
            "resourceFieldRef %s is not known here; cpu, memory and ephemeral-storage are",
            resource);
    if (!resource_value(r, c, resource, ref->divisor, &value))
        return vk_err_set(err, VK_INVALID, "resourceFieldRef %s: bad quantity or divisor",
                          resource);
    *ret = vk_arena_printf(arena, "%" PRId64, value);
    return 0;
}
