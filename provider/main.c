/* SPDX-License-Identifier: Apache-2.0 */
/* aci-kubelet: options, the ACI provider, the kubelet. */
#include <signal.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "kubelet/api/quantity.h"
#include "kubelet/kubelet.h"
#include "provider/aci_provider.h"
#include "provider/check.h"
#include "provider/drain.h"
#include "provider/options.h"
#include "provider/subcommand.h"
#include "provider/top.h"
#include "provider/translate.h"

/* Connections of the port, to pods, ACI and the API server. */
#define WANTED_FILES 16384

/* In the order of --help; ends with NULL. */
static const struct subcommand *const subcommands[] = {
    &translate_subcommand, &check_subcommand, &drain_subcommand, &top_subcommand, NULL,
};

struct program {
    struct vk_arena *arena;
    struct subcommand_loop run;
    struct aci_provider *aci;
    struct provider provider;
    struct kubelet *kubelet;
    struct aci_kubelet_options options;
    struct cluster_config cluster;
    struct node_taint taint;
    struct leader_lease leader_lease;
    bool is_ending;
    bool has_bootstrapped;
    int exit_code;
};

static void on_shut_down(void *user)
{
    struct program *p = user;

    vk_loop_stop(p->run.loop);
}

/* Whoever asks a second time does not want to wait. */
static void on_signal(void *user, int signo)
{
    struct program *p = user;

    log_info("Asked to end", LI("signal", signo), LI("again", p->is_ending));
    if (p->is_ending || !p->kubelet)
        vk_loop_stop(p->run.loop);
    else
        kubelet_shutdown(p->kubelet, on_shut_down, p);
    p->is_ending = true;
}

static void on_fatal(void *user, const struct vk_err *err)
{
    struct program *p = user;

    log_error("Can't run", LERR(err));
    p->exit_code = EXIT_CANNOT_RUN;
    vk_loop_stop(p->run.loop);
}

static const char *environment(const char *name)
{
    return getenv(name);
}

#ifdef VK_CRASH_POINTS
/* As read_options. */
static int read_crash_point(int argc, char **argv)
{
    struct vk_err err;

    if (argc > 1 && vk_streq(argv[1], "--list-crash-points")) {
        vk_crash_point_list(stdout);
        return EXIT_OK;
    }
    if (vk_crash_point_arm(environment("ACI_KUBELET_CRASH_AT"), &err) < 0) {
        fprintf(stderr, "aci-kubelet: ACI_KUBELET_CRASH_AT: %s\n", err.msg);
        return EXIT_USAGE;
    }
    return -1;
}
#else
static int read_crash_point(int argc, char **argv)
{
    (void)argc, (void)argv;
    return -1;
}
#endif

static void print_help(void)
{
    options_help(&aci_kubelet_option_set, stdout);
    if (subcommands[0])
        printf("\nCommands, each with its own --help:\n");
    for (const struct subcommand *const *c = subcommands; *c; c++)
        printf("  %-12s%s\n", (*c)->name, (*c)->summary);
}

/* As read_options. A command comes first, before any option. */
static int run_subcommand(int argc, char **argv)
{
    if (argc < 2 || argv[1][0] == '-')
        return -1;
    for (const struct subcommand *const *c = subcommands; *c; c++)
        if (vk_streq(argv[1], (*c)->name))
            return (*c)->run(argc - 1, argv + 1);
    return -1;
}

/* Returns an exit code, or -1 to go on. */
static int read_options(struct program *p, int argc, char **argv)
{
    const char **rest;
    size_t rest_count;
    struct vk_err err;

    if (argc > 1 && vk_streq(argv[1], "--help-markdown")) {
        options_markdown(&aci_kubelet_option_set, stdout);
        return EXIT_OK;
    }
    if (options_parse(&aci_kubelet_option_set, argc, argv, environment, "config", &p->options,
                      p->arena, &rest, &rest_count, &err) < 0) {
        if (vk_streq(err.reason, "Help")) {
            print_help();
            return EXIT_OK;
        }
        return subcommand_end_options(&aci_kubelet_option_set, &err);
    }
    if (rest_count) {
        fprintf(stderr, "aci-kubelet: unknown command '%s'; see aci-kubelet --help\n", rest[0]);
        return EXIT_USAGE;
    }
    if (aci_kubelet_options_complete(&p->options, p->arena, &err) < 0) {
        fprintf(stderr, "aci-kubelet: %s\n", err.msg);
        return EXIT_USAGE;
    }
    return -1;
}

