/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/image_manifest.h"

#include "base/crypto.h"

static bool is_index_type(const char *type)
{
    return vk_starts(type, "application/vnd.oci.image.index.v1+json") ||
           vk_starts(type, "application/vnd.docker.distribution.manifest.list.v2+json");
}

static bool is_manifest_type(const char *type)
{
    return vk_starts(type, "application/vnd.oci.image.manifest.v1+json") ||
           vk_starts(type, "application/vnd.docker.distribution.manifest.v2+json");
}

static bool is_config_type(const char *type)
{
    return vk_streq(type, "application/vnd.oci.image.config.v1+json") ||
           vk_streq(type, "application/vnd.docker.container.image.v1+json");
}

static int parse_index(const struct json *doc, const char *os, const char *arch,
                       struct image_manifest *ret, struct vk_err *err)
{
    const struct json *manifests = json_get(doc, "manifests");

    for (const struct json *m = json_first(manifests); m; m = json_next(m)) {
        const struct json *platform = json_get(m, "platform");
        const char *digest = json_string(json_get(m, "digest"));

        if (!digest || !vk_streq(json_string_or(platform, "os", ""), os) ||
            !vk_streq(json_string_or(platform, "architecture", ""), arch))
            continue;
        *ret = (struct image_manifest){.is_index = true, .manifest_digest = digest};
        return 0;
    }
    return vk_err_set(err, VK_NOT_FOUND, "the image has no variant for %s/%s", os, arch);
}

int image_manifest_parse(struct vk_str text, const char *content_type, const char *os,
                         const char *arch, struct vk_arena *arena, struct image_manifest *ret,
                         struct vk_err *err)
{
    const struct json *doc;
    const char *type, *config_type, *digest;

    if (json_parse(text, IMAGE_DOCUMENT_MAX, arena, &doc, err) < 0)
        return vk_err_wrap(err, "image manifest");
    type = json_string_or(doc, "mediaType", content_type ? content_type : "");
    if (is_index_type(type) || (!is_manifest_type(type) && json_get(doc, "manifests")))
        return parse_index(doc, os, arch, ret, err);
    digest = json_string(json_get(json_get(doc, "config"), "digest"));
    if (!digest)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "the manifest's type '%.80s' is not known (schema 1 is too old)", type);
    config_type = json_string_or(json_get(doc, "config"), "mediaType", "");
    if (*config_type && !is_config_type(config_type))
        return vk_err_set(err, VK_UNSUPPORTED, "the manifest is no container image: '%.80s'",
                          config_type);
    *ret = (struct image_manifest){.config_digest = digest};
    return 0;
}

struct raw_config {
    struct json_strs entrypoint, cmd;
    const char *working_dir, *user;
};
static const struct json_field config_fields[] = {
    JSON_STRINGS(struct raw_config, entrypoint, "Entrypoint"),
    JSON_STRINGS(struct raw_config, cmd, "Cmd"),
    JSON_STR(struct raw_config, working_dir, "WorkingDir", JSON_OPTIONAL),
    JSON_STR(struct raw_config, user, "User", JSON_OPTIONAL),
    JSON_END,
};

int image_config_parse(struct vk_str text, struct vk_arena *arena, struct image_config *ret,
                       struct vk_err *err)
{
    const struct json *doc;
    const struct json *config;
    struct raw_config raw = {0};

    if (json_parse(text, IMAGE_DOCUMENT_MAX, arena, &doc, err) < 0)
        return vk_err_wrap(err, "image configuration");
    config = json_get(doc, "config");
    if (config && json_type_of(config) == JSON_OBJECT &&
        json_decode(config, config_fields, &raw, arena, "config", err) < 0)
        return vk_err_wrap(err, "image configuration");
    *ret = (struct image_config){
        .entrypoint = raw.entrypoint,
        .cmd = raw.cmd,
        .working_dir = raw.working_dir ? raw.working_dir : "",
        .user = raw.user ? raw.user : "",
    };
    return 0;
}

bool image_digest_matches(struct vk_str bytes, const char *digest)
{
    char hex[65];

    if (!vk_starts(digest, "sha256:"))
        return false;
    crypto_sha256_hex(bytes.p, bytes.n, hex);
    return vk_streq(hex, digest + 7);
}
