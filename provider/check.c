/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/check.h"

#include <stdio.h>
#include <unistd.h>

#include "aci/azure_actions.h"
#include "base/alloc.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "kubelet/api_rights.h"
#include "kubelet/client/bootstrap.h"
#include "kubelet/cluster_check.h"
#include "provider/check_azure.h"
#include "provider/check_local.h"
#include "provider/check_report.h"
#include "provider/options.h"

#define USER_AGENT "aci-kubelet-check/" VK_VERSION
#define MAX_REPORT (1u << 20)

/* In the order of the report. */
static const char *const names[] = {
    "options",
    "files",
    "kubelet port",
    "node address",
    "API server",
    "cluster identity",
    "node name",
    "cluster rights",
    "cluster clock",
    "Azure credentials",
    "resource group",
    "Azure permissions",
    "resource provider",
    "quota",
    "subnet",
    "subnet permissions",
    "Azure clock",
};

struct check_options {
    struct aci_kubelet_options kubelet; /* first: the table's offsets hold */
    int64_t timeout_ms;
    const char *output;
    bool rights, actions;
};

static const struct option_def own_defs[] = {
    {.name = "output",
     .kind = OPTION_ENUM,
     .choices = "table|json",
     .offset = offsetof(struct check_options, output),
     .fallback = "table",
     .group = "Check",
     .arg = "FORMAT",
     .help = "For people or for programs."},
    {.name = "timeout",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct check_options, timeout_ms),
     .fallback = "1m",
     .min = 1000,
     .max = 10ll * 60 * 1000,
     .group = "Check",
     .arg = "DURATION",
     .help = "A check without an answer by then has failed."},
    {.name = "rights",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct check_options, rights),
     .group = "Check",
     .help = "Look at nothing; print as JSON every right that aci-kubelet uses in the cluster."},
    {.name = "actions",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct check_options, actions),
     .group = "Check",
     .help = "Look at nothing; print as JSON every action of Azure's that it uses, and for what."},
};

/* Those of aci-kubelet's own options that matter here; all of them are taken. */
static const char *const shown[] = {
    "kubeconfig",  "context", "bootstrap-kubeconfig", "nodename",       "node-ip",  "cluster-id",
    "address",     "port",    "subscription",         "resource-group", "location", "subnet-id",
    "api-version",
};

static const char synopsis[] =
    "Usage: aci-kubelet check [OPTION]...\n"
    "\n"
    "Looks at what aci-kubelet will need, before it runs and with the options it will have:\n"
    "files, the kubelet port and the node's address; the API server, its version, who we are\n"
    "there, the node's name, each right; a token of Azure's, the resource group, what the\n"
    "identity may do, the resource provider, quotas, subnets and their delegation; clocks.\n"
    "Nothing is changed anywhere. Each failure is named with what to do; one failure hides no\n"
    "other.";

static const char epilogue[] =
    "Every option of aci-kubelet is taken, so the same flags, environment and --config file\n"
    "do. Run it where aci-kubelet will run: port, address, clock and ways are those of this\n"
    "machine.\n"
    "\n"
    "Exit codes: 0 no check failed, warnings or not; 1 some did; 2 wrong options.\n"
    "\n"
    "  aci-kubelet check --config /etc/aci-kubelet/config.yaml\n"
    "  aci-kubelet check --output json | jq -r '.checks[] | select(.state == \"failed\") | .name'";

struct program {
    struct vk_arena *arena;
    struct check_options options;
    struct check_report *report;
    struct vk_timer deadline;
    struct subcommand_loop run; /* first of what is made, last of what is freed */
    struct cluster_config cluster;
    struct cluster_check *cluster_check;
    struct token_source *tokens;
    struct arm_client *arm;
    struct check_azure_config azure_config;
    struct check_azure *azure_check;
    struct cluster_check_config cluster_check_config;
    unsigned pending;
};

static void tell(struct program *p, enum finding_state state, const char *name, const char *detail,
                 const char *remedy)
{
    check_report_add(
        p->report,
        &(struct finding){.state = state, .name = name, .detail = detail, .remedy = remedy});
}

static void on_found(void *user, const struct finding *finding)
{
    struct program *p = user;

    check_report_add(p->report, finding);
}

static void on_done(void *user)
{
    struct program *p = user;

    if (--p->pending == 0)
        vk_loop_stop(p->run.loop);
}

