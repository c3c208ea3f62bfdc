/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aci-kubelet translate`: what becomes of pods of manifests, without a cluster and without Azure.
 */
#pragma once

#include "provider/subcommand.h"

/* A pod would be refused; an input that can't be read is EXIT_USAGE. */
#define EXIT_REFUSED 1

extern const struct subcommand translate_subcommand;
