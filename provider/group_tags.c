/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/group_tags.h"

#include "base/str.h"
#include "provider/group_identity.h"

#define MAX_TAGS 50
#define TAGS_OF_OURS 7
#define MAX_EXTRA (MAX_TAGS - TAGS_OF_OURS)
#define MAX_NAME 512
#define MAX_VALUE 256
#define TAG_PREFIX "aci-kubelet-"

static bool is_tag_name(const char *name)
{
    return *name && strlen(name) <= MAX_NAME && !strpbrk(name, "<>%&\\?/") &&
           !vk_starts(name, TAG_PREFIX);
}

/* ARM compares names without regard to case. */
static bool has_tag(const struct json_pairs *tags, const char *name)
{
    for (size_t i = 0; i < tags->n; i++) {
        if (vk_strieq(tags->v[i].key, name))
            return true;
    }
    return false;
}

static int read_annotation(const char *text, struct vk_arena *arena, struct json_pairs *out,
                           struct vk_err *err)
{
    struct vk_str rest = vk_str_of(text);
    for (const char *e = annotation_next(&rest, arena); e; e = annotation_next(&rest, arena)) {
        const char *name;
        const char *value;
        if (!annotation_split(e, arena, &name, &value) || !is_tag_name(name) ||
            strlen(value) > MAX_VALUE || has_tag(out, name))
            return vk_err_set(err, VK_INVALID,
                              "metadata.annotations[" ANNOTATION_PREFIX
                              "tags]: \"%.80s\": ARM takes NAME=VALUE, each name once, without "
                              "<>%%&\\?/, names that begin with " TAG_PREFIX " are taken",
                              e);
        if (out->n == MAX_EXTRA)
            return vk_err_set(err, VK_UNSUPPORTED,
                              "metadata.annotations[" ANNOTATION_PREFIX
                              "tags]: more than %d tags, the most that ARM leaves; remove some",
                              MAX_EXTRA);
        out->v[out->n++] = (struct json_pair){.key = name, .value = value};
    }
    return 0;
}

static const char *tag_of_label(const char *label, struct vk_arena *arena)
{
    char *name = vk_arena_strdup(arena, label);
    for (char *c = name; *c; c++) {
        if (*c == '/')
            *c = '.';
    }
    return name;
}

static int read_sidecars(const struct group_layout *layout, struct vk_arena *arena,
                         const char **ret, struct vk_err *err)
{
    const char *text = NULL;
    for (size_t i = 0; i < layout->container_count; i++) {
        const struct group_member *m = &layout->containers[i];
        if (m->is_sidecar)
            text = text ? vk_arena_printf(arena, "%s,%s", text, m->spec->name) : m->spec->name;
    }
    if (text && strlen(text) > MAX_VALUE)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.initContainers: the names of the sidecars together have more than "
                          "%d characters, a tag's limit; shorten them",
                          MAX_VALUE);
    *ret = text;
    return 0;
}

int group_tags_of_pod(const struct pod *pod, const struct group_layout *layout,
                      const struct pod_annotations *annotations, const struct provider_env *env,
                      struct vk_arena *arena, struct group_tags *ret,
                      struct ignored_fields *ignored, struct vk_err *err)
{
    const char *sidecars;
    struct json_pairs out = {.v = vk_arena_array(arena, MAX_EXTRA, sizeof(*out.v))};
    if (read_sidecars(layout, arena, &sidecars, err) < 0 ||
        read_annotation(annotations->tags, arena, &out, err) < 0)
        return -(int)err->code;
    for (size_t i = 0; i < env->settings.tag_labels.n; i++) {
        const char *label = env->settings.tag_labels.v[i];
        const char *value = pairs_get(&pod->meta.labels, label);
        const char *name = tag_of_label(label, arena);
        if (!value || has_tag(&out, name))
            continue;
        if (!is_tag_name(name) || out.n == MAX_EXTRA)
            ignored_fields_add(ignored, arena, "metadata.labels[%s] (can't be a tag)", label);
        else
            out.v[out.n++] = (struct json_pair){.key = name, .value = value};
    }
    *ret = (struct group_tags){.extra = out, .sidecars = sidecars};
    return 0;
}

void group_tags_write(struct json_writer *w, const struct group_tags *tags, const struct pod *pod,
                      const struct provider_env *env)
{
    const struct group_identity identity = {
        .cluster = env->cluster_id,
        .node = env->node_name,
        .namespace_ = pod->meta.namespace_,
        .pod = pod->meta.name,
        .uid = pod->meta.uid,
    };
    json_begin_object(w, "tags");
    group_identity_write(w, &identity);
    json_put_string_if(w, GROUP_TAG_SIDECARS, tags->sidecars);
    for (size_t i = 0; i < tags->extra.n; i++)
        json_put_string(w, tags->extra.v[i].key, tags->extra.v[i].value);
    json_end_object(w);
}
