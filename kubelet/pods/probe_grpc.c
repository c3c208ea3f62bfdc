/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/probe_grpc.h"

#include <string.h>

#include "base/alloc.h"
#include "base/url.h"

#define FRAME_HEAD 5
/* What API servers let a service's name be, and more. */
#define MAX_SERVICE 4096
#define CODE_UNIMPLEMENTED 12

/* Field 1 of both messages: a string here, a varint there. */
#define TAG_SERVICE 0x0a
#define TAG_STATUS 0x08
#define WIRE_TYPE 0x07
enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
#define STATUS_SERVING 1

struct probe_grpc {
    struct http_host *peer;
    struct http_call *call;
    char *shown; /* "10.0.0.1:80" */
    int64_t timeout_ms;
    probe_outcome_fn done;
    void *user;
};

static void add_varint(struct vk_buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        vk_buf_addc(out, (char)(value | 0x80));
    vk_buf_addc(out, (char)value);
}

void probe_grpc_write_request(struct vk_buf *out, const char *service)
{
    const struct vk_str name = vk_str_of(service);
    struct vk_buf message VK_BUF_AUTO;
    size_t n;

    vk_buf_init(&message, MAX_SERVICE + 16);
    if (name.n > 0 && name.n <= MAX_SERVICE) {
        vk_buf_addc(&message, TAG_SERVICE);
        add_varint(&message, name.n);
        vk_buf_addstr(&message, name);
    }
    n = vk_buf_len(&message);
    /* Not compressed, and its length in network order. */
    vk_buf_add(out, (const char[FRAME_HEAD]){0, 0, 0, (char)(n >> 8), (char)(n & 0xff)},
               FRAME_HEAD);
    vk_buf_addstr(out, vk_buf_str(&message));
}

