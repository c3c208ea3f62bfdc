/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/pod_images.h"

#include <assert.h>

#include "base/alloc.h"
#include "provider/container_command.h"
#include "provider/group_sku.h"
#include "provider/registry_credentials.h"
#include "provider/security_context.h"
#include "provider/start_wrapper.h"

/* One container's question. */
struct question {
    struct pod_images_fetch *fetch;
    const struct resolved_container *container; /* borrowed from the pod */
    struct pod_image *answer;
    struct image_config_query *query;
};

struct pod_images_fetch {
    struct vk_arena *arena;
    struct question *questions;
    size_t count, open;
    struct pod_images images;
    pod_images_fn done;
    void *user;
};

/* What decides whether an image must be read. */
struct needs {
    const struct resolved_pod *pod;
    struct pod_annotations annotations;
    bool users_matter;
};

static struct needs needs_of(const struct resolved_pod *pod, const struct provider_env *env)
{
    struct vk_err err;
    struct needs n = {.pod = pod};
    /* Bad ones are refused elsewhere. */
    if (annotations_read(pod->pod, env, &n.annotations, &err) < 0)
        return n;
    n.users_matter = !env->settings.warn_security && !group_sku_is_confidential(&n.annotations);
    return n;
}

static bool is_needed(const struct needs *n, const struct resolved_container *c)
{
    return container_command_needs_image(c) ||
           (c->command.n == 0 && start_wrapper_is_used(n->pod->pod, c, &n->annotations)) ||
           (n->users_matter && security_context_needs_image(n->pod->pod, c->spec) &&
            !registry_credentials_are_an_identity(n->pod, &n->annotations, c->spec));
}

static bool any_needed(const struct needs *n, const struct resolved_container *c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_needed(n, &c[i]))
            return true;
    }
    return false;
}

bool pod_images_are_needed(const struct resolved_pod *pod, const struct provider_env *env)
{
    const struct needs n = needs_of(pod, env);
    return any_needed(&n, pod->containers, pod->container_count) ||
           any_needed(&n, pod->init_containers, pod->init_container_count);
}

void pod_images_cancel(struct pod_images_fetch *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        image_config_cancel(f->questions[i].query);
    vk_arena_free(f->arena);
    vk_free(f);
}

static void finish(struct pod_images_fetch *f, const struct vk_err *err)
{
    const pod_images_fn done = f->done;
    void *user = f->user;
    /* Nothing else may answer while the callback runs, and the images live until it returns. */
    for (size_t i = 0; i < f->count; i++)
        image_config_cancel(vk_take(f->questions[i].query));
    done(user, err ? NULL : &f->images, err);
    pod_images_cancel(f);
}

static void fail(struct pod_images_fetch *f, const struct question *q, const struct vk_err *cause)
{
    struct vk_err err = *cause;
    /* An index without this platform: another push may bring it. */
    if (err.code == VK_NOT_FOUND) {
        err.code = VK_UNAVAILABLE;
        (void)vk_err_reason(&err, "InaccessibleImage");
    }
    (void)vk_err_wrap(&err, "container %s, image %s", q->container->spec->name,
                      q->container->spec->image);
    finish(f, &err);
}

static struct json_strs copy_strs(const struct json_strs *from, struct vk_arena *arena)
{
    struct json_strs to = {.v = vk_arena_array(arena, from->n + 1, sizeof(*to.v)), .n = from->n};
    for (size_t i = 0; i < from->n; i++)
        to.v[i] = vk_arena_strdup(arena, from->v[i]);
    return to;
}

static void on_config(void *user, const struct image_config *config, const struct vk_err *err)
{
    struct question *q = user;
    struct pod_images_fetch *f = q->fetch;
    q->query = NULL;
    if (err) {
        fail(f, q, err);
        return;
    }
    *q->answer = (struct pod_image){
        .known = true,
        .config =
            {
                .entrypoint = copy_strs(&config->entrypoint, f->arena),
                .cmd = copy_strs(&config->cmd, f->arena),
                .working_dir = vk_arena_strdup(f->arena, config->working_dir),
                .user = vk_arena_strdup(f->arena, config->user),
            },
    };
    if (--f->open == 0)
        finish(f, NULL);
}

/* needs NULL: all. */
static struct pod_image *add_questions(struct pod_images_fetch *f, const struct needs *needs,
                                       const struct resolved_container *c, size_t n)
{
    struct pod_image *answers = vk_arena_array(f->arena, n + 1, sizeof(*answers));
    for (size_t i = 0; i < n; i++) {
        if (needs && !is_needed(needs, &c[i]))
            continue;
        f->questions[f->count++] =
            (struct question){.fetch = f, .container = &c[i], .answer = &answers[i]};
    }
    return answers;
}

struct pod_images_fetch *pod_images_fetch(struct image_configs *configs,
                                          const struct resolved_pod *pod,
                                          const struct provider_env *env, bool all,
                                          pod_images_fn done, void *user)
{
    const struct needs some = needs_of(pod, env);
    const struct needs *needs = all ? NULL : &some;
    struct pod_images_fetch *f = vk_calloc(1, sizeof(*f));
    f->arena = vk_arena_new();
    f->done = done;
    f->user = user;
    f->questions = vk_arena_array(f->arena, pod->container_count + pod->init_container_count + 1,
                                  sizeof(*f->questions));
    f->images.containers = add_questions(f, needs, pod->containers, pod->container_count);
    f->images.init_containers =
        add_questions(f, needs, pod->init_containers, pod->init_container_count);
    assert(f->count > 0);
    f->open = f->count;
    for (size_t i = 0; i < f->count; i++) {
        struct question *q = &f->questions[i];
        q->query = image_configs_get(configs, q->container->spec->image, pod->credentials,
                                     pod->credential_count, on_config, q);
    }
    return f;
}
