/* SPDX-License-Identifier: Apache-2.0 */
/* core/v1 Service, as far as pods are told of it in their environment. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vk_err.h"

#define SERVICE_MAX_BYTES (1u << 20)

struct service_port {
    char *name;     /* or NULL */
    char *protocol; /* "TCP", "UDP", "SCTP" */
    int64_t port;
};
struct service {
    char *namespace_, *name;
    char *cluster_ip; /* NULL: it has none of its own (headless, ExternalName) */
    struct service_port *ports;
    size_t port_count;
};
/* Owned: freed with service_free. Errors: VK_INVALID without name or namespace, VK_PROTOCOL. */
VK_MUST_CHECK int service_parse(struct vk_str raw, struct service **ret, struct vk_err *err);
/* NULL is fine. */
void service_free(struct service *s);
