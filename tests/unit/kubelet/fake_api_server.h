/* SPDX-License-Identifier: Apache-2.0 */
/* An API server in the same loop that answers by a script and writes down what it was asked. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/http_server.h"
#include "kubelet/client/rest.h"

#define FAKE_DEADLINE_MS 60000

enum fake_ending {
    FAKE_REPLY, /* a whole answer */
    FAKE_END,   /* a stream that ends well */
    FAKE_CUT,   /* a stream that breaks after its bytes */
    FAKE_HOLD,  /* a stream that says no more */
};
struct fake_step {
    int status; /* 0: 200 */
    const char *body;
    enum fake_ending ending;
    const char *retry_after;
    void (*before)(void *user); /* runs before the answer */
};

struct fake_api {
    struct vk_loop *loop;
    struct http_client *http;
    struct http_server *server;
    struct rest_client *rest;
    const struct fake_step *steps;
    size_t step_count, next;
    struct vk_buf asked;         /* "METHOD target [content type] [body]\n" of each request */
    struct vk_buf authorization; /* one line per request */
    bool is_done;                /* the last step was asked for */
    struct http_exchange *held;
    void *user;
};

static inline void fake_gone(void *user)
{
    struct fake_api *api = user;

    api->held = NULL;
}

static inline void fake_note(struct fake_api *api, struct http_exchange *x)
{
    const struct http1_head *head = http_exchange_head(x);
    struct vk_str body = http_exchange_body(x);
    const char *type = http1_header(head, "content-type");
    const char *authorization = http1_header(head, "authorization");

    vk_buf_printf(&api->asked, "%s %s%s%s", head->method, head->path, *head->query ? "?" : "",
                  head->query);
    if (body.n)
        vk_buf_printf(&api->asked, " [%s] %.*s", type ? type : "", (int)body.n, body.p);
    vk_buf_addc(&api->asked, '\n');
    vk_buf_printf(&api->authorization, "%s\n", authorization ? authorization : "none");
}

static inline void fake_answer(struct fake_api *api, struct http_exchange *x,
                               const struct fake_step *step)
{
    int status = step->status ? step->status : 200;
    struct vk_str body = vk_str_of(step->body);

    if (step->retry_after)
        http_exchange_header(x, "Retry-After", step->retry_after);
    if (step->ending == FAKE_REPLY) {
        http_exchange_reply(x, status, "application/json", body);
        return;
    }
    http_exchange_begin(x, status, "application/json");
    if (body.n)
        http_exchange_write(x, body);
    if (step->ending == FAKE_END) {
        http_exchange_end(x);
    } else if (step->ending == FAKE_CUT) {
        http_exchange_abort(x);
    } else {
        api->held = x;
        http_exchange_on_gone(x, fake_gone, api);
    }
}

static inline void fake_handle(void *user, struct http_exchange *x)
{
    struct fake_api *api = user;
    const struct fake_step *step;

    fake_note(api, x);
    if (api->next == api->step_count) {
        http_exchange_reply(x, 500, "text/plain", VK_STR("the script is over"));
        return;
    }
    step = &api->steps[api->next++];
    if (step->before)
        step->before(api->user);
    fake_answer(api, x, step);
    api->is_done = api->next == api->step_count;
}

/* config NULL: no credentials. server is filled in. */
static inline void fake_start(struct fake_api *api, const struct fake_step *steps,
                              size_t step_count, const struct cluster_config *config)
{
    struct cluster_config own = config ? *config : (struct cluster_config){0};
    char url[64];
    struct vk_err err;

    *api = (struct fake_api){.steps = steps, .step_count = step_count};
    api->loop = vk_loop_new();
    vk_buf_init(&api->asked, 1 << 20);
    vk_buf_init(&api->authorization, 1 << 20);
    if (http_server_new(api->loop,
                        &(struct http_server_config){
                            .listener = {.address = "127.0.0.1", .plain = true},
                            .max_body = 1 << 20,
                        },
                        fake_handle, api, &api->server, &err) < 0)
        fail_msg("%s", err.msg);
    api->http = http_client_new(api->loop);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d", http_server_port(api->server));
    own.server = url;
    if (rest_client_new(api->http, &own, "test", &api->rest, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline void fake_stop(struct fake_api *api)
{
    rest_client_free(api->rest);
    http_client_free(api->http);
    http_server_free(api->server);
    vk_buf_release(&api->asked);
    vk_buf_release(&api->authorization);
    vk_loop_free(api->loop);
}

static inline void fake_run_until(struct fake_api *api, const bool *flag)
{
    if (!vk_loop_run_until(api->loop, flag, FAKE_DEADLINE_MS))
        fail_msg("too late; asked so far:\n%s", vk_buf_peek(&api->asked));
}

/* Serves what is due within a few turns, to show that nothing more happens. */
static inline void fake_run_ms(struct fake_api *api, int64_t ms)
{
    const bool never = false;

    assert_false(vk_loop_run_until(api->loop, &never, ms));
}
