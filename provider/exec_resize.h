/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the terminal of an exec at the size of its client's. ACI sets the size once, when the exec
 * starts; afterwards a second exec runs stty against the first one's terminal. Each costs a write
 * of ARM's: sizes that come quickly are taken together, one exec runs at a time, and there is an
 * end to their number.
 */
#pragma once

#include "provider/exec_session.h"

struct exec_resize;

/* sessions is borrowed, the request's text is copied. */
struct exec_resize *exec_resize_new(struct vk_loop *loop, struct exec_sessions *sessions,
                                    const struct exec_request *request);
/* Its exec is cancelled. NULL is fine. */
void exec_resize_free(struct exec_resize *r);
/* What the terminal has already. */
void exec_resize_is(struct exec_resize *r, uint16_t rows, uint16_t columns);
/* Makes it so, soon. terminal: its name in the container, "" where it is not known: nothing is
 * done. */
void exec_resize_to(struct exec_resize *r, const char *terminal, uint16_t rows, uint16_t columns);
