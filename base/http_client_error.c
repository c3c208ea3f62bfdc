/* SPDX-License-Identifier: Apache-2.0 */
/* What curl's results mean to a caller, with the way out in words. */
#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#include "base/http_client_internal.h"

/* curl's clocks and ours may differ by a tick. */
#define DEADLINE_SLACK_MS 10

static const char *trusted(const struct http_host_config *config)
{
    if (config->ca_pem)
        return "the CA data that was configured";
    return config->ca_file ? config->ca_file : "no CA, since no system bundle was found";
}

/* What the reader can do about it; "" when the text of curl says all. */
static void describe_hint(const struct http_host_config *config, CURLcode result, char *out,
                          size_t size)
{
    *out = '\0';
    switch ((int)result) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        snprintf(out, size, "; trusted is %s", trusted(config));
        break;
    case CURLE_SSL_CERTPROBLEM:
        snprintf(out, size, "; the client certificate is %s",
                 config->cert_pem    ? "the data that was configured"
                 : config->cert_file ? config->cert_file
                                     : "not configured");
        break;
    case CURLE_COULDNT_RESOLVE_PROXY:
        snprintf(out, size, "; the proxy is %s",
                 config->proxy_url ? "configured for this host" : "taken from the environment");
        break;
    default:
        break;
    }
}

static bool is_past_deadline(const struct http_call *call)
{
    curl_off_t spent_us = 0;

    curl_easy_getinfo(call->easy, CURLINFO_TOTAL_TIME_T, &spent_us);
    return call->deadline_ms && spent_us / 1000 + DEADLINE_SLACK_MS >= call->deadline_ms;
}

static enum vk_code code_of(const struct http_call *call, CURLcode result)
{
    switch ((int)result) {
    case CURLE_OPERATION_TIMEDOUT:
        /* Else it was the connect timeout. */
        return is_past_deadline(call) ? VK_TIMEOUT : VK_UNAVAILABLE;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return call->has_sent ? VK_UNAVAILABLE : VK_INVALID;
    default:
        return VK_UNAVAILABLE;
    }
}

int http_call_error(const struct http_call *call, int curl_result, struct vk_err *err)
{
    CURLcode result = (CURLcode)curl_result;
    const char *text = *call->error_text ? call->error_text : curl_easy_strerror(result);
    char hint[256];

    if (result == CURLE_OK || call->is_error_body_cut)
        return 0;
    if (call->is_refused)
        return vk_err_set(err, VK_CANCELLED, "%s %s: ended by the reader of the body", call->method,
                          call->shown_url);
    if (call->is_too_large)
        return vk_err_set(err, VK_TOO_LARGE, "%s %s: the answer is over the limit of %zu bytes",
                          call->method, call->shown_url, call->max_body);
    describe_hint(&call->host->config, result, hint, sizeof(hint));
    vk_err_set(err, code_of(call, result), "%s %s: %s%s", call->method, call->shown_url, text,
               hint);
    if (!call->has_sent) {
        err->sys_errno = ECONNREFUSED;
        vk_err_reason(err, "NotSent");
    }
    return -(int)err->code;
}
