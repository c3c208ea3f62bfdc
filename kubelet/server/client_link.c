/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/client_link.h"

#include "base/clock.h"

#define TICK_MS 2000
#define HEARTBEAT_MS 5000
#define IDLE_MS (INT64_C(4) * 3600 * 1000)
/* How often the rest of a session is looked at: at once, then less and less often. */
#define END_FIRST_MS 10
#define END_MAX_MS 1000

static void on_tick(void *user)
{
    struct client_link *l = user;
    int64_t now_ms = vk_mono_ms();

    /* While paused nobody reads the FIN of a client that went away. */
    if ((l->is_paused && tls_conn_has_peer_closed(l->conn)) || now_ms - l->active_ms > IDLE_MS) {
        tls_conn_abort(l->conn);
        return;
    }
    vk_timer_arm(&l->tick, TICK_MS);
    if (l->is_ending)
        return;
    if (l->is_paused && now_ms - l->paused_ms >= HEARTBEAT_MS) {
        l->paused_ms = now_ms;
        l->events->heartbeat(l->user);
    }
    if (l->events->tick)
        l->events->tick(l->user);
}

static void on_end(void *user)
{
    struct client_link *l = user;

    if (tls_conn_queued(l->conn) == 0) {
        tls_conn_close(l->conn);
        return;
    }
    l->end_delay_ms = l->end_delay_ms * 2 < END_MAX_MS ? l->end_delay_ms * 2 : END_MAX_MS;
    vk_timer_arm(&l->end, l->end_delay_ms);
}

static void on_data(void *conn_user, struct vk_str bytes)
{
    struct client_link *l = conn_user;

    l->active_ms = vk_mono_ms();
    if (!l->is_ending)
        l->events->data(l->user, bytes);
}

static void on_drained(void *conn_user)
{
    struct client_link *l = conn_user;

    l->active_ms = vk_mono_ms();
    if (!l->is_ending)
        l->events->drained(l->user);
}

/* None of the protocols half-closes the connection. */
static void on_eof(void *conn_user)
{
    struct client_link *l = conn_user;

    if (!l->is_ending) {
        l->is_ending = true;
        l->events->gone(l->user);
    }
    tls_conn_close(l->conn);
}

static void on_closed(void *conn_user)
{
    struct client_link *l = conn_user;

    vk_timer_disarm(&l->tick);
    vk_timer_disarm(&l->end);
    if (l->open_count)
        --*l->open_count;
    l->events->closed(l->user);
}

const struct tls_listener_events client_link_conn_events = {
    .data = on_data, .drained = on_drained, .eof = on_eof, .closed = on_closed};

void client_link_init(struct client_link *l, struct vk_loop *loop,
                      const struct client_link_events *events, void *user)
{
    *l = (struct client_link){.events = events, .user = user};
    vk_timer_init(&l->tick, loop, "streaming session", on_tick, l);
    vk_timer_init(&l->end, loop, "end of a streaming session", on_end, l);
}

void client_link_open(struct client_link *l, struct tls_conn *conn, size_t *open_count)
{
    l->conn = conn;
    l->open_count = open_count;
    if (open_count)
        ++*open_count;
    l->active_ms = vk_mono_ms();
    vk_timer_arm(&l->tick, TICK_MS);
}

void client_link_send(struct client_link *l, struct vk_str bytes)
{
    l->active_ms = vk_mono_ms();
    tls_conn_write(l->conn, bytes);
}

bool client_link_is_full(const struct client_link *l)
{
    return tls_conn_is_full(l->conn);
}

void client_link_pause(struct client_link *l, bool paused)
{
    if (l->is_ending || l->is_paused == paused)
        return;
    l->is_paused = paused;
    l->paused_ms = vk_mono_ms();
    tls_conn_pause(l->conn, paused);
}

void client_link_end(struct client_link *l)
{
    if (l->is_ending)
        return;
    client_link_pause(l, false);
    l->is_ending = true;
    l->end_delay_ms = END_FIRST_MS;
    vk_timer_arm(&l->end, 0);
}
