/* SPDX-License-Identifier: Apache-2.0 */
/* What the error of a PUT tells of the group that it was for. */
#pragma once

#include "base/vk_err.h"

enum put_outcome {
    PUT_NOT_DONE,   /* the request did not arrive, or the service refused it */
    PUT_IS_UNKNOWN, /* the service failed over it: done or not, a look tells */
    PUT_MAY_COME,   /* no word of the service, or not its own: it may be at work still */
};

/*
 * `err` as aci/container_groups.h reports it. 408, 502 and 504 are a gateway's words: the service
 * behind it goes on. A refused connection is the one of those without an answer that never arrived.
 */
enum put_outcome put_outcome(const struct vk_err *err);
