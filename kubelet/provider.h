/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kubelet needs from something that runs pods, and what it offers in return. The kubelet
 * library knows nothing of Azure; tests plug in an in-memory provider.
 *
 * Operations are asynchronous and complete exactly once, never from inside the call. Everything
 * runs in the loop. A NULL operation is answered 501 with a sentence. Errors are decided by
 * vk_err.code: transient codes (vk_err_is_transient) are tried again by the caller, VK_INVALID,
 * VK_UNSUPPORTED and VK_TOO_LARGE fail the pod with err.reason and err.msg. VK_FORBIDDEN: the node
 * itself lacks a right, which is nothing that the pod could change: it waits, for longer. The names
 * are those of virtual-kubelet's PodLifecycleHandler.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/loop.h"
#include "base/vk_err.h"
#include "kubelet/api/pod_status.h"
#include "kubelet/api/resolved_pod.h"

/* Identity of a pod; the UID decides, the names make messages readable. Borrowed for the call. */
struct pod_identity {
    const char *namespace_, *name, *uid;
};

/* Values of vk_err.reason that the kubelet acts on; those of ACI. */
#define PROVIDER_REASON_IMAGE "InaccessibleImage"
#define PROVIDER_REASON_IMAGE_NAME "InvalidImageName" /* Kubernetes', shown as it is */
#define PROVIDER_REASON_QUOTA "ContainerGroupQuotaReached"
/* The provider has concluded by itself that the platform is away: one such answer to a ping says
 * what else three failed ones do. */
#define PROVIDER_REASON_AWAY "ARMUnavailable"

/* err NULL: success. */
typedef void (*provider_done_fn)(void *user, const struct vk_err *err);

struct container_log_options {
    bool follow, previous, timestamps;
    int64_t tail_lines;    /* -1: all */
    int64_t since_wall_ns; /* 0: no bound */
    int64_t limit_bytes;   /* 0: no limit */
};
/* A stream of bytes with back-pressure; the provider stops while full() and goes on after it calls
 * resume. */
struct log_sink {
    void (*write)(void *user, struct vk_str bytes);
    bool (*is_full)(void *user);
    void *user;
};
struct log_stream; /* handle of a log read under way */

/* A process in a container, or an attachment to one; handle of the provider. */
struct exec_session;

struct exec_request {
    struct pod_identity id;
    const char *container;
    const char *const *command; /* argv; count 0 for an attachment */
    size_t command_count;
    bool has_input, has_output, has_error; /* with a terminal there is no separate error output */
    bool tty;
    uint16_t rows, columns; /* 0: not known yet */
};
/* How it ended: err of finished() NULL means that the process ran and ended with this code. */
struct exec_result {
    int exit_code;
};
/* Calls of the provider into the kubelet, never from inside an operation. */
struct exec_events {
    /* Bytes for the client; the provider stops while is_full() and goes on after exec_resume. */
    void (*output)(void *user, struct vk_str bytes);
    void (*error_output)(void *user, struct vk_str bytes);
    bool (*is_full)(void *user);
    /* exec_write may go on after it said that no more fits. */
    void (*input_drained)(void *user);
    /* Once, last, unless cancelled; all output came before. The session is invalid afterwards. */
    void (*finished)(void *user, const struct exec_result *result, const struct vk_err *err);
};

/* What came of asking a container's main process to end. */
enum provider_stop_result {
    PROVIDER_STOP_ENDED,   /* the container has ended */
    PROVIDER_STOP_TOLD,    /* the signal was sent; nobody watches for the end any more */
    PROVIDER_STOP_REFUSED, /* it can't be sent; err says why, VK_OK: the user wants it so */
};
typedef void (*provider_stop_fn)(void *user, enum provider_stop_result result,
                                 const struct vk_err *err);
struct container_stop;

struct provider_upcalls;

struct node_capacity {
    int64_t cpu_milli, memory_bytes, pods;
    const char *os;   /* "Linux" */
    const char *arch; /* "amd64" */
    /* A label by which controllers of the platform know the node; key NULL: none. */
    const char *label_key, *label_value;
    /* The platform runs less than that for now; all of it counts what runs already. */
    bool is_limited;
    int64_t allocatable_cpu_milli, allocatable_pods;
};

/*
 * What something used, as far as it is known. cpu_ns counts from start_wall_ns on; it never goes
 * back while that stays, and start_wall_ns itself never goes back.
 */
