/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session of exec or attach: joins the client's connection, the protocol engine and the
 * provider's process. Lives by itself until the client is gone.
 */
#pragma once

#include "kubelet/server/handlers.h"
#include "kubelet/server/remote_request.h"

/*
 * Negotiates, and answers the exchange in any case. container is checked by the caller; text is
 * copied.
 */
void remote_session_serve(const struct handler_context *c, struct http_exchange *x,
                          const struct remote_request *request, const struct pod_identity *id,
                          const char *container, bool is_attach);
