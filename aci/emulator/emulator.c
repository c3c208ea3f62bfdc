/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/emulator.h"

#include "aci/emulator/arm_front.h"
#include "aci/emulator/arm_request.h"
#include "aci/emulator/control.h"
#include "aci/emulator/group_put.h"
#include "aci/emulator/identity_endpoints.h"
#include "aci/emulator/operation_reply.h"
#include "aci/emulator/realtime.h"
#include "aci/emulator/surroundings.h"
#include "base/alloc.h"
#include "base/log.h"

/* ARM refuses more than 4 MB. */
#define MAX_BODY (4 * 1024 * 1024)

static void on_gone(void *user, struct group *g)
{
    struct emulator *e = user;

    groups_remove(e->groups, g);
}

static int name_accounts(struct emulator *e, const struct json_strs *accounts, struct vk_err *err)
{
    for (size_t i = 0; i < accounts->n; i++) {
        if (storage_accounts_parse(e->accounts, accounts->v[i], err) < 0)
            return vk_err_wrap(err, "--storage-account");
    }
    return 0;
}

static int serve(struct emulator *e, const char *flag, const char *endpoint, bool plain,
                 http_handler_fn handler, struct http_server **ret, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct http_server_config config = {.max_body = MAX_BODY};

    if (vk_str_empty(endpoint))
        return 0;
    if (emulator_options_endpoint(flag, endpoint, arena, &config.listener.address,
                                  &config.listener.port, err) < 0)
        return -1;
    config.listener.plain = plain;
    if (!plain) {
        config.listener.cert_file = e->options->tls_cert_file;
        config.listener.key_file = e->options->tls_key_file;
    }
    if (http_server_new(e->loop, &config, handler, e, ret, err) < 0)
        return vk_err_wrap(err, "--%s %s", flag, endpoint);
    return 0;
}

int emulator_new(struct vk_loop *loop, const struct emulator_options *options,
                 struct engine *engine, struct emulator **ret, struct vk_err *err)
{
    struct emulator *e = vk_calloc(1, sizeof(*e));
    struct storage_accounts *accounts = storage_accounts_new();
    struct lifecycle_config config = {.start_latency_ms = options->start_latency_ms,
                                      .delete_latency_ms = options->delete_latency_ms,
                                      .stop_grace_ms = options->stop_grace_ms,
                                      .accounts = accounts,
                                      .gone = on_gone,
                                      .user = e};

    e->loop = loop;
    e->options = options;
    e->quota_groups = options->quota_groups;
    e->quota_cores = options->quota_cores;
    e->engine = engine;
    e->accounts = accounts;
    e->lifecycle = lifecycle_new(loop, engine, &config);
    e->groups = groups_new(options->subscription);
    e->operations = operations_new();
    e->tokens = tokens_new(options->token_lifetime_ms);
    e->faults = faults_new();
    e->surroundings = surroundings_new();
    e->stats = request_stats_new();
    e->sessions = stream_sessions_new();
    e->metrics = metrics_new(loop, e->groups, engine);
    realtime_init(e);
    e->operation_signature = operation_reply_new_signature();
    vk_list_init(&e->streams);
    vk_list_init(&e->requests);
    vk_list_init(&e->puts);
    if (rate_limits_new(options->arm_buckets, options->create_limits, options->delete_limits,
                        &e->rates, err) < 0 ||
        name_accounts(e, &options->storage_accounts, err) < 0 ||
        serve(e, "control-listen", options->control_listen, true, control_handle, &e->control,
              err) < 0 ||
        serve(e, "imds-listen", options->imds_listen, true, identity_imds_handle, &e->imds, err) <
            0 ||
        serve(e, "listen", options->listen, false, arm_front_handle, &e->arm, err) < 0) {
        emulator_free(e);
        return -1;
    }
    *ret = e;
    return 0;
}

void emulator_free(struct emulator *e)
{
    if (!e)
        return;
    http_server_free(e->arm);
    http_server_free(e->control);
    http_server_free(e->imds);
    realtime_release(e);
    metrics_free(e->metrics);
    e->engine->ops->free(e->engine);
    group_put_abandon_all(e);
    VK_LIST_FOREACH(it, &e->requests)
    arm_request_free(VK_LIST_ENTRY(it, struct arm_request, link));
    groups_free(e->groups);
    lifecycle_free(e->lifecycle);
    storage_accounts_free(e->accounts);
    operations_free(e->operations);
    tokens_free(e->tokens);
    faults_free(e->faults);
    surroundings_free(e->surroundings);
    request_stats_free(e->stats);
    stream_sessions_free(e->sessions);
    rate_limits_free(e->rates);
    vk_free(e->operation_signature);
    vk_free(e);
}
