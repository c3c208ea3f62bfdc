/* SPDX-License-Identifier: Apache-2.0 */
/* What aci-emulator is told by flags, environment (ACI_EMULATOR_<NAME>) or file. */
#pragma once

#include <stdio.h>

#include "base/options.h"

#include "base/json.h"

struct emulator_options {
    const char *listen, *control_listen, *imds_listen; /* "HOST:PORT"; NULL: not served */
    const char *tls_cert_file, *tls_key_file;
    const char *engine; /* "runc", "simulated" */
    const char *pod_cidr, *registry_mirror, *git_mirror, *state_dir;
    int64_t put_latency_ms, start_latency_ms, delete_latency_ms, stop_grace_ms, pull_latency_ms;
    const char *subscription, *location;
    struct json_strs resource_groups, storage_accounts;
    const char *tenant, *client_id, *client_secret;
    int64_t token_lifetime_ms;
    const char *lro_style; /* "azure-async", "location" */
    int64_t page_size, quota_groups, quota_cores;
    int64_t metrics_delay_ms; /* how late Azure Monitor is */
    int64_t exec_input_limit; /* bytes of one message; 0: none */
    const char *arm_buckets, *create_limits, *delete_limits;
    const char *log_format;
    int64_t verbosity;
    const char *config;
    bool help;
};

/* Strings live in the arena. Errors: one sentence for the user. */
VK_MUST_CHECK int emulator_options_parse(int argc, char *const *argv, struct vk_arena *arena,
                                         struct emulator_options *ret, struct vk_err *err);
void emulator_options_help(FILE *to);
/* "10.0.0.1:8443", "[::1]:8443", ":8443", "8443": host "" stands for all addresses. */
VK_MUST_CHECK int emulator_options_endpoint(const char *flag, const char *text,
                                            struct vk_arena *arena, const char **ret_host,
                                            int *ret_port, struct vk_err *err);
