/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/translate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/options.h"
#include "base/yaml.h"
#include "provider/annotations.h"
#include "provider/field_table.h"
#include "provider/translate_pod.h"

#define MAX_INPUT_BYTES (16u << 20)
#define MAX_OBJECTS 4096
#define MAX_OUTPUT_BYTES (64ul << 20)
#define SUBNET                                                                                     \
    "/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.Network/"                \
    "virtualNetworks/NETWORK/subnets/SUBNET"

struct options {
    struct json_strs files, f;
    const char *output, *o;
    const char *location, *subnet_id, *cluster_dns, *cluster_domain, *api_version, *os,
        *security_context;
    struct json_strs tag_labels, deny_annotations;
};

#define OPT(member) .offset = offsetof(struct options, member)
#define INPUT "Input and output"
#define NODE "The node; settings of the same names as aci-kubelet's own"

static const struct option_def defs[] = {
    {.name = "filename",
     .kind = OPTION_STRINGS,
     OPT(files),
     .group = INPUT,
     .arg = "FILE",
     .help = "Manifests, YAML or JSON, of several documents; - is the standard input. Repeatable."},
    {.name = "f",
     .kind = OPTION_STRINGS,
     OPT(f),
     .group = INPUT,
     .arg = "FILE",
     .help = "The same, as -f FILE."},
    {.name = "output",
     .kind = OPTION_ENUM,
     OPT(output),
     .fallback = "json",
     .choices = "json|table",
     .group = INPUT,
     .arg = "FORM",
     .help = "json: a list with each group and what is to be said of it. table: a line each."},
    {.name = "o",
     .kind = OPTION_ENUM,
     OPT(o),
     .choices = "json|table",
     .group = INPUT,
     .arg = "FORM",
     .help = "The same, as -o FORM."},
    {.name = "location",
     .kind = OPTION_STRING,
     OPT(location),
     .fallback = "westeurope",
     .group = NODE,
     .arg = "REGION",
     .help = "Region of the groups."},
    {.name = "subnet-id",
     .kind = OPTION_STRING,
     OPT(subnet_id),
     .fallback = SUBNET,
     .group = NODE,
     .arg = "ID",
     .help = "Subnet of the groups; empty for none."},
    {.name = "cluster-dns",
     .kind = OPTION_STRING,
     OPT(cluster_dns),
     .group = NODE,
     .arg = "ADDRESS",
     .help = "The cluster's name server."},
    {.name = "cluster-domain",
     .kind = OPTION_STRING,
     OPT(cluster_domain),
     .fallback = "cluster.local",
     .group = NODE,
     .arg = "DOMAIN",
     .help = "The cluster's domain."},
    {.name = "api-version",
     .kind = OPTION_STRING,
     OPT(api_version),
     .fallback = "2025-09-01",
     .group = NODE,
     .arg = "VERSION",
     .help = "Version of the ACI API."},
    {.name = "os",
     .kind = OPTION_ENUM,
     OPT(os),
     .fallback = "Linux",
     .choices = "Linux|Windows",
     .group = NODE,
     .arg = "OS",
     .help = "Operating system of pods that name none."},
    {.name = "security-context",
     .kind = OPTION_ENUM,
     OPT(security_context),
     .fallback = "refuse",
     .choices = "refuse|warn",
     .group = NODE,
     .arg = "POLICY",
     .help = "What happens to users and rights that ACI can't give."},
    {.name = "tag-labels",
     .kind = OPTION_STRINGS,
     OPT(tag_labels),
     .group = NODE,
     .arg = "LIST",
     .help = "Labels that become tags."},
    {.name = "deny-annotations",
     .kind = OPTION_STRINGS,
     OPT(deny_annotations),
     .group = NODE,
     .arg = "LIST",
     .help = "Annotations that pods may not use."},
};
static const struct option_set option_set = {
    .defs = defs,
    .count = VK_COUNT(defs),
    .program = "aci-kubelet translate",
    .env_prefix = "ACI_KUBELET",
    .synopsis =
        "Usage: aci-kubelet translate -f FILE [OPTION]...\n"
        "       aci-kubelet translate --fields | --annotations\n\n"
        "Prints the container group that a pod becomes, each field that is not honoured, and why a "
        "pod\nwould be refused: without a cluster, without Azure. Reads Pods, the templates of "
        "Deployments,\nReplicaSets, StatefulSets, Jobs and CronJobs, and Lists of them. "
        "ConfigMaps, "
        "Secrets, claims and\npersistent volumes beside them are used; what is missing is made up "
        "and said (\"assumed\").\nValues of Secrets are never printed. Images are not read: what "
        "the pod needs of them is assumed.\nVariables of Services are left out: only a cluster "
        "knows "
        "them. Nor are names and fields looked\nat that the API server does not know: `kubectl "
        "apply --dry-run=server` tells them.\n\n"
        "--fields prints the table of all fields of a pod, --annotations that of the annotations, "
        "as Markdown.",
    .epilogue = "Examples:\n"
                "  aci-kubelet translate -f deployment.yaml\n"
                "  helm template ./chart | aci-kubelet translate -f - -o table\n"
                "  aci-kubelet translate -f pod.yaml | jq '.[0].group'\n\n"
                "Exit code: 0 all pods can run, 1 a pod would be refused, 2 the input or an option "
                "is wrong.",
};

