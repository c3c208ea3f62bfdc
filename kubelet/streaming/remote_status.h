/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a remote command ended, as the client reads it from the error stream: metav1.Status as JSON
 * since version 4, before that text and only for failures. Source: k8s v1.37.2 client-go
 * tools/remotecommand/v4.go, k8s.io/apimachinery pkg/util/remotecommand.
 */
#pragma once

#include "base/buf.h"
#include "base/vk_err.h"

/* err NULL: the process ran and ended with exit_code. out gets nothing where nothing is to be said.
 */
void remote_status_write(struct vk_buf *out, bool is_json, int exit_code, const struct vk_err *err);
