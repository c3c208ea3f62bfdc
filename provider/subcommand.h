/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aci-kubelet COMMAND [OPTION]...`: each command is a file of this room that exports one struct
 * subcommand, and a line of the table in main.c. A command has its own options, --help included,
 * and its own loop where it needs one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/vk_err.h"

/* The Kubernetes release whose kubelet this one behaves like; nodeInfo.kubeletVersion must be a
 * semantic version. */
#define KUBERNETES_VERSION "v1.37.2"

/* Exit codes of the program and of its commands; a command may add more and says so in --help. */
enum { EXIT_OK, EXIT_CANNOT_RUN, EXIT_USAGE };

struct subcommand {
    const char *name;    /* "drain" */
    const char *summary; /* one line for aci-kubelet --help */
    /*
     * argv[0] is the command's name, what follows is its own. SIGPIPE is ignored, the log is not
     * set up. Returns the exit code; writes results to stdout, what is wrong to stderr.
     */
    int (*run)(int argc, char **argv);
};

struct option_set;
/* Where options_parse failed: prints the help or the version that was asked for, or to stderr what
 * is wrong. Returns the exit code. */
int subcommand_end_options(const struct option_set *help, const struct vk_err *err);

/* ---- for commands that run with the options of aci-kubelet itself ---- */

struct aci_kubelet_options;
struct aci_provider_config;
struct arm_client;
struct cluster_config;
struct http_client;
struct option_def;
struct token_source;
struct vk_loop;

/* The loop of a command. */
struct subcommand_loop {
    struct vk_loop *loop;
    struct http_client *http;
};
/* on_signal is called for SIGTERM and SIGINT. */
void subcommand_loop_open(struct subcommand_loop *l, void (*on_signal)(void *user, int signo),
                          void *user);
/* All that was made with them is freed before. */
void subcommand_loop_close(struct subcommand_loop *l);

struct subcommand_options {
    const char *program; /* "aci-kubelet drain" */
    /* The command's own; their offsets count from the same struct, which begins with a struct
     * aci_kubelet_options. */
    const struct option_def *own;
    size_t own_count;
    /* Those of aci-kubelet that --help shows beside --config and --v; all of them are taken. */
    const char *const *shown;
    size_t shown_count;
    bool shows_azure; /* and those by which Azure is reached and knows us */
    const char *synopsis, *epilogue;
};
/* Fills ret, a zeroed struct. Returns an exit code after it printed help or what is wrong, or -1 to
 * go on. Sets up the log. */
int subcommand_options_read(const struct subcommand_options *o, int argc, char **argv, void *ret,
                            struct vk_arena *arena);
/* The cluster that --kubeconfig names, or the one whose pod this is. */
VK_MUST_CHECK int subcommand_cluster_read(const struct aci_kubelet_options *o,
                                          struct vk_arena *arena, struct cluster_config *ret,
                                          struct vk_err *err);
/* Sets what of config is about credentials; its secrets are wiped by
 * subcommand_credentials_release. */
void subcommand_credentials_fill(const struct aci_kubelet_options *o,
                                 struct aci_provider_config *config);
void subcommand_credentials_release(struct aci_provider_config *config);
/* Tokens by the credentials of the options, and ARM with them. Freed by their own functions, ARM
 * first. */
void subcommand_azure_open(const struct aci_kubelet_options *o, struct vk_loop *loop,
                           struct http_client *http, const char *user_agent,
                           struct token_source **ret_tokens, struct arm_client **ret_arm);
