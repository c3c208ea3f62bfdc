/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/drain.h"

#include <signal.h>

#include "aci/container_groups.h"
#include "base/alloc.h"
#include "base/log.h"
#include "kubelet/drain.h"
#include "provider/aci_provider.h"
#include "provider/group_identity.h"
#include "provider/options.h"

#define USER_AGENT "aci-kubelet-drain/" VK_VERSION
#define SCOPE "https://management.azure.com/.default"

enum { EXIT_TIMED_OUT = 3, EXIT_NEEDS_FORCE };

struct drain_options {
    struct aci_kubelet_options kubelet; /* first: the table's offsets hold */
    int64_t timeout_ms;
    bool force;
};

static const struct option_def own_defs[] = {
    {.name = "timeout",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct drain_options, timeout_ms),
     .fallback = "10m",
     .min = 1000,
     .max = 7ll * 24 * 3600 * 1000,
     .group = "Drain",
     .arg = "DURATION",
     .help = "Give up after this time, with exit code 3; the node stays cordoned."},
    {.name = "force",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct drain_options, force),
     .group = "Drain",
     .help = "Also delete pods that no controller makes anew elsewhere. Without it they are named, "
             "nothing is evicted, and the exit code is 4."},
};

/* Those of aci-kubelet's own options that matter here; all of them are taken. */
static const char *const shown[] = {
    "kubeconfig",     "context",
    "nodename",       "cluster-id",
    "subscription",   "resource-group",
    "tenant-id",      "client-id",
    "client-secret",  "identity-client-id",
    "azure-config",   "arm-endpoint",
    "authority-host", "azure-ca-file",
    "config",         "v",
};

static const char synopsis[] =
    "Usage: aci-kubelet drain [OPTION]...\n"
    "\n"
    "Takes the virtual node --nodename out of the cluster, in order:\n"
    "  1. cordons it, so that no new pods come;\n"
    "  2. evicts its pods, which honours PodDisruptionBudgets: a pod that its budget holds\n"
    "     back is tried again every 5 s;\n"
    "  3. waits until none of their container groups is left in Azure, by the groups' tags;\n"
    "  4. asks the running aci-kubelet to give the node up, and deletes the Node;\n"
    "  5. deletes what is left of DaemonSets, waits for their groups, deletes the Lease.\n"
    "\n"
    "aci-kubelet itself must run meanwhile: it is what ends pods and deletes their groups.\n"
    "Stop it afterwards; started again, it brings the node back. A drain that was stopped\n"
    "or ran out of time is simply started again; `kubectl uncordon` takes it back before\n"
    "the node is deleted.";

static const char epilogue[] =
    "Every option of aci-kubelet is taken, so the same flags, environment and --config file\n"
    "do. It needs rights to patch and delete the node, to list and delete pods, to create\n"
    "pods/eviction, and to patch and delete the node's lease: an administrator's kubeconfig.\n"
    "\n"
    "Exit codes: 0 the node is gone; 1 could not, see the message; 2 wrong options; 3 not\n"
    "done within --timeout; 4 pods without a controller and no --force.\n"
    "\n"
    "  aci-kubelet drain --kubeconfig ~/.kube/config --nodename burst-1 \\\n"
    "    --subscription ... --resource-group burst --timeout 30m";

struct program {
    struct vk_arena *arena;
    struct drain_options options;
    struct option_set set;
    struct cluster_config cluster;
    struct vk_loop *loop;
    struct http_client *http;
    struct token_source *tokens;
    struct arm_client *arm;
    struct container_groups *groups;
    struct drain *drain;
    int exit_code;
    /* the LIST under way */
    struct groups_call *list;
    struct vk_arena *list_arena;
    const char **uids;
    size_t uid_count, uid_cap;
    const char *cluster_id;
    drain_groups_fn listed;
    void *listed_user;
};

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

static struct option_set make_set(struct vk_arena *arena)
{
    const struct option_set *kubelet = &aci_kubelet_option_set;
    struct option_def *defs =
        vk_arena_array(arena, kubelet->count + VK_COUNT(own_defs), sizeof(*defs));

