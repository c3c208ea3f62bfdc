/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to container groups without any request of their owner; a test orders it over the
 * control listener.
 *
 * Shape: {"group":"web-*","incident":"delete"|"restart"|"rerun","exitCode":7148}.
 * delete: somebody else deleted the group. restart: the platform ends what runs in it and runs it
 * again, whatever the restart policy; exitCode, 7147 (the platform asked) unless given, is that of
 * the runs that it ended, with an event "Killing container ... (platform initiated)." rerun: the
 * containers that ended with another code than 0 run again, although the policy is Never.
 */
#pragma once

#include "aci/emulator/emulator.h"
#include "base/json_writer.h"

/*
 * Writes {"groups":["web-1"]}, those that it happened to. Errors, with nothing written: VK_INVALID
 * naming the member; VK_NOT_FOUND when there is no such group that it could happen to.
 */
VK_MUST_CHECK int incidents_order(struct emulator *e, struct vk_str body, struct json_writer *w,
                                  struct vk_err *err);
