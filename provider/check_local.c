/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/check_local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/tcp.h"
#include "base/tls.h"
#include "base/tls_certificate.h"
#include "provider/options.h"

#define NAME_FILES "files"
#define NAME_PORT "kubelet port"
#define NAME_ADDRESS "node address"
#define MAX_CERTIFICATE_BYTES (64u << 10)

static const char *text_or_null(const char *text)
{
    return vk_str_empty(text) ? NULL : text;
}

/* As the kubelet port will. */
static int load_certificates(const struct tls_listener_config *config, struct vk_err *err)
{
    struct ssl_ctx_st *loaded;

    if (tls_server_context(config, &loaded, err) < 0)
        return -(int)err->code;
    tls_context_free(loaded);
    return 0;
}

/* Without one of its own the port makes a certificate. */
static int load_files(const struct aci_kubelet_options *o, struct vk_err *err)
{
    const struct certificate_names names = {.common_name = "check"};
    struct tls_listener_config config = {.cert_file = text_or_null(o->tls_cert_file),
                                         .key_file = text_or_null(o->tls_private_key_file),
                                         .client_ca_file = text_or_null(o->client_ca_file)};
    struct vk_secret key = {0};
    struct vk_buf pem VK_BUF_AUTO;
    int rc;

    if (config.cert_file || config.key_file)
        return load_certificates(&config, err);
    vk_buf_init(&pem, MAX_CERTIFICATE_BYTES);
    tls_key_new(&key);
    rc = tls_self_signed_write(&key, &names, 1, &pem, err);
    config.cert_pem = vk_buf_peek(&pem);
    config.key_pem = vk_secret_reveal(&key).p;
    if (rc == 0)
        rc = load_certificates(&config, err);
    vk_secret_release(&key);
    return rc;
}

void check_local_files(const struct aci_kubelet_options *o, finding_fn found, void *user)
{
    const struct {
        const char *option, *path;
    } files[] = {
        {"tls-cert-file", o->tls_cert_file},
        {"tls-private-key-file", o->tls_private_key_file},
        {"client-ca-file", o->client_ca_file},
        {"azure-ca-file", o->azure_ca_file},
        {"client-certificate", o->client_certificate},
        /* By default in the same file. */
        {"client-certificate-key", vk_streq(o->client_certificate_key, o->client_certificate)
                                       ? NULL
                                       : o->client_certificate_key},
        {"federated-token-file", o->federated_token_file},
        {"kube-proxy-kubeconfig", o->kube_proxy_kubeconfig},
        {"registry-ca-file", o->registry_ca_file},
    };
    struct finding f = {.name = NAME_FILES, .state = FINDING_OK, .remedy = ""};
    struct vk_buf bad VK_BUF_AUTO;
    struct vk_err err;

    vk_buf_init(&bad, 8192);
    for (size_t i = 0; i < VK_COUNT(files); i++)
        if (!vk_str_empty(files[i].path) && access(files[i].path, R_OK) < 0)
            vk_buf_printf(&bad, "%s--%s %.300s: %s", vk_buf_len(&bad) ? ", " : "", files[i].option,
                          files[i].path, strerror(errno));
    f.detail = "those that options name can be read";
    if (vk_buf_len(&bad)) {
        f.state = FINDING_FAILED;
        f.detail = vk_buf_peek(&bad);
        f.remedy = "look at the path, and at who may read it: aci-kubelet runs as another user";
    } else if (load_files(o, &err) < 0) {
        f.state = FINDING_FAILED;
        f.detail = err.msg;
        f.remedy = "give PEM: certificates, and a key that is not encrypted and fits the "
                   "certificate";
    }
    found(user, &f);
}

void check_local_port(const char *address, int port, finding_fn found, void *user)
{
    struct finding f = {.name = NAME_PORT, .state = FINDING_OK, .remedy = ""};
    char detail[128];
    struct vk_err err;
    int fd, bound;

    if (tcp_listen(address, port, &fd, &bound, &err) == 0) {
        close(fd);
        snprintf(detail, sizeof(detail), "%d is free", bound);
        f.detail = detail;
    } else {
        f.state = FINDING_FAILED;
        f.detail = err.msg;
        f.remedy = err.sys_errno == EADDRINUSE
                       ? "if that is aci-kubelet itself, all is well; else stop what listens there "
                         "(ss -ltnp), or choose another --port"
                   : err.sys_errno == EACCES
                       ? "choose another --port, or give the program CAP_NET_BIND_SERVICE"
                       : "look at --address and --port";
    }
    found(user, &f);
}

struct ip {
    int family; /* 0: no address */
    unsigned char bytes[16];
};

static struct ip read_ip(const char *text)
{
    struct ip ip = {.family = AF_INET};

    if (inet_pton(AF_INET, text, ip.bytes) == 1)
        return ip;
    ip.family = inet_pton(AF_INET6, text, ip.bytes) == 1 ? AF_INET6 : 0;
    return ip;
}

static bool is_of(const struct sockaddr *address, const struct ip *ip)
{
    if (!address || address->sa_family != ip->family)
        return false;
    if (ip->family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, address, sizeof(in));
        return memcmp(&in.sin_addr, ip->bytes, sizeof(in.sin_addr)) == 0;
    }
    struct sockaddr_in6 in6;

    memcpy(&in6, address, sizeof(in6));
    return memcmp(&in6.sin6_addr, ip->bytes, sizeof(in6.sin6_addr)) == 0;
}

static bool is_ours(const struct ip *ip)
{
    struct ifaddrs *all, *one;
    bool ours = false;

    if (getifaddrs(&all) < 0)
        return true;
    for (one = all; one && !ours; one = one->ifa_next)
        ours = is_of(one->ifa_addr, ip);
    freeifaddrs(all);
    return ours;
}

static bool is_unreachable(const struct ip *ip)
{
    static const unsigned char none[16];

    if (ip->family == AF_INET)
        return ip->bytes[0] == 127 || ip->bytes[0] == 0;
    return memcmp(ip->bytes, none, 15) == 0 && ip->bytes[15] <= 1;
}

void check_local_address(const char *node_ip, finding_fn found, void *user)
{
    const struct ip ip = read_ip(node_ip);
    struct finding f = {.name = NAME_ADDRESS, .state = FINDING_OK, .remedy = ""};
    char detail[128];

    if (!ip.family) {
        snprintf(detail, sizeof(detail), "'%.60s' is no IP address", node_ip);
        f.state = FINDING_FAILED;
        f.remedy = "give --node-ip the address at which the API server reaches this process";
    } else if (is_unreachable(&ip)) {
        snprintf(detail, sizeof(detail), "%s leads the API server to itself", node_ip);
        f.state = FINDING_FAILED;
        f.remedy = "give --node-ip an address of this machine that others reach";
    } else if (!is_ours(&ip)) {
        snprintf(detail, sizeof(detail), "%s is no address of this machine", node_ip);
        f.state = FINDING_WARNING;
        f.remedy = "right only where something passes its connections on to here; else give "
                   "--node-ip an address of this machine";
    } else {
        snprintf(detail, sizeof(detail), "%s is an address of this machine", node_ip);
    }
    f.detail = detail;
    found(user, &f);
}
