/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/event_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

#define MAX_EVENTS 50
#define MAX_MESSAGE 1024

void event_log_add(struct event_log *log, const char *name, const char *type, int64_t wall_ns,
                   const char *fmt, ...)
{
    char message[MAX_MESSAGE];
    struct event *e;
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    for (size_t i = 0; i < log->n; i++) {
        e = &log->v[i];
        if (vk_streq(e->name, name) && vk_streq(e->message, message)) {
            e->count++;
            e->last_ns = wall_ns;
            return;
        }
    }
    if (log->n == MAX_EVENTS) {
        vk_free(log->v[0].message);
        memmove(log->v, log->v + 1, (MAX_EVENTS - 1) * sizeof(*log->v));
        log->n--;
    }
    log->v = vk_grow(log->v, &log->cap, log->n + 1, sizeof(*log->v));
    e = &log->v[log->n++];
    *e = (struct event){.name = name,
                        .type = type,
                        .message = vk_strdup(message),
                        .count = 1,
                        .first_ns = wall_ns,
                        .last_ns = wall_ns};
}

void event_log_release(struct event_log *log)
{
    for (size_t i = 0; i < log->n; i++)
        vk_free(log->v[i].message);
    vk_free(log->v);
    *log = (struct event_log){0};
}

void event_log_put_time(struct json_writer *w, const char *key, int64_t wall_ns)
{
    char text[VK_TIME_MAX];
    char *dot;

    vk_time_format_ns(wall_ns, text);
    dot = strchr(text, '.');
    if (dot && strlen(dot) > 9)
        memcpy(dot + 8, "Z", 2);
    json_put_string(w, key, text);
}

void event_log_write(const struct event_log *log, struct json_writer *w, const char *key)
{
    json_begin_array(w, key);
    for (size_t i = 0; i < log->n; i++) {
        const struct event *e = &log->v[i];

        json_begin_object(w, NULL);
        json_put_int(w, "count", e->count);
        event_log_put_time(w, "firstTimestamp", e->first_ns);
        event_log_put_time(w, "lastTimestamp", e->last_ns);
        json_put_string(w, "name", e->name);
        json_put_string(w, "message", e->message);
        json_put_string(w, "type", e->type);
        json_end_object(w);
    }
    json_end_array(w);
}
