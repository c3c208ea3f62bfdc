/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of what was asked, for tests: a client is judged by the requests it did not make. */
#pragma once

#include "base/json_writer.h"

struct request_stats;
struct request_stats *request_stats_new(void);
void request_stats_free(struct request_stats *s);
/* operation: static name of a route. */
void request_stats_count(struct request_stats *s, const char *operation);
/* group: its name. Kept after the group is gone, for 100,000 names. */
void request_stats_put(struct request_stats *s, const char *group);
/* Members "operations" {name: count} and "groupPuts" {name: count} of an open object. */
void request_stats_write(const struct request_stats *s, struct json_writer *w);
