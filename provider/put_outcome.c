/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/put_outcome.h"

#include <errno.h>

static enum put_outcome outcome_without_answer(const struct vk_err *err)
{
    if (err->sys_errno == ECONNREFUSED)
        return PUT_NOT_DONE;
    if (err->code == VK_UNAVAILABLE || err->code == VK_TOO_LARGE || err->code == VK_PROTOCOL ||
        err->code == VK_CANCELLED)
        return PUT_MAY_COME;
    return PUT_NOT_DONE;
}

enum put_outcome put_outcome(const struct vk_err *err)
{
    if (err->code == VK_TIMEOUT || err->http_status == 408 || err->http_status == 502 ||
        err->http_status == 504)
        return PUT_MAY_COME;
    if (err->http_status == 0)
        return outcome_without_answer(err);
    return err->http_status >= 500 ? PUT_IS_UNKNOWN : PUT_NOT_DONE;
}
