/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the files of base/http_client: the multi handle of a host, and the calls on it. curl's
 * handles are void, which is what CURL and CURLM stand for, so that curl.h stays in the sources.
 */
#pragma once

#include "base/buf.h"
#include "base/http_client.h"
#include "base/list.h"

#define HTTP_CLIENT_POOL 32
#define HTTP_CLIENT_ERROR_TEXT 256 /* CURL_ERROR_SIZE */

struct curl_slist;

struct http_client {
    struct vk_loop *loop;
    void *idle[HTTP_CLIENT_POOL]; /* easy handles to use again */
    size_t idle_count;
    size_t host_count;
    struct vk_list sockets; /* of all hosts */
};

/*
 * A multi handle per host, not per client: connections, their limit and curl's one-entry cache of
 * parsed CA bundles belong to the host, and they die with it.
 */
struct http_host {
    struct http_client *client;
    struct http_host_config config; /* owned copies of all text */
    char *authority;                /* "10.0.0.1:6443" of base_url, as written */
    void *multi;
    struct vk_timer curl_timer;    /* what curl asked for */
    struct vk_timer failure_timer; /* reports calls that failed before curl saw them */
    /* Every call is in one of these. Pending: failed early, or started or cancelled inside curl. */
    struct vk_list running, pending;
    size_t call_count;        /* without those that were cancelled or are being reported */
    unsigned stream_count;    /* calls without a deadline: they bring a connection of their own */
    int64_t distrust_mono_ms; /* a call timed out then: older connections may be dead; 0: none */
    int64_t clock_ahead_ms;   /* of the last answer with a Date; INT64_MIN: none had one */
    bool in_curl;             /* curl is calling us: its multi handle must not be changed */
    unsigned busy_depth;      /* > 0: the host's memory must stay */
    bool is_freed;            /* http_host_free came meanwhile */
};

enum call_state {
    CALL_WAITING,   /* to be given to curl when it is not calling us */
    CALL_RUNNING,   /* in the multi handle */
    CALL_FAILED,    /* before curl saw it; reported on the next turn */
    CALL_REPORTING, /* inside on_done */
};

struct http_call {
    struct http_host *host;
    struct vk_list link; /* host->running or host->pending */
    enum call_state state;
    void *easy;
    struct curl_slist *headers, *connect_to;
    char *method, *shown_url; /* for messages: without query */
    struct vk_buf request_body;
    size_t request_sent;
    struct vk_buf body;
    size_t header_bytes;
    bool has_head;       /* the empty line that ends the response's head was seen */
    int64_t deadline_ms; /* what is left of it; 0: none */
    size_t max_body;
    http_body_fn on_body;
    http_done_fn on_done;
    void *user;
    bool is_idempotent, has_retried;
    bool has_sent;     /* some byte of some attempt may have left */
    bool has_streamed; /* on_body saw something: no attempt can be repeated */
    bool is_cancelled;
    /* Why a callback of ours ended the transfer. */
    bool is_refused, is_too_large, is_error_body_cut;
    struct vk_err err; /* for CALL_FAILED */
    char error_text[HTTP_CLIENT_ERROR_TEXT];
};

/* http_client.c */
void *http_client_take_easy(struct http_client *client);
void http_client_return_easy(struct http_client *client, void *easy);
void http_host_update_limit(struct http_host *host);
/* Everything of the host that an easy handle needs: TLS, proxy, timeouts. */
void http_host_configure(const struct http_host *host, void *easy);

/* http_client_request.c */
/* Fills the call's easy handle; false with call->err set when the request cannot be made. */
VK_MUST_CHECK bool http_call_prepare(struct http_call *call, const struct http_request *request);

/* http_client_call.c */
/* Gives a waiting call to curl. */
void http_call_submit(struct http_call *call);
/* Repeats or reports a call that curl is done with, or that failed early, and frees it. */
void http_call_finish(struct http_call *call, int curl_result);
void http_call_free(struct http_call *call);

/* http_client_error.c */
/* What curl's result means to the caller: 0 when an HTTP answer arrived. */
VK_MUST_CHECK int http_call_error(const struct http_call *call, int curl_result,
                                  struct vk_err *err);
