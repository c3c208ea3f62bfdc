/* SPDX-License-Identifier: Apache-2.0 */
/* A server in the same loop that answers by a script and writes down what it was asked. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/http_client.h"
#include "base/http_server.h"

#define SCRIPT_DEADLINE_MS 60000

/* "@" in header values and bodies stands for the server's base URL. */
struct script_step {
    int status; /* 0: the connection breaks instead */
    const char *body;
    const char *header, *value; /* one extra header, or NULL */
};
struct scripted_server {
    struct vk_loop *loop;
    struct http_client *http;
    struct http_server *server;
    const struct script_step *steps;
    size_t count, next;
    struct vk_buf asked; /* "METHOD target authorization body\n" of each request */
    char base[64];
};

static inline const char *script_expand(struct scripted_server *s, struct vk_arena *arena,
                                        const char *text)
{
    struct vk_buf out;
    vk_buf_init(&out, 1u << 20);
    for (const char *c = text; *c; c++) {
        if (*c == '@')
            vk_buf_adds(&out, s->base);
        else
            vk_buf_addc(&out, *c);
    }
    const char *expanded = vk_arena_str(arena, vk_buf_str(&out));
    vk_buf_release(&out);
    return expanded;
}

static inline void script_handle(void *user, struct http_exchange *x)
{
    struct scripted_server *s = user;
    const struct http1_head *head = http_exchange_head(x);
    const char *authorization = http1_header(head, "authorization");
    const char *metadata = http1_header(head, "metadata");
    const struct vk_str body = http_exchange_body(x);
    vk_buf_printf(&s->asked, "%s %s%s%s %s%s%s%.*s\n", head->method, head->path,
                  *head->query ? "?" : "", head->query, authorization ? authorization : "-",
                  metadata ? " Metadata" : "", body.n ? " " : "", (int)body.n, body.p);
    if (s->next >= s->count) {
        http_exchange_reply(x, 599, "application/json", VK_STR("{}"));
        return;
    }
    const struct script_step *step = &s->steps[s->next++];
    struct vk_arena *arena = http_exchange_arena(x);
    if (step->status == 0) {
        http_exchange_abort(x);
        return;
    }
    if (step->header)
        http_exchange_header(x, step->header, script_expand(s, arena, step->value));
    http_exchange_reply(x, step->status, "application/json",
                        vk_str_of(step->body ? script_expand(s, arena, step->body) : ""));
}

static inline void script_start(struct scripted_server *s)
{
    struct vk_err err;
    *s = (struct scripted_server){.loop = vk_loop_new()};
    s->http = http_client_new(s->loop);
    vk_buf_init(&s->asked, 1u << 20);
    const struct http_server_config config = {.listener = {.address = "127.0.0.1", .plain = true},
                                              .max_body = 1u << 20};
    if (http_server_new(s->loop, &config, script_handle, s, &s->server, &err) < 0)
        fail_msg("%s", err.msg);
    (void)snprintf(s->base, sizeof(s->base), "http://127.0.0.1:%d", http_server_port(s->server));
}

static inline void script_play(struct scripted_server *s, const struct script_step *steps,
                               size_t count)
{
    s->steps = steps;
    s->count = count;
    s->next = 0;
    vk_buf_clear(&s->asked);
}

static inline void script_stop(struct scripted_server *s)
{
    http_client_free(s->http);
    http_server_free(s->server);
    vk_buf_release(&s->asked);
    vk_loop_free(s->loop);
}

static inline void script_wait(struct scripted_server *s, const bool *done)
{
    if (!vk_loop_run_until(s->loop, done, SCRIPT_DEADLINE_MS))
        fail_msg("nothing happened; asked so far:\n%s", vk_buf_peek(&s->asked));
}