static void on_deadline(void *user)
{
    struct program *p = user;

    check_report_give_up(p->report, "no answer within --timeout");
    vk_loop_stop(p->run.loop);
}

static void on_signal(void *user, int signo)
{
    struct program *p = user;

    (void)signo;
    check_report_give_up(p->report, "stopped before the answer came");
    vk_loop_stop(p->run.loop);
}

/* The first of names that stand for a part of the report. */
static void skip(struct program *p, size_t first, size_t count, const char *why)
{
    for (size_t i = 0; i < count; i++)
        tell(p, FINDING_SKIPPED, names[first + i], why, "");
}
enum { NAMES_CLUSTER = 4, CLUSTER_COUNT = 5, NAMES_AZURE = 9, AZURE_COUNT = 8 };

static void check_cluster(struct program *p)
{
    struct aci_kubelet_options *o = &p->options.kubelet;
    const bool is_bootstrap =
        !vk_str_empty(o->bootstrap_kubeconfig) && !bootstrap_is_done(o->kubeconfig);
    struct aci_kubelet_options by = *o;
    struct vk_err err;

    if (is_bootstrap) {
        by.kubeconfig = o->bootstrap_kubeconfig;
        by.context = NULL;
    }
    if (subcommand_cluster_read(&by, p->arena, &p->cluster, &err) < 0) {
        tell(p, FINDING_FAILED, names[NAMES_CLUSTER], err.msg,
             "name a readable kubeconfig by --kubeconfig");
        skip(p, NAMES_CLUSTER + 1, CLUSTER_COUNT - 1, "the API server is not known");
        return;
    }
    p->cluster_check_config = (struct cluster_check_config){
        .cluster = &p->cluster,
        .user_agent = USER_AGENT,
        .node_name = o->nodename,
        .needs_cluster_id = vk_str_empty(o->cluster_id),
        .reviews = o->authentication_token_webhook || !vk_str_empty(o->client_ca_file),
        .serving_certificate = o->rotate_server_certificates,
        .leader_namespace = o->leader_elect ? o->lease_namespace : NULL,
        .leader_lease = o->leader_elect ? o->lease_name : NULL,
        .is_bootstrap = is_bootstrap,
        .found = on_found,
        .done = on_done,
        .user = p,
    };
    p->pending++;
    p->cluster_check = cluster_check_new(p->run.loop, p->run.http, &p->cluster_check_config);
}

static struct json_strs split_subnets(struct program *p, const char *list)
{
    struct vk_str rest = vk_str_of(list);
    struct json_strs out = {.v = vk_arena_array(p->arena, strlen(list) + 1, sizeof(*out.v))};

    while (rest.n) {
        const struct vk_str one = vk_str_trim(vk_str_cut(rest, ',', &rest));

        if (one.n)
            out.v[out.n++] = vk_arena_str(p->arena, one);
    }
    return out;
}

static void check_in_azure(struct program *p)
{
    const struct aci_kubelet_options *o = &p->options.kubelet;

    if (vk_str_empty(o->subscription) || vk_str_empty(o->resource_group) ||
        vk_str_empty(o->location)) {
        skip(p, NAMES_AZURE, AZURE_COUNT,
             "--subscription, --resource-group and --location are needed");
        return;
    }
    subcommand_azure_open(o, p->run.loop, p->run.http, USER_AGENT, &p->tokens, &p->arm);
    p->azure_config = (struct check_azure_config){
        .tokens = p->tokens,
        .arm = p->arm,
        .subscription = o->subscription,
        .resource_group = o->resource_group,
        .location = o->location,
        .api_version = o->api_version,
        .subnets = split_subnets(p, o->subnet_id ? o->subnet_id : ""),
        .found = on_found,
        .done = on_done,
        .user = p,
    };
    p->pending++;
    p->azure_check = check_azure_new(&p->azure_config);
}

static void on_fault(void *user, const struct vk_err *fault)
{
    tell(user, FINDING_FAILED, names[0], fault->msg, "see aci-kubelet --help");
}

static void check_options(struct program *p)
{
    if (!aci_kubelet_options_complete_all(&p->options.kubelet, p->arena, on_fault, p))
        tell(p, FINDING_OK, names[0], "all that are needed are given", "");
}

