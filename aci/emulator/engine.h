/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the emulator needs from something that runs containers. ACI's own behaviour (states, events,
 * restart policy, order of init containers, quotas) lives in lifecycle.c and is the same for every
 * engine; an engine knows images, sandboxes (one network namespace and address per container
 * group), processes and their logs.
 *
 * Every operation is asynchronous and completes exactly once, never from inside the call. Specs are
 * borrowed for the call only. All calls and upcalls happen in the loop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/vk_err.h"

struct engine;
struct engine_sandbox;

struct engine_env {
    const char *name, *value;
};

/* A file of a secret volume; content is wiped by the engine when the sandbox goes. */
struct engine_file {
    const char *name;
    struct vk_str content;
};
/* directory: below the volume, NULL or "" for the repository's own name; revision: NULL or "" for
 * the default branch. */
struct engine_git {
    const char *repository, *directory, *revision;
};
enum engine_volume_kind {
    ENGINE_VOLUME_EMPTY_DIR,
    ENGINE_VOLUME_SECRET,
    ENGINE_VOLUME_SHARE,
    ENGINE_VOLUME_GIT_REPO,
};
struct engine_volume {
    const char *name;
    enum engine_volume_kind kind;
    const struct engine_file *files; /* SECRET */
    size_t file_count;
    const char
        *share; /* SHARE: "account/share"; a directory under the state directory stands for it */
    struct engine_git git; /* GIT_REPO */
    bool read_only;
};

struct engine_sandbox_spec {
    const char *id; /* unique among live sandboxes: [a-z0-9-]{1,63} */
    const char *hostname;
    int64_t cpu_milli; /* limits of the whole group */
    int64_t memory_bytes;
    const struct engine_volume *volumes;
    size_t volume_count;
    const char *const
        *name_servers; /* resolv.conf; 168.63.129.16 is what ACI adds, and so does the engine */
    size_t name_server_count;
    const char *search_domains, *dns_options; /* or NULL */
};

struct engine_image_spec {
    const char *image;
    const char *username, *password; /* or NULL */
};
/* Shape: id is "repo@sha256:..." as ACI's Pulling event prints it. Borrowed for the callback. */
struct engine_image {
    const char *id;
};

struct engine_mount {
    const char *volume; /* name of a sandbox volume */
    const char *path;
    const char *sub_path; /* or NULL */
    bool read_only;
};
struct engine_container_spec {
    const char *name;
    const char *image;          /* pulled before */
    const char *const *command; /* replaces entrypoint and cmd; count 0: the image's own */
    size_t command_count;
    const struct engine_env *env;
    size_t env_count;
    const struct engine_mount *mounts;
    size_t mount_count;
    int64_t cpu_milli, memory_bytes;   /* 0: none of its own */
    int64_t run_as_user, run_as_group; /* -1: the image's */
    const char *const *drop_capabilities;
    size_t drop_capability_count;
    const char *const *add_capabilities;
    size_t add_capability_count;
    bool privileged, no_new_privileges;
};

struct engine_exit {
    int exit_code; /* 128 + signal where a signal ended it */
    int signal;    /* 0: none */
    bool oom_killed;
    int64_t finished_wall_ns;
};
struct engine_usage {
    int64_t cpu_ns, memory_bytes, working_set_bytes, rss_bytes;
    int64_t rx_bytes, tx_bytes;
};

struct engine_http_header {
    const char *name, *value;
};
struct engine_http {
    const char *scheme, *path; /* "http" or "https"; NULL: http, "/" */
    int64_t port;
    struct json_array headers; /* struct engine_http_header */
};
/* A command, or a request at the sandbox's address that is to be answered by 200 to 399. */
struct engine_check {
    const char *const *command;
    size_t command_count; /* 0: http */
    const struct engine_http *http;
    int64_t timeout_ms;
};

/* err NULL: success. Messages are what a user of ACI would read in an event. */
typedef void (*engine_pulled_fn)(void *user, const struct engine_image *image,
                                 const struct vk_err *err);
typedef void (*engine_sandbox_fn)(void *user, struct engine_sandbox *sandbox, const char *ip,
                                  const struct vk_err *err);
/*
 * VK_INVALID and VK_TOO_LARGE: the container asks for what cannot be started (its command, user,
 * mounts, layers). Any other error is the machine's: nothing of the container ran, and the same
 * start may go well later.
 */
typedef void (*engine_started_fn)(void *user, int64_t started_wall_ns, const struct vk_err *err);
typedef void (*engine_done_fn)(void *user);
/* why: what was said by whatever failed. */
typedef void (*engine_checked_fn)(void *user, bool is_alive, struct vk_str why);
/* Each start that succeeded is followed by exactly one exit unless the sandbox is deleted first. */
typedef void (*engine_exited_fn)(void *user, const struct engine_exit *exit);

/* One program on a pseudo-terminal of its own in a running container. */
struct engine_exec;
struct engine_exec_spec {
    const char *container;
    const char *program; /* looked up as it is, blanks included; it gets no arguments */
    unsigned rows, cols; /* of the terminal, 1 to 65535; set before the program runs */
};
/* None is called from inside an operation on the exec, none after exec_close. */
struct engine_exec_events {
    /* err NULL: it runs. Otherwise nothing follows; the message is the runtime's. */
    void (*started)(void *user, const struct vk_err *err);
    /* What the terminal shows, in pieces of at most 16 KiB; none while paused. */
    void (*output)(void *user, struct vk_str bytes);
    /* The terminal has taken what exec_write held back. */
    void (*drained)(void *user);
    /* The program has ended (also by the end of its container) and its output was delivered. */
    void (*ended)(void *user);
};

/* Somebody who reads what a container writes. */
struct engine_log_follow;
/* As it was written, any split, without stamps. */
typedef void (*engine_output_fn)(void *user, struct vk_str bytes);

