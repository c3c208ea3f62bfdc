/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/annotations.h"

#include "base/alloc.h"
#include "base/str.h"

#define V1_PREFIX "virtual-kubelet.io/"
#define V2_PREFIX "microsoft.containerinstance.virtualnode."
#define AT(member) .offset = offsetof(struct pod_annotations, member)

const struct annotation_def annotation_defs[] = {
    {.name = "ip-address",
     AT(ip_address),
     .value = "`Private`, `Public` or `None`",
     .help = "the group's address. `Public` takes the group out of the subnet; without this "
             "annotation no group has a public address"},
    {.name = "dns-name-label",
     AT(dns_name_label),
     .v1 = "virtualkubelet.io/dnsnamelabel",
     .value = "5 to 63 letters, digits and hyphens",
     .help = "name of a public address: `<label>.<region>.azurecontainer.io`; asks for one where "
             "the node has no subnet"},
    {.name = "dns-name-label-scope",
     AT(dns_name_label_scope),
     .value = "`Unsecure`, `TenantReuse`, `SubscriptionReuse`, `ResourceGroupReuse` or `Noreuse`",
     .help = "who may take the label after this group"},
    {.name = "subnets",
     AT(subnets),
     .v2 = V2_PREFIX "subnets.primary",
     .value = "resource ids, separated by commas",
     .help = "subnets instead of the node's; of several the pod's UID picks one"},
    {.name = "zones",
     AT(zones),
     .v2 = V2_PREFIX "zones",
     .value = "one zone, as `1`",
     .help = "availability zone"},
    {.name = "priority",
     AT(priority),
     .value = "`Regular` or `Spot`",
     .help = "Spot groups cost less, have no address and may be evicted"},
    {.name = "sku",
     AT(sku),
     .v1 = V1_PREFIX "container-sku",
     .value = "`Standard`, `Dedicated` or `Confidential`",
     .help = "kind of machine; `securityContext` is sent to Confidential groups"},
    {.name = "cce-policy",
     AT(cce_policy),
     .v1 = V1_PREFIX "confidential-compute-cce-policy",
     .v2 = V2_PREFIX "ccepolicy",
     .value = "base64, at most 120 KB",
     .help = "policy of a Confidential group, which it implies"},
    {.name = "identity",
     AT(identity),
     .v2 = V2_PREFIX "identity",
     .value = "resource ids and `system`, separated by commas",
     .help = "managed identities that the containers can use"},
    {.name = "pull-identity",
     AT(pull_identity),
     .value = "a resource id",
     .help = "managed identity that pulls from Azure container registries for which the pod has "
             "no pull secret"},
    {.name = "key-vault-identity",
     AT(key_vault_identity),
     .value = "a resource id",
     .help = "managed identity that reads the Key Vault secrets below"},
    {.name = "key-vault-env",
     AT(key_vault_env),
     .value = "`NAME=URI`, `CONTAINER/NAME=URI`, separated by commas",
     .help = "environment variables that ACI fills from Key Vault; needs API version 2025-09-01"},
    {.name = "key-vault-files",
     AT(key_vault_files),
     .value = "`VOLUME/FILE=URI`, separated by commas",
     .help = "files in an emptyDir volume of the pod, which becomes a volume of secrets; needs API "
             "version 2025-09-01"},
    {.name = "cmk-vault-base-url",
     AT(cmk_vault_base_url),
     .v2 = V2_PREFIX "cmk.vaultbaseurl",
     .value = "a URL",
     .help = "Key Vault of the customer key that encrypts the group's data"},
    {.name = "cmk-key-name",
     AT(cmk_key_name),
     .v2 = V2_PREFIX "cmk.keyname",
     .value = "a name",
     .help = "its key"},
    {.name = "cmk-key-version",
     AT(cmk_key_version),
     .v2 = V2_PREFIX "cmk.keyversion",
     .value = "a version",
     .help = "the key's version"},
    {.name = "cmk-identity",
     AT(cmk_identity),
     .v2 = V2_PREFIX "cmk.identity",
     .value = "a resource id",
     .help = "managed identity that may use the key"},
    {.name = "log-analytics",
     AT(log_analytics),
     .value = "`off`, `ContainerInsights` or `ContainerInstanceLogs`",
     .help = "what goes to the workspace of `--log-analytics-id`"},
    {.name = "tags",
     AT(tags),
     .v2 = V2_PREFIX "customtags",
     .value = "`NAME=VALUE`, separated by commas",
     .help = "tags of the group, besides those of this program"},
    {.name = "kube-proxy",
     AT(kube_proxy),
     .v2 = V2_PREFIX "injectkubeproxy",
     .value = "`true` or `false`",
     .help = "Service addresses inside the group; needs `--kube-proxy-kubeconfig`, which makes "
             "`true` the default"},
    {.name = "cluster-dns",
     AT(cluster_dns),
     .v2 = V2_PREFIX "injectdns",
     .value = "`true` or `false`",
     .help = "`false` leaves a pod of dnsPolicy ClusterFirst with Azure's DNS"},
    {.name = "start-wrapper",
     AT(start_wrapper),
     .value = "`true` or `false`",
     .help = "starts containers through `/bin/sh` where that alone can honour a field "
             "(hostAliases, status.podIP in the environment); the image needs a shell, and root "
             "for hostAliases; to a later exec the variable shows `@status.podIP@`"},
    {.name = "sub-path-files",
     AT(sub_path_files),
     .value = "`directory`",
     .help = "a file mounted by subPath becomes a volume over its whole directory, which hides "
             "what the image has there"},
    {.name = "billed-size",
     AT(billed_size),
     .value = "as `1.5 CPU and 2 GB`",
     .help = "written by aci-kubelet: what the running group is billed for"},
    {.name = "token-expiry",
     AT(token_expiry),
     .value = "a time",
     .help = "written by aci-kubelet: when the first of the pod's tokens expires, which nothing "
             "renews"},
    {.name = "made-again",
     AT(made_again),
     .value = "a time",
     .help = "written by aci-kubelet: when the pod's group, which had vanished, was last made "
             "anew"},
};
const size_t annotation_count = VK_COUNT(annotation_defs);

