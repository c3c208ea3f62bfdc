/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/streaming/remote_command.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "kubelet/streaming/channels.h"
#include "kubelet/streaming/remote_status.h"
#include "kubelet/streaming/spdy.h"
#include "kubelet/streaming/terminal_size.h"

#define MAX_EARLY_INPUT (64ul * 1024)
#define MAX_STATUS (8ul * 1024)

/* Over websocket the value is the number of the channel. */
enum role { ROLE_INPUT, ROLE_OUTPUT, ROLE_ERROR_OUTPUT, ROLE_STATUS, ROLE_RESIZE, ROLES };

/* Header `streamtype` of SPDY. */
static const char *const role_names[ROLES] = {"stdin", "stdout", "stderr", "error", "resize"};

struct remote_command {
    enum remote_command_protocol protocol;
    const struct remote_command_events *events;
    void *user;
    bool expected[ROLES];
    bool has_started, has_ended; /* ended: finished, gone or broken */
    bool has_input_end;
    struct terminal_size_reader resize;
    /* over SPDY */
    struct spdy *spdy;
    uint32_t ids[ROLES]; /* 0: not open */
    unsigned missing;    /* streams that have still to be opened */
    struct vk_buf early; /* input before the start */
    bool has_early_end;
    struct terminal_size early_size;
    /* over websocket */
    struct channels channels;
};

/* ---- what the client sends ---- */

static void start(struct remote_command *rc)
{
    rc->has_started = true;
    if (rc->spdy)
        spdy_no_more_streams(rc->spdy);
    rc->events->started(rc->user);
    if (rc->early_size.rows && !rc->has_ended)
        rc->events->resize(rc->user, rc->early_size.rows, rc->early_size.columns);
    if (vk_buf_len(&rc->early) && !rc->has_ended)
        rc->events->input(rc->user, vk_buf_str(&rc->early));
    vk_buf_release_secret(&rc->early);
    if (rc->has_early_end && !rc->has_ended)
        rc->events->input_end(rc->user);
}

static void take_input(struct remote_command *rc, struct vk_str bytes)
{
    if (!rc->expected[ROLE_INPUT] || rc->has_input_end || !bytes.n)
        return;
    if (rc->has_started)
        rc->events->input(rc->user, bytes);
    else
        vk_buf_addstr(&rc->early, bytes);
}

static void take_input_end(struct remote_command *rc)
{
    if (!rc->expected[ROLE_INPUT] || rc->has_input_end)
        return;
    rc->has_input_end = true;
    if (rc->has_started)
        rc->events->input_end(rc->user);
    else
        rc->has_early_end = true;
}

static void take_resize(struct remote_command *rc, struct vk_str bytes)
{
    struct terminal_size size;

    while (!rc->has_ended && terminal_size_read(&rc->resize, &bytes, &size)) {
        if (rc->has_started)
            rc->events->resize(rc->user, size.rows, size.columns);
        else
            rc->early_size = size;
    }
}

static void take(struct remote_command *rc, enum role role, struct vk_str bytes)
{
    if (rc->has_ended)
        return;
    if (role == ROLE_INPUT)
        take_input(rc, bytes);
    else if (role == ROLE_RESIZE && rc->expected[ROLE_RESIZE])
        take_resize(rc, bytes);
}

static void leave(struct remote_command *rc)
{
    if (rc->has_ended)
        return;
    rc->has_ended = true;
    rc->events->gone(rc->user);
}

static void send_bytes(void *user, struct vk_str bytes)
{
    struct remote_command *rc = user;

    rc->events->send(rc->user, bytes);
}

/* ---- SPDY ---- */

static enum role role_of(const struct remote_command *rc, uint32_t id)
{
    for (unsigned role = 0; role < ROLES; role++)
        if (rc->ids[role] == id)
            return (enum role)role;
    return ROLES;
}

static bool on_stream(void *user, uint32_t id, const struct spdy_header *headers, size_t n)
{
    struct remote_command *rc = user;
    const char *type = NULL;

    for (size_t i = 0; i < n; i++)
        if (vk_streq(headers[i].name, "streamtype"))
            type = headers[i].value;
    for (unsigned role = 0; role < ROLES && type; role++) {
        if (!vk_streq(type, role_names[role]))
            continue;
        if (!rc->expected[role] || rc->ids[role])
            return false;
        rc->ids[role] = id;
        return true;
    }
    return false;
}

static void on_opened(void *user, uint32_t id)
{
    struct remote_command *rc = user;

    (void)id;
    if (--rc->missing == 0)
        start(rc);
}

static void on_data(void *user, uint32_t id, struct vk_str piece)
{
    struct remote_command *rc = user;

    take(rc, role_of(rc, id), piece);
}

static void on_eof(void *user, uint32_t id)
{
    struct remote_command *rc = user;

    if (role_of(rc, id) == ROLE_INPUT && !rc->has_ended)
        take_input_end(rc);
}

/* Nobody would learn the status without its stream. Of an output what comes is dropped. */
static void on_reset(void *user, uint32_t id, uint32_t status)
{
    struct remote_command *rc = user;

    (void)status;
    if (role_of(rc, id) == ROLE_STATUS)
        leave(rc);
    else
        on_eof(user, id);
}

static void on_leave(void *user)
{
    leave(user);
}

/* ---- websocket channels ---- */

static void on_channel_data(void *user, unsigned channel, struct vk_str piece)
{
    if (channel < ROLES)
        take(user, (enum role)channel, piece);
}

