/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http_client.h"

#include <assert.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/http_client_internal.h"
#include "base/secret.h"

#define DEFAULT_CONNECT_TIMEOUT_MS 5000
#define DEFAULT_MAX_CONNECTIONS 4
/*
 * A peer that acknowledges nothing for this long is dead; without it HTTP/2 calls would go on to a
 * vanished machine for a quarter of an hour. Source: client-go's ReadIdleTimeout of 30 s.
 */
#define DEAD_PEER_MS 30000U
#define KEEPALIVE_IDLE_S 30L
#define KEEPALIVE_INTERVAL_S 10L
/* The least that curl allows for either buffer. */
#define BUFFER_BYTES (16L * 1024)

struct http_socket {
    struct vk_list link; /* client->sockets */
    struct http_host *host;
    curl_socket_t fd;
    uint32_t events;
    struct vk_fd *source; /* NULL while `fd` is known to be another socket by now */
};

/* ---- client: easy handles ---- */

struct http_client *http_client_new(struct vk_loop *loop)
{
    struct http_client *client = vk_calloc(1, sizeof(*client));

    curl_global_init(CURL_GLOBAL_DEFAULT);
    client->loop = loop;
    vk_list_init(&client->sockets);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    assert(client->host_count == 0);
    while (client->idle_count)
        curl_easy_cleanup(client->idle[--client->idle_count]);
    curl_global_cleanup();
    vk_free(client);
}

void *http_client_take_easy(struct http_client *client)
{
    CURL *easy = client->idle_count ? client->idle[--client->idle_count] : curl_easy_init();

    if (!easy)
        abort();
    return easy;
}

void http_client_return_easy(struct http_client *client, void *easy)
{
    if (client->idle_count == HTTP_CLIENT_POOL) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    client->idle[client->idle_count++] = easy;
}

/* ---- host: the loop's side of curl ---- */

static void host_destroy(struct http_host *host);

/* Memory of the host must not go while one of its functions is on the stack. */
static void host_enter(struct http_host *host)
{
    host->busy_depth++;
}

static void host_leave(struct http_host *host)
{
    if (--host->busy_depth == 0 && host->is_freed)
        host_destroy(host);
}

/* Reports what ended; then gives curl what was started, and drops what was cancelled, meanwhile. */
static void host_settle(struct http_host *host)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(host->multi, &left))) {
        struct http_call *call = NULL;
        int result = (int)message->data.result;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        http_call_finish(call, result);
    }
    VK_LIST_FOREACH(it, &host->pending)
    {
        struct http_call *call = VK_LIST_ENTRY(it, struct http_call, link);

        if (call->is_cancelled)
            http_call_free(call);
        else if (call->state == CALL_WAITING)
            http_call_submit(call);
    }
}

static struct http_call *next_failed(struct http_host *host)
{
    VK_LIST_FOREACH(it, &host->pending)
    {
        struct http_call *call = VK_LIST_ENTRY(it, struct http_call, link);

        if (call->state == CALL_FAILED)
            return call;
    }
    return NULL;
}

static void on_failure_timer(void *user)
{
    struct http_host *host = user;
    struct http_call *call = next_failed(host);

    host_enter(host);
    /* One per turn: a caller that starts the same bad call again must not hold up the loop. */
    if (call)
        http_call_finish(call, (int)CURLE_FAILED_INIT);
    if (next_failed(host))
        vk_timer_arm(&host->failure_timer, 0);
    host_leave(host);
}

static void host_act(struct http_host *host, curl_socket_t fd, int what)
{
    int running;

    assert(!host->in_curl);
    host_enter(host);
    host->in_curl = true;
    curl_multi_socket_action(host->multi, fd, what, &running);
    host->in_curl = false;
    host_settle(host);
    host_leave(host);
}

static void on_socket_event(void *user, uint32_t events)
{
    const struct http_socket *s = user;
    int what = 0;

    if (events & EPOLLIN)
        what |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (events & (EPOLLERR | EPOLLHUP))
        what |= CURL_CSELECT_ERR;
    host_act(s->host, s->fd, what);
}

static void on_curl_timer(void *user)
{
    host_act(user, CURL_SOCKET_TIMEOUT, 0);
}

static void socket_free(struct http_socket *socket)
{
    vk_fd_forget(socket->source);
    vk_list_remove(&socket->link);
    vk_free(socket);
}

