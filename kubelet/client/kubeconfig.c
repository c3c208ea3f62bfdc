/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/kubeconfig.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"

#define MAX_KUBECONFIG_BYTES (1u << 20)
#define SERVICE_ACCOUNT_ROOT "/var/run/secrets/kubernetes.io/serviceaccount"

struct cluster_entry {
    const char *server, *tls_server_name, *ca_file, *ca_data, *proxy_url;
    bool insecure;
};
struct user_entry {
    const char *cert_file, *cert_data, *key_file, *key_data, *token, *token_file;
    const char *username, *impersonate, *impersonate_uid;
};
struct context_entry {
    const char *cluster, *user;
};

static const struct json_field cluster_fields[] = {
    JSON_STR(struct cluster_entry, server, "server", 0),
    JSON_STR(struct cluster_entry, tls_server_name, "tls-server-name", 0),
    JSON_STR(struct cluster_entry, ca_file, "certificate-authority", 0),
    JSON_STR(struct cluster_entry, ca_data, "certificate-authority-data", 0),
    JSON_STR(struct cluster_entry, proxy_url, "proxy-url", 0),
    JSON_BOOLEAN(struct cluster_entry, insecure, "insecure-skip-tls-verify"),
    JSON_END,
};
static const struct json_field user_fields[] = {
    JSON_STR(struct user_entry, cert_file, "client-certificate", 0),
    JSON_STR(struct user_entry, cert_data, "client-certificate-data", 0),
    JSON_STR(struct user_entry, key_file, "client-key", 0),
    JSON_STR(struct user_entry, key_data, "client-key-data", 0),
    JSON_STR(struct user_entry, token, "token", 0),
    JSON_STR(struct user_entry, token_file, "tokenFile", 0),
    JSON_STR(struct user_entry, username, "username", 0),
    JSON_STR(struct user_entry, impersonate, "as", 0),
    JSON_STR(struct user_entry, impersonate_uid, "as-uid", 0),
    JSON_END,
};
static const struct json_field context_fields[] = {
    JSON_STR(struct context_entry, cluster, "cluster", JSON_REQUIRED),
    JSON_STR(struct context_entry, user, "user", 0),
    JSON_END,
};

struct loader {
    const char *path;
    const struct json *root;
    struct vk_arena *scratch; /* the file and its tree: secrets in it are wiped at the end */
    struct vk_arena *arena;
    struct vk_err *err;
};

static void wipe_text(const char *text)
{
    if (text)
        vk_wipe((char *)(uintptr_t)text, strlen(text));
}

/* "a, b": what the file does have, for messages. */
static const char *names_of(struct loader *l, const char *list)
{
    struct vk_buf names VK_BUF_AUTO;
    const char *text;

    vk_buf_init(&names, 200);
    for (const struct json *e = json_first(json_get(l->root, list)); e; e = json_next(e)) {
        const char *name = json_string_or(e, "name", "");
        size_t separator = vk_buf_len(&names) ? 2 : 0;

        if (vk_buf_len(&names) + separator + strlen(name) > 180) {
            vk_buf_adds(&names, ", ...");
            break;
        }
        vk_buf_printf(&names, "%s%s", separator ? ", " : "", name);
    }
    text = vk_buf_len(&names) ? vk_buf_peek(&names) : "none";
    return vk_arena_strdup(l->scratch, text);
}

/* The object `kind` of the entry called `name` in a list such as contexts. */
static int find_entry(struct loader *l, const char *list, const char *kind, const char *name,
                      const struct json **ret)
{
    for (const struct json *e = json_first(json_get(l->root, list)); e; e = json_next(e)) {
        if (!vk_streq(json_string_or(e, "name", ""), name))
            continue;
        *ret = json_get(e, kind);
        if (*ret && json_type_of(*ret) == JSON_OBJECT)
            return 0;
        return vk_err_set(l->err, VK_INVALID, "kubeconfig %s: %s \"%s\" is empty", l->path, kind,
                          name);
    }
    return vk_err_set(l->err, VK_INVALID, "kubeconfig %s: there is no %s \"%s\"; the file has: %s",
                      l->path, kind, name, names_of(l, list));
}

