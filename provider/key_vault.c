/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/key_vault.h"

#include "base/str.h"

#define ENV "key-vault-env"
#define FILES "key-vault-files"
/* The first API version with secretReferences. */
#define NEEDED_VERSION "2025-09-01"

static int bad(struct vk_err *err, const char *annotation, const char *element, const char *rule)
{
    return vk_err_set(err, VK_INVALID,
                      "metadata.annotations[" ANNOTATION_PREFIX "%s]: \"%.80s\": %s", annotation,
                      element, rule);
}

static bool has_container(const struct pod *pod, const char *name)
{
    return pod_find_container(pod, name) != NULL;
}

static const struct volume *find_volume(const struct pod *pod, const char *name)
{
    const struct volume *v = pod->spec.volumes.v;
    for (size_t i = 0; i < pod->spec.volumes.n; i++) {
        if (vk_streq(v[i].name, name))
            return &v[i];
    }
    return NULL;
}

static int read_element(const struct pod *pod, const char *annotation, const char *element,
                        struct vk_arena *arena, struct key_vault_reference *ret, struct vk_err *err)
{
    const bool is_file = vk_streq(annotation, FILES);
    const char *key;
    struct key_vault_reference out = {0};
    if (!annotation_split(element, arena, &key, &out.uri))
        return bad(err, annotation, element, is_file ? "is no VOLUME/FILE=URI" : "is no NAME=URI");
    if (!vk_starts(out.uri, "https://") || !strstr(out.uri, "/secrets/"))
        return bad(err, annotation, element,
                   "is no URI of a secret (https://VAULT.vault.azure.net/secrets/NAME)");
    const char *slash = strchr(key, '/');
    const char *left = slash ? vk_arena_strndup(arena, key, (size_t)(slash - key)) : NULL;
    out.name = slash ? slash + 1 : key;
    if (vk_str_empty(out.name) || strchr(out.name, '/'))
        return bad(err, annotation, element, "has no name");
    if (is_file) {
        const struct volume *v = left ? find_volume(pod, left) : NULL;
        if (!v || !v->empty_dir)
            return bad(err, annotation, element, "names no emptyDir volume of the pod");
        out.volume = left;
    } else {
        if (left && !has_container(pod, left))
            return bad(err, annotation, element, "names no container of the pod");
        out.container = left;
    }
    *ret = out;
    return 0;
}

static int read_list(const struct pod *pod, const char *annotation, const char *text,
                     struct vk_arena *arena, struct key_vault *out, struct vk_err *err)
{
    struct vk_str rest = vk_str_of(text);
    for (const char *e = annotation_next(&rest, arena); e; e = annotation_next(&rest, arena)) {
        if (out->n == KEY_VAULT_MAX_REFERENCES)
            return bad(err, annotation, e, "is one too many; a pod may refer to 64 secrets");
        struct key_vault_reference *r = &out->references[out->n];
        if (read_element(pod, annotation, e, arena, r, err) < 0)
            return -(int)err->code;
        for (size_t i = 0; r->volume && i < out->n; i++) {
            if (vk_streq(out->references[i].volume, r->volume) &&
                vk_streq(out->references[i].name, r->name))
                return bad(err, annotation, e, "names a file for the second time");
        }
        r->reference = vk_arena_printf(arena, "ref%zu", out->n++);
    }
    return 0;
}

int key_vault_of_pod(const struct pod *pod, const struct pod_annotations *annotations,
                     const struct provider_env *env, struct vk_arena *arena, struct key_vault *ret,
                     struct vk_err *err)
{
    struct key_vault out = {.identity = annotations->key_vault_identity};
    if (!annotations->key_vault_env && !annotations->key_vault_files) {
        *ret = out;
        return 0;
    }
    const char *name = annotations->key_vault_env ? ENV : FILES;
    const char *version = env->settings.api_version;
    if (version && strcmp(version, NEEDED_VERSION) < 0)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "metadata.annotations[" ANNOTATION_PREFIX
                          "%s]: ACI has Key Vault references since API version " NEEDED_VERSION
                          ", this node speaks %.20s; set --api-version",
                          name, version);
    if (!out.identity)
        return vk_err_set(err, VK_INVALID,
                          "metadata.annotations[" ANNOTATION_PREFIX "%s]: needs " ANNOTATION_PREFIX
                          "key-vault-identity, the identity that may read the secrets",
                          name);
    out.references = vk_arena_array(arena, KEY_VAULT_MAX_REFERENCES, sizeof(*out.references));
    if (read_list(pod, ENV, annotations->key_vault_env, arena, &out, err) < 0 ||
        read_list(pod, FILES, annotations->key_vault_files, arena, &out, err) < 0)
        return -(int)err->code;
    *ret = out;
    return 0;
}

bool key_vault_fills(const struct key_vault *vault, const char *volume)
{
    for (size_t i = 0; i < vault->n; i++) {
        if (vault->references[i].volume && vk_streq(vault->references[i].volume, volume))
            return true;
    }
    return false;
}

static bool is_for(const struct key_vault_reference *r, const char *container)
{
    return !r->volume && (!r->container || vk_streq(r->container, container));
}

/* Of two references of one name, the one that names the container is meant. */
const struct key_vault_reference *key_vault_variable(const struct key_vault *vault,
                                                     const char *container, const char *name)
{
    const struct key_vault_reference *found = NULL;
    for (size_t i = 0; i < vault->n; i++) {
        const struct key_vault_reference *r = &vault->references[i];
        if (is_for(r, container) && vk_streq(r->name, name) && (!found || r->container))
            found = r;
    }
    return found;
}

void key_vault_write(struct json_writer *w, const struct key_vault *vault)
{
    if (vault->n == 0)
        return;
    json_begin_array(w, "secretReferences");
    for (size_t i = 0; i < vault->n; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", vault->references[i].reference);
        json_put_string(w, "identity", vault->identity);
        json_put_string(w, "secretReferenceUri", vault->references[i].uri);
        json_end_object(w);
    }
    json_end_array(w);
}

static bool is_written(const struct key_vault *vault, size_t i, const char *container)
{
    const struct key_vault_reference *r = &vault->references[i];
    return is_for(r, container) && key_vault_variable(vault, container, r->name) == r;
}

size_t key_vault_count_env(const struct key_vault *vault, const char *container)
{
    size_t n = 0;
    for (size_t i = 0; i < vault->n; i++)
        n += is_written(vault, i, container);
    return n;
}

void key_vault_write_env(struct json_writer *w, const struct key_vault *vault,
                         const char *container)
{
    for (size_t i = 0; i < vault->n; i++) {
        if (!is_written(vault, i, container))
            continue;
        json_begin_object(w, NULL);
        json_put_string(w, "name", vault->references[i].name);
        json_put_string(w, "secureValueReference", vault->references[i].reference);
        json_end_object(w);
    }
}

void key_vault_write_volume(struct json_writer *w, const struct key_vault *vault,
                            const char *volume)
{
    json_begin_object(w, "secretReference");
    for (size_t i = 0; i < vault->n; i++) {
        const struct key_vault_reference *r = &vault->references[i];
        if (!r->volume || !vk_streq(r->volume, volume))
            continue;
        json_put_string(w, r->name, r->reference);
    }
    json_end_object(w);
}