    memcpy(defs, own_defs, sizeof(own_defs));
    memcpy(defs + VK_COUNT(own_defs), kubelet->defs, kubelet->count * sizeof(*defs));
    return (struct option_set){
        .defs = defs,
        .count = kubelet->count + VK_COUNT(own_defs),
        .program = "aci-kubelet drain",
        .env_prefix = kubelet->env_prefix,
        .synopsis = synopsis,
        .epilogue = epilogue,
    };
}

static void print_help(struct program *p)
{
    struct option_set set = p->set;
    struct option_def *defs =
        vk_arena_array(p->arena, VK_COUNT(own_defs) + VK_COUNT(shown), sizeof(*defs));
    size_t n = VK_COUNT(own_defs);

    memcpy(defs, own_defs, sizeof(own_defs));
    for (size_t i = 0; i < VK_COUNT(shown); i++) {
        const struct option_def *def = find_def(shown[i]);

        if (def)
            defs[n++] = *def;
    }
    set.defs = defs;
    set.count = n;
    options_help(&set, stdout);
}

/* Returns an exit code, or -1 to go on. */
static int read_options(struct program *p, int argc, char **argv)
{
    const char **rest;
    size_t rest_count;
    struct vk_err err;

    p->set = make_set(p->arena);
    if (options_parse(&p->set, argc, argv, environment, "config", &p->options, p->arena, &rest,
                      &rest_count, &err) < 0) {
        if (vk_streq(err.reason, "Help")) {
            print_help(p);
            return EXIT_OK;
        }
        fprintf(stderr, "aci-kubelet drain: %s\n", err.msg);
        return EXIT_USAGE;
    }
    if (rest_count) {
        fprintf(stderr,
                "aci-kubelet drain: '%s' is no option; name the node with --nodename, see "
                "aci-kubelet drain --help\n",
                rest[0]);
        return EXIT_USAGE;
    }
    if (aci_kubelet_options_complete_azure(&p->options.kubelet, p->arena, &err) < 0) {
        fprintf(stderr, "aci-kubelet drain: %s\n", err.msg);
        return EXIT_USAGE;
    }
    return -1;
}

static int read_cluster(struct program *p, struct vk_err *err)
{
    const struct aci_kubelet_options *o = &p->options.kubelet;

    if (!vk_str_empty(o->kubeconfig))
        return kubeconfig_load(o->kubeconfig, o->context, p->arena, &p->cluster, err);
    if (in_cluster_config(NULL, p->arena, &p->cluster, err) < 0)
        return vk_err_wrap(err, "no --kubeconfig, and no service account of a pod either");
    return 0;
}

static void open_azure(struct program *p)
{
    const struct aci_kubelet_options *o = &p->options.kubelet;
    struct aci_provider_config credentials = {
        .authority_host = o->authority_host,
        .azure_ca_file = o->azure_ca_file,
        .tenant_id = o->tenant_id,
        .client_id = o->client_id,
        .managed_identity_client_id = o->identity_client_id,
        .imds_endpoint = o->imds_endpoint,
        .identity_endpoint = environment("IDENTITY_ENDPOINT"),
    };
    const char *header = environment("IDENTITY_HEADER");
    const struct arm_client_config arm = {
        .endpoint = o->arm_endpoint,
        .ca_file = o->azure_ca_file,
        .api_version = o->api_version,
        .user_agent = USER_AGENT,
    };

    if (!vk_str_empty(o->client_secret))
        vk_secret_set(&credentials.client_secret, o->client_secret, strlen(o->client_secret));
    if (header)
        vk_secret_set(&credentials.identity_header, header, strlen(header));
    p->tokens = token_source_new(
        p->loop, aci_provider_token_fetcher(p->loop, p->http, &credentials, USER_AGENT), SCOPE);
    vk_secret_release(&credentials.client_secret);
    vk_secret_release(&credentials.identity_header);
    p->arm = arm_client_new(p->loop, p->http, p->tokens, &arm);
    p->groups = container_groups_new(p->loop, p->arm, o->subscription, o->resource_group);
}

static void on_item(void *user, const struct container_group *group)
{
    struct program *p = user;
    struct group_identity id;

    if (!group_identity_read(group, &id) || !vk_streq(id.cluster, p->cluster_id) ||
        !vk_streq(id.node, p->options.kubelet.nodename))
        return;
    p->uids = vk_grow(p->uids, &p->uid_cap, p->uid_count + 1, sizeof(*p->uids));
    p->uids[p->uid_count++] = vk_arena_strdup(p->list_arena, id.uid);
}

