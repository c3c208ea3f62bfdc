/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of images: where the registry is and what to ask it for. Pure. Source:
 * distribution/reference grammar; Docker Hub's short names ("nginx" is
 * docker.io/library/nginx:latest).
 */
#pragma once

#include "base/arena.h"
#include "base/vk_err.h"

/* Strings live in the arena given to the parser. */
struct image_reference {
    const char *registry;   /* "docker.io", "example.azurecr.io", "localhost:5000" */
    const char *repository; /* "library/nginx" */
    const char *tag;        /* NULL where only a digest is given; "latest" where nothing is */
    const char *digest;     /* "sha256:..." or NULL; wins over the tag */
};
/* Errors: VK_INVALID naming the image. */
VK_MUST_CHECK int image_reference_parse(const char *image, struct vk_arena *arena,
                                        struct image_reference *ret, struct vk_err *err);
/*
 * Name under which a registry is compared: scheme, path and trailing slash cut, lower case, Docker
 * Hub's other names (index.docker.io, registry-1.docker.io) made docker.io.
 */
const char *registry_normalized(const char *server, struct vk_arena *arena);
