/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vk_err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

/* Keeps the promise of the header: one line, and not half a character at the cut. */
static void store_message(struct vk_err *err, const char *text)
{
    vk_strcpy_to(err->msg, sizeof(err->msg), text);
    for (char *p = err->msg; *p; p++) {
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    }
}

/* Arguments may point into err->msg, so the text is complete before err is touched. */
static void VK_PRINTF(3, 0)
    set_va(struct vk_err *err, enum vk_code code, const char *fmt, va_list args)
{
    char text[sizeof(err->msg)];

    vsnprintf(text, sizeof(text), fmt, args);
    *err = (struct vk_err){.code = code};
    store_message(err, text);
}

int vk_err_set(struct vk_err *err, enum vk_code code, const char *fmt, ...)
{
    va_list args;

    assert(err && code != VK_OK);
    va_start(args, fmt);
    set_va(err, code, fmt, args);
    va_end(args);
    return -(int)code;
}

static enum vk_code code_of_errno(int sys_errno)
{
    static const struct {
        int number;
        enum vk_code code;
    } map[] = {
        {ENOENT, VK_NOT_FOUND},         {ESRCH, VK_NOT_FOUND},        {ENXIO, VK_NOT_FOUND},
        {EEXIST, VK_ALREADY_EXISTS},    {EADDRINUSE, VK_CONFLICT},    {ENOTEMPTY, VK_CONFLICT},
        {EBUSY, VK_CONFLICT},           {EINVAL, VK_INVALID},         {ENOTDIR, VK_INVALID},
        {EISDIR, VK_INVALID},           {ENAMETOOLONG, VK_INVALID},   {ELOOP, VK_INVALID},
        {EADDRNOTAVAIL, VK_INVALID},    {EACCES, VK_FORBIDDEN},       {EPERM, VK_FORBIDDEN},
        {EROFS, VK_FORBIDDEN},          {ETIMEDOUT, VK_TIMEOUT},      {EAGAIN, VK_UNAVAILABLE},
        {EPIPE, VK_UNAVAILABLE},        {ECONNRESET, VK_UNAVAILABLE}, {ENOSPC, VK_UNAVAILABLE},
        {ECONNREFUSED, VK_UNAVAILABLE}, {ENOTCONN, VK_UNAVAILABLE},   {ENOMEM, VK_UNAVAILABLE},
        {ECONNABORTED, VK_UNAVAILABLE}, {ENETDOWN, VK_UNAVAILABLE},   {EIO, VK_UNAVAILABLE},
        {ENETUNREACH, VK_UNAVAILABLE},  {EMFILE, VK_UNAVAILABLE},     {ENFILE, VK_UNAVAILABLE},
        {EHOSTUNREACH, VK_UNAVAILABLE}, {ENOBUFS, VK_UNAVAILABLE},    {ECANCELED, VK_CANCELLED},
        {EFBIG, VK_TOO_LARGE},          {E2BIG, VK_TOO_LARGE},        {EMSGSIZE, VK_TOO_LARGE},
        {EPROTO, VK_PROTOCOL},          {ENOSYS, VK_UNSUPPORTED},     {EOPNOTSUPP, VK_UNSUPPORTED},
        {EAFNOSUPPORT, VK_UNSUPPORTED},
    };

    for (size_t i = 0; i < VK_COUNT(map); i++) {
        if (map[i].number == sys_errno)
            return map[i].code;
    }
    return VK_INTERNAL;
}

int vk_err_errno(struct vk_err *err, int sys_errno, const char *fmt, ...)
{
    char text[sizeof(err->msg)];
    char full[sizeof(err->msg)];
    const char *reason = strerrordesc_np(sys_errno);
    va_list args;

    assert(err);
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (reason)
        snprintf(full, sizeof(full), "%.*s: %s", 380, text, reason);
    else
        snprintf(full, sizeof(full), "%.*s: error %d", 380, text, sys_errno);
    *err = (struct vk_err){.code = code_of_errno(sys_errno), .sys_errno = sys_errno};
    store_message(err, full);
    return -(int)err->code;
}

int vk_err_wrap(struct vk_err *err, const char *fmt, ...)
{
    char prefix[sizeof(err->msg)];
    char full[2 * sizeof(err->msg) + 4];
    va_list args;

    assert(err);
    va_start(args, fmt);
    vsnprintf(prefix, sizeof(prefix), fmt, args);
    va_end(args);
    snprintf(full, sizeof(full), "%s: %s", prefix, err->msg);
    store_message(err, full);
    return -(int)err->code;
}

int vk_err_reason(struct vk_err *err, const char *reason)
{
    char copy[sizeof(err->reason)];

    assert(err);
    vk_strcpy_to(copy, sizeof(copy), reason ? reason : "");
    memcpy(err->reason, copy, sizeof(copy));
    return -(int)err->code;
}

enum vk_code vk_code_of_http(int http_status)
{
    switch (http_status) {
    case 401:
        return VK_UNAUTHENTICATED;
    case 403:
        return VK_FORBIDDEN;
    case 404:
        return VK_NOT_FOUND;
    case 405:
    case 406:
    case 415:
    case 501:
        return VK_UNSUPPORTED;
    case 408:
    case 504:
        return VK_TIMEOUT;
    /* 410 is how an API server says that a resourceVersion is too old; the object may well exist.
     */
    case 409:
    case 410:
    case 412:
        return VK_CONFLICT;
    case 413:
        return VK_TOO_LARGE;
    case 429:
        return VK_THROTTLED;
    default:
        break;
    }
    if (http_status >= 200 && http_status < 300)
        return VK_OK;
    if (http_status >= 400 && http_status < 500)
        return VK_INVALID;
    if (http_status >= 500 && http_status < 600)
        return VK_UNAVAILABLE;
    return VK_PROTOCOL;
}

const char *vk_code_name(enum vk_code code)
{
    static const char *const names[] = {
        [VK_OK] = "OK",
        [VK_NOT_FOUND] = "NotFound",
        [VK_ALREADY_EXISTS] = "AlreadyExists",
        [VK_CONFLICT] = "Conflict",
        [VK_INVALID] = "Invalid",
        [VK_UNAUTHENTICATED] = "Unauthenticated",
        [VK_FORBIDDEN] = "Forbidden",
        [VK_THROTTLED] = "Throttled",
        [VK_TIMEOUT] = "Timeout",
        [VK_UNAVAILABLE] = "Unavailable",
        [VK_CANCELLED] = "Cancelled",
        [VK_TOO_LARGE] = "TooLarge",
        [VK_PROTOCOL] = "Protocol",
        [VK_UNSUPPORTED] = "Unsupported",
        [VK_INTERNAL] = "Internal",
    };

    return (size_t)code < VK_COUNT(names) ? names[code] : "Internal";
}

_Bool vk_err_is_transient(const struct vk_err *err)
{
    return err->code == VK_CONFLICT || err->code == VK_UNAUTHENTICATED ||
           err->code == VK_THROTTLED || err->code == VK_TIMEOUT || err->code == VK_UNAVAILABLE;
}
