/* SPDX-License-Identifier: Apache-2.0 */
/* Events of a container or a group as the service shows them: repeats are counted. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/json_writer.h"

struct event {
    const char *name; /* static */
    const char *type; /* static: "Normal", "Warning" */
    char *message;    /* owned */
    int64_t count, first_ns, last_ns;
};
struct event_log {
    struct event *v;
    size_t n, cap;
};

/* The newest 50 are kept. name and type: static text. */
void event_log_add(struct event_log *log, const char *name, const char *type, int64_t wall_ns,
                   const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void event_log_release(struct event_log *log);
/* Writes an array of {count, firstTimestamp, lastTimestamp, name, message, type}. */
void event_log_write(const struct event_log *log, struct json_writer *w, const char *key);

/* RFC 3339 with seven decimals, as the service prints times. */
void event_log_put_time(struct json_writer *w, const char *key, int64_t wall_ns);
