/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors are values. A fallible function takes `struct vk_err *err` (never NULL) as its last
 * parameter, returns 0 or a negative number, and leaves its ret_* outputs untouched on failure.
 * Callers decide by `code`, never by text.
 */
#pragma once

#include <stdint.h>

#define VK_MUST_CHECK __attribute__((warn_unused_result))
#define VK_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum vk_code {
    VK_OK = 0,
    VK_NOT_FOUND,
    VK_ALREADY_EXISTS,
    VK_CONFLICT,        /* the object changed or is in transition: read again, then retry */
    VK_INVALID,         /* the request or the input is wrong and will stay wrong */
    VK_UNAUTHENTICATED, /* 401: the credential is missing, wrong or expired */
    VK_FORBIDDEN,       /* 403: known, but not allowed */
    VK_THROTTLED,       /* 429: wait retry_after_ms */
    VK_TIMEOUT,         /* our deadline passed: the peer may have acted */
    VK_UNAVAILABLE,     /* network, 5xx, capacity: transient */
    VK_CANCELLED,
    VK_TOO_LARGE, /* over one of our limits */
    VK_PROTOCOL,  /* the peer broke its protocol */
    VK_UNSUPPORTED,
    VK_INTERNAL,
};

/*
 * Shape: `reason` is the machine's word (ARM code such as ContainerGroupQuotaReached, a Kubernetes
 * Status reason), empty when there is none; `msg` is one sentence that names object and operation,
 * without secrets or newline. Units: retry_after_ms is 0 when the peer named no time. Owns nothing;
 * copy freely.
 */
struct vk_err {
    enum vk_code code;
    int sys_errno;
    int http_status;
    int64_t retry_after_ms;
    char reason[64];
    char msg[448];
};

/* Clears err and sets code and message. Returns -code, so that `return vk_err_set(...)` is one
 * line. */
int vk_err_set(struct vk_err *err, enum vk_code code, const char *fmt, ...) VK_PRINTF(3, 4);

/* As vk_err_set, from an errno value: the code follows errno, the message ends in its text. */
int vk_err_errno(struct vk_err *err, int sys_errno, const char *fmt, ...) VK_PRINTF(3, 4);

/* Prefixes the message with context ("<prefix>: <msg>"), keeps code, reason and the rest. Returns
 * -code. */
int vk_err_wrap(struct vk_err *err, const char *fmt, ...) VK_PRINTF(2, 3);

/* Sets the machine's word, cut to fit. Returns -code. */
int vk_err_reason(struct vk_err *err, const char *reason);

/* The code an HTTP status stands for when the body says nothing better (409 = CONFLICT, 413 =
 * TOO_LARGE ...). */
enum vk_code vk_code_of_http(int http_status);

/* "NotFound", "Throttled" ...: static text for logs and metrics. */
const char *vk_code_name(enum vk_code code);

/* True for errors that waiting can heal: CONFLICT, UNAUTHENTICATED, THROTTLED, TIMEOUT,
 * UNAVAILABLE. */
_Bool vk_err_is_transient(const struct vk_err *err);