static int print_report(const struct program *p)
{
    struct vk_buf out VK_BUF_AUTO;

    vk_buf_init(&out, MAX_REPORT);
    if (vk_streq(p->options.output, "json"))
        check_report_json(p->report, &out);
    else
        check_report_table(p->report, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"), &out);
    fputs(vk_buf_peek(&out), stdout);
    return check_report_count(p->report, FINDING_FAILED) ? EXIT_CANNOT_RUN : EXIT_OK;
}

static int run(struct program *p)
{
    const struct aci_kubelet_options *o = &p->options.kubelet;
    int exit_code;

    subcommand_loop_open(&p->run, on_signal, p);
    p->report = check_report_new(names, VK_COUNT(names));
    vk_timer_init(&p->deadline, p->run.loop, "deadline", on_deadline, p);
    check_options(p);
    check_local_files(o, check_report_add, p->report);
    check_local_port(o->address, (int)o->port, check_report_add, p->report);
    check_local_address(o->node_ip ? o->node_ip : "", check_report_add, p->report);
    check_cluster(p);
    check_in_azure(p);
    vk_timer_arm(&p->deadline, p->options.timeout_ms);
    if (p->pending)
        vk_loop_run(p->run.loop);
    exit_code = print_report(p);
    vk_timer_disarm(&p->deadline);
    check_azure_free(p->azure_check);
    arm_client_free(p->arm);
    token_source_free(p->tokens);
    cluster_check_free(p->cluster_check);
    check_report_free(p->report);
    subcommand_loop_close(&p->run);
    return exit_code;
}

/* ---- the tables ---- */

static void write_rights(struct json_writer *w)
{
    static const char *const needs[] = {
        [RIGHT_ALWAYS] = "always",
        [RIGHT_CLUSTER_ID] = "without --cluster-id",
        [RIGHT_REVIEWS] = "for users of the kubelet port",
        [RIGHT_SERVING_CERTIFICATE] = "with --rotate-server-certificates",
        [RIGHT_LEADER_ELECTION] = "with --leader-elect",
    };

    for (size_t i = 0; i < api_right_count; i++) {
        const struct api_right *r = &api_rights[i];

        json_begin_object(w, NULL);
        json_put_string(w, "group", r->group);
        json_put_string(w, "resource", r->resource);
        json_put_string_if(w, "subresource", r->subresource);
        json_put_string(w, "verb", r->verb);
        json_put_string_if(w, "namespace", r->namespace_);
        json_put_string_if(w, "name", r->name);
        json_put_string(w, "needed", needs[r->need]);
        json_end_object(w);
    }
}

static void write_actions(struct json_writer *w)
{
    static const char *const scopes[] = {[AZURE_RESOURCE_GROUP] = "resource group",
                                         [AZURE_SUBSCRIPTION] = "subscription",
                                         [AZURE_SUBNET] = "subnet"};
    static const char *const needs[] = {
        [AZURE_REQUIRED] = "required", [AZURE_PARTLY] = "partly", [AZURE_CHECK] = "check"};

    for (size_t i = 0; i < azure_action_count; i++) {
        const struct azure_action *a = &azure_actions[i];

        json_begin_object(w, NULL);
        json_put_string(w, "action", a->name);
        json_put_string(w, "scope", scopes[a->scope]);
        json_put_string(w, "need", needs[a->need]);
        json_put_string(w, "method", a->method);
        json_put_string(w, "path", a->path);
        json_put_string(w, "why", a->why);
        json_end_object(w);
    }
}

static int print_tables(const struct check_options *o)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&out, MAX_REPORT);
    json_writer_init(&w, &out);
    json_begin_array(&w, NULL);
    if (o->rights)
        write_rights(&w);
    if (o->actions)
        write_actions(&w);
    json_end_array(&w);
    puts(vk_buf_peek(&out));
    return EXIT_OK;
}

static int check_main(int argc, char **argv)
{
    static const struct subcommand_options options = {
        .program = "aci-kubelet check",
        .own = own_defs,
        .own_count = VK_COUNT(own_defs),
        .shown = shown,
        .shown_count = VK_COUNT(shown),
        .shows_azure = true,
        .synopsis = synopsis,
        .epilogue = epilogue,
    };
    struct program p = {.arena = vk_arena_new()};
    int exit_code = subcommand_options_read(&options, argc, argv, &p.options, p.arena);

    if (exit_code < 0)
        exit_code = p.options.rights || p.options.actions ? print_tables(&p.options) : run(&p);
    vk_arena_free(p.arena);
    return exit_code;
}

const struct subcommand check_subcommand = {
    .name = "check",
    .summary =
        "Look at the cluster, Azure and this machine before it runs: what is wrong, what to do.",
    .run = check_main,
};
