/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/serving_certificate.h"

#include <assert.h>

#include "base/alloc.h"
#include "base/log.h"

#define SIGNER "kubernetes.io/kubelet-serving"
#define MAX_CERTIFICATE_BYTES (64u << 10)
/* Nobody checks it, so nobody has to replace it. */
#define SELF_SIGNED_DAYS 3650

struct serving_certificate {
    struct serving_certificate_config config;
    char *common_name;
    const char *dns[1], *ips[1];
    struct certificate_names names;
    struct certificate_manager *manager; /* NULL: the cluster is not asked */
    struct certificate_pair own;         /* signed by itself; empty with files */
};

static void tell(struct serving_certificate *s, bool pending, const char *reason,
                 const char *message)
{
    if (s->config.pending)
        s->config.pending(s->config.user, pending, reason, message);
}

static void on_issued(void *user, const struct certificate_pair *pair)
{
    struct serving_certificate *s = user;

    (void)pair;
    log_info("The kubelet port has a new certificate of the cluster", LS("signer", SIGNER));
    tell(s, false, "Issued", "the kubelet port shows a certificate of the cluster");
    s->config.changed(s->config.user);
}

/* A renewal that waits is no reason to worry while the old one holds. */
static void on_waiting(void *user, const char *request, const struct vk_err *err)
{
    struct serving_certificate *s = user;
    bool pending = !certificate_manager_current(s->manager);
    char message[256];

    if (err) {
        log_error("The kubelet port gets no certificate of the cluster; trying again",
                  LS("signer", SIGNER), LERR(err));
        if (pending)
            tell(s, true, "RequestFailed", err->msg);
        return;
    }
    snprintf(message, sizeof(message), "kubectl certificate approve %s", request);
    log_warning("The certificate of the kubelet port waits for approval", LS("request", request),
                LS("run", message));
    if (pending)
        tell(s, true, "ApprovalMissing", message);
}

static int make_own(struct serving_certificate *s, struct vk_err *err)
{
    struct vk_buf text VK_BUF_AUTO;

    vk_buf_init(&text, MAX_CERTIFICATE_BYTES);
    tls_key_new(&s->own.key);
    if (tls_self_signed_write(&s->own.key, &s->names, SELF_SIGNED_DAYS, &text, err) < 0)
        return vk_err_wrap(err, "serving certificate");
    s->own.cert_pem = vk_buf_take(&text);
    return 0;
}

static int make_manager(struct serving_certificate *s, struct vk_loop *loop, struct vk_err *err)
{
    return certificate_manager_new(loop,
                                   &(struct certificate_manager_config){
                                       .use = CERTIFICATE_SERVER,
                                       .signer = SIGNER,
                                       .node_name = s->config.node_name,
                                       .names = s->names,
                                       .cert_dir = s->config.cert_dir,
                                       .issued = on_issued,
                                       .waiting = on_waiting,
                                       .user = s,
                                   },
                                   &s->manager, err);
}

int serving_certificate_new(struct vk_loop *loop, const struct serving_certificate_config *config,
                            struct serving_certificate **ret, struct vk_err *err)
{
    struct serving_certificate *s = vk_calloc(1, sizeof(*s));

    assert(!config->cert_file == !config->key_file);
    s->config = *config;
    s->common_name = vk_asprintf("system:node:%s", config->node_name);
    s->dns[0] = config->node_name;
    s->ips[0] = config->node_ip;
    s->names = (struct certificate_names){.common_name = s->common_name,
                                          .organization = "system:nodes",
                                          .dns = s->dns,
                                          .dns_count = 1,
                                          .ips = s->ips,
                                          .ip_count = 1};
    if (!config->cert_file &&
        (make_own(s, err) < 0 || (config->request && make_manager(s, loop, err) < 0))) {
        serving_certificate_free(s);
        return -(int)err->code;
    }
    *ret = s;
    return 0;
}

void serving_certificate_free(struct serving_certificate *s)
{
    if (!s)
        return;
    certificate_manager_free(s->manager);
    certificate_pair_release(&s->own);
    vk_free(s->common_name);
    vk_free(s);
}

void serving_certificate_start(struct serving_certificate *s, struct rest_client *client)
{
    if (s->config.cert_file) {
        tell(s, false, "Files", "the kubelet port shows the certificate of --tls-cert-file");
    } else if (!s->manager) {
        log_warning(
            "The kubelet port shows a certificate that nobody signed: API servers that check "
            "it get no logs; give --tls-cert-file, or --rotate-server-certificates",
            LS("node", s->config.node_name));
        tell(s, false, "SelfSigned", "the kubelet port shows a certificate that nobody signed");
    } else {
        if (certificate_manager_current(s->manager))
            tell(s, false, "Issued", "the kubelet port shows a certificate of the cluster");
        certificate_manager_start(s->manager, client);
    }
}

void serving_certificate_fill(const struct serving_certificate *s,
                              struct tls_listener_config *listener)
{
    const struct certificate_pair *pair =
        s->manager ? certificate_manager_current(s->manager) : NULL;

    if (s->config.cert_file) {
        listener->cert_file = s->config.cert_file;
        listener->key_file = s->config.key_file;
        return;
    }
    if (!pair)
        pair = &s->own;
    listener->cert_pem = pair->cert_pem;
    listener->key_pem = vk_secret_reveal(&pair->key).p;
}
