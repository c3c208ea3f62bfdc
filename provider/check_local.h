/* SPDX-License-Identifier: Apache-2.0 */
/* What of this machine `aci-kubelet check` looks at: files, the kubelet port, the node's address.
 */
#pragma once

#include "base/finding.h"

struct aci_kubelet_options;

/* Those that the options name can be read, and the certificates of the kubelet port be used. */
void check_local_files(const struct aci_kubelet_options *o, finding_fn found, void *user);
/* Tries to listen there, and stops at once. */
void check_local_port(const char *address, int port, finding_fn found, void *user);
/* node_ip: "" when it was not given. */
void check_local_address(const char *node_ip, finding_fn found, void *user);
