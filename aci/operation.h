/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one answer says of a long-running ARM operation; pure. Two styles: Azure-AsyncOperation
 * names a status document, Location answers 202 until the end. Source: ARM asynchronous operations.
 */
#pragma once

#include "aci/arm_client.h"

enum operation_state { OPERATION_RUNNING, OPERATION_SUCCEEDED, OPERATION_FAILED };
enum operation_style { OPERATION_NONE, OPERATION_ASYNC, OPERATION_LOCATION };

/* Which URL to poll next: Azure-AsyncOperation wins over Location. *ret_url is borrowed. */
enum operation_style operation_style_of(const struct arm_response *response, const char **ret_url);

/*
 * Reads the answer to a poll of that style. On OPERATION_FAILED err says why (the document's error,
 * or its status). A document without a known end counts as running.
 */
enum operation_state operation_read(enum operation_style style, const struct arm_response *response,
                                    struct vk_err *err);