static const char **slot(struct pod_annotations *a, const struct annotation_def *def)
{
    return (const char **)(void *)((char *)a + def->offset);
}

static const char *find(const struct pod *pod, const struct annotation_def *def)
{
    char name[128];
    (void)snprintf(name, sizeof(name), ANNOTATION_PREFIX "%s", def->name);
    const char *text = pairs_get(&pod->meta.annotations, name);
    if (!text && def->v2)
        text = pairs_get(&pod->meta.annotations, def->v2);
    if (!text && def->v1)
        text = pairs_get(&pod->meta.annotations, def->v1);
    return vk_str_empty(text) ? NULL : text;
}

static bool is_denied(const struct provider_env *env, const char *name)
{
    for (size_t i = 0; i < env->settings.denied_annotations.n; i++) {
        if (vk_streq(env->settings.denied_annotations.v[i], name))
            return true;
    }
    return false;
}

static int check_choices(const struct pod_annotations *a, struct vk_err *err)
{
    const struct {
        const char *name, *text, *choices[6];
    } rules[] = {
        {"ip-address", a->ip_address, {"Private", "Public", "None"}},
        {"dns-name-label-scope",
         a->dns_name_label_scope,
         {"Unsecure", "TenantReuse", "SubscriptionReuse", "ResourceGroupReuse", "Noreuse"}},
        {"priority", a->priority, {"Regular", "Spot"}},
        {"sku", a->sku, {"Standard", "Dedicated", "Confidential"}},
        {"log-analytics", a->log_analytics, {"off", "ContainerInsights", "ContainerInstanceLogs"}},
        {"kube-proxy", a->kube_proxy, {"true", "false"}},
        {"cluster-dns", a->cluster_dns, {"true", "false"}},
        {"start-wrapper", a->start_wrapper, {"true", "false"}},
        {"sub-path-files", a->sub_path_files, {"directory"}},
    };
    for (size_t i = 0; i < VK_COUNT(rules); i++) {
        bool good = !rules[i].text;
        for (size_t k = 0; !good && rules[i].choices[k]; k++)
            good = vk_streq(rules[i].text, rules[i].choices[k]);
        if (!good)
            return vk_err_set(err, VK_INVALID,
                              "metadata.annotations[" ANNOTATION_PREFIX
                              "%s]: \"%.60s\" is none of its values, as %s",
                              rules[i].name, rules[i].text, rules[i].choices[0]);
    }
    return 0;
}

