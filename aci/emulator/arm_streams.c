/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/arm_streams.h"

#include "aci/emulator/arm_error.h"
#include "aci/emulator/arm_groups.h"
#include "aci/emulator/exec_stream.h"
#include "base/json_writer.h"

#define MAX_BODY ((size_t)64 * 1024)
#define MAX_ANSWER (16 * 1024)
#define TERMINAL_MAX 65535
/* Where the body names no terminalSize. */
#define DEFAULT_ROWS 24
#define DEFAULT_COLS 80

struct exec_body {
    const char *command;
    struct terminal_size {
        int64_t rows, cols;
    } size;
};

static int read_body(struct arm_request *r, struct exec_body *ret, struct vk_err *err)
{
    static const struct json_field size[] = {
        JSON_INT(struct terminal_size, rows, "rows", 0, 0, TERMINAL_MAX),
        JSON_INT(struct terminal_size, cols, "cols", 0, 0, TERMINAL_MAX), JSON_END};
    static const struct json_field fields[] = {
        JSON_STR(struct exec_body, command, "command", JSON_REQUIRED),
        JSON_OBJ(struct exec_body, size, "terminalSize", size), JSON_END};
    struct exec_body body = {0};
    const struct json *root;
    struct vk_err why;

    if (json_parse(arm_request_body(r), MAX_BODY, r->arena, &root, &why) < 0 ||
        json_decode(root, fields, &body, r->arena, "", &why) < 0)
        return arm_error_invalid(err,
                                 "The request content was invalid and could not be deserialized: "
                                 "'%s'.",
                                 why.msg);
    if (!*body.command)
        return arm_error_invalid(err, "The command of an exec cannot be empty.");
    body.size.rows = body.size.rows ? body.size.rows : DEFAULT_ROWS;
    body.size.cols = body.size.cols ? body.size.cols : DEFAULT_COLS;
    *ret = body;
    return 0;
}

/* The container that the path names, while it runs; else the answer is given. */
static const struct container *find_running(struct arm_request *r)
{
    const struct group *g = arm_groups_find(r);
    const struct container *c = g ? arm_groups_find_container(r, g) : NULL;
    struct vk_err err;

    if (!c || (g->sandbox && c->phase == CONTAINER_UP))
        return c;
    arm_error_set(&err, 409, "ContainerGroupDeploymentNotReady",
                  "The container '%s' in container group '%s' is not running. Please check "
                  "container 'InstanceView' for more information or retry later.",
                  c->name, g->name);
    arm_reply_error(r, &err);
    return NULL;
}

static void reply_session(struct arm_request *r, const struct stream_session *s)
{
    const char *kind = s && s->kind == STREAM_EXEC ? "execstream" : "logstream";
    struct vk_buf uri VK_BUF_AUTO, out;
    struct json_writer w;
    struct vk_err err;

    if (!s) {
        arm_error_set(&err, 429, "TooManyRequests", "Too many sessions wait for their client.");
        err.retry_after_ms = STREAM_SESSION_LIFETIME_MS;
        arm_reply_error(r, &err);
        return;
    }
    vk_buf_init(&uri, MAX_ANSWER);
    vk_buf_init_secret(&out, MAX_ANSWER);
    vk_buf_printf(&uri, "wss://%s/%s/sessionId/%s?api-version=1.0", r->host, kind, s->id);
    if (s->kind == STREAM_EXEC)
        vk_buf_printf(&uri, "&rows=%u&cols=%u", s->rows, s->cols);
    json_writer_init(&w, &out);
    json_begin_object(&w, NULL);
    json_put_str(&w, "webSocketUri", vk_buf_str(&uri));
    json_put_str(&w, "password", vk_secret_reveal(&s->password));
    json_end_object(&w);
    arm_reply_json(r, 200, vk_buf_str(&out));
    vk_buf_release_secret(&out);
}

void arm_streams_exec(struct arm_request *r)
{
    const struct container *c = find_running(r);
    struct exec_body body;
    struct vk_err err;

    if (!c)
        return;
    if (read_body(r, &body, &err) < 0) {
        arm_reply_error(r, &err);
        return;
    }
    reply_session(r, stream_sessions_add(r->emulator->sessions, c->group, c->name, body.command,
                                         (unsigned)body.size.rows, (unsigned)body.size.cols));
}

void arm_streams_attach(struct arm_request *r)
{
    const struct container *c = find_running(r);

    if (c)
        reply_session(r, stream_sessions_add(r->emulator->sessions, c->group, c->name, NULL, 0, 0));
}

void arm_streams_connect_exec(struct arm_request *r)
{
    exec_stream_connect(r, STREAM_EXEC);
}

void arm_streams_connect_log(struct arm_request *r)
{
    exec_stream_connect(r, STREAM_LOG);
}