struct engine_ops {
    const char *name; /* "runc", "simulated" */
    /* Errors: VK_NOT_FOUND (no such image), VK_UNAUTHENTICATED, VK_UNAVAILABLE, with the registry's
     * own message. */
    void (*pull)(struct engine *e, const struct engine_image_spec *spec, engine_pulled_fn done,
                 void *user);
    void (*sandbox_create)(struct engine *e, const struct engine_sandbox_spec *spec,
                           engine_sandbox_fn done, void *user);
    /* Kills all that runs in it, removes everything it made. Pending starts end without a call. */
    void (*sandbox_delete)(struct engine *e, struct engine_sandbox *s, engine_done_fn done,
                           void *user);
    /* started and exited share `user`. A name may be started again after its exit: a new instance,
     * a new log. */
    void (*container_start)(struct engine *e, struct engine_sandbox *s,
                            const struct engine_container_spec *spec, engine_started_fn started,
                            engine_exited_fn exited, void *user);
    /* No effect when it does not run. The exit arrives as usual. */
    void (*container_kill)(struct engine *e, struct engine_sandbox *s, const char *name,
                           int signal);
    /*
     * Appends the log of the current (or last) instance: the last `tail` lines (-1: all kept), each
     * with an RFC 3339 stamp of nine digits and a blank when timestamps is set. Kept: 4 MB while
     * running, 16 KB or 1,000 lines after the end. VK_NOT_FOUND before the first start.
     */
    int (*container_logs)(struct engine *e, struct engine_sandbox *s, const char *name,
                          int64_t tail, bool timestamps, struct vk_buf *out, struct vk_err *err);
    /*
     * Looks at a running container; fn follows, also after its end. False: it does not run, and
     * nothing follows. NULL: containers of this engine are not looked at.
     */
    bool (*container_check)(struct engine *e, struct engine_sandbox *s, const char *name,
                            const struct engine_check *check, engine_checked_fn fn, void *user);
    bool (*container_usage)(struct engine *e, struct engine_sandbox *s, const char *name,
                            struct engine_usage *ret);
    /* Of the whole sandbox, with what its containers used before they were started again. */
    bool (*sandbox_usage)(struct engine *e, struct engine_sandbox *s, struct engine_usage *ret);
    /*
     * Calls fn with the process inside the sandbox's network: sockets that it makes stay there.
     * False: there is no network to enter. NULL: this engine has none.
     */
    bool (*sandbox_enter)(struct engine *e, struct engine_sandbox *s, void (*fn)(void *user),
                          void *user);
    /*
     * What goes wrong is told by `started`. The exec is the caller's until exec_close, which it
     * owes also after the end and before the engine is freed; the sandbox may go earlier.
     */
    struct engine_exec *(*exec_start)(struct engine *e, struct engine_sandbox *s,
                                      const struct engine_exec_spec *spec,
                                      const struct engine_exec_events *events, void *user);
    /*
     * What is typed, also before `started`. False when much is held back, because the program does
     * not read: write on after `drained`; over 1 MiB is dropped.
     */
    bool (*exec_write)(struct engine *e, struct engine_exec *x, struct vk_str bytes);
    /* While paused the terminal fills up and its program waits. */
    void (*exec_pause)(struct engine *e, struct engine_exec *x, bool paused);
    /* Hangs up the terminal (SIGHUP); who lives on after a grace is killed. */
    void (*exec_close)(struct engine *e, struct engine_exec *x);
    /*
     * Everything that the running instance writes from now on, until its end. The container never
     * waits for a reader. NULL when it does not run. The follow is the caller's until log_unfollow,
     * which it owes also after `ended`.
     */
    struct engine_log_follow *(*log_follow)(struct engine *e, struct engine_sandbox *s,
                                            const char *name, engine_output_fn output,
                                            engine_done_fn ended, void *user);
    void (*log_unfollow)(struct engine *e, struct engine_log_follow *f);
    /* Kills and removes everything. */
    void (*free)(struct engine *e);
};
/* Who is told of sandboxes that can be entered: after `created`, and before one is taken apart. */
struct engine_watch {
    void (*sandbox_up)(void *user, struct engine_sandbox *s);
    void (*sandbox_down)(void *user, struct engine_sandbox *s);
    void *user;
};
/* First member of every engine. */
struct engine {
    const struct engine_ops *ops;
    const struct engine_watch *watch; /* borrowed; NULL: nobody */
};

struct engine_runc_config {
    const char *state_dir;
    const char *pod_cidr;        /* "10.244.0.0/16" */
    const char *registry_mirror; /* as image_store.h has its mirrors, or NULL */
    /* Folder whose HOST/PATH stands for the git repository https://HOST/PATH, or NULL. */
    const char *git_mirror;
};
VK_MUST_CHECK int engine_runc_new(struct vk_loop *loop, const struct engine_runc_config *config,
                                  struct engine **ret, struct vk_err *err);

struct engine_simulated_config {
    const char *pod_cidr;
    int64_t pull_ms, start_min_ms, start_max_ms;
};
/*
 * Timed life cycles for load tests, no processes. What a container does is read from its command:
 * ["sleep", "N"] ends with 0 after N seconds, ["exit", "N"] ends with N at once, ["fail"] cannot be
 * started, anything else runs until it is killed. Images whose repository ends in "/missing" are
 * not found, "/private" needs a user name, "/unreachable" is a registry in trouble. An exec is a
 * terminal that repeats what is typed and ends at ^D, whatever its program; a program with a blank
 * is not found.
 */
VK_MUST_CHECK int engine_simulated_new(struct vk_loop *loop,
                                       const struct engine_simulated_config *config,
                                       struct engine **ret, struct vk_err *err);
