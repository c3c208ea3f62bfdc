/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What single options may say. A value that the API server or Azure would refuse is told at the
 * start, and by `aci-kubelet check`, instead of later and again and again.
 */
#include <arpa/inet.h>

#include "base/alloc.h"
#include "base/url.h"
#include "kubelet/api/label_list.h"
#include "kubelet/api/quantity.h"
#include "kubelet/client/leader_state.h"
#include "kubelet/pods/service_environment.h"
#include "provider/annotations.h"
#include "provider/metrics.h"
#include "provider/network.h"
#include "provider/options.h"
#include "provider/registry_client.h"

/* The node's name becomes the value of the label kubernetes.io/hostname. */
#define MAX_NODE_NAME 63

static int check_node_name(const struct aci_kubelet_options *o, struct vk_arena *arena,
                           struct vk_err *err)
{
    (void)arena;
    if (vk_str_empty(o->nodename) ||
        (label_is_subdomain(vk_str_of(o->nodename)) && strlen(o->nodename) <= MAX_NODE_NAME))
        return 0;
    return vk_err_set(err, VK_INVALID,
                      "--nodename '%.80s': expected lower-case letters, digits, '-' and '.', at "
                      "most %d of them, which begin and end with a letter or digit",
                      o->nodename, MAX_NODE_NAME);
}

static int check_taint(const struct aci_kubelet_options *o, struct vk_arena *arena,
                       struct vk_err *err)
{
    (void)arena;
    if (o->disable_taint)
        return 0;
    if (!label_is_key(vk_str_of(o->taint_key)))
        return vk_err_set(err, VK_INVALID,
                          "--taint-key '%.80s': expected a key like virtual-kubelet.io/provider",
                          o->taint_key);
    if (!vk_str_empty(o->taint_value) && !label_is_value(vk_str_of(o->taint_value)))
        return vk_err_set(err, VK_INVALID,
                          "--taint-value '%.80s': expected at most 63 letters, digits, '-', '_' "
                          "and '.'",
                          o->taint_value);
    return 0;
}

static int check_labels(const struct aci_kubelet_options *o, struct vk_arena *arena,
                        struct vk_err *err)
{
    struct json_pairs labels;

    return aci_kubelet_options_labels(o, arena, &labels, err);
}

static int check_cpu(const struct aci_kubelet_options *o, struct vk_arena *arena,
                     struct vk_err *err)
{
    int64_t n;

    (void)arena;
    if (quantity_milli(o->cpu, &n) && n > 0)
        return 0;
    return vk_err_set(err, VK_INVALID, "--cpu '%s': expected a quantity like 100 or 500m", o->cpu);
}

static int check_memory(const struct aci_kubelet_options *o, struct vk_arena *arena,
                        struct vk_err *err)
{
    int64_t n;

    (void)arena;
    if (quantity_value(o->memory, &n) && n > 0)
        return 0;
    return vk_err_set(err, VK_INVALID, "--memory '%s': expected a quantity like 512Gi", o->memory);
}

static int check_leader_election(const struct aci_kubelet_options *o, struct vk_arena *arena,
                                 struct vk_err *err)
{
    const struct leader_timing timing = {o->lease_duration_ms, o->renew_deadline_ms,
                                         o->retry_period_ms};

    (void)arena;
    if (o->leader_elect && leader_timing_check(&timing, err) < 0)
        return vk_err_wrap(err, "--leader-elect");
    return 0;
}

/* ---- addresses ---- */

static int family_of(const char *text)
{
    struct in6_addr address;

    return inet_pton(AF_INET, text, &address) == 1    ? AF_INET
           : inet_pton(AF_INET6, text, &address) == 1 ? AF_INET6
                                                      : 0;
}

/* The API server takes nothing else as a node's InternalIP, nor a resolver as a name server. */
static int check_ip(const char *option, const char *text, struct vk_err *err)
{
    if (vk_str_empty(text) || family_of(text))
        return 0;
    return vk_err_set(err, VK_INVALID, "--%s '%.80s': expected an IP address like 10.0.0.7", option,
                      text);
}

static bool is_cidr(struct vk_str one, struct vk_arena *arena)
{
    struct vk_str bits;
    const int family = family_of(vk_arena_str(arena, vk_str_cut(one, '/', &bits)));
    int64_t n;

    return family && vk_str_int64(bits, 0, family == AF_INET ? 32 : 128, &n);
}

static int check_node_ip(const struct aci_kubelet_options *o, struct vk_arena *arena,
                         struct vk_err *err)
{
    (void)arena;
    return check_ip("node-ip", o->node_ip, err);
}

static int check_cluster_dns(const struct aci_kubelet_options *o, struct vk_arena *arena,
                             struct vk_err *err)
{
    (void)arena;
    return check_ip("cluster-dns", o->cluster_dns, err);
}

/* As kube-proxy takes it: one, or one of each family. */
static int check_cluster_cidr(const struct aci_kubelet_options *o, struct vk_arena *arena,
                              struct vk_err *err)
{
    struct vk_str rest = vk_str_of(o->cluster_cidr);

    if (vk_str_empty(o->kube_proxy_kubeconfig))
        return 0;
    do {
        if (!is_cidr(vk_str_cut(rest, ',', &rest), arena))
            return vk_err_set(err, VK_INVALID,
                              "--cluster-cidr '%.80s': expected a range like 10.240.0.0/16",
                              o->cluster_cidr);
    } while (rest.p);
    return 0;
}

static int check_cluster_domain(const struct aci_kubelet_options *o, struct vk_arena *arena,
                                struct vk_err *err)
{
    (void)arena;
    if (label_is_subdomain(vk_str_of(o->cluster_domain)))
        return 0;
    return vk_err_set(err, VK_INVALID,
                      "--cluster-domain '%.80s': expected a domain like cluster.local",
                      o->cluster_domain);
}

