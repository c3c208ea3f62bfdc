/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/group_sku.h"

#include "base/alloc.h"
#include "base/str.h"

#define MAX_CCE_POLICY (120u << 10)

bool group_sku_is_confidential(const struct pod_annotations *annotations)
{
    return annotations->cce_policy || vk_streq(annotations->sku, "Confidential");
}

bool group_sku_is_spot(const struct pod_annotations *annotations)
{
    return vk_streq(annotations->priority, "Spot");
}

static int refuse(struct vk_err *err, const char *annotation, const char *rule)
{
    return vk_err_set(err, VK_UNSUPPORTED, "metadata.annotations[" ANNOTATION_PREFIX "%s]: %s",
                      annotation, rule);
}

static bool is_base64(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") ==
           strlen(text);
}

static int check_encryption(const struct pod_annotations *a, struct vk_err *err)
{
    const bool any = a->cmk_vault_base_url || a->cmk_key_name || a->cmk_key_version;
    const bool all = a->cmk_vault_base_url && a->cmk_key_name && a->cmk_key_version;
    if ((any || a->cmk_identity) && !all)
        return refuse(err, "cmk-key-name",
                      "a customer key needs cmk-vault-base-url, cmk-key-name and cmk-key-version; "
                      "set all three");
    if (any && !vk_starts(a->cmk_vault_base_url, "https://"))
        return refuse(err, "cmk-vault-base-url", "is no https URL");
    return 0;
}

static int check_zone(const struct pod_annotations *a, struct vk_err *err)
{
    if (a->zones && strlen(a->zones) != strspn(a->zones, "0123456789"))
        return refuse(err, "zones",
                      "ACI takes one zone, as \"1\"; spread pods by several "
                      "Deployments");
    return 0;
}

int group_sku_check(const struct pod_annotations *a, bool windows, struct vk_err *err)
{
    const bool confidential = group_sku_is_confidential(a);
    const bool other_sku = a->sku && !vk_streq(a->sku, "Standard");
    const struct {
        bool bad;
        const char *annotation, *rule;
    } rules[] = {
        {a->cce_policy && other_sku && !vk_streq(a->sku, "Confidential"), "cce-policy",
         "only Confidential groups have a policy; remove it or aci-kubelet.io/sku"},
        {a->cce_policy && strlen(a->cce_policy) > MAX_CCE_POLICY, "cce-policy",
         "has more than 120 KB, the most that ACI takes"},
        {a->cce_policy && !is_base64(a->cce_policy), "cce-policy", "is no base64; encode it"},
        {confidential && windows, "sku", "ACI has Confidential groups on Linux only"},
        {group_sku_is_spot(a) && (confidential || other_sku), "priority",
         "ACI has Spot groups of the Standard SKU only; remove aci-kubelet.io/sku"},
        {group_sku_is_spot(a) && a->zones, "priority",
         "ACI has no zones for Spot groups; remove the annotation zones"},
        {group_sku_is_spot(a) && (a->dns_name_label || vk_streq(a->ip_address, "Public") ||
                                  vk_streq(a->ip_address, "Private")),
         "priority", "a Spot group has no address; remove the annotations of the address"},
        {group_sku_is_spot(a) && a->subnets, "priority",
         "ACI has no Spot groups in subnets; remove the annotation subnets"},
    };
    for (size_t i = 0; i < VK_COUNT(rules); i++) {
        if (rules[i].bad)
            return refuse(err, rules[i].annotation, rules[i].rule);
    }
    if (check_zone(a, err) < 0 || check_encryption(a, err) < 0)
        return -(int)err->code;
    return 0;
}

void group_sku_write_zones(struct json_writer *w, const struct pod_annotations *annotations)
{
    if (!annotations->zones)
        return;
    json_begin_array(w, "zones");
    json_put_string(w, NULL, annotations->zones);
    json_end_array(w);
}

void group_sku_write(struct json_writer *w, const struct pod_annotations *a)
{
    json_put_string(w, "sku",
                    group_sku_is_confidential(a) ? "Confidential"
                    : a->sku                     ? a->sku
                                                 : "Standard");
    json_put_string_if(w, "priority", a->priority);
    if (a->cce_policy) {
        json_begin_object(w, "confidentialComputeProperties");
        json_put_string(w, "ccePolicy", a->cce_policy);
        json_end_object(w);
    }
    if (a->cmk_vault_base_url) {
        json_begin_object(w, "encryptionProperties");
        json_put_string(w, "vaultBaseUrl", a->cmk_vault_base_url);
        json_put_string(w, "keyName", a->cmk_key_name);
        json_put_string(w, "keyVersion", a->cmk_key_version);
        json_put_string_if(w, "identity", a->cmk_identity);
        json_end_object(w);
    }
}
