/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of the sandboxes: one bridge in the network namespace that the emulator runs in, and
 * per sandbox a namespace with one veth pair and one IPv4 address. Whether anything beyond the
 * bridge is reachable is decided by the namespace around it; nothing here forwards or translates.
 * Text and arithmetic only, apart from the three functions that say so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/vk_err.h"

#define SANDBOX_IP_MAX 16

struct sandbox_net {
    char name[16];  /* prefix of every namespace and device of this emulator: "aci" + 6 hex */
    uint32_t base;  /* first address of the range, host byte order */
    uint32_t count; /* addresses in it */
    unsigned prefix_len;
    uint32_t next; /* where the search for a free address starts */
    uint8_t *used; /* one bit per address */
};

/* cidr: "10.244.0.0/16", prefix length 8 to 29. Errors: VK_INVALID. */
VK_MUST_CHECK int sandbox_net_init(struct sandbox_net *net, const char *name, const char *cidr,
                                   struct vk_err *err);
void sandbox_net_release(struct sandbox_net *net);

/*
 * The index of a free address, taken round robin so that an address does not come back at once.
 * Errors: VK_UNAVAILABLE when all are taken.
 */
VK_MUST_CHECK int sandbox_net_take(struct sandbox_net *net, uint32_t *ret_index,
                                   struct vk_err *err);
void sandbox_net_give_back(struct sandbox_net *net, uint32_t index);

void sandbox_net_ip(const struct sandbox_net *net, uint32_t index, char out[SANDBOX_IP_MAX]);
/* Name of the network namespace. */
void sandbox_net_namespace(const struct sandbox_net *net, uint32_t index, char out[32]);

/* Input for `ip -batch -` outside, for `ip -n NAMESPACE -batch -` inside, and to remove both. */
void sandbox_net_outer_script(const struct sandbox_net *net, uint32_t index, struct vk_buf *out);
void sandbox_net_inner_script(const struct sandbox_net *net, uint32_t index, struct vk_buf *out);
void sandbox_net_remove_script(const struct sandbox_net *net, uint32_t index, struct vk_buf *out);

/* Runs ip: makes the bridge with the range's first address. Errors: VK_CONFLICT when a device has
 * an address of the range already. */
VK_MUST_CHECK int sandbox_net_up(const struct sandbox_net *net, struct vk_err *err);
/* Runs ip: removes every namespace and device that carries the prefix, whoever left it. */
void sandbox_net_clean(const char *name);
/* Reads the counters of eth0 as the process sees it; false when it is gone. */
bool sandbox_net_counters(int pid, int64_t *ret_rx_bytes, int64_t *ret_tx_bytes);
