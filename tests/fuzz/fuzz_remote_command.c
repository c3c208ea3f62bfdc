/* SPDX-License-Identifier: Apache-2.0 */
/* room: kubelet */
/*
 * Remote commands and port-forward under arbitrary bytes. The first byte says in which pieces they
 * arrive, the second the protocol and the streams.
 */
#include <stdint.h>
#include <stdlib.h>

#include "kubelet/streaming/port_forward_channels.h"
#include "kubelet/streaming/remote_command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct remote_command *command;
static struct port_forward_session *forwards;
static unsigned inputs, opened;
static bool has_started, has_input_end, is_gone;

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void on_started(void *user)
{
    (void)user;
    require(!has_started);
    has_started = true;
}

static void on_input(void *user, struct vk_str bytes)
{
    (void)user;
    require(has_started && !has_input_end && !is_gone && bytes.n);
    remote_command_output(command, bytes);
    if (++inputs % 64 == 0)
        remote_command_finish(command, (int)(inputs % 3), NULL);
}

static void on_input_end(void *user)
{
    (void)user;
    require(has_started && !has_input_end && !is_gone);
    has_input_end = true;
    remote_command_error_output(command, VK_STR("end"));
}

static void on_resize(void *user, uint16_t rows, uint16_t columns)
{
    (void)user;
    require(has_started && rows && columns);
}

static void on_gone(void *user)
{
    (void)user;
    require(!is_gone);
    is_gone = true;
}

static void on_send(void *user, struct vk_str bytes)
{
    (void)user;
    (void)bytes;
}

static void run_command(unsigned mode, const uint8_t *data, size_t size, size_t step)
{
    static const struct remote_command_events events = {on_started, on_input, on_input_end,
                                                        on_resize,  on_gone,  on_send};
    const struct remote_command_streams streams = {
        .has_input = true,
        .has_output = true,
        .has_error = mode & 16,
        .tty = mode & 32,
    };
    struct vk_err err;

    inputs = 0;
    has_started = has_input_end = is_gone = false;
    command = remote_command_new((enum remote_command_protocol)(mode % 9), &streams, &events, NULL);
    remote_command_open(command);
    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;

        if (remote_command_feed(command, (struct vk_str){(const char *)data + at, n}, &err) < 0)
            break;
    }
    remote_command_finish(command, 0, NULL);
    remote_command_free(command);
}

static void *on_open(void *user, uint32_t id, uint16_t port)
{
    (void)user;
    require(port && id);
    opened++;
    if (port % 3 == 0)
        port_forward_fail(forwards, id, "no");
    return (void *)(uintptr_t)id;
}

static void on_data(void *user, void *pair, struct vk_str bytes)
{
    uint32_t id = (uint32_t)(uintptr_t)pair;

    (void)user;
    require(opened && !is_gone);
    port_forward_send(forwards, id, bytes);
    if (bytes.n % 5 == 0)
        port_forward_end(forwards, id);
    if (bytes.n % 7 == 0)
        port_forward_fail(forwards, id, "broken");
}

static void on_eof(void *user, void *pair)
{
    (void)user;
    require(opened && !is_gone);
    port_forward_end(forwards, (uint32_t)(uintptr_t)pair);
}

static void on_reset(void *user, void *pair)
{
    (void)user;
    require(pair && !is_gone);
}

static void run_forwards(bool is_tunnel, const uint8_t *data, size_t size, size_t step)
{
    static const struct port_forward_events events = {on_open,  on_data, on_eof,
                                                      on_reset, on_gone, on_send};
    int64_t now_ms = 0;
    struct vk_err err;

    opened = 0;
    is_gone = false;
    forwards = port_forward_session_new(is_tunnel, &events, NULL);
    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;

        if (port_forward_session_feed(forwards, (struct vk_str){(const char *)data + at, n}, now_ms,
                                      &err) < 0)
            break;
        now_ms += 1000;
        port_forward_session_expire(forwards, now_ms);
    }
    port_forward_session_close(forwards);
    port_forward_session_free(forwards);
}

static struct port_forward_channels *ports;

static void *on_port_open(void *user, uint32_t id, uint16_t port)
{
    (void)user;
    require(port && id && !is_gone);
    opened++;
    return (void *)(uintptr_t)id;
}

static void on_port_data(void *user, void *pair, struct vk_str bytes)
{
    const uint32_t id = (uint32_t)(uintptr_t)pair;

    (void)user;
    require(opened == 3 && id >= 1 && id <= 3 && bytes.n && !is_gone);
    port_forward_channels_send(ports, id, bytes);
    if (bytes.n % 5 == 0)
        port_forward_channels_end(ports, id);
    if (bytes.n % 7 == 0)
        port_forward_channels_fail(ports, id, "broken");
}

static void on_port_eof(void *user, void *pair)
{
    (void)user;
    require(pair && !is_gone);
}

static void run_ports(bool is_base64, const uint8_t *data, size_t size, size_t step)
{
    static const struct port_forward_events events = {on_port_open, on_port_data, on_port_eof,
                                                      on_reset,     on_gone,      on_send};
    static const struct port_forward_ports three = {.v = {80, 443, 65535}, .n = 3};
    struct vk_err err;

    opened = 0;
    is_gone = false;
    ports = port_forward_channels_new(is_base64, &three, &events, NULL);
    port_forward_channels_open(ports);
    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;

        if (port_forward_channels_feed(ports, (struct vk_str){(const char *)data + at, n}, &err) <
            0)
            break;
    }
    port_forward_channels_close(ports);
    port_forward_channels_free(ports);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t step;

    if (size < 2)
        return 0;
    step = 1u + data[0];
    if ((data[1] & 160) == 160)
        run_ports(data[1] & 64, data + 2, size - 2, step);
    else if (data[1] & 128)
        run_forwards(data[1] & 64, data + 2, size - 2, step);
    else
        run_command(data[1], data + 2, size - 2, step);
    return 0;
}
