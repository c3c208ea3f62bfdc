/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authenticated requests to Azure Resource Manager: bearer token, api-version, correlation id, one
 * repeat with a new token after a 401, refusals decoded. Requests wait for ARM's limits, and while
 * ARM or Entra is away, see throttle.h and breaker.h; what ARM throttles all the same (it did
 * nothing then) waits again, three times at most. No other retry of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "aci/auth/token.h"
#include "aci/throttle.h"
#include "base/buf.h"
#include "base/http_client.h"

/* The longest URL of ARM's that we follow: signed polling URLs reach 4 KB. */
#define ARM_MAX_URL_BYTES (8u << 10)

struct arm_client;
struct arm_call;

/* Text is copied. */
struct arm_client_config {
    const char *endpoint;    /* "https://management.azure.com" */
    const char *ca_file;     /* NULL: the system's trust anchors */
    const char *api_version; /* "2025-09-01" */
    const char *user_agent;
    const struct throttle_limits *limits; /* NULL: throttle_limits_default */
};
/* tokens is borrowed and must outlive the client. */
struct arm_client *arm_client_new(struct vk_loop *loop, struct http_client *http,
                                  struct token_source *tokens,
                                  const struct arm_client_config *config);
/* All calls must have ended or been cancelled. NULL is fine. */
void arm_client_free(struct arm_client *client);

struct arm_response {
    int status;                  /* 0 when no answer arrived */
    struct vk_str body;          /* empty for streamed bodies */
    const char *async_operation; /* Azure-AsyncOperation, or NULL */
    const char *location;        /* Location, or NULL */
    int64_t retry_after_ms;
};
/*
 * Called once, never from inside arm_call_start. err is NULL exactly for 2xx answers. Without an
 * answer the codes are those of http_done_fn and of the token source (VK_UNAUTHENTICATED with
 * response->status 0: nothing was sent). VK_THROTTLED without an answer: its turn did not come (30
 * s for a user's request, else 2 h), or too many wait. VK_UNAVAILABLE with reason ARMUnavailable: a
 * user's request while ARM is away; nothing was sent. Borrowed for the call.
 */
typedef void (*arm_done_fn)(void *user, const struct arm_response *response,
                            const struct vk_err *err);

struct arm_request {
    const char *method;
    const char *operation; /* static, for metrics; NULL: "other" */
    /* Path and query without api-version, or an absolute URL that ARM gave: sent as it is, refused
     * with VK_PROTOCOL when it names another host, since the token would go there. */
    const char *target;
    const char *api_version; /* of the path's; NULL: the client's */
    struct vk_str body;
    int64_t deadline_ms; /* required; waits for its turn and for a token are not counted */
    enum throttle_priority priority;
    const char *owner;   /* namespace for which it is made, copied; or NULL */
    bool is_group_write; /* creates or deletes a container group */
    size_t max_body;     /* 0: 4 MiB */
    bool idempotent;     /* as in http_request; never for PUT */
    http_body_fn on_body;
    arm_done_fn on_done;
    void *user;
};
struct arm_call *arm_call_start(struct arm_client *client, const struct arm_request *request);
/* No callback afterwards. NULL is fine. */
void arm_call_cancel(struct arm_call *call);

/* True while nothing of it was sent: cancelled now, ARM never hears of it. NULL: false. */
bool arm_call_is_waiting(const struct arm_call *call);

/* For Prometheus: requests, waits, ARM's buckets. */
void arm_client_write_metrics(struct arm_client *client, struct vk_buf *out);
/* For metrics. */
void arm_client_describe(struct arm_client *client, struct throttle_state *ret);
/* Since when ARM or Entra count as away (monotonic); 0 while they do not. */
int64_t arm_client_away_since_mono_ms(const struct arm_client *client);
/* As http_host_clock_ahead_ms. */
bool arm_client_clock_ahead_ms(const struct arm_client *client, int64_t *ret);
/* When ARM last answered anything but 5xx; 0: never. */
int64_t arm_client_last_answer_mono_ms(const struct arm_client *client);
