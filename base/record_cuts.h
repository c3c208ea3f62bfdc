/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a queue of bytes is cut into records. A client that reads one message whenever its socket
 * is readable never sees the second of two in one TLS record: that one was decrypted already.
 */
#pragma once

#include "base/buf.h"

struct record_cuts {
    struct vk_buf lengths; /* size_t each, of the records from the queue's head on */
    size_t covered;        /* their sum */
};

void record_cuts_init(struct record_cuts *r);
void record_cuts_release(struct record_cuts *r);
/* n bytes are about to join the queued ones, as a record of their own. */
void record_cuts_add(struct record_cuts *r, size_t queued, size_t n);
/* How many of the queued bytes may go next: all, where nothing is cut. */
size_t record_cuts_next(const struct record_cuts *r, size_t queued);
/* n of these have left. */
void record_cuts_take(struct record_cuts *r, size_t n);
