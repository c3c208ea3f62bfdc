/* SPDX-License-Identifier: Apache-2.0 */
/* An answer that may be larger than a send queue: it goes out as fast as the client takes it. */
#pragma once

#include "base/http_server.h"

/* Takes the text; the exchange is answered with status 200. */
void long_answer_send(struct http_exchange *x, const char *content_type, struct vk_buf *text);
