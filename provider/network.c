/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/network.h"

#include "base/alloc.h"
#include "base/crypto.h"
#include "base/str.h"
#include "provider/group_sku.h"
#include "provider/ports.h"

#define LABEL_MIN 5
#define LABEL_MAX 63
#define MAX_SUBNETS 64

bool network_is_public(const struct pod_annotations *annotations, const struct provider_env *env)
{
    if (annotations->ip_address)
        return vk_streq(annotations->ip_address, "Public");
    return annotations->dns_name_label && !annotations->subnets && vk_str_empty(env->subnet_id);
}

/* The text of the list of subnets, or NULL. */
static const char *subnets_of(const struct pod_annotations *a, const struct provider_env *env)
{
    if (network_is_public(a, env) || group_sku_is_spot(a))
        return NULL;
    if (a->subnets)
        return a->subnets;
    return vk_str_empty(env->subnet_id) ? NULL : env->subnet_id;
}

bool network_has_subnet(const struct pod_annotations *annotations, const struct provider_env *env)
{
    return subnets_of(annotations, env) != NULL;
}

static bool is_private(const struct pod_annotations *a, const struct provider_env *env)
{
    if (a->ip_address || group_sku_is_spot(a))
        return vk_streq(a->ip_address, "Private");
    return !network_is_public(a, env) && (network_has_subnet(a, env) || env->private_ip);
}

bool network_has_address(const struct group_layout *layout, const struct pod_annotations *a,
                         const struct provider_env *env)
{
    if (network_has_subnet(a, env))
        return true;
    return (network_is_public(a, env) || is_private(a, env)) && ports_count_exposed(layout) > 0;
}

/* ACI: 5 to 63 letters, digits and hyphens, no hyphen at either end. */
static bool is_label(const char *text)
{
    const size_t n = strlen(text);
    return n >= LABEL_MIN && n <= LABEL_MAX && text[0] != '-' && text[n - 1] != '-' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == n;
}

static int refuse(struct vk_err *err, const char *annotation, const char *rule)
{
    return vk_err_set(err, VK_UNSUPPORTED, "metadata.annotations[" ANNOTATION_PREFIX "%s]: %s",
                      annotation, rule);
}

bool network_is_subnet_id(const char *id)
{
    return vk_starts(id, "/subscriptions/") && strstr(id, "/subnets/");
}

static int check_subnets(const char *text, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str rest = vk_str_of(text);
    size_t n = 0;
    for (const char *id = annotation_next(&rest, arena); id; id = annotation_next(&rest, arena)) {
        if (!network_is_subnet_id(id) || ++n > MAX_SUBNETS)
            return refuse(
                err, "subnets",
                "takes resource ids of subnets (/subscriptions/.../subnets/NAME); name at "
                "most 64");
    }
    return text && n == 0 ? refuse(err, "subnets", "names no subnet") : 0;
}

int network_check(const struct group_layout *layout, const struct pod_annotations *a,
                  const struct provider_env *env, struct vk_err *err)
{
    const bool is_public = network_is_public(a, env);
    const size_t ports = ports_count_exposed(layout);
    if (is_public && a->subnets)
        return refuse(err, "ip-address",
                      "a group in a subnet has no public address; remove this or subnets");
    if (is_public && ports == 0)
        return refuse(err, "ip-address",
                      "a public address needs a port; declare those that others connect to");
    if (a->dns_name_label && !is_public)
        return refuse(err, "dns-name-label",
                      "only public addresses have a name in ACI; set " ANNOTATION_PREFIX
                      "ip-address to Public, or remove it");
    if (a->dns_name_label && !is_label(a->dns_name_label))
        return refuse(err, "dns-name-label",
                      "ACI takes 5 to 63 letters, digits and hyphens, no hyphen at either end; "
                      "choose another label");
    if (vk_streq(a->ip_address, "Private") && !network_has_subnet(a, env) && !env->private_ip)
        return refuse(err, "ip-address",
                      "a private address needs a subnet; name one by " ANNOTATION_PREFIX
                      "subnets or --subnet-id");
    if (check_subnets(a->subnets, err) < 0)
        return -(int)err->code;
    if ((is_public || is_private(a, env)) && ports > PORTS_MAX_EXPOSED)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.containers[*].ports: %zu ports, ACI opens %d per address; declare "
                          "only those that others connect to",
                          ports, PORTS_MAX_EXPOSED);
    return 0;
}

static const char *pick_subnet(const char *list, const char *uid, struct vk_arena *arena)
{
    const char *ids[MAX_SUBNETS];
    size_t n = 0;
    struct vk_str rest = vk_str_of(list);
    for (const char *id = annotation_next(&rest, arena); id && n < MAX_SUBNETS;
         id = annotation_next(&rest, arena))
        ids[n++] = id;
    uint8_t hash[32];
    crypto_sha256(uid, strlen(uid), hash);
    return n ? ids[(((unsigned)hash[0] << 8) | hash[1]) % n] : NULL;
}

void network_write(struct json_writer *w, const struct pod *pod, const struct group_layout *layout,
                   const struct pod_annotations *a, const struct provider_env *env)
{
    const bool is_public = network_is_public(a, env);
    if ((is_public || is_private(a, env)) && ports_count_exposed(layout) > 0) {
        json_begin_object(w, "ipAddress");
        json_put_string(w, "type", is_public ? "Public" : "Private");
        ports_write_exposed(w, layout);
        json_put_string_if(w, "dnsNameLabel", a->dns_name_label);
        if (a->dns_name_label)
            json_put_string_if(w, "autoGeneratedDomainNameLabelScope", a->dns_name_label_scope);
        json_end_object(w);
    }
    const char *subnets = subnets_of(a, env);
    if (!subnets)
        return;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    json_begin_array(w, "subnetIds");
    json_begin_object(w, NULL);
    json_put_string(w, "id", pick_subnet(subnets, pod->meta.uid, arena));
    json_end_object(w);
    json_end_array(w);
}
