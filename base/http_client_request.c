/* SPDX-License-Identifier: Apache-2.0 */
/* From struct http_request to a curl handle. */
#include <assert.h>
#include <curl/curl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/http_client_internal.h"
#include "base/secret.h"
#include "base/url.h"

#define DEFAULT_MAX_BODY (4 * 1024 * 1024)
#define MAX_ERROR_BODY (64 * 1024)
#define MAX_RESPONSE_HEADERS (64 * 1024)

/* ---- curl's callbacks ---- */

static size_t on_upload(char *to, size_t size, size_t count, void *user)
{
    struct http_call *call = user;
    size_t room = size * count, left = vk_buf_len(&call->request_body) - call->request_sent;
    size_t n = left < room ? left : room;

    memcpy(to, vk_buf_peek(&call->request_body) + call->request_sent, n);
    call->request_sent += n;
    return n;
}

static int on_rewind(void *user, curl_off_t offset, int origin)
{
    struct http_call *call = user;

    if (origin != SEEK_SET || offset < 0 || (size_t)offset > vk_buf_len(&call->request_body))
        return CURL_SEEKFUNC_FAIL;
    call->request_sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_response_header(char *line, size_t size, size_t count, void *user)
{
    struct http_call *call = user;
    size_t n = size * count;

    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        call->header_bytes = 0;
        call->has_head = false;
    }
    call->header_bytes += n;
    if (n > 0 && (line[0] == '\r' || line[0] == '\n'))
        call->has_head = true;
    if (call->header_bytes <= MAX_RESPONSE_HEADERS)
        return n;
    call->is_too_large = true;
    return 0;
}

static size_t stream_piece(struct http_call *call, struct vk_str piece)
{
    int rc;

    call->has_streamed = true;
    rc = call->on_body(call->user, piece);
    if (rc != 0)
        call->is_refused = true;
    return rc != 0 || call->is_cancelled ? 0 : piece.n;
}

static size_t on_response_body(char *bytes, size_t size, size_t count, void *user)
{
    struct http_call *call = user;
    size_t n = size * count, room;
    long status = 0;
    bool is_success;

    if (call->is_cancelled)
        return 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    is_success = status >= 200 && status < 300;
    if (is_success && call->on_body)
        return stream_piece(call, (struct vk_str){.p = bytes, .n = n});
    room = (is_success ? call->max_body : MAX_ERROR_BODY) - vk_buf_len(&call->body);
    if (n <= room) {
        vk_buf_add(&call->body, bytes, n);
        return n;
    }
    if (is_success) {
        call->is_too_large = true;
    } else {
        vk_buf_add(&call->body, bytes, room);
        call->is_error_body_cut = true;
    }
    return 0;
}

/* ---- headers ---- */

static bool is_clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

static bool fail(struct http_call *call, const char *what)
{
    vk_err_set(&call->err, VK_INVALID, "%s %s: %s", call->method, call->shown_url, what);
    vk_err_reason(&call->err, "NotSent");
    return false;
}

static bool add_header(struct http_call *call, const char *name, const char *value)
{
    char *line;

    if (vk_str_empty(name) || strpbrk(name, ": ") || !is_clean(name) || !is_clean(value))
        return fail(call, "a header of the request has a control character");
    /* curl: "Name:" removes a header, "Name;" sends an empty one. */
    line = *value ? vk_asprintf("%s: %s", name, value) : vk_asprintf("%s;", name);
    call->headers = curl_slist_append(call->headers, line);
    vk_wipe(line, strlen(line));
    vk_free(line);
    return true;
}

static bool add_headers(struct http_call *call, const struct http_request *request)
{
    bool has_content_type = false;

    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *h = &request->headers[i];

        if (!add_header(call, h->name, h->value))
            return false;
        has_content_type = has_content_type || vk_strieq(h->name, "content-type");
    }
    if (request->bearer) {
        char *value = vk_asprintf("Bearer %s", request->bearer);
        bool ok = add_header(call, "Authorization", value);

        vk_wipe(value, strlen(value));
        vk_free(value);
        if (!ok)
            return false;
    }
    /* What curl would add by itself. */
    call->headers = curl_slist_append(call->headers, "Expect:");
    if (!has_content_type)
        call->headers = curl_slist_append(call->headers, "Content-Type:");
    return true;
}