static void on_bootstrapped(void *user)
{
    struct program *p = user;

    p->has_bootstrapped = true;
    vk_loop_stop(p->run.loop);
}

/* Returns 1 when the process is asked to end before the cluster gave a certificate. */
static int bootstrap(struct program *p, struct vk_err *err)
{
    const struct aci_kubelet_options *o = &p->options;
    const struct bootstrap_config config = {
        .bootstrap_kubeconfig = o->bootstrap_kubeconfig,
        .kubeconfig = o->kubeconfig,
        .cert_dir = o->cert_dir,
        .node_name = o->nodename,
        .user_agent = "aci-kubelet/" VK_VERSION,
        .done = on_bootstrapped,
        .failed = on_fatal,
        .user = p,
    };
    struct bootstrap *b;

    if (vk_str_empty(o->bootstrap_kubeconfig) || bootstrap_is_done(o->kubeconfig))
        return 0;
    log_info("Asking the cluster for a client certificate of the node", LS("node", o->nodename),
             LS("with", o->bootstrap_kubeconfig));
    if (bootstrap_new(p->run.loop, p->run.http, &config, &b, err) < 0)
        return -(int)err->code;
    vk_loop_run(p->run.loop);
    bootstrap_free(b);
    return p->has_bootstrapped ? 0 : 1;
}

static int make_provider(struct program *p, struct vk_err *err)
{
    const struct aci_kubelet_options *o = &p->options;
    struct throttle_limits limits;
    struct aci_provider_config config = {
        .subscription = o->subscription,
        .resource_group = o->resource_group,
        .location = o->location,
        .subnet_id = o->subnet_id,
        .arm_endpoint = o->arm_endpoint,
        .api_version = o->api_version,
        .cluster_dns = o->cluster_dns,
        .cluster_domain = o->cluster_domain,
        .exec_message_max = (size_t)o->exec_message_bytes,
        .stop_by_exec = o->stop_by_exec,
        .realtime_metrics = o->realtime_metrics,
        .prices = o->prices,
        .registry_mirrors = o->registry_mirrors.v,
        .registry_mirror_count = o->registry_mirrors.n,
        .registry_ca_file = o->registry_ca_file,
        .finished_log_dir = o->finished_log_dir,
        .orphan_sweep_ms = o->orphan_sweep_interval_ms,
        .pods = o->pods,
        .user_agent_extra = environment("ACI_EXTRA_USER_AGENT"),
        .limits = &limits,
    };
    int rc;

    if (aci_kubelet_options_limits(o, &limits, err) < 0 ||
        aci_kubelet_options_groups(o, p->arena, &config.group_settings, err) < 0)
        return -(int)err->code;
    if (!quantity_milli(o->cpu, &config.cpu_milli) ||
        !quantity_value(o->memory, &config.memory_bytes))
        return vk_err_set(err, VK_INVALID, "--cpu or --memory is no quantity");
    subcommand_credentials_fill(o, &config);
    rc = aci_provider_new(p->run.loop, p->run.http, &config, &p->aci, err);
    subcommand_credentials_release(&config);
    if (rc == 0)
        p->provider = aci_provider_interface(p->aci);
    return rc;
}

static const char *text_or_null(const char *text)
{
    return vk_str_empty(text) ? NULL : text;
}