static int check_endpoint(const char *option, const char *text, struct vk_arena *arena,
                          struct vk_err *err)
{
    struct url url;

    if (vk_str_empty(text) || (url_parse(text, arena, &url, err) == 0 &&
                               (vk_streq(url.scheme, "https") || vk_streq(url.scheme, "http"))))
        return 0;
    return vk_err_set(err, VK_INVALID, "--%s '%.200s': expected a URL like https://HOST", option,
                      text);
}

static int check_arm(const struct aci_kubelet_options *o, struct vk_arena *arena,
                     struct vk_err *err)
{
    return check_endpoint("arm-endpoint", o->arm_endpoint, arena, err);
}

static int check_authority(const struct aci_kubelet_options *o, struct vk_arena *arena,
                           struct vk_err *err)
{
    return check_endpoint("authority-host", o->authority_host, arena, err);
}

static int check_imds(const struct aci_kubelet_options *o, struct vk_arena *arena,
                      struct vk_err *err)
{
    return check_endpoint("imds-endpoint", o->imds_endpoint, arena, err);
}

static int check_pod_api_server(const struct aci_kubelet_options *o, struct vk_arena *arena,
                                struct vk_err *err)
{
    struct pod_api_server api_server;

    if (!vk_str_empty(o->pod_api_server) &&
        service_environment_address(o->pod_api_server, arena, &api_server, err) < 0)
        return vk_err_wrap(err, "--pod-api-server");
    return 0;
}

/* ---- container groups ---- */

static bool is_annotation(const char *name)
{
    for (size_t i = 0; i < annotation_count; i++)
        if (vk_streq(annotation_defs[i].name, name))
            return true;
    return false;
}

static int check_tag_labels(const struct aci_kubelet_options *o, struct vk_arena *arena,
                            struct vk_err *err)
{
    (void)arena;
    for (size_t i = 0; i < o->tag_labels.n; i++)
        if (!label_is_key(vk_str_of(o->tag_labels.v[i])))
            return vk_err_set(err, VK_INVALID,
                              "--tag-labels '%.80s': expected keys of labels, separated by commas",
                              o->tag_labels.v[i]);
    return 0;
}

static int check_denied(const struct aci_kubelet_options *o, struct vk_arena *arena,
                        struct vk_err *err)
{
    (void)arena;
    for (size_t i = 0; i < o->deny_annotations.n; i++)
        if (!is_annotation(o->deny_annotations.v[i]))
            return vk_err_set(
                err, VK_INVALID,
                "--deny-annotations '%.80s': there is none of that name; `aci-kubelet "
                "translate --annotations` lists them",
                o->deny_annotations.v[i]);
    return 0;
}

static int check_mirrors(const struct aci_kubelet_options *o, struct vk_arena *arena,
                         struct vk_err *err)
{
    (void)arena;
    for (size_t i = 0; i < o->registry_mirrors.n; i++)
        if (registry_mirror_check(o->registry_mirrors.v[i], err) < 0)
            return vk_err_wrap(err, "--registry-mirrors");
    return 0;
}

static int check_subnets(const struct aci_kubelet_options *o, struct vk_arena *arena,
                         struct vk_err *err)
{
    struct vk_str rest = vk_str_of(o->subnet_id);

    while (rest.n) {
        const char *id = vk_arena_str(arena, vk_str_trim(vk_str_cut(rest, ',', &rest)));

        if (*id && !network_is_subnet_id(id))
            return vk_err_set(err, VK_INVALID,
                              "--subnet-id '%.200s': expected what `az network vnet subnet show "
                              "--query id` prints",
                              id);
    }
    return 0;
}

static int check_log_analytics(const struct aci_kubelet_options *o, struct vk_arena *arena,
                               struct vk_err *err)
{
    (void)arena;
    if (vk_str_empty(o->log_analytics_id) == vk_str_empty(o->log_analytics_key))
        return 0;
    return vk_err_set(err, VK_INVALID,
                      "--log-analytics-id and --log-analytics-key belong together: give both");
}

static int check_limits(const struct aci_kubelet_options *o, struct vk_arena *arena,
                        struct vk_err *err)
{
    struct throttle_limits limits;

    (void)arena;
    return aci_kubelet_options_limits(o, &limits, err);
}

static int check_prices(const struct aci_kubelet_options *o, struct vk_arena *arena,
                        struct vk_err *err)
{
    struct metrics_prices prices;

    (void)arena;
    if (metrics_prices_parse(o->prices, &prices, err) < 0)
        return vk_err_wrap(err, "--prices");
    return 0;
}

/* ---- all of them ---- */

size_t aci_kubelet_options_check(const struct aci_kubelet_options *o, struct vk_arena *arena,
                                 option_fault_fn tell, void *user)
{
    static int (*const rules[])(const struct aci_kubelet_options *, struct vk_arena *,
                                struct vk_err *) = {
        check_node_name,   check_taint,          check_labels,          check_cpu,
        check_memory,      check_node_ip,        check_leader_election, check_arm,
        check_authority,   check_imds,           check_limits,          check_subnets,
        check_cluster_dns, check_cluster_domain, check_cluster_cidr,    check_pod_api_server,
        check_tag_labels,  check_denied,         check_mirrors,         check_log_analytics,
        check_prices,
    };
    struct vk_err err;
    size_t faults = 0;

    for (size_t i = 0; i < VK_COUNT(rules); i++)
        if (rules[i](o, arena, &err) < 0) {
            tell(user, &err);
            faults++;
        }
    return faults;
}
