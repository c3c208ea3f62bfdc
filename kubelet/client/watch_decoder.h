/* SPDX-License-Identifier: Apache-2.0 */
/* Splits a watch's bytes into lines and each line into type and object, at any split of the input.
 * No I/O. */
#pragma once

#include "base/buf.h"
#include "base/json.h"

enum watch_event_type { WATCH_ADDED, WATCH_MODIFIED, WATCH_DELETED, WATCH_BOOKMARK, WATCH_ERROR };
typedef int (*watch_event_fn)(void *user, enum watch_event_type type, struct vk_str raw_object,
                              struct vk_err *err);
struct watch_decoder;
struct watch_decoder *watch_decoder_new(size_t max_line_bytes, watch_event_fn fn, void *user);
void watch_decoder_free(struct watch_decoder *d);
/* Errors: VK_TOO_LARGE, VK_PROTOCOL, or the function's own. */
VK_MUST_CHECK int watch_decoder_feed(struct watch_decoder *d, struct vk_str piece,
                                     struct vk_err *err);
