/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/access.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

/* Strangers can ask as often as they like while the API server is away. */
#define COMPLAINT_MS 10000

struct access {
    struct authenticator *authenticator;
    struct authorizer *authorizer;
    int64_t complaint_mono_ms; /* the last one; 0: none */
    int64_t unsaid;            /* those since then */
};

/* A request at the gate, in its exchange's arena. */
struct check {
    struct access *access;
    struct http_exchange *x;
    const char *segment;
    struct authentication authentication;
    struct authorization authorization;
    const char *who;
    void (*passed)(void *user, struct http_exchange *x);
    void *user;
};

struct access *access_new(struct vk_loop *loop, const struct access_config *config)
{
    struct access *a = vk_calloc(1, sizeof(*a));

    a->authenticator =
        authenticator_new(loop, &(struct authenticator_config){
                                    .client = config->review_tokens ? config->client : NULL,
                                    .token_ttl_ms = config->token_ttl_ms,
                                    .allow_anonymous = config->allow_anonymous,
                                });
    a->authorizer = authorizer_new(loop, &(struct authorizer_config){
                                             .client = config->client,
                                             .node_name = config->node_name,
                                             .allow_ttl_ms = config->allow_ttl_ms,
                                             .deny_ttl_ms = config->deny_ttl_ms,
                                         });
    return a;
}

void access_free(struct access *a)
{
    if (!a)
        return;
    authenticator_free(a->authenticator);
    authorizer_free(a->authorizer);
    vk_free(a);
}

static void refuse(struct check *c, int status, const char *line)
{
    http_exchange_on_gone(c->x, NULL, NULL);
    http_exchange_reply(c->x, status, "text/plain; charset=utf-8", vk_str_of(line));
}

/* Nothing was found out about them: a client may try again, which a 401 would not tell it. */
static void refuse_for_now(struct check *c)
{
    http_exchange_header(c->x, "Retry-After", "1");
    refuse(c, 503, "Too many requests are being authenticated or authorized, try again\n");
}

static void on_gone(void *user)
{
    struct check *c = user;

    authentication_cancel(&c->authentication);
    authorization_cancel(&c->authorization);
}

static void complain(struct access *a, const char *question, const struct vk_err *err)
{
    int64_t now_ms = vk_mono_ms();

    if (a->complaint_mono_ms && now_ms - a->complaint_mono_ms < COMPLAINT_MS) {
        a->unsaid++;
        return;
    }
    log_error("Can't ask the API server about somebody at the kubelet port, who is refused",
              LS("question", question), LI("unsaid", a->unsaid), LERR(err));
    a->complaint_mono_ms = now_ms;
    a->unsaid = 0;
}

static void on_authorized(void *user, const struct vk_err *err)
{
    struct check *c = user;
    const struct http1_head *head = http_exchange_head(c->x);

    if (!err) {
        http_exchange_on_gone(c->x, NULL, NULL);
        http_exchange_set_busy(c->x, true);
        log_v(2, "Request on the kubelet port", LS("method", head->method), LS("path", head->path),
              LS("user", c->who), LS("peer", http_exchange_peer(c->x)->address));
        c->passed(c->user, c->x);
        return;
    }
    if (err->code == VK_FORBIDDEN)
        log_v(2, "Refused a request on the kubelet port", LS("path", head->path),
              LS("user", c->who), LS("peer", http_exchange_peer(c->x)->address), LERR(err));
    else
        complain(c->access, "what they may", err);
    if (err->code == VK_THROTTLED)
        refuse_for_now(c);
    else
        refuse(c, err->code == VK_FORBIDDEN ? 403 : 500,
               vk_arena_printf(http_exchange_arena(c->x), "%s\n", err->msg));
}

static void on_authenticated(void *user, const struct user_info *who, const struct vk_err *err)
{
    struct check *c = user;

    if (err) {
        if (err->code == VK_UNAUTHENTICATED)
            log_v(2, "Refused a request on the kubelet port",
                  LS("path", http_exchange_head(c->x)->path),
                  LS("peer", http_exchange_peer(c->x)->address), LERR(err));
        else
            complain(c->access, "whose a bearer token is", err);
        if (err->code == VK_THROTTLED)
            refuse_for_now(c);
        else
            refuse(c, 401, "Unauthorized");
        return;
    }
    c->who = who->name;
    authorize(c->access->authorizer, who, http_exchange_head(c->x)->method, c->segment,
              &c->authorization);
}

void access_check(struct access *a, struct http_exchange *x, const char *segment,
                  void (*passed)(void *user, struct http_exchange *x), void *user)
{
    struct check *c = vk_arena_alloc(http_exchange_arena(x), sizeof(*c));

    *c = (struct check){.access = a, .x = x, .segment = segment, .passed = passed, .user = user};
    authentication_init(&c->authentication);
    c->authentication.fn = on_authenticated;
    c->authentication.user = c;
    authorization_init(&c->authorization);
    c->authorization.fn = on_authorized;
    c->authorization.user = c;
    http_exchange_on_gone(x, on_gone, c);
    /* Strangers that wait for an API server must not keep out those who may. */
    http_exchange_set_busy(x, false);
    authenticate(a->authenticator, http_exchange_peer(x), http_exchange_head(x),
                 http_exchange_arena(x), &c->authentication);
}