static bool take_varint(struct vk_str *s, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && s->n > 0; shift += 7) {
        const unsigned char byte = (unsigned char)*s->p++;

        s->n--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* A field that is not ours. */
static bool skip(struct vk_str *s, uint64_t tag)
{
    uint64_t n = 0;

    switch (tag & WIRE_TYPE) {
    case WIRE_VARINT:
        return take_varint(s, &n);
    case WIRE_64:
        n = 8;
        break;
    case WIRE_32:
        n = 4;
        break;
    case WIRE_BYTES:
        if (!take_varint(s, &n))
            return false;
        break;
    default:
        return false;
    }
    if (n > s->n)
        return false;
    s->p += n;
    s->n -= n;
    return true;
}

int probe_grpc_read_status(struct vk_str message)
{
    uint64_t status = 0, tag;
    size_t n;

    if (message.n < FRAME_HEAD || message.p[0] != 0 || message.p[1] != 0 || message.p[2] != 0)
        return -1;
    n = (size_t)(unsigned char)message.p[3] << 8 | (unsigned char)message.p[4];
    if (message.n != FRAME_HEAD + n)
        return -1;
    message.p += FRAME_HEAD;
    message.n = n;
    while (message.n > 0) {
        if (!take_varint(&message, &tag))
            return -1;
        if (tag == TAG_STATUS ? !take_varint(&message, &status) : !skip(&message, tag))
            return -1;
    }
    return status > INT32_MAX ? -1 : (int)status;
}

static void free_probe(struct probe_grpc *p)
{
    http_host_free(p->peer);
    vk_free(p->shown);
    vk_free(p);
}

static void finish(struct probe_grpc *p, enum probe_outcome_kind kind, char *output)
{
    const struct probe_outcome outcome = {.kind = kind, .output = output};

    p->done(p->user, &outcome);
    vk_free(output);
    free_probe(p);
}

/* The call itself went wrong. */
static char *describe_code(int64_t code, const char *message)
{
    static const char *const names[] = {
        "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
        "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
        "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
        "DataLoss", "Unauthenticated"};

    if (code == CODE_UNIMPLEMENTED)
        return vk_asprintf("error: this server does not implement the grpc health protocol "
                           "(grpc.health.v1.Health): %s",
                           message);
    return vk_asprintf("error: health rpc probe failed: rpc error: code = %s desc = %s",
                       code >= 0 && code < (int64_t)VK_COUNT(names) ? names[code] : "Unknown",
                       message);
}

static char *describe_status(int status)
{
    static const char *const names[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};

    if (status < 0)
        return vk_asprintf("error: health rpc probe failed: the answer is no HealthCheckResponse");
    return vk_asprintf("service unhealthy (responded with \"%s\")",
                       status < (int)VK_COUNT(names) ? names[status] : "UNKNOWN");
}

static const char *answer_member(const struct http_response *response, const char *name)
{
    const char *value = http_response_trailer(response, name);

    /* An answer without a message has all of it in its head. */
    return value ? value : http_response_header(response, name);
}

static void on_done(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct probe_grpc *p = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const char *code_text, *message = NULL;
    int64_t code = -1;
    int status;

    p->call = NULL;
    if (err && err->code == VK_TIMEOUT) {
        finish(p, PROBE_FAILED,
               vk_asprintf("timeout: failed to connect service \"%s\" within %llds: context "
                           "deadline exceeded",
                           p->shown, (long long)p->timeout_ms / 1000));
        return;
    }
    if (err) {
        finish(p, PROBE_FAILED,
               vk_asprintf("error: failed to connect service at \"%s\": %s", p->shown, err->msg));
        return;
    }
    code_text = answer_member(response, "grpc-status");
    if (!vk_str_int64(vk_str_of(code_text), 0, INT32_MAX, &code)) {
        finish(p, PROBE_FAILED,
               vk_asprintf("error: health rpc probe failed: HTTP status %d without a gRPC status",
                           response->status));
        return;
    }
    if (code != 0) {
        if (!url_decode(vk_str_of(answer_member(response, "grpc-message")), false, arena, &message))
            message = "";
        finish(p, PROBE_FAILED, describe_code(code, message));
        return;
    }
    status = probe_grpc_read_status(response->body);
    if (status == STATUS_SERVING)
        finish(p, PROBE_SUCCEEDED, vk_strdup("service healthy"));
    else
        finish(p, PROBE_FAILED, describe_status(status));
}

struct probe_grpc *probe_grpc_start(struct http_client *client,
                                    const struct probe_grpc_request *request, probe_outcome_fn done,
                                    void *user)
{
    static const struct http_header headers[] = {{"content-type", "application/grpc"},
                                                 {"te", "trailers"}};
    struct probe_grpc *p = vk_calloc(1, sizeof(*p));
    const bool is_v6 = strchr(request->host, ':') != NULL;
    char *base VK_AUTOFREE = NULL;
    struct vk_buf body VK_BUF_AUTO;

    p->shown = vk_asprintf("%s%s%s:%lld", is_v6 ? "[" : "", request->host, is_v6 ? "]" : "",
                           (long long)request->port);
    p->timeout_ms = request->timeout_ms;
    p->done = done;
    p->user = user;
    base = vk_asprintf("http://%s", p->shown);
    vk_buf_init(&body, MAX_SERVICE + 64);
    probe_grpc_write_request(&body, request->service);
    p->peer = http_host_new(client, &(struct http_host_config){
                                        .base_url = base,
                                        .http2_only = true,
                                        .no_proxy = true,
                                        .user_agent = request->user_agent,
                                        .connect_timeout_ms = request->timeout_ms,
                                    });
    p->call = http_call_start(p->peer, &(struct http_request){
                                           .method = "POST",
                                           .path = "/grpc.health.v1.Health/Check",
                                           .headers = headers,
                                           .header_count = VK_COUNT(headers),
                                           .body = vk_buf_str(&body),
                                           .deadline_ms = request->timeout_ms,
                                           .max_body = PROBE_OUTPUT_MAX,
                                           .on_done = on_done,
                                           .user = p,
                                       });
    return p;
}

void probe_grpc_cancel(struct probe_grpc *p)
{
    if (!p)
        return;
    http_call_cancel(p->call);
    free_probe(p);
}
