/* SPDX-License-Identifier: Apache-2.0 */
/* /exec/{ns}/{pod}[/{uid}]/{container} */
#include "kubelet/server/handlers.h"
#include "kubelet/server/remote_session.h"
#include "kubelet/server/stream_target.h"

void handle_exec(const struct handler_context *c, struct http_exchange *x,
                 const struct route_params *params)
{
    struct remote_request request;
    struct stream_target target;
    struct vk_err err;

    if (remote_request_parse(http_exchange_head(x)->query, true, http_exchange_arena(x), &request,
                             &err) < 0) {
        handler_reply_error(x, &err, 400);
        return;
    }
    if (stream_target_container(c, params, &target, &err) < 0) {
        handler_reply_error(x, &err, 500);
        return;
    }
    if (!c->provider->ops->run_in_container) {
        vk_err_set(&err, VK_UNSUPPORTED, "provider %s can't run commands in containers",
                   c->provider->ops->name);
        handler_reply_error(x, &err, 501);
        return;
    }
    remote_session_serve(c, x, &request, &target.id, target.container, false);
}
