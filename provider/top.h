/* SPDX-License-Identifier: Apache-2.0 */
/* `aci-kubelet top`: a burst live in the terminal, from the metrics of a running aci-kubelet. */
#pragma once

#include "provider/subcommand.h"

extern const struct subcommand top_subcommand;
