/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/volume.h"

#include "kubelet/api/json_fields.h"

#define MODE_MAX 0777
#define JSON_MODE(type, member, has, key) JSON_INT_HAS(type, member, has, key, 0, MODE_MAX)

static const struct json_field key_to_path_fields[] = {
    JSON_STR(struct key_to_path, key, "key", JSON_REQUIRED),
    JSON_STR(struct key_to_path, path, "path", JSON_REQUIRED),
    JSON_MODE(struct key_to_path, mode, has_mode, "mode"),
    JSON_END,
};
/* Secret volumes alone call the object "secretName"; their table has both spellings. */
static const struct json_field object_projection_fields[] = {
    JSON_STR(struct object_projection, name, "name", 0),
    JSON_STR(struct object_projection, name, "secretName", 0),
    JSON_ARR(struct object_projection, items, "items", key_to_path_fields, struct key_to_path),
    JSON_BOOLEAN(struct object_projection, optional, "optional"),
    JSON_MODE(struct object_projection, default_mode, has_default_mode, "defaultMode"),
    JSON_END,
};
static const struct json_field downward_api_file_fields[] = {
    JSON_STR(struct downward_api_file, path, "path", JSON_REQUIRED),
    JSON_OBJ_PTR(struct downward_api_file, field, "fieldRef", field_ref_fields, struct field_ref),
    JSON_OBJ_PTR(struct downward_api_file, resource_field, "resourceFieldRef",
                 resource_field_ref_fields, struct resource_field_ref),
    JSON_MODE(struct downward_api_file, mode, has_mode, "mode"),
    JSON_END,
};
static const struct json_field downward_api_fields[] = {
    JSON_ARR(struct downward_api_volume, items, "items", downward_api_file_fields,
             struct downward_api_file),
    JSON_MODE(struct downward_api_volume, default_mode, has_default_mode, "defaultMode"),
    JSON_END,
};
static const struct json_field token_projection_fields[] = {
    JSON_STR(struct token_projection, audience, "audience", 0),
    JSON_INT(struct token_projection, expiration_seconds, "expirationSeconds", 0, 0, INT64_MAX),
    JSON_STR(struct token_projection, path, "path", JSON_REQUIRED),
    JSON_END,
};
static const struct json_field projection_source_fields[] = {
    JSON_OBJ_PTR(struct projection_source, secret, "secret", object_projection_fields,
                 struct object_projection),
    JSON_OBJ_PTR(struct projection_source, config_map, "configMap", object_projection_fields,
                 struct object_projection),
    JSON_OBJ_PTR(struct projection_source, downward_api, "downwardAPI", downward_api_fields,
                 struct downward_api_volume),
    JSON_OBJ_PTR(struct projection_source, service_account_token, "serviceAccountToken",
                 token_projection_fields, struct token_projection),
    JSON_END,
};

static int decode_sources(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                          struct vk_err *err)
{
    struct json_array *array = out;
    struct projection_source *sources;
    size_t i = 0;

    if (json_type_of(v) != JSON_ARRAY)
        return vk_err_set(err, VK_INVALID, "%s: expected an array", path);
    sources = vk_arena_array(arena, json_len(v), sizeof(*sources));
    for (const struct json *e = json_first(v); e; e = json_next(e), i++) {
        char where[80];

        snprintf(where, sizeof(where), "%s[%zu]", path, i);
        if (json_decode(e, projection_source_fields, &sources[i], arena, where, err) < 0)
            return -1;
        sources[i].has_unknown = json_unknown_member(e, projection_source_fields) != NULL;
    }
    *array = (struct json_array){.v = sources, .n = i};
    return 0;
}
static const struct json_field projected_fields[] = {
    JSON_CUSTOM_OF(struct projected_volume, sources, "sources", decode_sources,
                   projection_source_fields),
    JSON_MODE(struct projected_volume, default_mode, has_default_mode, "defaultMode"),
    JSON_END,
};

