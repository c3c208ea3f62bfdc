/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/translate_pod.h"

#include "base/str.h"
#include "provider/image_reference.h"
#include "provider/security_context.h"

static struct json_strs copy_strs(const char *const *from, size_t n, struct vk_arena *arena)
{
    struct json_strs out = {.v = vk_arena_array(arena, n + 1, sizeof(*out.v))};
    for (size_t i = 0; i < n; i++)
        out.v[out.n++] = vk_arena_strdup(arena, from[i]);
    return out;
}

static void assume(struct translation *t, struct vk_arena *arena, const char *text)
{
    struct json_strs more = {.v = vk_arena_array(arena, t->assumed.n + 1, sizeof(*more.v))};
    for (size_t i = 0; i < t->assumed.n; i++)
        more.v[more.n++] = t->assumed.v[i];
    more.v[more.n++] = text;
    t->assumed = more;
}

/* A pod with such an image waits for another name, InvalidImageName, and never runs. */
static bool has_bad_name(const struct resolved_container *c, size_t n, struct vk_arena *arena,
                         struct vk_err *err)
{
    struct image_reference parsed;
    for (size_t i = 0; i < n; i++)
        if (image_reference_parse(c[i].spec->image ? c[i].spec->image : "", arena, &parsed, err) <
            0)
            return true;
    return false;
}

/* An image as the pod needs it to be; no registry is asked. */
static const struct pod_image *made_up(const struct resolved_pod *pod,
                                       const struct resolved_container *c, size_t n,
                                       struct translation *t, struct vk_arena *arena)
{
    struct pod_image *out = vk_arena_array(arena, n + 1, sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        const char *image = c[i].spec->image ? c[i].spec->image : "";
        const char *user = security_context_wanted_user(pod->pod, c[i].spec, arena);
        const char *directory = c[i].spec->working_dir;
        struct json_strs entrypoint = {.v = vk_arena_array(arena, 1, sizeof(*entrypoint.v))};
        entrypoint.v[entrypoint.n++] = vk_arena_printf(arena, "<entrypoint of %s>", image);
        out[i] = (struct pod_image){
            .known = true,
            .config = {.entrypoint = entrypoint,
                       .working_dir = directory ? directory : "/",
                       .user = user ? user : ""},
        };
        if (user)
            assume(t, arena,
                   vk_arena_printf(arena, "image %s runs as user %s by itself", image, user));
        if (!vk_str_empty(directory))
            assume(
                t, arena,
                vk_arena_printf(arena, "image %s has the working directory %s", image, directory));
        if (c[i].command.n == 0 && c[i].args.n > 0)
            assume(t, arena,
                   vk_arena_printf(arena, "the entrypoint of image %s is read from its registry",
                                   image));
    }
    return out;
}

static void translate(const struct resolved_pod *pod, const struct provider_env *env,
                      struct vk_arena *arena, struct translation *t)
{
    struct pod_images images = {
        .containers = made_up(pod, pod->containers, pod->container_count, t, arena),
        .init_containers = made_up(pod, pod->init_containers, pod->init_container_count, t, arena),
    };
    struct group_notes notes;
    struct vk_err err;
    struct vk_buf body;
    vk_buf_init_secret(&body, POD_TO_GROUP_MAX_BYTES);
    if (pod_to_group(pod, env, &images, arena, &body, &notes, &err) < 0 ||
        has_bad_name(pod->containers, pod->container_count, arena, &err) ||
        has_bad_name(pod->init_containers, pod->init_container_count, arena, &err)) {
        t->refused = vk_arena_strdup(arena, err.msg);
    } else {
        t->group = vk_arena_str(arena, vk_buf_str(&body));
        t->size = notes.size;
        t->warnings = copy_strs(notes.ignored.v, notes.ignored.n, arena);
    }
    vk_buf_release_secret(&body);
}

void translate_pod(const struct workload *workload, const struct offline *objects,
                   const struct provider_env *env, struct vk_arena *arena, struct translation *ret)
{
    struct resolved_pod *resolved;
    struct json_strs assumed;
    struct pod *pod;
    struct vk_err err;
    *ret = (struct translation){.workload = workload, .refused = workload->refused};
    if (workload->refused)
        return;
    if (pod_parse(workload->pod, &pod, &err) < 0) {
        ret->refused = vk_arena_strdup(arena, err.msg);
        return;
    }
    if (offline_resolve(objects, pod, &resolved, &assumed, &err) < 0) {
        ret->refused = vk_arena_strdup(arena, err.msg);
        pod_unref(pod);
        return;
    }
    ret->assumed = copy_strs(assumed.v, assumed.n, arena);
    translate(resolved, env, arena, ret);
    resolved_pod_free(resolved);
    pod_unref(pod);
}
