/* SPDX-License-Identifier: Apache-2.0 */
/* A group's DNS settings: what the kubelet would write into resolv.conf. */
#pragma once

#include "base/json_writer.h"
#include "provider/annotations.h"
#include "provider/ignored_fields.h"

/* ACI takes DNS settings for Linux groups in a subnet only. */
bool dns_is_sent(const struct pod_annotations *annotations, const struct provider_env *env,
                 bool windows);
/*
 * Writes "dnsConfig". ClusterFirst (and the policy's absence): the cluster's server and search path
 * with ndots:5 where the node knows a cluster DNS, else Azure's DNS. spec.dnsConfig is merged: each
 * server, domain and option once, of an option the last value, three servers and as many domains as
 * a kubelet takes.
 */
void dns_write(struct json_writer *w, const struct pod *pod,
               const struct pod_annotations *annotations, const struct provider_env *env,
               bool windows);
/* Names what of spec.dnsConfig is cut. */
void dns_name_ignored(const struct pod *pod, const struct pod_annotations *annotations,
                      const struct provider_env *env, bool windows, struct ignored_fields *ret,
                      struct vk_arena *arena);