/* Relative names are relative to the kubeconfig's folder. The file must be readable. */
static int resolve_file(struct loader *l, const char *what, const char *name, const char **ret)
{
    const char *slash = strrchr(l->path, '/');
    const char *full;

    if (vk_str_empty(name))
        return 0;
    if (name[0] == '/' || !slash)
        full = vk_arena_strdup(l->arena, name);
    else
        full = vk_arena_printf(l->arena, "%.*s/%s", (int)(slash - l->path), l->path, name);
    if (access(full, R_OK) < 0) {
        vk_err_errno(l->err, errno, "kubeconfig %s: %s %s", l->path, what, full);
        return -(int)l->err->code;
    }
    *ret = full;
    return 0;
}

static int decode_data(struct loader *l, const char *what, const char *base64, const char **ret)
{
    struct vk_str text;
    const struct vk_secret *pem;

    if (vk_str_empty(base64))
        return 0;
    if (!crypto_base64_decode(vk_str_trim(vk_str_of(base64)), l->scratch, &text))
        return vk_err_set(l->err, VK_INVALID, "kubeconfig %s: %s is not base64", l->path, what);
    if (memchr(text.p, '\0', text.n) || !memmem(text.p, text.n, "-----BEGIN ", 11))
        return vk_err_set(l->err, VK_INVALID, "kubeconfig %s: %s does not hold PEM text", l->path,
                          what);
    pem = vk_arena_secret(l->arena, text.p, text.n);
    vk_wipe((char *)(uintptr_t)text.p, text.n);
    *ret = vk_secret_reveal(pem).p;
    return 0;
}

static int load_cluster(struct loader *l, const char *name, struct cluster_config *config)
{
    struct cluster_entry c = {0};
    const struct json *v;

    if (find_entry(l, "clusters", "cluster", name, &v) < 0)
        return -1;
    if (json_decode(v, cluster_fields, &c, l->scratch, "", l->err) < 0)
        return vk_err_wrap(l->err, "kubeconfig %s: cluster \"%s\"", l->path, name);
    if (!vk_starts(c.server, "https://") && !vk_starts(c.server, "http://"))
        return vk_err_set(l->err, VK_INVALID,
                          "kubeconfig %s: cluster \"%s\" needs a server such as "
                          "https://10.0.0.1:6443, not \"%s\"",
                          l->path, name, c.server ? c.server : "");
    config->server = vk_arena_strdup(l->arena, c.server);
    config->insecure_skip_verify = c.insecure;
    if (!vk_str_empty(c.tls_server_name))
        config->tls_server_name = vk_arena_strdup(l->arena, c.tls_server_name);
    if (!vk_str_empty(c.proxy_url))
        config->proxy_url = vk_arena_strdup(l->arena, c.proxy_url);
    if (decode_data(l, "certificate-authority-data", c.ca_data, &config->ca_pem) < 0)
        return -1;
    return config->ca_pem ? 0
                          : resolve_file(l, "certificate-authority", c.ca_file, &config->ca_file);
}

/* Ways to authenticate that we do not speak are refused, not ignored: the API server's answer would
 * say nothing of the reason. */
static int refuse_unsupported(struct loader *l, const char *name, const struct json *v,
                              const struct user_entry *u)
{
    const char *plugin = json_get(v, "exec")            ? "an exec plugin"
                         : json_get(v, "auth-provider") ? "an auth-provider plugin"
                         : !vk_str_empty(u->username)   ? "a user name and password"
                         : !vk_str_empty(u->impersonate) || !vk_str_empty(u->impersonate_uid) ||
                                 json_get(v, "as-groups") || json_get(v, "as-user-extra")
                             ? "impersonation"
                             : NULL;

    if (!plugin)
        return 0;
    return vk_err_set(l->err, VK_UNSUPPORTED,
                      "kubeconfig %s: user \"%s\" relies on %s, which is not supported; use a "
                      "client certificate, a token or tokenFile, or run in the cluster with a "
                      "service account",
                      l->path, name, plugin);
}

static int load_credentials(struct loader *l, const char *name, const struct user_entry *u,
                            struct cluster_config *config)
{
    if (decode_data(l, "client-certificate-data", u->cert_data, &config->cert_pem) < 0 ||
        decode_data(l, "client-key-data", u->key_data, &config->key_pem) < 0)
        return -1;
    if (!config->cert_pem &&
        resolve_file(l, "client-certificate", u->cert_file, &config->cert_file) < 0)
        return -1;
    if (!config->key_pem && resolve_file(l, "client-key", u->key_file, &config->key_file) < 0)
        return -1;
    if ((config->cert_pem || config->cert_file) != (config->key_pem || config->key_file))
        return vk_err_set(l->err, VK_INVALID,
                          "kubeconfig %s: user \"%s\" needs both a client certificate and its key",
                          l->path, name);
    if (resolve_file(l, "tokenFile", u->token_file, &config->token_file) < 0)
        return -1;
    if (!vk_str_empty(u->token))
        config->token = vk_arena_secret(l->arena, u->token, strlen(u->token));
    return 0;
}

