/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aci-kubelet check`: looks at the cluster, at Azure and at this machine before aci-kubelet runs,
 * changes nothing, and says what is wrong and what to do. Exit codes: those of subcommand.h, 1 when
 * a check failed.
 */
#pragma once

#include "provider/subcommand.h"

extern const struct subcommand check_subcommand;