/* ---- URL ---- */

static bool is_absolute(const char *path)
{
    return vk_starts(path, "https://") || vk_starts(path, "http://");
}

static char *join_url(const struct http_host *host, const char *path)
{
    if (is_absolute(path))
        return vk_strdup(path);
    return vk_asprintf("%s%s%s", host->config.base_url, *path == '/' || !*path ? "" : "/", path);
}

/* Tokens and client certificates are for this host alone. */
static bool is_same_origin(const struct url *a, const struct url *b)
{
    return vk_streq(a->scheme, b->scheme) && vk_strieq(a->host, b->host) && a->port == b->port;
}

/*
 * curl takes the name to check from the URL. So the URL carries the other name, the connection goes
 * to the real host, and the Host header names it.
 */
static bool rename_host(struct http_call *call, const struct url *url)
{
    const char *name = call->host->config.tls_server_name;
    bool is_v6 = strchr(url->host, ':') != NULL;
    char *renamed = vk_asprintf("%s://%s:%d%s%s%s", url->scheme, name, url->port, url->path,
                                *url->query ? "?" : "", url->query);
    char *route = vk_asprintf("%s:%d:%s%s%s:%d", name, url->port, is_v6 ? "[" : "", url->host,
                              is_v6 ? "]" : "", url->port);

    call->connect_to = curl_slist_append(NULL, route);
    curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->connect_to);
    curl_easy_setopt(call->easy, CURLOPT_URL, renamed);
    vk_free(renamed);
    vk_free(route);
    return add_header(call, "Host", call->host->authority);
}

static bool set_url(struct http_call *call, const char *path)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    char *text VK_AUTOFREE = join_url(call->host, path);
    struct url url, base;
    struct vk_err err;

    call->shown_url = vk_strndup(text, strcspn(text, "?#"));
    if (!is_clean(text) || strchr(text, ' '))
        return fail(call, "the URL has a blank or a control character");
    if (url_parse(text, arena, &url, &err) < 0 ||
        url_parse(call->host->config.base_url, arena, &base, &err) < 0)
        return fail(call, err.msg);
    if (!is_same_origin(&url, &base))
        return fail(call, "the URL names another host than this client was configured for");
    if (call->host->config.tls_server_name)
        return rename_host(call, &url);
    curl_easy_setopt(call->easy, CURLOPT_URL, text);
    return true;
}

/* ---- the whole ---- */

static void set_method(struct http_call *call)
{
    const char *method = call->method;
    CURL *easy = call->easy;
    size_t n = vk_buf_len(&call->request_body);

    if (vk_streq(method, "HEAD")) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (n > 0 || vk_streq(method, "POST") || vk_streq(method, "PUT") || vk_streq(method, "PATCH")) {
        curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)n);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_upload);
        curl_easy_setopt(easy, CURLOPT_READDATA, call);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    if (call->is_idempotent) {
        curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
        curl_easy_setopt(easy, CURLOPT_SEEKDATA, call);
    } else if (n == 0) {
        /*
         * curl silently sends a request again when a kept connection breaks before the first byte
         * of the answer. A body that it cannot rewind stops it; without a body only a connection of
         * its own does.
         */
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    }
}

static void set_callbacks(struct http_call *call)
{
    CURL *easy = call->easy;

    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error_text);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_response_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_response_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
}

bool http_call_prepare(struct http_call *call, const struct http_request *request)
{
    assert(request->deadline_ms > 0 || request->on_body);
    call->method = vk_strdup(request->method);
    call->max_body = request->max_body ? request->max_body : DEFAULT_MAX_BODY;
    vk_buf_init(&call->body, call->max_body > MAX_ERROR_BODY ? call->max_body : MAX_ERROR_BODY);
    vk_buf_init(&call->request_body, request->body.n);
    vk_buf_addstr(&call->request_body, request->body);
    http_host_configure(call->host, call->easy);
    set_callbacks(call);
    set_method(call);
    curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long)call->deadline_ms);
    if (!set_url(call, request->path) || !add_headers(call, request))
        return false;
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    return true;
}
