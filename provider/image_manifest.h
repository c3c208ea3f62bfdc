/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests and configurations of images. Pure. Source: OCI image-spec 1.1 (manifest.md,
 * image-index.md, config.md) and Docker's manifest schema 2.
 */
#pragma once

#include "base/json.h"

#define IMAGE_DOCUMENT_MAX (4u << 20)
/* Accept header of a manifest request. */
#define IMAGE_MANIFEST_ACCEPT                                                                      \
    "application/vnd.oci.image.index.v1+json, "                                                    \
    "application/vnd.docker.distribution.manifest.list.v2+json, "                                  \
    "application/vnd.oci.image.manifest.v1+json, "                                                 \
    "application/vnd.docker.distribution.manifest.v2+json"

/* Strings live in the arena. */
struct image_manifest {
    bool is_index;
    const char *manifest_digest; /* index: the manifest of the platform asked for */
    const char *config_digest;   /* manifest: the configuration's blob */
};
/*
 * content_type decides where the document itself has no mediaType. Errors: VK_NOT_FOUND when an
 * index has no such platform, VK_UNSUPPORTED for schema 1 and artifacts, VK_PROTOCOL.
 */
VK_MUST_CHECK int image_manifest_parse(struct vk_str text, const char *content_type, const char *os,
                                       const char *arch, struct vk_arena *arena,
                                       struct image_manifest *ret, struct vk_err *err);

struct image_config {
    struct json_strs entrypoint, cmd;
    const char *working_dir, *user; /* "" where absent */
};
VK_MUST_CHECK int image_config_parse(struct vk_str text, struct vk_arena *arena,
                                     struct image_config *ret, struct vk_err *err);

/* "sha256:<hex>" of the bytes equals digest. */
bool image_digest_matches(struct vk_str bytes, const char *digest);
