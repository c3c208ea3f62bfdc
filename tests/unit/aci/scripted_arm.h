/* SPDX-License-Identifier: Apache-2.0 */
/* ARM's client before a scripted server, with tokens "t1", "t2" ... */
#pragma once

#include "aci/container_groups.h"
#include "tests/unit/aci/scripted_server.h"

struct scripted_arm {
    struct scripted_server server;
    struct vk_timer timer;
    unsigned tokens;
    token_fetched_fn fetched;
    void *fetched_user;
    struct token_source *source;
    struct arm_client *client;
    struct container_groups *groups;
};

static inline void scripted_arm_token(void *user)
{
    struct scripted_arm *a = user;
    char token[16];
    (void)snprintf(token, sizeof(token), "t%u", ++a->tokens);
    a->fetched(a->fetched_user, vk_str_of(token), 3600000, NULL);
}

static inline void scripted_arm_fetch(void *self, const char *scope, token_fetched_fn done,
                                      void *user)
{
    struct scripted_arm *a = self;
    (void)scope;
    a->fetched = done;
    a->fetched_user = user;
    vk_timer_arm(&a->timer, 0);
}

static inline void scripted_arm_cancel(void *self)
{
    struct scripted_arm *a = self;
    vk_timer_disarm(&a->timer);
}

static inline void scripted_arm_start(struct scripted_arm *a)
{
    static const struct token_fetcher_ops ops = {"scripted", scripted_arm_fetch,
                                                 scripted_arm_cancel, scripted_arm_cancel};
    *a = (struct scripted_arm){0};
    script_start(&a->server);
    vk_timer_init(&a->timer, a->server.loop, "tokens", scripted_arm_token, a);
    a->source = token_source_new(a->server.loop, (struct token_fetcher){&ops, a}, "scope");
    const struct arm_client_config config = {.endpoint = a->server.base,
                                             .api_version = "2025-09-01"};
    a->client = arm_client_new(a->server.loop, a->server.http, a->source, &config);
    a->groups = container_groups_new(a->server.loop, a->client, "s", "rg");
}

/* The loop goes, too. */
static inline void scripted_arm_stop(struct scripted_arm *a)
{
    container_groups_free(a->groups);
    arm_client_free(a->client);
    token_source_free(a->source);
    script_stop(&a->server);
}