struct usage_stats {
    int64_t sampled_wall_ns; /* when; 0: nothing is known yet */
    int64_t start_wall_ns;
    uint64_t cpu_ns;
    uint64_t cpu_nano_cores; /* between the last two looks */
    uint64_t memory_bytes, working_set_bytes;
    uint64_t rss_bytes; /* 0: not known */
};
struct container_stats {
    const char *name;
    struct usage_stats usage;
};
struct network_stats {
    const char *interface; /* NULL: nothing is known */
    uint64_t rx_bytes, rx_errors, tx_bytes, tx_errors;
};
struct pod_stats {
    struct pod_identity id;
    struct usage_stats usage; /* of the whole pod */
    struct network_stats network;
    struct container_stats *containers; /* those about which something is known */
    size_t container_count;
};
struct provider_stats {
    struct usage_stats node; /* the sum of the pods since the provider began */
    struct pod_stats *pods;  /* those that run; also without any figure */
    size_t pod_count;
    size_t without_figures;
};

/* Given once, before any other operation. Strings are copied by the provider. */
struct provider_start {
    const struct provider_upcalls *upcalls; /* static until stop */
    const char *cluster_id;                 /* UID of namespace kube-system, or what the user set */
    const char *node_name;
};

enum probe_kind { PROBE_LIVENESS, PROBE_READINESS, PROBE_STARTUP };

struct provider_ops {
    const char *name; /* "azure" */
    void (*start)(void *p, const struct provider_start *start);
    /*
     * Makes the pod's group exist: adopts the one that carries its UID, else creates it. Success
     * says that the group was accepted, not that it runs; status arrives by upcall. One call per
     * pod at a time. Takes the resolved pod and frees it as soon as it was translated. reason
     * PROVIDER_REASON_IMAGE: an image or its credential is wrong, which waiting can heal;
     * PROVIDER_REASON_IMAGE_NAME: its name is, which an edit of the pod can heal;
     * PROVIDER_REASON_QUOTA: the platform runs as many pods as it may.
     */
    void (*create_pod)(void *p, struct resolved_pod *pod, provider_done_fn done, void *user);
    /*
     * Makes the pod's group run the images that the pod names now, which starts all its containers
     * anew; success also where it runs them already. Takes the resolved pod. Errors as of
     * create_pod, and the group runs on as it was; VK_NOT_FOUND: there is none. NULL: it can't.
     */
    void (*update_pod)(void *p, struct resolved_pod *pod, provider_done_fn done, void *user);
    /*
     * Looks once more for a group that was not reported, since a platform's list may leave one out:
     * success when it is there, its status follows by upcall; VK_NOT_FOUND when it is gone. NULL:
     * what was reported is all.
     */
    void (*find_pod)(void *p, const struct pod_identity *id, provider_done_fn done, void *user);
    /*
     * Removes the group; success when the platform says that it is gone. A create_pod,
     * update_pod or restart_pod that is under way for the pod completes first, at once where
     * nothing was sent yet.
     */
    void (*delete_pod)(void *p, const struct pod_identity *id, provider_done_fn done, void *user);
    /*
     * As delete_pod, for a pod that has ended and whose object stays: its logs remain readable as
     * far as the provider keeps a copy, until forget_pod. NULL: delete_pod does.
     */
    void (*retire_pod)(void *p, const struct pod_identity *id, provider_done_fn done, void *user);
    /*
     * Streams a container's log into the sink, then done. VK_NOT_FOUND: no such container or no log
     * yet.
     */
    struct log_stream *(*get_container_logs)(void *p, const struct pod_identity *id,
                                             const char *container,
                                             const struct container_log_options *options,
                                             const struct log_sink *sink, provider_done_fn done,
                                             void *user);
    void (*log_stream_resume)(void *p, struct log_stream *s);
    /* No callback afterwards. */
    void (*log_stream_cancel)(void *p, struct log_stream *s);
    /*
     * Runs a command beside the container's own process. Input given before the process runs is
     * kept within the limits of exec_write.
     */
    struct exec_session *(*run_in_container)(void *p, const struct exec_request *request,
                                             const struct exec_events *events, void *user);
    /* The container's own streams. Without input support: VK_UNSUPPORTED by finished, as soon as
     * the client sends a byte. */
    struct exec_session *(*attach_to_container)(void *p, const struct exec_request *request,
                                                const struct exec_events *events, void *user);
    /* Takes all bytes; false says that no more should come before input_drained. */
    bool (*exec_write)(void *p, struct exec_session *s, struct vk_str bytes);
    void (*exec_end_input)(void *p, struct exec_session *s);
    void (*exec_resize)(void *p, struct exec_session *s, uint16_t rows, uint16_t columns);
    void (*exec_resume)(void *p, struct exec_session *s);
    /* The client is gone: the process is ended as far as the platform allows. No callback
     * afterwards. */
    void (*exec_cancel)(void *p, struct exec_session *s);
    /*
     * Sends SIGTERM to a container's main process. done once, never from inside the call; with
     * ENDED as soon as the platform shows the end. The caller's deadline is its own. NULL: never
     * sent.
     */
    struct container_stop *(*stop_container)(void *p, const struct pod_identity *id,
                                             const char *container, provider_stop_fn done,
                                             void *user);
    /* No callback afterwards; the signal may have been sent. */
    void (*stop_container_cancel)(void *p, struct container_stop *s);
    /*
     * What the running pods use, at once and from memory: asking often costs nothing. Each figure
     * has its own time; figures are gathered while somebody asks. ret lives in the arena.
     */
    void (*get_stats)(void *p, struct vk_arena *arena, struct provider_stats *ret);
    /* Appends what it tells Prometheus of itself: text format 0.0.4, whole families. */
    void (*write_metrics)(void *p, struct vk_buf *out);
    /* Fills capacity for the node object. */
    void (*get_capacity)(void *p, struct node_capacity *ret);
    /*
     * True once the provider knows which groups exist, and each pod that has one was reported; pod
     * workers create nothing before.
     */
    bool (*is_synced)(void *p);
    /*
     * The platform runs this probe of a container (or native sidecar) itself, and restarts the
     * container when it fails; all others are the kubelet's. NULL: it runs none. Pure.
     */
    bool (*runs_probe)(void *p, const struct pod *pod, const struct container *container,
                       enum probe_kind kind);
    /*
     * Starts all containers of a pod that runs anew, in place; success: it was accepted, and status
     * arrives by upcall. Whether one that failed was acted on is unknown. NULL: it can't.
     */
    void (*restart_pod)(void *p, const struct pod_identity *id, provider_done_fn done, void *user);
    /* Something says that the pod's containers may have changed: its status is asked for soon.
     * NULL: changes are told anyway. */
    void (*look_at_pod)(void *p, const struct pod_identity *id);
    /* A reachable platform completes with NULL: the node's condition ProviderUnreachable. */
    void (*ping)(void *p, provider_done_fn done, void *user);
    /* Forgets the pod: it is gone from the API server and its group is gone. */
    void (*forget_pod)(void *p, const struct pod_identity *id);
    /*
     * The process is about to end: no write begins any more, what only waits for its turn is given
     * up. Returns how many writes were sent and not yet answered; asked again until it is 0. NULL:
     * there are none.
     */
    size_t (*settle)(void *p);
    /* No upcalls afterwards; writes in flight are left to end. */
    void (*stop)(void *p);
};

