/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a call: started, given to curl, repeated at most once, reported, freed. */
#include <assert.h>
#include <curl/curl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/http_client_internal.h"
#include "base/secret.h"

#define MAX_RETRY_AFTER_MS (INT64_C(24) * 3600 * 1000)

static void free_list(struct curl_slist *list)
{
    for (struct curl_slist *it = list; it; it = it->next)
        vk_wipe(it->data, strlen(it->data));
    curl_slist_free_all(list);
}

void http_call_free(struct http_call *call)
{
    if (call->state == CALL_RUNNING)
        curl_multi_remove_handle(call->host->multi, call->easy);
    vk_list_remove(&call->link);
    http_client_return_easy(call->host->client, call->easy);
    free_list(call->headers);
    free_list(call->connect_to);
    vk_free(call->method);
    vk_free(call->shown_url);
    vk_buf_release_secret(&call->request_body);
    vk_buf_release_secret(&call->body);
    vk_free(call);
}

void http_call_submit(struct http_call *call)
{
    call->state = CALL_RUNNING;
    vk_list_remove(&call->link);
    vk_list_add_tail(&call->host->running, &call->link);
    if (curl_multi_add_handle(call->host->multi, call->easy) != CURLM_OK)
        abort();
}

struct http_call *http_call_start(struct http_host *host, const struct http_request *request)
{
    struct http_call *call = vk_calloc(1, sizeof(*call));

    assert(!host->is_freed);
    *call = (struct http_call){
        .host = host,
        .easy = http_client_take_easy(host->client),
        .deadline_ms = request->deadline_ms,
        .is_idempotent = request->idempotent,
        .on_body = request->on_body,
        .on_done = request->on_done,
        .user = request->user,
    };
    vk_list_init(&call->link);
    vk_list_add_tail(&host->pending, &call->link);
    host->call_count++;
    if (!request->deadline_ms) {
        host->stream_count++;
        http_host_update_limit(host);
    }
    if (!http_call_prepare(call, request)) {
        call->state = CALL_FAILED;
        vk_timer_arm(&host->failure_timer, 0);
    } else if (!host->in_curl) {
        http_call_submit(call);
    }
    return call;
}

/* The caller is done with it: it counts no more. */
static void call_leave(struct http_call *call)
{
    struct http_host *host = call->host;

    host->call_count--;
    if (!call->deadline_ms) {
        host->stream_count--;
        http_host_update_limit(host);
    }
}

void http_call_cancel(struct http_call *call)
{
    if (!call || call->state == CALL_REPORTING || call->is_cancelled)
        return;
    call_leave(call);
    call->is_cancelled = true;
    if (!call->host->in_curl) {
        http_call_free(call);
        return;
    }
    vk_list_remove(&call->link);
    vk_list_add_tail(&call->host->pending, &call->link);
}

/* ---- the end ---- */

static bool is_broken_connection(CURLcode result)
{
    switch ((int)result) {
    case CURLE_HTTP2:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2_STREAM:
        return true;
    default:
        return false;
    }
}

/* A GOAWAY or a reset ends requests that the peer never looked at. */
static bool call_retry(struct http_call *call, CURLcode result)
{
    curl_off_t spent_us = 0;

    if (!call->is_idempotent || call->has_retried || call->has_streamed ||
        !is_broken_connection(result))
        return false;
    curl_easy_getinfo(call->easy, CURLINFO_TOTAL_TIME_T, &spent_us);
    if (call->deadline_ms) {
        if (call->deadline_ms <= spent_us / 1000)
            return false;
        call->deadline_ms -= spent_us / 1000;
        curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long)call->deadline_ms);
    }
    call->has_retried = true;
    call->has_head = false;
    call->request_sent = call->header_bytes = 0;
    call->error_text[0] = '\0';
    vk_buf_clear(&call->body);
    http_call_submit(call);
    return true;
}

static const char *last_header(const struct http_response *response, const char *name,
                               unsigned origin)
{
    CURL *easy = response->call->easy;
    struct curl_header *header = NULL;

    if (curl_easy_header(easy, name, 0, origin, -1, &header) != CURLHE_OK)
        return NULL;
    if (header->amount > 1 &&
        curl_easy_header(easy, name, header->amount - 1, origin, -1, &header) != CURLHE_OK)
        return NULL;
    return header->value;
}

const char *http_response_header(const struct http_response *response, const char *name)
{
    return last_header(response, name, CURLH_HEADER);
}

const char *http_response_trailer(const struct http_response *response, const char *name)
{
    return last_header(response, name, CURLH_TRAILER);
}

const char *http_response_redirect(const struct http_response *response)
{
    char *url = NULL;

    curl_easy_getinfo(response->call->easy, CURLINFO_REDIRECT_URL, &url);
    return url;
}

static int64_t retry_after_ms(const struct http_response *response)
{
    static const char *const exact[] = {"retry-after-ms", "x-ms-retry-after-ms"};
    curl_off_t seconds = 0;
    int64_t ms;

    for (size_t i = 0; i < VK_COUNT(exact); i++) {
        const char *value = http_response_header(response, exact[i]);

        if (value && vk_str_int64(vk_str_of(value), 0, MAX_RETRY_AFTER_MS, &ms))
            return ms;
    }
    /* curl reads both forms, seconds and date. */
    curl_easy_getinfo(response->call->easy, CURLINFO_RETRY_AFTER, &seconds);
    return seconds > MAX_RETRY_AFTER_MS / 1000 ? MAX_RETRY_AFTER_MS : (int64_t)seconds * 1000;
}

static void note_clock(const struct http_response *response)
{
    const char *date = http_response_header(response, "Date");
    const time_t said = date ? curl_getdate(date, NULL) : -1;

    /* It was cut to seconds. */
    if (said >= 0)
        response->call->host->clock_ahead_ms = (int64_t)said * 1000 + 500 - vk_wall_ms();
}

bool http_host_clock_ahead_ms(const struct http_host *host, int64_t *ret)
{
    if (host->clock_ahead_ms == INT64_MIN)
        return false;
    *ret = host->clock_ahead_ms;
    return true;
}

static void call_report(struct http_call *call, const struct vk_err *err)
{
    struct http_response response = {.call = call, .body = vk_buf_str(&call->body)};
    long status = 0;

    if (err) {
        call->on_done(call->user, NULL, err);
        return;
    }
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    response.status = (int)status;
    response.retry_after_ms = retry_after_ms(&response);
    note_clock(&response);
    call->on_done(call->user, &response, NULL);
}

void http_call_finish(struct http_call *call, int curl_result)
{
    CURLcode result = (CURLcode)curl_result;
    bool is_early = call->state == CALL_FAILED;
    long sent = 0;
    int rc;

    /* curl takes a head that was cut behind its first line for a whole one. */
    if (result == CURLE_OK && !call->has_head)
        result = CURLE_RECV_ERROR;
    if (!is_early) {
        curl_multi_remove_handle(call->host->multi, call->easy);
        call->state = CALL_WAITING;
        curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent);
        call->has_sent = call->has_sent || sent > 0;
    }
    if (call->is_cancelled || (!is_early && call_retry(call, result))) {
        if (call->is_cancelled)
            http_call_free(call);
        return;
    }
    rc = is_early ? -(int)call->err.code : http_call_error(call, (int)result, &call->err);
    if (rc == -VK_TIMEOUT)
        call->host->distrust_mono_ms = vk_mono_ms();
    call_leave(call);
    call->state = CALL_REPORTING;
    call_report(call, rc < 0 ? &call->err : NULL);
    http_call_free(call);
}
