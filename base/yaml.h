/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML 1.1 documents (libyaml) turned into the trees of base/json.h, so that the same decoders
 * serve: core schema for plain scalars (null, true/false, integers; all else text), anchors within
 * a node budget, tags refused, duplicate keys refused. JSON is accepted too, being YAML.
 */
#pragma once

#include "base/json.h"

/* Errors: VK_INVALID "line 3, column 7: ...", VK_TOO_LARGE. The first document; an empty input
 * gives NULL. */
VK_MUST_CHECK int yaml_parse(struct vk_str text, size_t max_bytes, struct vk_arena *arena,
                             const struct json **ret, struct vk_err *err);
/* Each document of a stream in turn; stops at the callback's first error. */
typedef int (*yaml_document_fn)(void *user, const struct json *doc, struct vk_err *err);
VK_MUST_CHECK int yaml_parse_stream(struct vk_str text, size_t max_bytes, struct vk_arena *arena,
                                    yaml_document_fn fn, void *user, struct vk_err *err);
