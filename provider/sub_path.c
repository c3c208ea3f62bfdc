/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/sub_path.h"

#include "base/buf.h"
#include "base/str.h"

#define PATH_MAX_BYTES 4096ul

static const struct resolved_env *find_env(const struct resolved_container *c, struct vk_str name)
{
    for (size_t i = 0; i < c->env_count; i++) {
        if (vk_str_is(name, c->env[i].name))
            return &c->env[i];
    }
    return NULL;
}

/* One "$..." of the expression; returns its length, 0 for a variable that is not there. */
static size_t expand_one(const struct resolved_container *c, const char *text, struct vk_buf *out)
{
    if (text[1] == '$') {
        vk_buf_addc(out, '$');
        return 2;
    }
    const char *end = text[1] == '(' ? strchr(text, ')') : NULL;
    if (!end) {
        vk_buf_addc(out, '$');
        return 1;
    }
    const struct vk_str name = {.p = text + 2, .n = (size_t)(end - text) - 2};
    const struct resolved_env *env = find_env(c, name);
    if (!env || env->secret || strstr(env->value, RESOLVED_POD_ADDRESS))
        return 0;
    vk_buf_adds(out, env->value);
    return (size_t)(end - text) + 1;
}

static int expand(const struct resolved_container *c, const char *text, const char *where,
                  struct vk_buf *out, struct vk_err *err)
{
    while (*text) {
        if (*text != '$') {
            vk_buf_addc(out, *text++);
            continue;
        }
        const size_t used = expand_one(c, text, out);
        if (used == 0)
            return vk_err_set(err, VK_INVALID,
                              "%s.subPathExpr: the container has no plain variable %.40s", where,
                              text);
        text += used;
    }
    if (out->failed)
        return vk_err_set(err, VK_INVALID, "%s.subPathExpr: is longer than a path may be", where);
    return 0;
}

static bool stays_inside(const char *path)
{
    struct vk_str rest = vk_str_of(path);
    while (rest.n > 0) {
        const struct vk_str part = vk_str_cut(rest, '/', &rest);
        if (vk_str_is(part, "..") || vk_str_is(part, ".") || part.n == 0)
            return false;
    }
    return path[0] != '/';
}

int sub_path_of_mount(const struct resolved_container *c, const struct volume_mount *mount,
                      const char *where, struct vk_arena *arena, const char **ret,
                      struct vk_err *err)
{
    const char *text = vk_str_empty(mount->sub_path) ? "" : mount->sub_path;
    if (!vk_str_empty(mount->sub_path_expr)) {
        struct vk_buf out VK_BUF_AUTO;
        vk_buf_init(&out, PATH_MAX_BYTES);
        if (expand(c, mount->sub_path_expr, where, &out, err) < 0)
            return -(int)err->code;
        text = vk_arena_str(arena, vk_buf_str(&out));
    }
    size_t n = strlen(text);
    while (n > 1 && text[n - 1] == '/')
        n--;
    if (n == 1 && text[0] == '.')
        n = 0;
    char *path = vk_arena_strndup(arena, text, n);
    if (!stays_inside(path))
        return vk_err_set(err, VK_INVALID, "%s.subPath: \"%.100s\" does not stay in the volume",
                          where, path);
    *ret = path;
    return 0;
}

const char *sub_path_inside(const char *path, const char *directory)
{
    const size_t n = strlen(directory);
    if (n == 0)
        return path;
    return vk_starts(path, directory) && path[n] == '/' ? path + n + 1 : NULL;
}

bool sub_path_overlaps(const char *a, const char *b)
{
    return vk_streq(a, b) || sub_path_inside(a, b) || sub_path_inside(b, a);
}