int annotations_read(const struct pod *pod, const struct provider_env *env,
                     struct pod_annotations *ret, struct vk_err *err)
{
    struct pod_annotations out = {0};
    for (size_t i = 0; i < annotation_count; i++) {
        const struct annotation_def *def = &annotation_defs[i];
        const char *text = find(pod, def);
        if (text && is_denied(env, def->name))
            return vk_err_set(err, VK_UNSUPPORTED,
                              "metadata.annotations[" ANNOTATION_PREFIX
                              "%s]: this node denies it (--deny-annotations); remove it or ask "
                              "who runs the node",
                              def->name);
        *slot(&out, def) = text;
    }
    if (check_choices(&out, err) < 0)
        return -(int)err->code;
    *ret = out;
    return 0;
}

static bool is_known(const char *key)
{
    for (size_t i = 0; i < annotation_count; i++) {
        const struct annotation_def *def = &annotation_defs[i];
        if (vk_streq(key, def->v1) || vk_streq(key, def->v2))
            return true;
        if (vk_starts(key, ANNOTATION_PREFIX) &&
            vk_streq(key + strlen(ANNOTATION_PREFIX), def->name))
            return true;
    }
    return false;
}

void annotations_name_unknown(const struct pod *pod, struct ignored_fields *ret,
                              struct vk_arena *arena)
{
    for (size_t i = 0; i < pod->meta.annotations.n; i++) {
        const char *key = pod->meta.annotations.v[i].key;
        const bool ours = vk_starts(key, ANNOTATION_PREFIX) || vk_starts(key, V1_PREFIX) ||
                          vk_starts(key, "virtualkubelet.io/") || vk_starts(key, V2_PREFIX);
        if (ours && !is_known(key))
            ignored_fields_add(ret, arena, "metadata.annotations[%s]", key);
    }
}

bool annotation_is_true(const char *text, bool fallback)
{
    return text ? vk_streq(text, "true") : fallback;
}

const char *annotation_next(struct vk_str *rest, struct vk_arena *arena)
{
    while (rest->n > 0) {
        size_t n = 0;
        while (n < rest->n && rest->p[n] != ',' && rest->p[n] != ';')
            n++;
        const struct vk_str element = vk_str_trim((struct vk_str){.p = rest->p, .n = n});
        const size_t used = n < rest->n ? n + 1 : n;
        rest->p += used;
        rest->n -= used;
        if (element.n > 0)
            return vk_arena_str(arena, element);
    }
    return NULL;
}

bool annotation_split(const char *element, struct vk_arena *arena, const char **ret_key,
                      const char **ret_value)
{
    const char *equals = strchr(element, '=');
    if (!equals || equals == element)
        return false;
    const struct vk_str key = {.p = element, .n = (size_t)(equals - element)};
    *ret_key = vk_arena_str(arena, vk_str_trim(key));
    *ret_value = vk_arena_str(arena, vk_str_trim(vk_str_of(equals + 1)));
    return true;
}

void annotations_markdown(FILE *to)
{
    (void)fprintf(to, "| annotation | also read | value | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < annotation_count; i++) {
        const struct annotation_def *def = &annotation_defs[i];
        const char *both = def->v1 && def->v2 ? "`, `" : "";
        const char *tick = def->v1 || def->v2 ? "`" : "";
        (void)fprintf(to, "| `%s` | %s%s%s%s%s | %s | %s |\n", def->name, tick,
                      def->v1 ? def->v1 : "", both, def->v2 ? def->v2 : "", tick, def->value,
                      def->help);
    }
}