static void socket_watch(struct http_socket *socket, uint32_t events)
{
    socket->events = events;
    if (socket->source)
        vk_fd_set_events(socket->source, events);
    else
        socket->source = vk_loop_add_fd(socket->host->client->loop, socket->fd, events, "curl",
                                        on_socket_event, socket);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
    struct http_host *host = user;
    struct http_socket *socket = socket_user;
    uint32_t events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(host->multi, fd, NULL);
        if (socket)
            socket_free(socket);
        return 0;
    }
    if (what & CURL_POLL_IN)
        events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        events |= EPOLLOUT;
    if (!socket) {
        socket = vk_calloc(1, sizeof(*socket));
        socket->host = host;
        socket->fd = fd;
        vk_list_init(&socket->link);
        vk_list_add_tail(&host->client->sockets, &socket->link);
        curl_multi_assign(host->multi, fd, socket);
    }
    socket_watch(socket, events);
    return 0;
}

/*
 * curl 7.88 closes a socket that did not connect before it says CURL_POLL_REMOVE, and when the next
 * address gets the same number it says nothing at all. So a number that comes anew is watched anew.
 */
static curl_socket_t on_curl_opens(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_host *host = user;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    const unsigned dead_ms = DEAD_PEER_MS;

    (void)purpose;
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
    VK_LIST_FOREACH(it, &host->client->sockets)
    {
        struct http_socket *stale = VK_LIST_ENTRY(it, struct http_socket, link);

        if (fd < 0 || stale->fd != fd)
            continue;
        vk_fd_forget(vk_take(stale->source));
        if (stale->host == host)
            socket_watch(stale, stale->events);
        else
            stale->fd = CURL_SOCKET_BAD;
    }
    return fd;
}

/* Only notes the time: curl must not be entered from its own callback. */
static int on_curl_wants_timer(CURLM *multi, long delay_ms, void *user)
{
    struct http_host *host = user;

    (void)multi;
    if (delay_ms < 0)
        vk_timer_disarm(&host->curl_timer);
    else
        vk_timer_arm(&host->curl_timer, delay_ms);
    return 0;
}

/* Streams last, so each brings its connection along instead of starving the short calls. */
void http_host_update_limit(struct http_host *host)
{
    const long limit = (long)(host->config.max_connections + host->stream_count);

    curl_multi_setopt(host->multi, CURLMOPT_MAX_HOST_CONNECTIONS, limit);
    /* By itself curl keeps four per call under way, and closes the rest whenever a burst ebbs. */
    curl_multi_setopt(host->multi, CURLMOPT_MAXCONNECTS, limit);
}

/* ---- host: what it is configured with ---- */

static const char *copy_text(const char *text)
{
    return text ? vk_strdup(text) : NULL;
}

static void drop_text(const char *text)
{
    vk_free((char *)(uintptr_t)text);
}

static void drop_secret_text(const char *text)
{
    if (text)
        vk_wipe((char *)(uintptr_t)text, strlen(text));
    drop_text(text);
}

/* curl's built-in bundle may be another distribution's path. */
static const char *system_bundle(void)
{
    const char *candidates[] = {
        getenv("SSL_CERT_FILE"),
        curl_version_info(CURLVERSION_NOW)->cainfo,
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    };

    for (size_t i = 0; i < VK_COUNT(candidates); i++)
        if (!vk_str_empty(candidates[i]) && access(candidates[i], R_OK) == 0)
            return candidates[i];
    return NULL;
}

static void copy_config(struct http_host *host, const struct http_host_config *config)
{
    struct http_host_config *own = &host->config;
    size_t n = strlen(config->base_url);
    const char *authority = strstr(config->base_url, "://");

    *own = *config;
    while (n > 0 && config->base_url[n - 1] == '/')
        n--;
    own->base_url = vk_strndup(config->base_url, n);
    own->ca_pem = copy_text(config->ca_pem);
    own->ca_file = copy_text(vk_str_empty(config->ca_file) ? system_bundle() : config->ca_file);
    own->cert_file = copy_text(config->cert_file);
    own->key_file = copy_text(config->key_file);
    own->cert_pem = copy_text(config->cert_pem);
    own->key_pem = copy_text(config->key_pem);
    own->tls_server_name = copy_text(config->tls_server_name);
    own->proxy_url = copy_text(config->proxy_url);
    own->user_agent = copy_text(config->user_agent);
    if (!own->connect_timeout_ms)
        own->connect_timeout_ms = DEFAULT_CONNECT_TIMEOUT_MS;
    if (!own->max_connections)
        own->max_connections = DEFAULT_MAX_CONNECTIONS;
    authority = authority ? authority + 3 : config->base_url;
    host->authority = vk_strndup(authority, strcspn(authority, "/?#"));
}