struct program {
    struct vk_arena *arena;
    struct offline *objects;
    struct workload *workloads;
    size_t n, cap;
};

static int add_object(struct program *p, const struct json *object, struct vk_err *err)
{
    struct workload w;
    const struct json *items = json_get(object, "items");
    if (vk_ends(json_string_or(object, "kind", ""), "List") && items) {
        for (const struct json *e = json_first(items); e; e = json_next(e)) {
            if (vk_ends(json_string_or(e, "kind", ""), "List"))
                return vk_err_set(err, VK_INVALID, "a List holds a List");
            if (add_object(p, e, err) < 0)
                return -(int)err->code;
        }
        return 0;
    }
    if (offline_add(p->objects, object))
        return 0;
    if (workload_read(object, p->arena, &w, err) < 0)
        return -(int)err->code;
    if (!w.has_pods)
        return 0;
    if (p->n == MAX_OBJECTS)
        return vk_err_set(err, VK_TOO_LARGE, "more than %d workloads", MAX_OBJECTS);
    p->workloads = vk_grow(p->workloads, &p->cap, p->n + 1, sizeof(*p->workloads));
    p->workloads[p->n++] = w;
    return 0;
}

static int on_document(void *user, const struct json *doc, struct vk_err *err)
{
    return add_object(user, doc, err);
}

static int read_stdin(struct vk_buf *out, struct vk_err *err)
{
    char piece[65536];
    size_t n;
    vk_buf_init(out, MAX_INPUT_BYTES);
    while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0)
        vk_buf_add(out, piece, n);
    if (ferror(stdin))
        return vk_err_errno(err, errno, "standard input");
    if (out->failed)
        return vk_err_set(err, VK_TOO_LARGE, "the input has more than %u MiB",
                          MAX_INPUT_BYTES >> 20);
    return 0;
}

static int read_input(struct program *p, const char *file, struct vk_err *err)
{
    struct vk_arena *tree VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf piped VK_BUF_AUTO;
    struct vk_str text;
    vk_buf_init(&piped, 1);
    if (vk_streq(file, "-")) {
        if (read_stdin(&piped, err) < 0)
            return -(int)err->code;
        text = vk_buf_str(&piped);
    } else if (file_read(file, MAX_INPUT_BYTES, tree, &text, err) < 0) {
        return -(int)err->code;
    }
    if (yaml_parse_stream(text, MAX_INPUT_BYTES, tree, on_document, p, err) < 0)
        return vk_err_wrap(err, "%s", vk_streq(file, "-") ? "standard input" : file);
    return 0;
}

static void write_list(struct json_writer *w, const char *key, const struct json_strs *list)
{
    json_begin_array(w, key);
    for (size_t i = 0; i < list->n; i++)
        json_put_string(w, NULL, list->v[i]);
    json_end_array(w);
}

static void write_translation(struct json_writer *w, const struct translation *t)
{
    json_begin_object(w, NULL);
    json_put_string(w, "kind", t->workload->kind);
    json_put_string(w, "namespace", t->workload->namespace_);
    json_put_string(w, "name", t->workload->name);
    json_put_string(w, "refused", t->refused);
    json_put_string(w, "billed", t->size);
    write_list(w, "warnings", &t->warnings);
    write_list(w, "assumed", &t->assumed);
    if (t->group)
        json_put_raw(w, "group", vk_str_of(t->group));
    else
        json_put_null(w, "group");
    json_end_object(w);
}

static void new_line(FILE *to, unsigned depth)
{
    (void)fprintf(to, "\n%*s", (int)(2 * depth), "");
}

/* JSON with a line for each value. */
static void print_indented(const char *json, FILE *to)
{
    unsigned depth = 0;
    bool quoted = false;
    for (const char *c = json; *c; c++) {
        const bool empty = (*c == '{' && c[1] == '}') || (*c == '[' && c[1] == ']');
        if (quoted || *c == '"') {
            (void)fputc(*c, to);
            if (quoted && *c == '\\' && c[1])
                (void)fputc(*++c, to);
            else if (*c == '"')
                quoted = !quoted;
        } else if (empty) {
            (void)fprintf(to, "%c%c", c[0], c[1]);
            c++;
        } else if (*c == '{' || *c == '[') {
            (void)fputc(*c, to);
            new_line(to, ++depth);
        } else if (*c == '}' || *c == ']') {
            new_line(to, --depth);
            (void)fputc(*c, to);
        } else if (*c == ',') {
            (void)fputc(*c, to);
            new_line(to, depth);
        } else {
            (void)fprintf(to, *c == ':' ? "%c " : "%c", *c);
        }
    }
    (void)fputc('\n', to);
}