static void on_listed(void *user, const struct groups_listing *listing, const struct vk_err *err)
{
    struct program *p = user;
    struct vk_arena *arena = vk_take(p->list_arena);
    const struct json_strs uids = {.v = p->uids, .n = p->uid_count};
    struct vk_err bad;

    p->list = NULL;
    if (!err && listing->skipped) {
        /* One of them may be ours. */
        vk_err_set(&bad, VK_UNAVAILABLE, "%zu container groups in Azure's list can't be read",
                   listing->skipped);
        err = &bad;
    }
    p->listed(p->listed_user, err ? NULL : &uids, err);
    vk_arena_free(arena);
}

static void list_groups(void *user, const char *cluster_id, drain_groups_fn done, void *done_user)
{
    struct program *p = user;

    p->cluster_id = cluster_id;
    p->listed = done;
    p->listed_user = done_user;
    p->list_arena = vk_arena_new();
    p->uid_count = 0;
    p->list = container_groups_list(p->groups, on_item, on_listed, p);
}

static void on_progress(void *user, const char *text)
{
    (void)user;
    printf("%s\n", text);
    fflush(stdout);
}

static void on_done(void *user, const struct vk_err *err)
{
    struct program *p = user;

    if (!err) {
        printf("drained: node %s and its container groups are gone\n", p->options.kubelet.nodename);
    } else {
        fprintf(stderr, "aci-kubelet drain: %s\n", err->msg);
        p->exit_code = vk_streq(err->reason, DRAIN_TIMED_OUT)     ? EXIT_TIMED_OUT
                       : vk_streq(err->reason, DRAIN_NEEDS_FORCE) ? EXIT_NEEDS_FORCE
                                                                  : EXIT_CANNOT_RUN;
    }
    vk_loop_stop(p->loop);
}

static void on_signal(void *user, int signo)
{
    struct program *p = user;

    (void)signo;
    fprintf(stderr, "aci-kubelet drain: stopped; start it again to go on\n");
    p->exit_code = EXIT_CANNOT_RUN;
    vk_loop_stop(p->loop);
}

static int run(struct program *p)
{
    const struct aci_kubelet_options *o = &p->options.kubelet;
    const struct drain_config config = {
        .cluster = &p->cluster,
        .user_agent = USER_AGENT,
        .node_name = o->nodename,
        .cluster_id = o->cluster_id,
        .force = p->options.force,
        .timeout_ms = p->options.timeout_ms,
        .list_groups = list_groups,
        .progress = on_progress,
        .done = on_done,
        .user = p,
    };
    struct vk_err err;

    p->loop = vk_loop_new();
    p->http = http_client_new(p->loop);
    vk_loop_on_signal(p->loop, SIGTERM, on_signal, p);
    vk_loop_on_signal(p->loop, SIGINT, on_signal, p);
    open_azure(p);
    if (read_cluster(p, &err) < 0 || drain_new(p->loop, p->http, &config, &p->drain, &err) < 0) {
        fprintf(stderr, "aci-kubelet drain: %s\n", err.msg);
        p->exit_code = EXIT_CANNOT_RUN;
    } else {
        vk_loop_run(p->loop);
    }
    groups_call_cancel(p->list);
    vk_arena_free(p->list_arena);
    vk_free(p->uids);
    drain_free(p->drain);
    container_groups_free(p->groups);
    arm_client_free(p->arm);
    token_source_free(p->tokens);
    http_client_free(p->http);
    vk_loop_free(p->loop);
    return p->exit_code;
}

static int drain_main(int argc, char **argv)
{
    struct program p = {.arena = vk_arena_new()};
    int exit_code = read_options(&p, argc, argv);

    if (exit_code < 0) {
        log_init(vk_streq(p.options.kubelet.log_format, "json") ? LOG_JSON : LOG_TEXT,
                 (int)p.options.kubelet.v);
        exit_code = run(&p);
    }
    vk_arena_free(p.arena);
    return exit_code;
}

const struct subcommand drain_subcommand = {
    .name = "drain",
    .summary =
        "Take the node out of the cluster: evict its pods, wait for their groups, delete it.",
    .run = drain_main,
};
