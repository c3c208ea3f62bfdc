/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/pod_update.h"

#include "base/alloc.h"
#include "kubelet/pods/pod_resize.h"

static bool is_equal(const struct json_pairs *a, const struct json_pairs *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (!vk_streq(pairs_get(b, a->v[i].key), a->v[i].value))
            return false;
    return a->n == b->n;
}

static const struct container *find(const struct json_array *list, const char *name)
{
    const struct container *c = list->v;

    for (size_t i = 0; i < list->n; i++)
        if (vk_streq(c[i].name, name))
            return &c[i];
    return NULL;
}

static void compare(const struct json_array *before, const struct json_array *now, const char *list,
                    struct vk_arena *arena, struct pod_update *ret)
{
    const struct container *c = now->v;

    for (size_t i = 0; i < now->n; i++) {
        const struct container *old = find(before, c[i].name);

        if (!old)
            continue;
        if (!ret->image && !vk_streq(old->image, c[i].image))
            ret->image = vk_arena_printf(
                arena,
                "%s[%s].image: %s goes on to run, not %s: a container group is not changed while "
                "it "
                "runs; delete the pod, its controller makes one with the new image",
                list, c[i].name, old->image ? old->image : "", c[i].image ? c[i].image : "");
    }
}

/* "metadata.labels", "metadata.annotations['key']". */
static bool shows(const struct downward_api_volume *v, const char *field)
{
    const struct downward_api_file *f = v ? v->items.v : NULL;

    for (size_t i = 0; v && i < v->items.n; i++)
        if (f[i].field && vk_starts(f[i].field->field_path, field))
            return true;
    return false;
}

static const char *volume_that_shows(const struct pod *pod, const char *field)
{
    const struct volume *v = pod->spec.volumes.v;

    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        const struct projected_volume *p = v[i].projected;
        const struct projection_source *s = p ? p->sources.v : NULL;

        if (shows(v[i].downward_api, field))
            return v[i].name;
        for (size_t k = 0; p && k < p->sources.n; k++)
            if (shows(s[k].downward_api, field))
                return v[i].name;
    }
    return NULL;
}

static void compare_metadata(const struct pod *before, const struct pod *now,
                             struct vk_arena *arena, struct pod_update *ret)
{
    const struct {
        const char *field;
        const struct json_pairs *before, *now;
    } both[] = {{"metadata.labels", &before->meta.labels, &now->meta.labels},
                {"metadata.annotations", &before->meta.annotations, &now->meta.annotations}};

    for (size_t i = 0; i < VK_COUNT(both) && !ret->downward_api; i++) {
        const char *volume = volume_that_shows(now, both[i].field);

        if (volume && !is_equal(both[i].before, both[i].now))
            ret->downward_api = vk_arena_printf(
                arena,
                "%s: volume %s goes on to show what it was when the pod was made: Azure can't "
                "change the files of a container group that runs; delete the pod to refresh them",
                both[i].field, volume);
    }
}

/* They come one at a time, and none ever goes. */
static const char *added_container(const struct json_array *before, const struct json_array *now,
                                   struct vk_arena *arena)
{
    const struct container *c = now->v;

    for (size_t i = 0; i < now->n; i++)
        if (!find(before, c[i].name))
            return vk_arena_printf(
                arena,
                "ephemeralContainers[%s]: it is not started, Azure can't add a container to a "
                "container group that runs; use kubectl exec in the pod's own containers, or "
                "kubectl debug --copy-to=NAME --profile=baseline --share-processes=false",
                c[i].name);
    return NULL;
}

void pod_update_between(const struct pod *before, const struct pod *now, struct vk_arena *arena,
                        struct pod_update *ret)
{
    *ret = (struct pod_update){.resources = pod_resize_since(before, now, arena)};
    compare(&before->spec.containers, &now->spec.containers, "containers", arena, ret);
    compare(&before->spec.init_containers, &now->spec.init_containers, "initContainers", arena,
            ret);
    compare_metadata(before, now, arena, ret);
    ret->ephemeral =
        added_container(&before->spec.ephemeral_containers, &now->spec.ephemeral_containers, arena);
}