static void print_json(const struct translation *t, size_t n)
{
    struct vk_buf out VK_BUF_AUTO;
    struct json_writer w;
    vk_buf_init(&out, MAX_OUTPUT_BYTES);
    json_writer_init(&w, &out);
    json_begin_array(&w, NULL);
    for (size_t i = 0; i < n; i++)
        write_translation(&w, &t[i]);
    json_end_array(&w);
    print_indented(vk_buf_peek(&out), stdout);
}

static void print_lines(const char *head, const struct json_strs *list)
{
    for (size_t i = 0; i < list->n; i++)
        printf("  %-14s%s\n", head, list->v[i]);
}

static void print_table(const struct translation *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct workload *w = t[i].workload;
        printf("%s %s/%s: %s\n", w->kind, w->namespace_, w->name,
               t[i].refused ? "refused" : t[i].size);
        if (t[i].refused)
            printf("  %-14s%s\n", "refused", t[i].refused);
        print_lines("not honoured", &t[i].warnings);
        print_lines("assumed", &t[i].assumed);
    }
}

static struct provider_env env_of(const struct options *o)
{
    return (struct provider_env){
        .location = o->location,
        .cluster_id = "CLUSTER",
        .node_name = "NODE",
        .subnet_id = vk_str_empty(o->subnet_id) ? NULL : o->subnet_id,
        .cluster_dns = o->cluster_dns,
        .cluster_domain = o->cluster_domain,
        .settings = {.windows = vk_streq(o->os, "Windows"),
                     .warn_security = vk_streq(o->security_context, "warn"),
                     .api_version = o->api_version,
                     .tag_labels = o->tag_labels,
                     .denied_annotations = o->deny_annotations},
    };
}

static int print_all(const struct program *p, const struct options *o)
{
    const struct provider_env env = env_of(o);
    struct translation *all = vk_arena_array(p->arena, p->n + 1, sizeof(*all));
    bool refused = false;
    for (size_t i = 0; i < p->n; i++) {
        translate_pod(&p->workloads[i], p->objects, &env, p->arena, &all[i]);
        refused |= all[i].refused != NULL;
    }
    if (vk_streq(o->o ? o->o : o->output, "table"))
        print_table(all, p->n);
    else
        print_json(all, p->n);
    return refused ? EXIT_REFUSED : EXIT_OK;
}

static const char *environment(const char *name)
{
    return getenv(name);
}

static int fail(const struct vk_err *err)
{
    (void)fprintf(stderr, "aci-kubelet translate: %s\n", err->msg);
    return EXIT_USAGE;
}

static int read_files(struct program *p, const struct json_strs *files, struct vk_err *err)
{
    for (size_t i = 0; i < files->n; i++) {
        if (read_input(p, files->v[i], err) < 0)
            return -(int)err->code;
    }
    return 0;
}

static int translate_with(struct program *p, const struct options *o)
{
    struct vk_err err;
    if (o->files.n + o->f.n == 0) {
        (void)vk_err_set(&err, VK_INVALID, "names no file; -f FILE, or -f - for standard input");
        return fail(&err);
    }
    if (read_files(p, &o->files, &err) < 0 || read_files(p, &o->f, &err) < 0)
        return fail(&err);
    if (p->n == 0) {
        (void)vk_err_set(&err, VK_INVALID, "the input has no pod and nothing that makes pods");
        return fail(&err);
    }
    return print_all(p, o);
}

static int run(int argc, char **argv)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct options o = {0};
    const char **rest;
    size_t rest_count;
    struct vk_err err;
    if (argc > 1 && vk_streq(argv[1], "--fields")) {
        field_table_markdown(stdout);
        return EXIT_OK;
    }
    if (argc > 1 && vk_streq(argv[1], "--annotations")) {
        annotations_markdown(stdout);
        return EXIT_OK;
    }
    if (options_parse(&option_set, argc, argv, environment, NULL, &o, arena, &rest, &rest_count,
                      &err) < 0)
        return subcommand_end_options(&option_set, &err);
    if (rest_count) {
        (void)vk_err_set(&err, VK_INVALID, "'%s' is no option; files are named by -f", rest[0]);
        return fail(&err);
    }
    struct program p = {.arena = arena, .objects = offline_new()};
    const int exit_code = translate_with(&p, &o);
    offline_free(p.objects);
    vk_free(p.workloads);
    return exit_code;
}

const struct subcommand translate_subcommand = {
    .name = "translate",
    .summary = "print the container groups that pods of manifests become",
    .run = run,
};
