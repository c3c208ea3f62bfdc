/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front door of ARM: route, token, api-version, subscription, resource group, ordered faults,
 * then the handler. Source: aci-rest.md 1, 2, 11.2.
 */
#pragma once

#include "base/http_server.h"

/* http_handler_fn; user: struct emulator. */
void arm_front_handle(void *user, struct http_exchange *x);
struct emulator;
/* The ordered delays of all requests are over now. */
void arm_front_end_delays(struct emulator *e);
/* True for a resource group of the subscription (case-insensitive). */
bool arm_front_has_resource_group(const struct emulator *e, const char *name);
