/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/volumes.h"

#include "base/crypto.h"
#include "base/str.h"
#include "provider/azure_file.h"

#define NAME_MIN 5
#define READABLE_MAX 50
#define HASH_DIGITS 8
/* A pod's resolved files are limited to 3 MiB in all; base64 adds a third. */
#define FILE_MAX_BYTES (8ul << 20)

void volumes_name(const char *name, char out[VOLUME_NAME_MAX + 1])
{
    const size_t length = strlen(name);
    size_t n = 0;
    for (const char *c = name; *c && n < VOLUME_NAME_MAX; c++) {
        const bool plain = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');
        if (plain)
            out[n++] = *c;
        else if (n > 0 && out[n - 1] != '-')
            out[n++] = '-';
    }
    out[n] = '\0';
    const bool fits = length >= NAME_MIN && length == n && out[n - 1] != '-' && vk_streq(out, name);
    if (fits)
        return;
    if (n > READABLE_MAX)
        n = READABLE_MAX;
    if (n == 0)
        out[n++] = 'v';
    if (out[n - 1] != '-')
        out[n++] = '-';
    char hash[65];
    crypto_sha256_hex(name, length, hash);
    memcpy(out + n, hash, HASH_DIGITS);
    out[n + HASH_DIGITS] = '\0';
}

static bool mounts(const struct container *c, const char *name)
{
    const struct volume_mount *mount = c->volume_mounts.v;
    for (size_t i = 0; i < c->volume_mounts.n; i++) {
        if (vk_streq(mount[i].name, name))
            return true;
    }
    return false;
}

bool volumes_is_mounted(const struct resolved_pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->container_count; i++) {
        if (mounts(pod->containers[i].spec, name))
            return true;
    }
    for (size_t i = 0; i < pod->init_container_count; i++) {
        if (mounts(pod->init_containers[i].spec, name))
            return true;
    }
    return false;
}

const struct resolved_volume *volumes_find_files(const struct resolved_pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->volume_count; i++) {
        if (vk_streq(pod->volumes[i].name, name))
            return &pod->volumes[i];
    }
    return NULL;
}

static void write_files(struct json_writer *w, const struct group_volume *v)
{
    json_begin_object(w, "secret");
    for (size_t i = 0; i < v->file_count; i++) {
        struct vk_buf encoded;
        vk_buf_init(&encoded, FILE_MAX_BYTES);
        crypto_base64(v->files[i].file->content, &encoded);
        json_put_str(w, v->files[i].name, vk_buf_str(&encoded));
        vk_buf_release_secret(&encoded);
    }
    json_end_object(w);
}

static void write_git_repo(struct json_writer *w, const struct git_repo_volume *git)
{
    json_begin_object(w, "gitRepo");
    json_put_string(w, "repository", git->repository);
    json_put_string_if(w, "directory", git->directory);
    json_put_string_if(w, "revision", git->revision);
    json_end_object(w);
}

static void write_source(struct json_writer *w, const struct volume_plan *plan,
                         const struct group_volume *v)
{
    switch (v->kind) {
    case GROUP_VOLUME_EMPTY_DIR:
        json_begin_object(w, "emptyDir");
        json_end_object(w);
        break;
    case GROUP_VOLUME_FILES:
        write_files(w, v);
        break;
    case GROUP_VOLUME_KEY_VAULT:
        key_vault_write_volume(w, plan->vault, v->spec->name);
        break;
    case GROUP_VOLUME_SHARE:
        azure_file_write(w, v->share);
        break;
    case GROUP_VOLUME_GIT_REPO:
        write_git_repo(w, v->spec->git_repo);
        break;
    }
}

void volumes_write(struct json_writer *w, const struct volume_plan *plan)
{
    if (plan->volume_count == 0)
        return;
    json_begin_array(w, "volumes");
    for (size_t i = 0; i < plan->volume_count; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", plan->volumes[i]->name);
        write_source(w, plan, plan->volumes[i]);
        json_end_object(w);
    }
    json_end_array(w);
}

void volumes_write_mounts(struct json_writer *w, const struct group_mounts *mounts)
{
    if (mounts->n == 0)
        return;
    json_begin_array(w, "volumeMounts");
    for (size_t i = 0; i < mounts->n; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", mounts->v[i].volume->name);
        json_put_string(w, "mountPath", mounts->v[i].path);
        if (mounts->v[i].read_only)
            json_put_bool(w, "readOnly", true);
        json_end_object(w);
    }
    json_end_array(w);
}
