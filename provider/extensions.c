/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/extensions.h"

#include "aci/monitor_realtime.h"
#include "base/crypto.h"
#include "base/str.h"
#include "provider/group_sku.h"
#include "provider/network.h"

#define DEFAULT_KUBE_VERSION "v1.9.10" /* the one that ACI's extension is known to take */
#define DEFAULT_CLUSTER_CIDR "10.240.0.0/16"
#define KUBECONFIG_MAX_BYTES (256ul << 10)

/* Why a group can't have kube-proxy; NULL when it can. */
static const char *obstacle(const struct pod_annotations *a, const struct provider_env *env,
                            bool windows)
{
    if (!env->settings.kube_proxy_kubeconfig)
        return "this node has no credential for it; set --kube-proxy-kubeconfig, or remove the "
               "annotation";
    if (windows)
        return "ACI has it for Linux groups only; remove it";
    if (group_sku_is_confidential(a))
        return "ACI has none in Confidential groups; remove it";
    if (!network_has_subnet(a, env))
        return "it needs a subnet, from which the cluster can be reached; name one or remove it";
    return NULL;
}

bool extensions_have_kube_proxy(const struct pod_annotations *annotations,
                                const struct provider_env *env)
{
    return annotation_is_true(annotations->kube_proxy, env->settings.kube_proxy_kubeconfig != NULL);
}

int extensions_check(const struct pod_annotations *annotations, const struct provider_env *env,
                     bool windows, struct vk_err *err)
{
    const char *why = obstacle(annotations, env, windows);
    if (!why || !annotation_is_true(annotations->kube_proxy, false))
        return 0;
    return vk_err_set(err, VK_UNSUPPORTED,
                      "metadata.annotations[" ANNOTATION_PREFIX "kube-proxy]: %s", why);
}

/* It answers inside the group's network, where it is asked from this process. */
static bool have_realtime_metrics(const struct pod_annotations *a, const struct provider_env *env,
                                  bool windows)
{
    return env->realtime_metrics && !windows && !group_sku_is_confidential(a) &&
           (network_has_subnet(a, env) || env->private_ip);
}

static void write_kube_proxy(struct json_writer *w, const struct group_settings *s)
{
    struct vk_buf kubeconfig;
    vk_buf_init_secret(&kubeconfig, KUBECONFIG_MAX_BYTES);
    crypto_base64(vk_secret_reveal(s->kube_proxy_kubeconfig), &kubeconfig);
    json_begin_object(w, NULL);
    json_put_string(w, "name", "kube-proxy");
    json_begin_object(w, "properties");
    json_put_string(w, "extensionType", "kube-proxy");
    json_put_string(w, "version", "1.0");
    json_begin_object(w, "settings");
    json_put_string(w, "clusterCidr",
                    vk_str_empty(s->kube_proxy_cluster_cidr) ? DEFAULT_CLUSTER_CIDR
                                                             : s->kube_proxy_cluster_cidr);
    json_put_string(w, "kubeVersion",
                    vk_str_empty(s->kube_proxy_version) ? DEFAULT_KUBE_VERSION
                                                        : s->kube_proxy_version);
    json_end_object(w);
    json_begin_object(w, "protectedSettings");
    json_put_str(w, "kubeConfig", vk_buf_str(&kubeconfig));
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
    vk_buf_release_secret(&kubeconfig);
}

void extensions_write(struct json_writer *w, const struct pod_annotations *annotations,
                      const struct provider_env *env, bool windows)
{
    const bool kube_proxy =
        extensions_have_kube_proxy(annotations, env) && !obstacle(annotations, env, windows);
    const bool realtime = have_realtime_metrics(annotations, env, windows);
    if (!kube_proxy && !realtime)
        return;
    json_begin_array(w, "extensions");
    if (kube_proxy)
        write_kube_proxy(w, &env->settings);
    if (realtime)
        monitor_realtime_write(w);
    json_end_array(w);
}