static int load_user(struct loader *l, const char *name, struct cluster_config *config)
{
    struct user_entry u = {0};
    const struct json *v;
    int rc;

    if (vk_str_empty(name))
        return 0;
    if (find_entry(l, "users", "user", name, &v) < 0)
        return -1;
    if (json_decode(v, user_fields, &u, l->scratch, "", l->err) < 0)
        return vk_err_wrap(l->err, "kubeconfig %s: user \"%s\"", l->path, name);
    rc = refuse_unsupported(l, name, v, &u);
    if (rc == 0)
        rc = load_credentials(l, name, &u, config);
    wipe_text(u.token);
    wipe_text(u.key_data);
    return rc;
}

/* Both the scratch tree and the decoded copies hold what the file said. */
static void wipe_tree(const struct json *root)
{
    for (const struct json *e = json_first(json_get(root, "users")); e; e = json_next(e)) {
        const struct json *user = json_get(e, "user");

        wipe_text(json_string(json_get(user, "token")));
        wipe_text(json_string(json_get(user, "client-key-data")));
        wipe_text(json_string(json_get(user, "password")));
    }
}

static int load(struct loader *l, const char *context, struct cluster_config *ret)
{
    struct context_entry c = {0};
    struct cluster_config config = {0};
    const struct json *v;

    if (json_type_of(l->root) != JSON_OBJECT)
        return vk_err_set(l->err, VK_INVALID, "kubeconfig %s: the file holds no configuration",
                          l->path);
    if (vk_str_empty(context))
        context = json_string_or(l->root, "current-context", "");
    if (vk_str_empty(context))
        return vk_err_set(l->err, VK_INVALID,
                          "kubeconfig %s: current-context is not set; the file has: %s", l->path,
                          names_of(l, "contexts"));
    if (find_entry(l, "contexts", "context", context, &v) < 0)
        return -1;
    if (json_decode(v, context_fields, &c, l->scratch, "", l->err) < 0)
        return vk_err_wrap(l->err, "kubeconfig %s: context \"%s\"", l->path, context);
    if (load_cluster(l, c.cluster, &config) < 0 || load_user(l, c.user, &config) < 0)
        return -1;
    config.source = vk_arena_printf(l->arena, "kubeconfig %s (context %s)", l->path, context);
    *ret = config;
    return 0;
}

int kubeconfig_load(const char *path, const char *context, struct vk_arena *arena,
                    struct cluster_config *ret, struct vk_err *err)
{
    struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
    struct loader l = {.path = path, .scratch = scratch, .arena = arena, .err = err};
    struct vk_str text;
    int rc;

    if (file_read(path, MAX_KUBECONFIG_BYTES, scratch, &text, err) < 0)
        return vk_err_wrap(err, "kubeconfig");
    rc = yaml_parse(text, MAX_KUBECONFIG_BYTES, scratch, &l.root, err);
    vk_wipe((char *)(uintptr_t)text.p, text.n);
    if (rc < 0)
        return vk_err_wrap(err, "kubeconfig %s", path);
    rc = load(&l, context, ret);
    wipe_tree(l.root);
    return rc < 0 ? -(int)err->code : 0;
}

int in_cluster_config(const char *root, struct vk_arena *arena, struct cluster_config *ret,
                      struct vk_err *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    struct cluster_config config = {0};

    if (vk_str_empty(host) || vk_str_empty(port))
        return vk_err_set(err, VK_NOT_FOUND,
                          "not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT "
                          "are not set; name a kubeconfig instead");
    root = vk_str_empty(root) ? SERVICE_ACCOUNT_ROOT : root;
    config.server = strchr(host, ':') ? vk_arena_printf(arena, "https://[%s]:%s", host, port)
                                      : vk_arena_printf(arena, "https://%s:%s", host, port);
    config.token_file = vk_arena_printf(arena, "%s/token", root);
    config.ca_file = vk_arena_printf(arena, "%s/ca.crt", root);
    config.source = "in-cluster service account";
    if (access(config.token_file, R_OK) < 0)
        return vk_err_errno(err, errno, "service account token %s", config.token_file);
    if (access(config.ca_file, R_OK) < 0)
        return vk_err_errno(err, errno, "the cluster's CA %s", config.ca_file);
    *ret = config;
    return 0;
}
