/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of container group PUTs for tests: JSON with single quotes, so that it can be read. */
#pragma once

#include "base/alloc.h"

#define SIZED "'resources':{'requests':{'cpu':1,'memoryInGB':1.5}}"
/* A container with further members of its properties: CONTAINER("c", "'ports':[...],"). */
#define CONTAINER(name, more) "{'name':'" name "','properties':{'image':'busybox'," more SIZED "}}"
/* A group with further members of its properties, and its containers. */
#define GROUP(more, containers)                                                                    \
    "{'location':'westeurope','tags':{'a':'b'},'properties':{'osType':'Linux'," more               \
    "'containers':[" containers "]}}"
#define SUBNET                                                                                     \
    "'subnetIds':[{'id':'/subscriptions/s/resourceGroups/r/providers/Microsoft.Network/"           \
    "virtualNetworks/v/subnets/s'}],"

/* The caller frees. */
static inline char *group_body(const char *text)
{
    char *body = vk_strdup(text);

    for (char *p = body; *p; p++) {
        if (*p == '\'')
            *p = '"';
    }
    return body;
}
