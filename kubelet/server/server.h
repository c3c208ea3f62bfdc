/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kubelet port: /healthz for everybody; /pods, /runningpods/, /containerLogs, /exec, /attach
 * and /portForward for those whom the API server allows it (access.h). What this provider or
 * version can't do is answered 501 with a sentence. Source: k8s v1.37.2
 * pkg/kubelet/server/server.go.
 */
#pragma once

#include "base/http_server.h"
#include "kubelet/client/leader_election.h"
#include "kubelet/pods/pods.h"
#include "kubelet/provider.h"
#include "kubelet/server/access.h"
#include "kubelet/server/serving_certificate.h"

struct kubelet_server;

struct kubelet_server_config {
    const char *address; /* numeric, to listen on */
    int port;
    struct serving_certificate_config certificate; /* without `changed`; `user` is of `pending` */
    const char
        *client_ca_file; /* read again when it changes; NULL: client certificates prove nothing */
    struct access_config access;
    struct pods *pods;
    struct provider *provider;
    const struct event_recorder *events; /* NULL: none is told of */
    /* NULL: there is none. Until this process leads all but the probes is answered 503: what is
     * asked for is another process's. */
    const struct leader_election *election;
};
VK_MUST_CHECK int kubelet_server_new(struct vk_loop *loop,
                                     const struct kubelet_server_config *config,
                                     struct kubelet_server **ret, struct vk_err *err);
/* The API server may be asked for what the port needs of it. */
void kubelet_server_start(struct kubelet_server *s);
void kubelet_server_free(struct kubelet_server *s);
int kubelet_server_port(const struct kubelet_server *s);
