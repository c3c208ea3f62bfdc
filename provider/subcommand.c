/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/subcommand.h"

#include <signal.h>

#include "aci/arm_client.h"
#include "base/alloc.h"
#include "base/log.h"
#include "kubelet/client/kubeconfig.h"
#include "provider/aci_provider.h"
#include "provider/options.h"

#define SCOPE "https://management.azure.com/.default"

static const char *environment(const char *name)
{
    return getenv(name);
}

static const struct option_def *find_def(const char *name)
{
    for (size_t i = 0; i < aci_kubelet_option_set.count; i++)
        if (vk_streq(aci_kubelet_option_set.defs[i].name, name))
            return &aci_kubelet_option_set.defs[i];
    return NULL;
}

/* Of every command, and of those that reach Azure. */
static const char *const shown_always[] = {"config", "v"};
static const char *const shown_of_azure[] = {
    "tenant-id",
    "client-id",
    "client-secret",
    "client-certificate",
    "client-certificate-key",
    "federated-token-file",
    "identity-client-id",
    "azure-config",
    "arm-endpoint",
    "authority-host",
    "imds-endpoint",
    "azure-ca-file",
};

static size_t add_defs(struct option_def *defs, size_t n, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct option_def *def = find_def(names[i]);

        if (def)
            defs[n++] = *def;
    }
    return n;
}

/* with_all: what is taken; else what --help shows. */
static struct option_set make_set(const struct subcommand_options *o, struct vk_arena *arena,
                                  bool with_all)
{
    const struct option_set *kubelet = &aci_kubelet_option_set;
    struct option_def *defs = vk_arena_array(arena, kubelet->count + o->own_count, sizeof(*defs));
    size_t n = o->own_count;

    memcpy(defs, o->own, o->own_count * sizeof(*defs));
    if (with_all) {
        memcpy(defs + n, kubelet->defs, kubelet->count * sizeof(*defs));
        n += kubelet->count;
    } else {
        n = add_defs(defs, n, o->shown, o->shown_count);
        if (o->shows_azure)
            n = add_defs(defs, n, shown_of_azure, VK_COUNT(shown_of_azure));
        n = add_defs(defs, n, shown_always, VK_COUNT(shown_always));
    }
    return (struct option_set){
        .defs = defs,
        .count = n,
        .program = o->program,
        .env_prefix = kubelet->env_prefix,
        .synopsis = o->synopsis,
        .epilogue = o->epilogue,
    };
}

int subcommand_end_options(const struct option_set *help, const struct vk_err *err)
{
    if (vk_streq(err->reason, "Help")) {
        options_help(help, stdout);
        return EXIT_OK;
    }
    if (vk_streq(err->reason, "Version")) {
        printf("aci-kubelet %s (Kubernetes %s)\n", VK_VERSION, KUBERNETES_VERSION);
        return EXIT_OK;
    }
    fprintf(stderr, "%s: %s\n", help->program, err->msg);
    return EXIT_USAGE;
}

int subcommand_options_read(const struct subcommand_options *o, int argc, char **argv, void *ret,
                            struct vk_arena *arena)
{
    const struct option_set set = make_set(o, arena, true);
    const struct option_set help = make_set(o, arena, false);
    const struct aci_kubelet_options *options = ret;
    const char **rest;
    size_t rest_count;
    struct vk_err err;

    if (options_parse(&set, argc, argv, environment, "config", ret, arena, &rest, &rest_count,
                      &err) < 0)
        return subcommand_end_options(&help, &err);
    if (rest_count) {
        fprintf(stderr, "%s: '%s' is no option; name the node with --nodename, see %s --help\n",
                o->program, rest[0], o->program);
        return EXIT_USAGE;
    }
    log_init(vk_streq(options->log_format, "json") ? LOG_JSON : LOG_TEXT, (int)options->v);
    return -1;
}

void subcommand_loop_open(struct subcommand_loop *l, void (*on_signal)(void *user, int signo),
                          void *user)
{
    l->loop = vk_loop_new();
    l->http = http_client_new(l->loop);
    vk_loop_on_signal(l->loop, SIGTERM, on_signal, user);
    vk_loop_on_signal(l->loop, SIGINT, on_signal, user);
}

void subcommand_loop_close(struct subcommand_loop *l)
{
    http_client_free(l->http);
    vk_loop_free(l->loop);
}

int subcommand_cluster_read(const struct aci_kubelet_options *o, struct vk_arena *arena,
                            struct cluster_config *ret, struct vk_err *err)
{
    if (!vk_str_empty(o->kubeconfig))
        return kubeconfig_load(o->kubeconfig, o->context, arena, ret, err);
    if (in_cluster_config(NULL, arena, ret, err) < 0)
        return vk_err_wrap(err, "no --kubeconfig, and no service account of a pod either");
    return 0;
}

void subcommand_credentials_fill(const struct aci_kubelet_options *o,
                                 struct aci_provider_config *config)
{
    const char *header = environment("IDENTITY_HEADER");

    config->authority_host = o->authority_host;
    config->azure_ca_file = o->azure_ca_file;
    config->tenant_id = o->tenant_id;
    config->client_id = o->client_id;
    config->client_cert_file = o->client_certificate;
    config->client_key_file = o->client_certificate_key;
    config->federated_token_file = o->federated_token_file;
    config->managed_identity_client_id = o->identity_client_id;
    config->imds_endpoint = o->imds_endpoint;
    config->identity_endpoint = environment("IDENTITY_ENDPOINT");
    if (!vk_str_empty(o->client_secret))
        vk_secret_set(&config->client_secret, o->client_secret, strlen(o->client_secret));
    if (header)
        vk_secret_set(&config->identity_header, header, strlen(header));
}

void subcommand_credentials_release(struct aci_provider_config *config)
{
    vk_secret_release(&config->client_secret);
    vk_secret_release(&config->identity_header);
}

void subcommand_azure_open(const struct aci_kubelet_options *o, struct vk_loop *loop,
                           struct http_client *http, const char *user_agent,
                           struct token_source **ret_tokens, struct arm_client **ret_arm)
{
    struct aci_provider_config credentials = {0};
    const struct arm_client_config arm = {
        .endpoint = o->arm_endpoint,
        .ca_file = o->azure_ca_file,
        .api_version = o->api_version,
        .user_agent = user_agent,
    };

    subcommand_credentials_fill(o, &credentials);
    *ret_tokens = token_source_new(
        loop, aci_provider_token_fetcher(loop, http, &credentials, user_agent), SCOPE);
    subcommand_credentials_release(&credentials);
    *ret_arm = arm_client_new(loop, http, *ret_tokens, &arm);
}
