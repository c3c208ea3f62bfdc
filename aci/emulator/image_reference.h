/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of images. Shape: [registry[:port]/]path[:tag][@digest]; without a registry it is
 * docker.io, where a path of one part lies below library/. Source: distribution/reference
 * normalization rules.
 */
#pragma once

#include <stdbool.h>

#include "base/vk_err.h"

struct image_reference {
    char registry[256];
    char path[512];    /* without tag and digest */
    char version[256]; /* ":tag", "@sha256:..." or ":tag@sha256:..."; ":latest" where none was named
                        */
};

/* Errors: VK_NOT_FOUND, since there can be no such image. */
VK_MUST_CHECK int image_reference_parse(const char *image, struct image_reference *ret,
                                        struct vk_err *err);
