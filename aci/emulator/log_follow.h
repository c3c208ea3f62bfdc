/* SPDX-License-Identifier: Apache-2.0 */
/* Those who read along what one container instance writes: the list that an engine keeps. */
#pragma once

#include "aci/emulator/engine.h"
#include "base/list.h"

struct engine_log_follow *log_follow_new(struct vk_list *followers, engine_output_fn output,
                                         engine_done_fn ended, void *user);
void log_follow_free(struct engine_log_follow *f);
void log_follow_output(struct vk_list *followers, struct vk_str bytes);
/* The instance ended: tells all of them and empties the list. */
void log_follow_end(struct vk_list *followers);
