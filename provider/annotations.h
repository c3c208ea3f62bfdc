/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod asks of ACI beyond its spec, by annotations under one prefix. Those of AKS virtual
 * nodes (azure-aci) and of Microsoft's virtual nodes v2 are read where ours is absent. Pure.
 */
#pragma once

#include <stdio.h>

#include "kubelet/api/resolved_pod.h"
#include "provider/ignored_fields.h"
#include "provider/provider_env.h"

#define ANNOTATION_PREFIX "aci-kubelet.io/"

/* One row of the documented table. */
struct annotation_def {
    const char *name;  /* without the prefix */
    const char *v1;    /* whole name of azure-aci, or NULL */
    const char *v2;    /* whole name of virtual nodes v2, or NULL */
    const char *value; /* what it may say */
    const char *help;  /* what it does in the group */
    size_t offset;     /* into struct pod_annotations: const char * */
};
extern const struct annotation_def annotation_defs[];
extern const size_t annotation_count;

/* NULL where absent; text as the pod has it. */
struct pod_annotations {
    const char *ip_address, *dns_name_label, *dns_name_label_scope, *subnets;
    const char *zones, *priority, *sku, *cce_policy;
    const char *identity, *pull_identity;
    const char *key_vault_identity, *key_vault_env, *key_vault_files;
    const char *cmk_vault_base_url, *cmk_key_name, *cmk_key_version, *cmk_identity;
    const char *log_analytics, *tags, *kube_proxy, *cluster_dns;
    const char *start_wrapper, *sub_path_files;
    const char *billed_size, *token_expiry, *made_again; /* ours to write: they count for nothing */
};

/*
 * Errors: VK_UNSUPPORTED for an annotation that the node's settings deny, VK_INVALID for a bad
 * "true" or "false".
 */
VK_MUST_CHECK int annotations_read(const struct pod *pod, const struct provider_env *env,
                                   struct pod_annotations *ret, struct vk_err *err);
/* Names those of our prefix and of the others that mean nothing here. */
void annotations_name_unknown(const struct pod *pod, struct ignored_fields *ret,
                              struct vk_arena *arena);
/* "true"; an absent one is the fallback. */
bool annotation_is_true(const char *text, bool fallback);

/*
 * Walks a list separated by commas or semicolons: the next element without blanks around it, NULL
 * at the end. *rest begins as the text (NULL is fine).
 */
const char *annotation_next(struct vk_str *rest, struct vk_arena *arena);
/* "key=value" of an element; false where there is no '=' or no key. */
bool annotation_split(const char *element, struct vk_arena *arena, const char **ret_key,
                      const char **ret_value);

/* The README's table. */
void annotations_markdown(FILE *to);
