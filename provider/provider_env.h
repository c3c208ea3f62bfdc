/* SPDX-License-Identifier: Apache-2.0 */
/* What a translation knows besides the pod: settings of the node, none of the clock or the network.
 */
#pragma once

#include <stdbool.h>

struct provider_env {
    const char *location;
    const char *cluster_id, *node_name;
    const char *subnet_id;      /* NULL: groups have no network of ours */
    bool private_ip;            /* ask for a private address even without a subnet */
    const char *cluster_dns;    /* NULL: groups use Azure's DNS */
    const char *cluster_domain; /* "cluster.local" */
};
