/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/drain.h"

#include "aci/container_groups.h"
#include "base/alloc.h"
#include "kubelet/drain.h"
#include "provider/group_identity.h"
#include "provider/options.h"

#define USER_AGENT "aci-kubelet-drain/" VK_VERSION

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
    "kubeconfig", "context", "nodename", "cluster-id", "subscription", "resource-group",
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
    "or ran out of time is simply started again. `kubectl uncordon` takes it back\n"
    "before step 4; from then on the node comes back when aci-kubelet is started again.";

static const char epilogue[] =
    "Every option of aci-kubelet is taken, so the same flags, environment and --config file\n"
    "do. Its rights in the cluster are those of deploy/manifests/drain.yaml: to patch and delete\n"
    "nodes and their leases, to list, evict and delete pods.\n"
    "\n"
    "Exit codes: 0 the node is gone; 1 could not, see the message; 2 wrong options; 3 not\n"
    "done within --timeout; 4 pods without a controller and no --force.\n"
    "\n"
    "  aci-kubelet drain --kubeconfig ~/.kube/config --nodename burst-1 \\\n"
    "    --subscription ... --resource-group burst --timeout 30m";

struct program {
    struct vk_arena *arena;
    struct drain_options options;
    struct cluster_config cluster;
    struct subcommand_loop run; /* first of what is made, last of what is freed */
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

/* Returns an exit code, or -1 to go on. */
static int read_options(struct program *p, int argc, char **argv)
{
    static const struct subcommand_options options = {
        .program = "aci-kubelet drain",
        .own = own_defs,
        .own_count = VK_COUNT(own_defs),
        .shown = shown,
        .shown_count = VK_COUNT(shown),
        .shows_azure = true,
        .synopsis = synopsis,
        .epilogue = epilogue,
    };
    const int exit_code = subcommand_options_read(&options, argc, argv, &p->options, p->arena);
    struct vk_err err;

    if (exit_code >= 0)
        return exit_code;
    if (aci_kubelet_options_complete_azure(&p->options.kubelet, p->arena, &err) < 0) {
        fprintf(stderr, "aci-kubelet drain: %s\n", err.msg);
        return EXIT_USAGE;
    }
    return -1;
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
    vk_loop_stop(p->run.loop);
}

static void on_signal(void *user, int signo)
{
    struct program *p = user;

    (void)signo;
    fprintf(stderr, "aci-kubelet drain: stopped; start it again to go on\n");
    p->exit_code = EXIT_CANNOT_RUN;
    vk_loop_stop(p->run.loop);
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

    subcommand_loop_open(&p->run, on_signal, p);
    subcommand_azure_open(o, p->run.loop, p->run.http, USER_AGENT, &p->tokens, &p->arm);
    p->groups = container_groups_new(p->run.loop, p->arm, o->subscription, o->resource_group);
    if (subcommand_cluster_read(o, p->arena, &p->cluster, &err) < 0 ||
        drain_new(p->run.loop, p->run.http, &config, &p->drain, &err) < 0) {
        fprintf(stderr, "aci-kubelet drain: %s\n", err.msg);
        p->exit_code = EXIT_CANNOT_RUN;
    } else {
        vk_loop_run(p->run.loop);
    }
    groups_call_cancel(p->list);
    vk_arena_free(p->list_arena);
    vk_free(p->uids);
    drain_free(p->drain);
    container_groups_free(p->groups);
    arm_client_free(p->arm);
    token_source_free(p->tokens);
    subcommand_loop_close(&p->run);
    return p->exit_code;
}

static int drain_main(int argc, char **argv)
{
    struct program p = {.arena = vk_arena_new()};
    int exit_code = read_options(&p, argc, argv);

    if (exit_code < 0)
        exit_code = run(&p);
    vk_arena_free(p.arena);
    return exit_code;
}

const struct subcommand drain_subcommand = {
    .name = "drain",
    .summary =
        "Take the node out of the cluster: evict its pods, wait for their groups, delete it.",
    .run = drain_main,
};
