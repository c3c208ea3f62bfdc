/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of a group. ACI maps none: a container's port is the group's port, and all containers share
 * one network namespace, so each port and protocol is declared once, by the first that names it.
 */
#pragma once

#include "base/json_writer.h"
#include "provider/group_layout.h"

/* ACI: ports per IP. */
#define PORTS_MAX_EXPOSED 5

/* ACI refuses these in ipAddress; inside a group they may be used. */
bool ports_is_reserved(int64_t port);
/* True when an earlier container (or an earlier entry) of the group declared the same port. */
bool ports_is_duplicate(const struct group_layout *layout, size_t container, size_t port);
/* How many distinct ports ipAddress would list. */
size_t ports_count_exposed(const struct group_layout *layout);
/* Writes "ports" of one container, and of ipAddress; nothing where there is none. */
void ports_write_container(struct json_writer *w, const struct group_layout *layout,
                           size_t container);
void ports_write_exposed(struct json_writer *w, const struct group_layout *layout);
