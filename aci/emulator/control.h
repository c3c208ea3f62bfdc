/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control listener, for tests and for whoever looks at an emulator; plain HTTP, no token. GET
 * /stats: counts of requests and of what lives. GET /groups: every group with what ARM does not
 * tell, such as the wall time of each container's start in nanoseconds. GET, POST, DELETE /faults:
 * see faults.h. POST /incidents: see incidents.h. GET, POST /attach: {"replay":"none"|"all"}, what
 * an attach begins with. GET, POST /out-of-memory: {"detailStatus":TEXT}, what a container that the
 * kernel killed for its memory says. GET, POST /quotas: {"groups":N,"cores":N}, either or both,
 * which what exists may exceed. GET, POST
 * /surroundings: see surroundings.h. DELETE /tokens: all bearer tokens are past their time.
 */
#pragma once

#include "base/http_server.h"

/* http_handler_fn; user: struct emulator. */
void control_handle(void *user, struct http_exchange *x);
