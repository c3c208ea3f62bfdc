/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long-running operations of ARM: what an Azure-AsyncOperation or a Location URL stands for. An
 * operation remembers which run of which group it is about; its status is read from the group.
 * Source: aci-rest.md 3.2 and 4.
 */
#pragma once

#include <stdint.h>

#include "aci/emulator/groups.h"

enum operation_kind { OPERATION_RUN, OPERATION_DELETE };
enum operation_status { OPERATION_IN_PROGRESS, OPERATION_SUCCEEDED, OPERATION_CANCELED };

struct operation {
    char id[37];
    enum operation_kind kind;
    char *group_id, *group_key; /* owned */
    uint64_t group_uid, generation;
    int64_t start_wall_ns;
};

struct operations;
struct operations *operations_new(void);
void operations_free(struct operations *ops);
/* generation: the run that ends it (struct group). Kept for an hour, at most 20,000 of them. */
const struct operation *operations_add(struct operations *ops, enum operation_kind kind,
                                       const struct group *g, uint64_t generation);
/* NULL when unknown or forgotten. */
const struct operation *operations_find(const struct operations *ops, const char *id);
enum operation_status operations_status(const struct operation *op, const struct groups *groups);