static const struct json_field empty_dir_fields[] = {
    JSON_STR(struct empty_dir_volume, medium, "medium", 0),
    JSON_CUSTOM(struct empty_dir_volume, size_limit, "sizeLimit", json_decode_int_or_string),
    JSON_END,
};
static const struct json_field azure_file_fields[] = {
    JSON_STR(struct azure_file_volume, secret_name, "secretName", 0),
    JSON_STR(struct azure_file_volume, share_name, "shareName", 0),
    JSON_BOOLEAN(struct azure_file_volume, read_only, "readOnly"),
    JSON_END,
};
static const struct json_field csi_secret_fields[] = {
    JSON_STR(struct csi_volume, secret_name, "name", 0),
    JSON_END,
};
static const struct json_field csi_fields[] = {
    JSON_STR(struct csi_volume, driver, "driver", 0),
    JSON_BOOLEAN(struct csi_volume, read_only, "readOnly"),
    JSON_MAP(struct csi_volume, attributes, "volumeAttributes"),
    JSON_FLAT("nodePublishSecretRef", csi_secret_fields),
    JSON_END,
};
static const struct json_field claim_fields[] = {
    JSON_STR(struct persistent_volume_claim_volume, claim_name, "claimName", 0),
    JSON_BOOLEAN(struct persistent_volume_claim_volume, read_only, "readOnly"),
    JSON_END,
};
static const struct json_field git_repo_fields[] = {
    JSON_STR(struct git_repo_volume, repository, "repository", 0),
    JSON_STR(struct git_repo_volume, revision, "revision", 0),
    JSON_STR(struct git_repo_volume, directory, "directory", 0),
    JSON_END,
};
const struct json_field volume_fields[] = {
    JSON_STR(struct volume, name, "name", JSON_REQUIRED),
    JSON_OBJ_PTR(struct volume, empty_dir, "emptyDir", empty_dir_fields, struct empty_dir_volume),
    JSON_OBJ_PTR(struct volume, secret, "secret", object_projection_fields,
                 struct object_projection),
    JSON_OBJ_PTR(struct volume, config_map, "configMap", object_projection_fields,
                 struct object_projection),
    JSON_OBJ_PTR(struct volume, downward_api, "downwardAPI", downward_api_fields,
                 struct downward_api_volume),
    JSON_OBJ_PTR(struct volume, projected, "projected", projected_fields, struct projected_volume),
    JSON_OBJ_PTR(struct volume, azure_file, "azureFile", azure_file_fields,
                 struct azure_file_volume),
    JSON_OBJ_PTR(struct volume, csi, "csi", csi_fields, struct csi_volume),
    JSON_OBJ_PTR(struct volume, persistent_volume_claim, "persistentVolumeClaim", claim_fields,
                 struct persistent_volume_claim_volume),
    JSON_OBJ_PTR(struct volume, git_repo, "gitRepo", git_repo_fields, struct git_repo_volume),
    JSON_END,
};

int volumes_decode(const struct json *v, void *out, struct vk_arena *arena, const char *path,
                   struct vk_err *err)
{
    struct json_array *array = out;
    struct volume *volumes;
    size_t i = 0;

    if (json_type_of(v) != JSON_ARRAY)
        return vk_err_set(err, VK_INVALID, "%s: expected an array", path);
    volumes = vk_arena_array(arena, json_len(v), sizeof(*volumes));
    for (const struct json *e = json_first(v); e; e = json_next(e), i++) {
        char where[80];
        const char *unknown;

        snprintf(where, sizeof(where), "%s[%zu]", path, i);
        if (json_decode(e, volume_fields, &volumes[i], arena, where, err) < 0)
            return -1;
        unknown = json_unknown_member(e, volume_fields);
        if (unknown)
            volumes[i].unknown_kind = vk_arena_strdup(arena, unknown);
    }
    *array = (struct json_array){.v = volumes, .n = i};
    return 0;
}
