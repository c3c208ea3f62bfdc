/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/probe_http.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/url.h"
#include "kubelet/api/container.h"

#define MAX_REDIRECTS 10
#define MAX_URL 8192

struct probe_http {
    struct http_client *client;
    struct http_host *peer;
    struct http_call *call;
    struct vk_arena *arena;
    const char *first_host; /* redirects stay there */
    const char *url;
    struct http_header *headers;
    size_t header_count;
    bool keeps_host; /* the Host header asked for goes along */
    const char *user_agent;
    int64_t deadline_mono_ms;
    int redirects;
    struct vk_buf body; /* as far as it is kept */
    bool is_body_full;
    probe_outcome_fn done;
    void *user;
};

static void free_probe(struct probe_http *p)
{
    http_host_free(p->peer);
    vk_buf_release(&p->body);
    vk_arena_free(p->arena);
    vk_free(p);
}

static void end(struct probe_http *p, const struct probe_outcome *outcome)
{
    p->done(p->user, outcome);
    free_probe(p);
}

static void finish(struct probe_http *p, enum probe_outcome_kind kind, int status,
                   const char *output)
{
    end(p, &(struct probe_outcome){.kind = kind, .output = output, .http_status = status});
}

/* OpenSSL's words for "HTTP/" where a TLS record should begin: up to 3.1, and later. */
static bool is_plain_http(const struct probe_http *p, const struct vk_err *err)
{
    return vk_starts(p->url, "https:") &&
           (strstr(err->msg, "wrong version number") || strstr(err->msg, "packet length too long"));
}

static int on_body(void *user, struct vk_str piece)
{
    struct probe_http *p = user;
    const size_t room = PROBE_OUTPUT_MAX - vk_buf_len(&p->body);

    vk_buf_add(&p->body, piece.p, piece.n < room ? piece.n : room);
    p->is_body_full = piece.n >= room;
    return p->is_body_full;
}

static void fail(struct probe_http *p, const struct vk_err *err)
{
    const char *text = err->msg;
    char *output VK_AUTOFREE = NULL;

    /* In the words of Go's client, which people search for. */
    if (err->code == VK_TIMEOUT) {
        text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
    } else {
        const char *behind = strstr(text, ": ");

        text = behind && vk_starts(text, "GET ") ? behind + 2 : text;
    }
    output = vk_asprintf("Get \"%s\": %s", p->url, text);
    end(p, &(struct probe_outcome){
               .kind = PROBE_FAILED, .output = output, .is_plain_http = is_plain_http(p, err)});
}

