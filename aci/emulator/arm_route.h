/* SPDX-License-Identifier: Apache-2.0 */
/* Which handler answers which path: the operations of aci-rest.md 2 and 12 that are served. */
#pragma once

#include "aci/emulator/arm_request.h"

enum route_flag {
    ROUTE_OPEN = 1,        /* no bearer token, no api-version */
    ROUTE_ANY_VERSION = 2, /* the front's own resources: any api-version that is a date */
};
struct route {
    const char *operation; /* its operationId, or a name of ours where there is none */
    const char *method;
    /* Segments compare case-insensitively; {t}enant, {s}ubscription, {r}esource group, {g}roup,
     * {c}ontainer, {l}ocation, {o}peration id take what stands there. A virtual network and its
     * subnet go where a group and its container do. */
    const char *pattern;
    unsigned flags;
    arm_handler_fn handler;
};

/* Sets the request's names. NULL when nothing matches; *ret_other_method is then true when the path
 * is served with another method. */
const struct route *arm_route_find(struct arm_request *r, bool *ret_other_method);
