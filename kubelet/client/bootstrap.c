/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/bootstrap.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/log.h"

#define MAX_FILE_BYTES (1u << 20)

struct bootstrap {
    struct bootstrap_config config;
    struct vk_arena *arena;
    struct cluster_config cluster;
    struct rest_client *client;
    struct certificate_manager *manager;
    struct vk_timer ready; /* an earlier process got the certificate */
};

struct certificate_names bootstrap_names(const char *node_name, struct vk_arena *arena)
{
    return (struct certificate_names){
        .common_name = vk_arena_printf(arena, "system:node:%s", node_name),
        .organization = "system:nodes",
    };
}

static const char *text_of(const char *pem, const char *file, struct vk_arena *arena,
                           struct vk_err *err)
{
    struct vk_str text;

    if (pem || !file)
        return pem;
    return file_read(file, MAX_FILE_BYTES, arena, &text, err) == 0 ? text.p : NULL;
}

static bool has_good_certificate(const struct cluster_config *cluster, struct vk_arena *arena,
                                 struct vk_err *err)
{
    const char *cert = text_of(cluster->cert_pem, cluster->cert_file, arena, err);
    const char *key = text_of(cluster->key_pem, cluster->key_file, arena, err);
    struct certificate_validity validity;
    struct vk_secret secret = {0};
    int64_t now_s = vk_wall_ms() / 1000;
    int rc;

    if (!cert || !key)
        return false;
    vk_secret_set(&secret, key, strlen(key));
    rc = tls_certificate_check(cert, &secret, NULL, &validity, err);
    vk_secret_release(&secret);
    if (rc < 0)
        return false;
    if (now_s >= validity.not_after_s)
        vk_err_set(err, VK_UNAUTHENTICATED, "its client certificate has expired");
    return now_s < validity.not_after_s;
}

bool bootstrap_is_done(const char *kubeconfig)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct cluster_config cluster;
    struct vk_err err = {0};

    if (kubeconfig_load(kubeconfig, NULL, arena, &cluster, &err) == 0) {
        if (!cluster.cert_pem && !cluster.cert_file)
            return true; /* a token, which is not ours to judge */
        if (has_good_certificate(&cluster, arena, &err))
            return true;
    }
    if (err.code != VK_NOT_FOUND)
        log_warning("The kubeconfig can't be used; the cluster is asked for another certificate",
                    LS("kubeconfig", kubeconfig), LERR(&err));
    return false;
}

/* JSON is YAML. */
static void write_kubeconfig(const struct bootstrap *b, struct vk_buf *out)
{
    char *pair VK_AUTOFREE = certificate_store_path(b->config.cert_dir, CERTIFICATE_CLIENT);
    const struct cluster_config *c = &b->cluster;
    struct vk_buf ca VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&ca, MAX_FILE_BYTES);
    if (c->ca_pem)
        crypto_base64(vk_str_of(c->ca_pem), &ca);
    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "apiVersion", "v1");
    json_put_string(&w, "kind", "Config");
    json_put_string(&w, "current-context", "default");
    json_begin_array(&w, "clusters");
    json_begin_object(&w, NULL);
    json_put_string(&w, "name", "default");
    json_begin_object(&w, "cluster");
    json_put_string(&w, "server", c->server);
    if (c->ca_pem)
        json_put_str(&w, "certificate-authority-data", vk_buf_str(&ca));
    json_put_string_if(&w, "certificate-authority", c->ca_pem ? NULL : c->ca_file);
    json_put_string_if(&w, "tls-server-name", c->tls_server_name);
    json_put_string_if(&w, "proxy-url", c->proxy_url);
    if (c->insecure_skip_verify)
        json_put_bool(&w, "insecure-skip-tls-verify", true);
    json_end_object(&w);
    json_end_object(&w);
    json_end_array(&w);
    json_begin_array(&w, "users");
    json_begin_object(&w, NULL);
    json_put_string(&w, "name", "default");
    json_begin_object(&w, "user");
    json_put_string(&w, "client-certificate", pair);
    json_put_string(&w, "client-key", pair);
    json_end_object(&w);
    json_end_object(&w);
    json_end_array(&w);
    json_begin_array(&w, "contexts");
    json_begin_object(&w, NULL);
    json_put_string(&w, "name", "default");
    json_begin_object(&w, "context");
    json_put_string(&w, "cluster", "default");
    json_put_string(&w, "user", "default");
    json_end_object(&w);
    json_end_object(&w);
    json_end_array(&w);
    json_end_object(&w);
    vk_buf_addc(out, '\n');
}

static void finish(void *user)
{
    struct bootstrap *b = user;
    struct vk_buf text VK_BUF_AUTO;
    struct vk_err err;

    vk_buf_init(&text, MAX_FILE_BYTES * 2);
    write_kubeconfig(b, &text);
    if (file_write_private(b->config.kubeconfig, vk_buf_str(&text), &err) < 0) {
        vk_err_wrap(&err, "the kubeconfig of the bootstrap");
        b->config.failed(b->config.user, &err);
        return;
    }
    log_info("Wrote the kubeconfig of the node's own client certificate",
             LS("kubeconfig", b->config.kubeconfig), LS("node", b->config.node_name));
    b->config.done(b->config.user);
}

static void on_issued(void *user, const struct certificate_pair *pair)
{
    (void)pair;
    finish(user);
}

static void on_waiting(void *user, const char *request, const struct vk_err *err)
{
    struct bootstrap *b = user;
    char command[256];

    if (err) {
        log_error("The cluster gives no client certificate; trying again",
                  LS("server", b->cluster.server), LS("signer", CLIENT_SIGNER), LERR(err));
        return;
    }
    snprintf(command, sizeof(command), "kubectl certificate approve %s", request);
    log_warning("The node's client certificate waits for approval", LS("request", request),
                LS("run", command));
}

int bootstrap_new(struct vk_loop *loop, struct http_client *http,
                  const struct bootstrap_config *config, struct bootstrap **ret, struct vk_err *err)
{
    struct bootstrap *b = vk_calloc(1, sizeof(*b));

    b->config = *config;
    b->arena = vk_arena_new();
    vk_timer_init(&b->ready, loop, "bootstrap", finish, b);
    if (kubeconfig_load(config->bootstrap_kubeconfig, NULL, b->arena, &b->cluster, err) < 0 ||
        rest_client_new(http, &b->cluster, config->user_agent, &b->client, err) < 0 ||
        certificate_manager_new(loop,
                                &(struct certificate_manager_config){
                                    .use = CERTIFICATE_CLIENT,
                                    .signer = CLIENT_SIGNER,
                                    .node_name = config->node_name,
                                    .names = bootstrap_names(config->node_name, b->arena),
                                    .cert_dir = config->cert_dir,
                                    .issued = on_issued,
                                    .waiting = on_waiting,
                                    .user = b,
                                },
                                &b->manager, err) < 0) {
        bootstrap_free(b);
        return vk_err_wrap(err, "TLS bootstrap");
    }
    if (certificate_manager_current(b->manager))
        vk_timer_arm(&b->ready, 0);
    else
        certificate_manager_start(b->manager, b->client);
    *ret = b;
    return 0;
}

void bootstrap_free(struct bootstrap *b)
{
    if (!b)
        return;
    vk_timer_disarm(&b->ready);
    certificate_manager_free(b->manager);
    rest_client_free(b->client);
    vk_arena_free(b->arena);
    vk_free(b);
}
