/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every action of Azure's that this program's requests need: what deploy/azure/role.json grants and
 * `aci-kubelet check` looks for. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

/* Where the role has to be assigned. */
enum azure_scope { AZURE_RESOURCE_GROUP, AZURE_SUBSCRIPTION, AZURE_SUBNET };
enum azure_need {
    AZURE_REQUIRED, /* no pod runs without it */
    AZURE_PARTLY,   /* some requests of users fail, or something is not known */
    AZURE_CHECK,    /* only `aci-kubelet check` asks */
};
struct azure_action {
    const char *name; /* "Microsoft.ContainerInstance/containerGroups/read" */
    enum azure_scope scope;
    enum azure_need need;
    const char *method, *path; /* the request that needs it; path below the scope */
    const char *why;           /* "kubectl logs" */
};
extern const struct azure_action azure_actions[];
extern const size_t azure_action_count;

/*
 * permissions: the "value" of Microsoft.Authorization permissions, what the caller's roles give at
 * a scope. True when a role's actions have the action and its notActions do not; * stands for
 * anything, case does not matter. Source: Azure RBAC, how role definitions are understood;
 * conditions of assignments are not looked at.
 */
bool azure_actions_allow(const struct json *permissions, const char *action);