static void on_channel_end(void *user, unsigned channel)
{
    struct remote_command *rc = user;

    if (channel == ROLE_INPUT && !rc->has_ended)
        take_input_end(rc);
}

/* ---- for the owner ---- */

static void expect(struct remote_command *rc, const struct remote_command_streams *streams)
{
    rc->expected[ROLE_STATUS] = true;
    rc->expected[ROLE_INPUT] = streams->has_input;
    rc->expected[ROLE_OUTPUT] = streams->has_output;
    rc->expected[ROLE_ERROR_OUTPUT] = streams->has_error && !streams->tty;
    rc->expected[ROLE_RESIZE] = streams->tty && rc->protocol >= REMOTE_COMMAND_SPDY_V3;
    for (unsigned role = 0; role < ROLES; role++)
        rc->missing += rc->expected[role];
}

struct remote_command *remote_command_new(enum remote_command_protocol protocol,
                                          const struct remote_command_streams *streams,
                                          const struct remote_command_events *events, void *user)
{
    static const struct spdy_events spdy = {
        .stream = on_stream,
        .opened = on_opened,
        .data = on_data,
        .eof = on_eof,
        .reset = on_reset,
        .goaway = on_leave,
        .send = send_bytes,
    };
    static const struct channels_events channels = {
        .data = on_channel_data, .end = on_channel_end, .closed = on_leave, .send = send_bytes};
    struct remote_command *rc = vk_calloc(1, sizeof(*rc));

    rc->protocol = protocol;
    rc->events = events;
    rc->user = user;
    vk_buf_init_secret(&rc->early, MAX_EARLY_INPUT);
    expect(rc, streams);
    if (protocol >= REMOTE_COMMAND_CHANNEL)
        channels_init(&rc->channels,
                      protocol == REMOTE_COMMAND_BASE64_CHANNEL ||
                          protocol == REMOTE_COMMAND_V4_BASE64_CHANNEL,
                      protocol == REMOTE_COMMAND_V5_CHANNEL, &channels, rc);
    else
        rc->spdy = spdy_new(&spdy, rc, ROLES);
    return rc;
}

void remote_command_free(struct remote_command *rc)
{
    if (!rc)
        return;
    spdy_free(rc->spdy);
    vk_buf_release_secret(&rc->early);
    vk_free(rc);
}

static void send_on(struct remote_command *rc, enum role role, struct vk_str bytes)
{
    if (rc->spdy)
        spdy_send(rc->spdy, rc->ids[role], bytes);
    else
        channels_send(&rc->channels, role, bytes);
}

void remote_command_open(struct remote_command *rc)
{
    enum role greeted = rc->expected[ROLE_OUTPUT]         ? ROLE_OUTPUT
                        : rc->expected[ROLE_ERROR_OUTPUT] ? ROLE_ERROR_OUTPUT
                                                          : ROLE_STATUS;

    if (rc->spdy)
        return;
    send_on(rc, greeted, VK_STR(""));
    start(rc);
}

int remote_command_feed(struct remote_command *rc, struct vk_str bytes, struct vk_err *err)
{
    int result =
        rc->spdy ? spdy_feed(rc->spdy, bytes, err) : channels_feed(&rc->channels, bytes, err);

    if (result == 0 && rc->early.failed) {
        spdy_goaway(rc->spdy);
        result = vk_err_set(err, VK_TOO_LARGE, "input before the streams of the session");
    }
    if (result < 0)
        rc->has_ended = true;
    return result;
}

static void send_output(struct remote_command *rc, enum role role, struct vk_str bytes)
{
    if (rc->has_started && !rc->has_ended && rc->expected[role] && bytes.n)
        send_on(rc, role, bytes);
}

void remote_command_output(struct remote_command *rc, struct vk_str bytes)
{
    send_output(rc, ROLE_OUTPUT, bytes);
}

void remote_command_error_output(struct remote_command *rc, struct vk_str bytes)
{
    send_output(rc, ROLE_ERROR_OUTPUT, bytes);
}

static bool has_json_status(const struct remote_command *rc)
{
    return rc->protocol == REMOTE_COMMAND_SPDY_V4 || rc->protocol >= REMOTE_COMMAND_V4_CHANNEL;
}

void remote_command_finish(struct remote_command *rc, int exit_code, const struct vk_err *err)
{
    /* Input too: it ends the client's reader of that stream. */
    static const enum role order[] = {ROLE_OUTPUT, ROLE_ERROR_OUTPUT, ROLE_STATUS, ROLE_INPUT,
                                      ROLE_RESIZE};
    struct vk_buf status VK_BUF_AUTO;

    vk_buf_init(&status, MAX_STATUS);
    if (rc->has_ended)
        return;
    remote_status_write(&status, has_json_status(rc), exit_code, err);
    if (vk_buf_len(&status))
        send_on(rc, ROLE_STATUS, vk_buf_str(&status));
    rc->has_ended = true;
    if (!rc->spdy) {
        /* Any other code is an error to Go's client. */
        channels_close(&rc->channels, WEBSOCKET_CLOSE_NORMAL, NULL);
        return;
    }
    for (size_t i = 0; i < VK_COUNT(order); i++)
        if (rc->ids[order[i]])
            spdy_fin(rc->spdy, rc->ids[order[i]]);
    spdy_goaway(rc->spdy);
}

void remote_command_heartbeat(struct remote_command *rc)
{
    if (!rc->spdy)
        channels_heartbeat(&rc->channels);
}
