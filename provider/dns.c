/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/dns.h"

#include "base/str.h"
#include "provider/network.h"

/* Azure's own resolver, which every group has. */
#define AZURE_DNS "168.63.129.16"
/* Source: k8s v1.37.2 pkg/apis/core/validation, pkg/kubelet/network/dns/dns.go. */
#define MAX_NAMESERVERS 3
#define MAX_SEARCHES 32
#define MAX_SEARCH 253
#define MAX_SEARCH_TEXT 2048ul
#define MAX_TEXT 2560ul

/* As a kubelet writes them into resolv.conf: the cluster's first, each once, no more than fit. */
struct dns_lists {
    struct json_strs servers, searches;
    bool servers_cut, searches_cut;
};

bool dns_is_sent(const struct pod_annotations *annotations, const struct provider_env *env,
                 bool windows)
{
    return !windows && network_has_subnet(annotations, env);
}

static void add_word(struct vk_buf *out, const char *word)
{
    if (vk_buf_len(out))
        vk_buf_addc(out, ' ');
    vk_buf_adds(out, word);
}

/* Among the first n. */
static bool has_option(const struct pod_dns_config *config, const char *name, size_t n)
{
    const struct dns_option *options = config ? config->options.v : NULL;
    for (size_t i = 0; config && i < n; i++) {
        if (vk_streq(options[i].name, name))
            return true;
    }
    return false;
}

/* Each once, where it is named first, with what is said of it last. */
static void write_options(struct json_writer *w, const struct pod_dns_config *config, bool cluster)
{
    struct vk_buf text;
    vk_buf_init(&text, MAX_TEXT);
    if (cluster && !has_option(config, "ndots", config ? config->options.n : 0))
        add_word(&text, "ndots:5");
    const struct dns_option *options = config ? config->options.v : NULL;
    for (size_t i = 0; config && i < config->options.n; i++) {
        const char *value = NULL;
        if (has_option(config, options[i].name, i))
            continue;
        for (size_t k = i; k < config->options.n; k++) {
            if (vk_streq(options[k].name, options[i].name))
                value = options[k].value;
        }
        add_word(&text, options[i].name);
        if (!vk_str_empty(value))
            vk_buf_printf(&text, ":%s", value);
    }
    if (vk_buf_len(&text))
        json_put_str(w, "options", vk_buf_str(&text));
    vk_buf_release(&text);
}

static void add_once(struct json_strs *list, const char *word)
{
    for (size_t i = 0; i < list->n; i++) {
        if (vk_streq(list->v[i], word))
            return;
    }
    list->v[list->n++] = word;
}

static void cut_searches(struct dns_lists *lists)
{
    struct json_strs *s = &lists->searches;
    size_t kept = 0, length = 0;
    for (size_t i = 0; i < s->n; i++) {
        const size_t n = strlen(s->v[i]);
        if (i >= MAX_SEARCHES || n > MAX_SEARCH)
            continue;
        length += n + (kept > 0);
        if (length > MAX_SEARCH_TEXT)
            break;
        s->v[kept++] = s->v[i];
    }
    lists->searches_cut = kept < s->n;
    s->n = kept;
}

static bool is_cluster(const struct pod *pod, const struct pod_annotations *annotations,
                       const struct provider_env *env)
{
    const char *policy = pod->spec.dns_policy;
    return !vk_streq(policy, "None") && !vk_streq(policy, "Default") &&
           !vk_str_empty(env->cluster_dns) && annotation_is_true(annotations->cluster_dns, true);
}

static struct dns_lists lists_of(const struct pod *pod, const struct provider_env *env,
                                 bool cluster, struct vk_arena *arena)
{
    static const struct pod_dns_config nothing = {0};
    const struct pod_dns_config *config = pod->spec.dns_config ? pod->spec.dns_config : &nothing;
    const char *domain = env->cluster_domain;
    struct dns_lists out = {0};
    out.servers.v = vk_arena_array(arena, config->nameservers.n + 1, sizeof(*out.servers.v));
    out.searches.v = vk_arena_array(arena, config->searches.n + 3, sizeof(*out.searches.v));
    if (cluster) {
        add_once(&out.servers, env->cluster_dns);
        add_once(&out.searches, vk_arena_printf(arena, "%s.svc.%s", pod->meta.namespace_, domain));
        add_once(&out.searches, vk_arena_printf(arena, "svc.%s", domain));
        add_once(&out.searches, domain);
    }
    for (size_t i = 0; i < config->nameservers.n; i++)
        add_once(&out.servers, config->nameservers.v[i]);
    for (size_t i = 0; i < config->searches.n; i++)
        add_once(&out.searches, config->searches.v[i]);
    out.servers_cut = out.servers.n > MAX_NAMESERVERS;
    if (out.servers_cut)
        out.servers.n = MAX_NAMESERVERS;
    if (out.servers.n == 0)
        add_once(&out.servers, AZURE_DNS);
    cut_searches(&out);
    return out;
}

static void write_lists(struct json_writer *w, const struct dns_lists *lists)
{
    struct vk_buf text;
    json_begin_array(w, "nameServers");
    for (size_t i = 0; i < lists->servers.n; i++)
        json_put_string(w, NULL, lists->servers.v[i]);
    json_end_array(w);
    vk_buf_init(&text, MAX_TEXT);
    for (size_t i = 0; i < lists->searches.n; i++)
        add_word(&text, lists->searches.v[i]);
    if (vk_buf_len(&text))
        json_put_str(w, "searchDomains", vk_buf_str(&text));
    vk_buf_release(&text);
}

void dns_write(struct json_writer *w, const struct pod *pod,
               const struct pod_annotations *annotations, const struct provider_env *env,
               bool windows)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const bool cluster = is_cluster(pod, annotations, env);
    if (!dns_is_sent(annotations, env, windows) || (!cluster && !pod->spec.dns_config))
        return;
    const struct dns_lists lists = lists_of(pod, env, cluster, arena);
    json_begin_object(w, "dnsConfig");
    write_lists(w, &lists);
    write_options(w, pod->spec.dns_config, cluster);
    json_end_object(w);
}

void dns_name_ignored(const struct pod *pod, const struct pod_annotations *annotations,
                      const struct provider_env *env, bool windows, struct ignored_fields *ret,
                      struct vk_arena *arena)
{
    if (!dns_is_sent(annotations, env, windows) || !pod->spec.dns_config)
        return;
    const struct dns_lists lists = lists_of(pod, env, is_cluster(pod, annotations, env), arena);
    if (lists.servers_cut)
        ignored_fields_add(ret, arena, "dnsConfig.nameservers (the first %d with the cluster's)",
                           MAX_NAMESERVERS);
    if (lists.searches_cut)
        ignored_fields_add(
            ret, arena, "dnsConfig.searches (the first %d with the cluster's, in %lu characters)",
            MAX_SEARCHES, MAX_SEARCH_TEXT);
}
