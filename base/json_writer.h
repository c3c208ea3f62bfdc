/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streaming JSON writer over a vk_buf: no tree, exact 64-bit integers, nesting asserted. Inside an
 * object every value is preceded by its key; pass key NULL inside arrays and at the root.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

struct json_writer {
    struct vk_buf *out;
    unsigned depth;
    uint8_t kind[64]; /* private: one per open bracket */
    bool comma;
};

void json_writer_init(struct json_writer *w, struct vk_buf *out);
void json_begin_object(struct json_writer *w, const char *key);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);
/* NULL value writes null. Invalid UTF-8 is replaced by U+FFFD. */
void json_put_string(struct json_writer *w, const char *key, const char *value);
void json_put_str(struct json_writer *w, const char *key, struct vk_str value);
void json_put_int(struct json_writer *w, const char *key, int64_t value);
void json_put_bool(struct json_writer *w, const char *key, bool value);
void json_put_null(struct json_writer *w, const char *key);
/* Decimal without exponent, `decimals` digits with trailing zeros dropped: milli CPU 1500 = "1.5".
 */
void json_put_fixed(struct json_writer *w, const char *key, int64_t value, unsigned decimals);
/* RFC 3339 seconds / microseconds. */
void json_put_time_s(struct json_writer *w, const char *key, int64_t wall_ns);
void json_put_time_us(struct json_writer *w, const char *key, int64_t wall_ns);
/* Text that is JSON already. */
void json_put_raw(struct json_writer *w, const char *key, struct vk_str raw);
/* A parsed value, written again. */
void json_put_value(struct json_writer *w, const char *key, const struct json *value);
/* omitempty: writes nothing for NULL or "". */
void json_put_string_if(struct json_writer *w, const char *key, const char *value);
/* True when all brackets are closed and the buffer did not overflow. */
bool json_writer_done(const struct json_writer *w);