/* What the platform says of a pod. Borrowed for the call. */
struct provider_pod_status {
    struct pod_identity id;
    bool group_exists; /* false: the group vanished; status then is the last known one, or empty */
    struct pod_status status;
    /* By Kubernetes' rules the pod has ended, but the platform runs a container of it again: the
     * group must go. */
    bool runs_on;
    const char *size; /* what is paid for, such as "1.5 CPU and 2 GB"; NULL: not known */
};

/* Offered by the kubelet; `k` is its own pointer. */
struct provider_upcalls {
    void *k;
    /* May repeat; the kubelet writes only what changed. */
    void (*status_changed)(void *k, const struct provider_pod_status *status);
    /* An Event on the pod, or on one container of it (NULL: none). type "Normal" or "Warning".
     * count and times as the platform counts; 0: once, now. */
    void (*event)(void *k, const struct pod_identity *id, const char *container, const char *type,
                  const char *reason, const char *message, int64_t count, int64_t first_ns,
                  int64_t last_ns);
    /*
     * Does the pod exist at the API server, with this UID? Answered by a quorum GET, never from the
     * cache. done(exists) or done with err when the question could not be answered. Refused with
     * VK_UNAVAILABLE before the pod cache synced.
     */
    void (*pod_exists)(void *k, const struct pod_identity *id,
                       void (*done)(void *user, bool exists, const struct vk_err *err), void *user);
    /* is_synced turned true: pod workers may start. */
    void (*synced)(void *k);
    /* CPU that the scheduler counts for the pod; 0 for one that is not known. May be NULL. */
    int64_t (*cpu_requested)(void *k, const struct pod_identity *id);
    /*
     * get_capacity answers otherwise than before, or pods that were refused for a quota may be
     * tried again. `node` is this function's own pointer. May be NULL.
     */
    void (*capacity_changed)(void *node);
    void *node;
};

struct provider {
    const struct provider_ops *ops;
    void *p;
};
