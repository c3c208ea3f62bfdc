/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/container_command.h"

#include "base/str.h"

bool container_command_needs_image(const struct resolved_container *c)
{
    return (c->command.n == 0 && c->args.n > 0) || !vk_str_empty(c->spec->working_dir);
}

/* "/srv/app/" and "/srv/app" are one directory; an image without one starts in "/". */
static struct vk_str directory(const char *path)
{
    struct vk_str d = vk_str_of(vk_str_empty(path) ? "/" : path);
    while (d.n > 1 && d.p[d.n - 1] == '/')
        d.n--;
    return d;
}

static int check_working_dir(const struct resolved_container *c, const struct pod_image *image,
                             const char *where, struct vk_err *err)
{
    const char *wanted = c->spec->working_dir;
    if (vk_str_empty(wanted))
        return 0;
    if (!image || !image->known)
        return vk_err_set(
            err, VK_UNSUPPORTED,
            "%s.workingDir: ACI can't set a working directory, and the image's own is "
            "not known; change directory in the command",
            where);
    if (vk_str_eq(directory(wanted), directory(image->config.working_dir)))
        return 0;
    return vk_err_set(
        err, VK_UNSUPPORTED,
        "%s.workingDir: ACI can't set a working directory, and the image's is %.100s; "
        "set WORKDIR in the image or change directory in the command",
        where, vk_str_empty(image->config.working_dir) ? "/" : image->config.working_dir);
}

static struct json_strs joined(const struct json_strs *a, const struct json_strs *b,
                               struct vk_arena *arena)
{
    struct json_strs out = {.v = vk_arena_array(arena, a->n + b->n + 1, sizeof(*out.v))};
    for (size_t i = 0; i < a->n; i++)
        out.v[out.n++] = a->v[i];
    for (size_t i = 0; i < b->n; i++)
        out.v[out.n++] = b->v[i];
    return out;
}

int container_command(const struct resolved_container *c, const struct pod_image *image,
                      const char *where, struct vk_arena *arena, struct json_strs *ret,
                      struct vk_err *err)
{
    if (check_working_dir(c, image, where, err) < 0)
        return -(int)err->code;
    if (c->command.n > 0) {
        *ret = joined(&c->command, &c->args, arena);
    } else if (c->args.n == 0) {
        *ret = (struct json_strs){0};
    } else if (image && image->known) {
        *ret = joined(&image->config.entrypoint, &c->args, arena);
    } else {
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.args: ACI replaces the image's entrypoint, which is not known; set "
                          "command to it beside args",
                          where);
    }
    return 0;
}

int container_command_whole(const struct resolved_container *c, const struct pod_image *image,
                            const char *where, struct vk_arena *arena, struct json_strs *ret,
                            struct vk_err *err)
{
    struct json_strs out = {0};
    if (container_command(c, image, where, arena, &out, err) < 0)
        return -(int)err->code;
    if (out.n == 0 && image && image->known)
        out = joined(&image->config.entrypoint, &image->config.cmd, arena);
    if (out.n == 0)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.command: the image's own is not known, which a start wrapper needs; "
                          "set command",
                          where);
    *ret = out;
    return 0;
}