static int make_kubelet(struct program *p, struct vk_err *err)
{
    const struct aci_kubelet_options *o = &p->options;
    struct json_pairs labels;

    if (aci_kubelet_options_labels(o, p->arena, &labels, err) < 0)
        return -(int)err->code;
    struct kubelet_config config = {
        .cluster = &p->cluster,
        .node =
            {
                .name = o->nodename,
                .internal_ip = o->node_ip,
                .kubelet_port = (int)o->port,
                .kubelet_version = KUBERNETES_VERSION "-aci-kubelet-" VK_VERSION,
                .runtime_version = vk_arena_printf(p->arena, "aci://%s", o->api_version),
                .taint = o->disable_taint ? NULL : &p->taint,
                .labels = labels,
            },
        .cluster_id = o->cluster_id,
        .leader_lease = o->leader_elect ? &p->leader_lease : NULL,
        .address = o->address,
        .cert_file = text_or_null(o->tls_cert_file),
        .key_file = text_or_null(o->tls_private_key_file),
        .cert_dir = text_or_null(o->cert_dir),
        .request_serving_certificate = o->rotate_server_certificates,
        .rotate_client_certificate = !vk_str_empty(o->bootstrap_kubeconfig),
        .client_ca_file = text_or_null(o->client_ca_file),
        .review_tokens = o->authentication_token_webhook,
        .allow_anonymous = o->anonymous_auth,
        .token_ttl_ms = o->token_ttl_ms,
        .allow_ttl_ms = o->allow_ttl_ms,
        .deny_ttl_ms = o->deny_ttl_ms,
        .user_agent = "aci-kubelet/" VK_VERSION,
        .finished_group_ttl_ms = o->finished_group_ttl_ms,
        .pod_api_server = o->pod_api_server,
        .pod_deletion_cost = o->pod_deletion_cost,
        .fatal = on_fatal,
        .user = p,
    };

    p->leader_lease = (struct leader_lease){
        .namespace_ = o->lease_namespace,
        .name = o->lease_name,
        .timing = {o->lease_duration_ms, o->renew_deadline_ms, o->retry_period_ms},
    };
    p->taint = (struct node_taint){o->taint_key, o->taint_value, o->taint_effect};
    return kubelet_new(p->run.loop, p->run.http, &config, &p->provider, &p->kubelet, err);
}

/* As Go's runtime does it for the kubelet: the low soft limit is for programs that use select(). */
static void raise_file_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= WANTED_FILES)
        return;
    files.rlim_cur = files.rlim_max < WANTED_FILES ? files.rlim_max : WANTED_FILES;
    (void)setrlimit(RLIMIT_NOFILE, &files);
}

static int start(struct program *p, struct vk_err *err)
{
    int rc = bootstrap(p, err);

    if (rc != 0)
        return rc;
    if (subcommand_cluster_read(&p->options, p->arena, &p->cluster, err) < 0 ||
        make_provider(p, err) < 0 || make_kubelet(p, err) < 0)
        return -(int)err->code;
    return 0;
}

static int run(struct program *p)
{
    struct vk_err err;
    int rc;

    raise_file_limit();
    subcommand_loop_open(&p->run, on_signal, p);
    rc = start(p, &err);
    if (rc < 0) {
        log_error("Can't run", LERR(&err));
        p->exit_code = EXIT_CANNOT_RUN;
    } else if (rc == 0) {
        log_info("Starting", LS("version", VK_VERSION), LS("cluster", p->cluster.source),
                 LS("arm", p->options.arm_endpoint));
        vk_loop_run(p->run.loop);
    }
    kubelet_free(p->kubelet);
    aci_provider_free(p->aci);
    subcommand_loop_close(&p->run);
    return p->exit_code;
}

int main(int argc, char **argv)
{
    struct program p = {.arena = vk_arena_new()};
    int exit_code;

    signal(SIGPIPE, SIG_IGN);
    vk_alloc_begin();
    exit_code = read_crash_point(argc, argv);
    if (exit_code < 0)
        exit_code = run_subcommand(argc, argv);
    if (exit_code < 0)
        exit_code = read_options(&p, argc, argv);
    if (exit_code < 0) {
        log_init(vk_streq(p.options.log_format, "json") ? LOG_JSON : LOG_TEXT, (int)p.options.v);
        exit_code = run(&p);
    }
    vk_arena_free(p.arena);
    return exit_code;
}
