/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/dns.h"

#include "base/str.h"
#include "provider/network.h"

/* Azure's own resolver, which every group has. */
#define AZURE_DNS "168.63.129.16"
/* Kubernetes: at most 3 servers, 32 search domains of 2,048 characters in all. */
#define MAX_NAMESERVERS 3
#define MAX_TEXT 2560ul

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

static bool has_option(const struct pod_dns_config *config, const char *name)
{
    const struct dns_option *options = config ? config->options.v : NULL;
    for (size_t i = 0; config && i < config->options.n; i++) {
        if (vk_streq(options[i].name, name))
            return true;
    }
    return false;
}

static void write_options(struct json_writer *w, const struct pod_dns_config *config, bool cluster)
{
    struct vk_buf text;
    vk_buf_init(&text, MAX_TEXT);
    if (cluster && !has_option(config, "ndots"))
        add_word(&text, "ndots:5");
    const struct dns_option *options = config ? config->options.v : NULL;
    for (size_t i = 0; config && i < config->options.n; i++) {
        add_word(&text, options[i].name);
        if (!vk_str_empty(options[i].value))
            vk_buf_printf(&text, ":%s", options[i].value);
    }
    if (vk_buf_len(&text))
        json_put_str(w, "options", vk_buf_str(&text));
    vk_buf_release(&text);
}

static void write_searches(struct json_writer *w, const struct pod *pod,
                           const struct provider_env *env, bool cluster)
{
    const struct pod_dns_config *config = pod->spec.dns_config;
    struct vk_buf text;
    vk_buf_init(&text, 2 * MAX_TEXT);
    if (cluster) {
        vk_buf_printf(&text, "%s.svc.%s svc.%s %s", pod->meta.namespace_, env->cluster_domain,
                      env->cluster_domain, env->cluster_domain);
    }
    for (size_t i = 0; config && i < config->searches.n; i++)
        add_word(&text, config->searches.v[i]);
    if (vk_buf_len(&text))
        json_put_str(w, "searchDomains", vk_buf_str(&text));
    vk_buf_release(&text);
}

static void write_nameservers(struct json_writer *w, const struct pod_dns_config *config,
                              const char *first)
{
    size_t n = 0;
    json_begin_array(w, "nameServers");
    if (first && n++ < MAX_NAMESERVERS)
        json_put_string(w, NULL, first);
    for (size_t i = 0; config && i < config->nameservers.n; i++) {
        if (!vk_streq(config->nameservers.v[i], first) && n++ < MAX_NAMESERVERS)
            json_put_string(w, NULL, config->nameservers.v[i]);
    }
    if (n == 0)
        json_put_string(w, NULL, AZURE_DNS);
    json_end_array(w);
}

void dns_write(struct json_writer *w, const struct pod *pod,
               const struct pod_annotations *annotations, const struct provider_env *env,
               bool windows)
{
    if (!dns_is_sent(annotations, env, windows))
        return;
    const struct pod_dns_config *config = pod->spec.dns_config;
    const char *policy = pod->spec.dns_policy;
    const bool none = vk_streq(policy, "None");
    const bool cluster = !none && !vk_streq(policy, "Default") && !vk_str_empty(env->cluster_dns) &&
                         annotation_is_true(annotations->cluster_dns, true);
    if (!cluster && !config)
        return;
    json_begin_object(w, "dnsConfig");
    write_nameservers(w, config, cluster ? env->cluster_dns : NULL);
    write_searches(w, pod, env, cluster);
    write_options(w, config, cluster);
    json_end_object(w);
}
