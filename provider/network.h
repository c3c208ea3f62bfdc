/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group's address, subnet and DNS. No public address: a group is reachable inside its subnet
 * only.
 */
#pragma once

#include "base/json_writer.h"
#include "kubelet/api/resolved_pod.h"
#include "provider/provider_env.h"

/*
 * ipAddress is Private where there is a subnet (or the environment says so) and a port to list: ACI
 * refuses an ipAddress without ports, and gives a group in a subnet its address all the same.
 */
void network_write(struct json_writer *w, const struct resolved_pod *pod,
                   const struct provider_env *env);
/*
 * dnsConfig as the kubelet would write resolv.conf. ClusterFirst (and the policy's absence): the
 * cluster's server and search path with ndots:5 where the node knows a cluster DNS, else Azure's
 * DNS. spec.dnsConfig is merged. Sent only into subnets; others have no DNS settings in ACI.
 */
void network_write_dns(struct json_writer *w, const struct resolved_pod *pod,
                       const struct provider_env *env);
