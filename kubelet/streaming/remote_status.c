/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/streaming/remote_status.h"

#include <stdio.h>

#include "base/json_writer.h"

#define MAX_TEXT 1024

static void write_exit_code(struct json_writer *w, int exit_code)
{
    char text[16];

    snprintf(text, sizeof(text), "%d", exit_code);
    json_put_string(w, "reason", "NonZeroExitCode");
    json_begin_object(w, "details");
    json_begin_array(w, "causes");
    json_begin_object(w, NULL);
    json_put_string(w, "reason", "ExitCode");
    json_put_string(w, "message", text);
    json_end_object(w);
    json_end_array(w);
    json_end_object(w);
}

void remote_status_write(struct vk_buf *out, bool is_json, int exit_code, const struct vk_err *err)
{
    char message[MAX_TEXT] = "";
    struct json_writer w;

    if (err)
        snprintf(message, sizeof(message), "Internal error occurred: %s", err->msg);
    else if (exit_code)
        snprintf(message, sizeof(message),
                 "command terminated with non-zero exit code: exit status %d", exit_code);
    if (!is_json) {
        vk_buf_adds(out, message);
        return;
    }
    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "status", *message ? "Failure" : "Success");
    json_put_string_if(&w, "message", message);
    if (err) {
        json_put_string(&w, "reason", "InternalError");
        json_put_int(&w, "code", 500);
    } else if (exit_code) {
        write_exit_code(&w, exit_code);
    }
    json_end_object(&w);
}
