/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container group as ARM answers it: what was sent, member by member from a list of known ones,
 * with the service's defaults filled in; secrets are not on the list. Source: aci-rest.md 3.1, 5.
 */
#pragma once

#include "aci/emulator/group.h"

/* LIST leaves the instance views out. */
enum group_view_kind { GROUP_VIEW_FULL, GROUP_VIEW_LIST };
void group_view_write(const struct group *g, enum group_view_kind kind, const char *tenant,
                      struct json_writer *w, const char *key);
/* {state, startTime, exitCode, finishTime, detailStatus} */
void group_view_state(const struct container_state *s, struct json_writer *w, const char *key);