struct http_host *http_host_new(struct http_client *client, const struct http_host_config *config)
{
    struct http_host *host = vk_calloc(1, sizeof(*host));

    host->client = client;
    client->host_count++;
    host->clock_ahead_ms = INT64_MIN;
    copy_config(host, config);
    vk_list_init(&host->running);
    vk_list_init(&host->pending);
    vk_timer_init(&host->curl_timer, client->loop, "curl", on_curl_timer, host);
    vk_timer_init(&host->failure_timer, client->loop, "failed calls", on_failure_timer, host);
    host->multi = curl_multi_init();
    if (!host->multi)
        abort();
    curl_multi_setopt(host->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(host->multi, CURLMOPT_SOCKETDATA, host);
    curl_multi_setopt(host->multi, CURLMOPT_TIMERFUNCTION, on_curl_wants_timer);
    curl_multi_setopt(host->multi, CURLMOPT_TIMERDATA, host);
    curl_multi_setopt(host->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    http_host_update_limit(host);
    return host;
}

static void host_destroy(struct http_host *host)
{
    assert(vk_list_is_empty(&host->running) && vk_list_is_empty(&host->pending));
    /* Before curl closes the descriptors, which it does not report on this path. */
    curl_multi_setopt(host->multi, CURLMOPT_SOCKETFUNCTION, NULL);
    VK_LIST_FOREACH(it, &host->client->sockets)
    {
        struct http_socket *left = VK_LIST_ENTRY(it, struct http_socket, link);

        if (left->host == host)
            socket_free(left);
    }
    curl_multi_cleanup(host->multi);
    vk_timer_disarm(&host->curl_timer);
    vk_timer_disarm(&host->failure_timer);
    drop_text(host->config.base_url);
    drop_text(host->config.ca_file);
    drop_text(host->config.ca_pem);
    drop_text(host->config.cert_file);
    drop_text(host->config.key_file);
    drop_text(host->config.cert_pem);
    drop_secret_text(host->config.key_pem);
    drop_text(host->config.tls_server_name);
    drop_text(host->config.proxy_url);
    drop_text(host->config.user_agent);
    vk_free(host->authority);
    host->client->host_count--;
    vk_free(host);
}

void http_host_free(struct http_host *host)
{
    if (!host)
        return;
    assert(host->call_count == 0);
    if (host->busy_depth)
        host->is_freed = true; /* inside a callback of its own last call */
    else
        host_destroy(host);
}

bool http_host_is_busy(const struct http_host *host)
{
    return host->call_count > 0;
}

static struct curl_blob blob_of(const char *pem)
{
    /* curl only reads it; the text lives as long as the host. */
    return (struct curl_blob){
        .data = (char *)(uintptr_t)pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY};
}

static void configure_tls(const struct http_host_config *config, CURL *easy)
{
    /* A CApath would disable the cache of the parsed bundle: 22 ms of CPU per connection. */
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    if (config->insecure_skip_verify) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    } else if (config->ca_pem) {
        struct curl_blob blob = blob_of(config->ca_pem);

        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
    } else if (config->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
    }
    if (config->cert_pem) {
        struct curl_blob blob = blob_of(config->cert_pem);

        curl_easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &blob);
    } else if (config->cert_file) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, config->cert_file);
    }
    if (config->key_pem) {
        struct curl_blob blob = blob_of(config->key_pem);

        curl_easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &blob);
    } else if (config->key_file) {
        curl_easy_setopt(easy, CURLOPT_SSLKEY, config->key_file);
    }
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, config->insecure_skip_verify ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, config->insecure_skip_verify ? 0L : 2L);
}

void http_host_configure(const struct http_host *host, void *easy)
{
    const struct http_host_config *config = &host->config;

    configure_tls(config, easy);
    if (config->no_proxy)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    else if (config->proxy_url)
        curl_easy_setopt(easy, CURLOPT_PROXY, config->proxy_url);
    if (config->user_agent)
        curl_easy_setopt(easy, CURLOPT_USERAGENT, config->user_agent);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(
        easy, CURLOPT_HTTP_VERSION,
        (long)(config->http2_only ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE : CURL_HTTP_VERSION_2TLS));
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_curl_opens);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, host);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    /* Connections from before the last timeout are not used again; curl counts in seconds. */
    if (host->distrust_mono_ms)
        curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN,
                         (long)((vk_mono_ms() - host->distrust_mono_ms) / 1000 + 1));
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
}
