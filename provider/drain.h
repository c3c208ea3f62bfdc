/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aci-kubelet drain`: takes the virtual node out of the cluster, pods and container groups first.
 * Exit codes beside those of subcommand.h: 3 not done within --timeout, 4 pods that no controller
 * makes anew and no --force.
 */
#pragma once

#include "provider/subcommand.h"

extern const struct subcommand drain_subcommand;
