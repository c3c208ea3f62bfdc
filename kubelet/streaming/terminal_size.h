/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the resize stream of a remote command: JSON objects {"Width":80,"Height":24}, one behind
 * the other, in pieces. Source: k8s v1.37.2 client-go tools/remotecommand/resize.go (encoded by
 * encoding/json: unsigned 16 bit; names in any case are taken).
 */
#pragma once

#include "base/str.h"

struct terminal_size {
    uint16_t rows, columns;
};
struct terminal_size_reader {
    char text_[256]; /* private: the object being read */
    size_t len_;
    bool is_broken_;
};

/*
 * Consumes from the front of *in up to the end of the next object; true when that gave a size. Zero
 * initialises a reader. Behind what is no size at all, the rest of the stream is skipped, as the
 * kubelet does.
 */
bool terminal_size_read(struct terminal_size_reader *r, struct vk_str *in,
                        struct terminal_size *ret);