static bool is_redirect(int status)
{
    return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

static void start_call(struct probe_http *p);

/* True: the answer leads elsewhere on the same host, and the probe is on its way there. */
static bool follow(struct probe_http *p, const struct http_response *response)
{
    const char *to = http_response_redirect(response);
    const char *location = http_response_header(response, "location");
    struct url url;
    struct vk_err err;

    if (!is_redirect(response->status) || !to || p->redirects >= MAX_REDIRECTS ||
        url_parse(to, p->arena, &url, &err) < 0 || !vk_strieq(url.host, p->first_host))
        return false;
    p->redirects++;
    p->keeps_host = p->keeps_host && location && !strstr(location, "://");
    p->url = vk_arena_strdup(p->arena, to);
    vk_buf_clear(&p->body);
    p->is_body_full = false;
    http_host_free(vk_take(p->peer));
    start_call(p);
    return true;
}

static void on_done(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct probe_http *p = user;
    const bool is_cut = err && p->is_body_full;
    const int status = is_cut ? 200 : response ? response->status : 0;
    char *output VK_AUTOFREE = NULL;

    p->call = NULL;
    if (err && !is_cut) {
        fail(p, err);
        return;
    }
    if (response && follow(p, response))
        return;
    if (response && is_redirect(status) && p->redirects >= MAX_REDIRECTS) {
        output = vk_asprintf("Get \"%s\": stopped after %d redirects", p->url, MAX_REDIRECTS);
        finish(p, PROBE_FAILED, status, output);
    } else if (status >= 300 && status < 400) {
        const struct vk_str body = response->body;

        output = vk_asprintf("Probe terminated redirects, Response body: %.*s",
                             (int)(body.n > PROBE_OUTPUT_MAX ? PROBE_OUTPUT_MAX : body.n), body.p);
        finish(p, PROBE_WARNED, status, output);
    } else if (status >= 200 && status < 300) {
        finish(p, PROBE_SUCCEEDED, status, vk_buf_peek(&p->body));
    } else {
        output = vk_asprintf("HTTP probe failed with statuscode: %d", status);
        finish(p, PROBE_FAILED, status, output);
    }
}

static void start_call(struct probe_http *p)
{
    const int64_t left_ms = p->deadline_mono_ms - vk_mono_ms();
    const size_t scheme_end = strcspn(p->url, ":") + strlen("://");
    const size_t base_end = scheme_end + strcspn(p->url + scheme_end, "/?#");
    char *base VK_AUTOFREE = vk_strndup(p->url, base_end);
    struct http_header *headers = vk_arena_array(p->arena, p->header_count + 1, sizeof(*headers));
    size_t n = 0;

    for (size_t i = 0; i < p->header_count; i++)
        if (p->keeps_host || !vk_strieq(p->headers[i].name, "host"))
            headers[n++] = p->headers[i];
    p->peer = http_host_new(p->client, &(struct http_host_config){
                                           .base_url = base,
                                           .insecure_skip_verify = true,
                                           .no_proxy = true,
                                           .user_agent = p->user_agent,
                                           .connect_timeout_ms = left_ms > 0 ? left_ms : 1,
                                       });
    p->call = http_call_start(p->peer, &(struct http_request){
                                           .method = "GET",
                                           .path = p->url,
                                           .headers = headers,
                                           .header_count = n,
                                           .deadline_ms = left_ms > 0 ? left_ms : 1,
                                           .max_body = PROBE_OUTPUT_MAX,
                                           .on_body = on_body,
                                           .on_done = on_done,
                                           .user = p,
                                       });
}

/* What is already escaped stays; what may not stand in a URL is escaped. */
static void add_path(struct vk_buf *out, const char *path)
{
    if (*path != '/')
        vk_buf_addc(out, '/');
    for (const char *c = path; *c && *c != '#'; c++) {
        if (*c > ' ' && *c < 0x7f && !strchr("\"<>\\^`{|}", *c))
            vk_buf_addc(out, *c);
        else
            vk_buf_printf(out, "%%%02X", (unsigned char)*c);
    }
}

static const char *build_url(struct probe_http *p, const struct probe_http_request *r)
{
    const bool is_v6 = strchr(r->host, ':') && r->host[0] != '[';
    struct vk_buf url VK_BUF_AUTO;

    vk_buf_init(&url, MAX_URL);
    vk_buf_printf(&url, "%s://%s%s%s:%lld", vk_strieq(r->scheme, "HTTPS") ? "https" : "http",
                  is_v6 ? "[" : "", r->host, is_v6 ? "]" : "", (long long)r->port);
    add_path(&url, r->path ? r->path : "");
    return vk_arena_strdup(p->arena, vk_buf_peek(&url));
}

static void copy_headers(struct probe_http *p, const struct json_array *from)
{
    const struct http_header_field *f = from ? from->v : NULL;
    const size_t n = from ? from->n : 0;

    p->headers = vk_arena_array(p->arena, n + 1, sizeof(*p->headers));
    for (size_t i = 0; i < n; i++)
        p->headers[i] =
            (struct http_header){.name = vk_arena_strdup(p->arena, f[i].name ? f[i].name : ""),
                                 .value = vk_arena_strdup(p->arena, f[i].value ? f[i].value : "")};
    p->header_count = n;
}

struct probe_http *probe_http_start(struct http_client *client,
                                    const struct probe_http_request *request, probe_outcome_fn done,
                                    void *user)
{
    struct probe_http *p = vk_calloc(1, sizeof(*p));

    p->client = client;
    p->arena = vk_arena_new();
    p->first_host = vk_arena_strdup(p->arena, request->host);
    p->url = build_url(p, request);
    copy_headers(p, request->headers);
    p->keeps_host = true;
    p->user_agent = vk_arena_strdup(p->arena, request->user_agent);
    p->deadline_mono_ms = vk_mono_ms() + request->timeout_ms;
    vk_buf_init(&p->body, PROBE_OUTPUT_MAX);
    p->done = done;
    p->user = user;
    start_call(p);
    return p;
}

void probe_http_cancel(struct probe_http *p)
{
    if (!p)
        return;
    http_call_cancel(p->call);
    free_probe(p);
}
