/* SPDX-License-Identifier: Apache-2.0 */
/*
 * klog-shaped structured log: constant message, key=value pairs; text or JSON; one line is one
 * write(2) to stderr. I1124 15:41:53.000000   12345 pod_workers.c:88] "Created container group"
 * pod="default/web" group="web-1f.." Source: k8s.io/klog/v2 text format (times in UTC);
 * component-base/logs JSON format ("ts" in ms, "caller", "msg", "v", keys; warnings and errors have
 * "severity" in place of "v").
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vk_err.h"

enum log_format { LOG_TEXT, LOG_JSON };
enum log_severity { LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_kv {
    const char *key;
    enum { LOG_KV_STR, LOG_KV_INT, LOG_KV_BOOL } kind;
    const char *str;
    int64_t num;
};
#define LS(k, v) ((struct log_kv){.key = (k), .kind = LOG_KV_STR, .str = (v)})
#define LI(k, v) ((struct log_kv){.key = (k), .kind = LOG_KV_INT, .num = (int64_t)(v)})
#define LB(k, v) ((struct log_kv){.key = (k), .kind = LOG_KV_BOOL, .num = (v)})
/* The error's message under "err"; LERRX adds its code and reason. */
#define LERR(e) LS("err", (e)->msg)
#define LERRX(e) LERR(e), LS("code", vk_code_name((e)->code)), LS("reason", (e)->reason)

void log_init(enum log_format format, int verbosity);
void log_set_verbosity(int verbosity);
int log_verbosity(void);
/* Where lines go (default: stderr); tests capture them. */
void log_set_sink(void (*sink)(void *user, const char *line, size_t n), void *user);

/*
 * A line that repeats (same file, line and first value) more than 20 times in 10 s is dropped and
 * counted; the count is printed with the first line after the window's end, or by
 * log_flush_repeats. file and msg are static. Values are cut at 4 KiB, pairs at 24. Lines above the
 * verbosity are not written.
 */
void log_write(enum log_severity sev, int v, const char *file, int line, const char *msg,
               const struct log_kv *kv, unsigned n);
/* Prints the counts whose windows have ended. */
void log_flush_repeats(void);

#define LOG_KV_(...) ((const struct log_kv[]){__VA_ARGS__})
#define LOG_N_(...) (sizeof(LOG_KV_(__VA_ARGS__)) / sizeof(struct log_kv))
/* log_info("Created container group", LS("pod", name), LI("ms", took)); at least one pair */
#define log_info(msg, ...)                                                                         \
    log_write(LOG_INFO, 0, __FILE__, __LINE__, msg, LOG_KV_(__VA_ARGS__), LOG_N_(__VA_ARGS__))
#define log_warning(msg, ...)                                                                      \
    log_write(LOG_WARNING, 0, __FILE__, __LINE__, msg, LOG_KV_(__VA_ARGS__), LOG_N_(__VA_ARGS__))
#define log_error(msg, ...)                                                                        \
    log_write(LOG_ERROR, 0, __FILE__, __LINE__, msg, LOG_KV_(__VA_ARGS__), LOG_N_(__VA_ARGS__))
#define log_v(level, msg, ...)                                                                     \
    do {                                                                                           \
        if (log_verbosity() >= (level))                                                            \
            log_write(LOG_INFO, (level), __FILE__, __LINE__, msg, LOG_KV_(__VA_ARGS__),            \
                      LOG_N_(__VA_ARGS__));                                                        \
    } while (0)
