/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/certificate_manager.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/json_writer.h"
#include "base/log.h"

#define REQUESTS "/apis/certificates.k8s.io/v1/certificatesigningrequests"
#define MAX_PAIR_BYTES (256u << 10)
#define MAX_REQUEST_BYTES (1u << 20)
#define CALL_MS 10000
#define POLL_MS 1000
#define SLOW_POLL_MS 10000
/* Signers that give certificates which are nearly over are not asked in a loop. */
#define MIN_LIFE_MS 10000
#define REMIND_MS (5 * 60 * 1000)
/* The wall clock may be set: the time until the next rotation is looked at at least this often. */
#define LOOK_MS (60 * 60 * 1000)

struct certificate_manager {
    struct vk_loop *loop;
    struct certificate_manager_config config;
    struct rest_client *client;
    char *pair_path, *key_path; /* NULL: in memory alone */
    struct certificate_pair current;
    bool has_current;
    double rotate_at;     /* part of its life */
    struct vk_secret key; /* of the request under way */
    char *request;        /* its name; NULL: none is under way */
    struct rest_call *call;
    struct vk_timer timer;
    struct backoff poll, retry;
    int64_t reminded_mono_ms;
};

static void go_on(void *user);

static const char *name_of(enum certificate_use use)
{
    return use == CERTIFICATE_SERVER ? "kubelet-server" : "kubelet-client";
}

void certificate_pair_release(struct certificate_pair *pair)
{
    vk_free(vk_take(pair->cert_pem));
    vk_secret_release(&pair->key);
}

char *certificate_store_path(const char *cert_dir, enum certificate_use use)
{
    return vk_asprintf("%s/%s-current.pem", cert_dir, name_of(use));
}

/* ---- what is kept ---- */

static int make_folder(const char *path, struct vk_err *err)
{
    char *part VK_AUTOFREE = vk_strdup(path);

    for (char *slash = part; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return vk_err_errno(err, errno, "cannot make the folder %s", part);
        *slash = '/';
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return vk_err_errno(err, errno, "cannot make the folder %s", path);
    if (access(path, W_OK | X_OK) < 0)
        return vk_err_errno(err, errno, "cannot write into the folder %s", path);
    return 0;
}

/* So that the nodes of a cluster that began together do not all ask at the same time. */
static double random_part_of_life(void)
{
    uint32_t random;

    crypto_random(&random, sizeof(random));
    return 0.7 + 0.2 * (double)random / (double)UINT32_MAX;
}

static bool holds_now(const struct certificate_validity *v)
{
    int64_t now_s = vk_wall_ms() / 1000;

    return v->not_before_s <= now_s && now_s < v->not_after_s;
}

static int adopt(struct certificate_manager *m, struct vk_str cert_pem, struct vk_str key_pem,
                 struct vk_err *err)
{
    struct certificate_pair pair = {.cert_pem = vk_strndup(cert_pem.p, cert_pem.n)};

    vk_secret_set(&pair.key, key_pem.p, key_pem.n);
    if (tls_certificate_check(pair.cert_pem, &pair.key, &m->config.names, &pair.validity, err) <
        0) {
        certificate_pair_release(&pair);
        return -(int)err->code;
    }
    certificate_pair_release(&m->current);
    m->current = pair;
    m->has_current = true;
    m->rotate_at = random_part_of_life();
    return 0;
}

/* Where the key begins in a text that holds certificates and then a key; the end when there is
 * none. */
static size_t key_offset(struct vk_str text)
{
    static const char begin[] = "-----BEGIN ", end[] = "PRIVATE KEY-----";
    const char *label = memmem(text.p, text.n, end, sizeof(end) - 1);
    const char *at = label;

    while (at && at > text.p && strncmp(at, begin, sizeof(begin) - 1) != 0)
        at--;
    return at ? (size_t)(at - text.p) : text.n;
}

/* What can't be used is as good as nothing, and will be replaced. */
static void load_pair(struct certificate_manager *m)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str text;
    struct vk_err err;
    int rc = file_read(m->pair_path, MAX_PAIR_BYTES, arena, &text, &err);

    if (rc == 0) {
        size_t at = key_offset(text);

        rc = adopt(m, (struct vk_str){text.p, at}, (struct vk_str){text.p + at, text.n - at}, &err);
        vk_wipe((char *)(uintptr_t)text.p, text.n);
    }
    if (rc < 0 && err.code != VK_NOT_FOUND)
        log_warning("The certificate that is kept can't be used", LS("file", m->pair_path),
                    LERR(&err));
}

static void store_pair(struct certificate_manager *m)
{
    struct vk_str key = vk_secret_reveal(&m->current.key);
    struct vk_buf text VK_BUF_AUTO;
    struct vk_err err;

    if (!m->pair_path)
        return;
    vk_buf_init_secret(&text, MAX_PAIR_BYTES);
    vk_buf_adds(&text, m->current.cert_pem);
    if (!vk_ends(m->current.cert_pem, "\n"))
        vk_buf_addc(&text, '\n');
    vk_buf_addstr(&text, key);
    if (file_write_private(m->pair_path, vk_buf_str(&text), &err) < 0) {
        log_error("A new certificate is in use but could not be kept", LERR(&err));
        return;
    }
    if (unlink(m->key_path) < 0 && errno != ENOENT)
        log_warning("A key that is no longer needed was not removed", LS("file", m->key_path));
}

/* The key of a request that an earlier process made, or a new one. */
static void take_key(struct certificate_manager *m)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    char fingerprint[65];
    struct vk_str text;
    struct vk_err err;

    if (!vk_secret_is_empty(&m->key))
        return;
    if (m->key_path && file_read(m->key_path, MAX_PAIR_BYTES, arena, &text, &err) == 0) {
        vk_secret_set(&m->key, text.p, text.n);
        vk_wipe((char *)(uintptr_t)text.p, text.n);
        if (tls_key_fingerprint(&m->key, fingerprint, &err) == 0)
            return;
    }
    tls_key_new(&m->key);
    if (m->key_path && file_write_private(m->key_path, vk_secret_reveal(&m->key), &err) < 0)
        log_warning("The key of a certificate request could not be kept", LERR(&err));
}

static void drop_key(struct certificate_manager *m)
{
    vk_secret_release(&m->key);
    if (m->key_path)
        (void)unlink(m->key_path);
}

/* ---- the request ---- */

/* The same for the same key and the same names, so that a request is made once. */
static char *request_name(const struct certificate_manager *m, const char *fingerprint)
{
    const struct certificate_names *names = &m->config.names;
    struct vk_buf said VK_BUF_AUTO;
    char hex[65];

    vk_buf_init(&said, MAX_REQUEST_BYTES);
    vk_buf_printf(&said, "%s\n%s\n%s\n", fingerprint, m->config.signer, names->common_name);
    for (size_t i = 0; i < names->dns_count; i++)
        vk_buf_printf(&said, "%s\n", names->dns[i]);
    for (size_t i = 0; i < names->ip_count; i++)
        vk_buf_printf(&said, "%s\n", names->ips[i]);
    crypto_sha256_hex(vk_buf_peek(&said), vk_buf_len(&said), hex);
    return vk_asprintf("%s-%s-%.12s", name_of(m->config.use), m->config.node_name, hex);
}

static void tell_waiting(struct certificate_manager *m, const struct vk_err *err)
{
    m->reminded_mono_ms = vk_mono_ms();
    if (m->config.waiting)
        m->config.waiting(m->config.user, m->request, err);
}

static void fail(struct certificate_manager *m, const struct vk_err *err)
{
    int64_t pause_ms = backoff_next_ms(&m->retry);

    tell_waiting(m, err);
    vk_free(vk_take(m->request));
    vk_timer_arm(&m->timer, err->retry_after_ms > pause_ms ? err->retry_after_ms : pause_ms);
}

static void poll_later(struct certificate_manager *m)
{
    if (vk_mono_ms() - m->reminded_mono_ms >= REMIND_MS)
        tell_waiting(m, NULL);
    vk_timer_arm(&m->timer, backoff_next_ms(&m->poll));
}

static bool has_condition(const struct json *status, const char *type)
{
    const struct json *list = json_get(status, "conditions");

    for (const struct json *c = json_first(list); c; c = json_next(c))
        if (vk_streq(json_string_or(c, "type", ""), type))
            return true;
    return false;
}

static void issue(struct certificate_manager *m, struct vk_str cert_pem)
{
    struct vk_err err;

    if (adopt(m, cert_pem, vk_secret_reveal(&m->key), &err) < 0) {
        vk_err_wrap(&err, "certificate request %s", m->request);
        drop_key(m);
        fail(m, &err);
        return;
    }
    store_pair(m);
    vk_secret_release(&m->key);
    vk_free(vk_take(m->request));
    backoff_reset(&m->retry);
    vk_timer_arm(&m->timer, MIN_LIFE_MS);
    m->config.issued(m->config.user, &m->current);
}

/* What became of the request. */
static void read_status(struct certificate_manager *m, const struct json *root,
                        struct vk_arena *arena)
{
    const struct json *status = json_get(root, "status");
    const char *certificate = json_string_or(status, "certificate", "");
    struct vk_str pem;
    struct vk_err err;

    if (has_condition(status, "Denied") || has_condition(status, "Failed")) {
        vk_err_set(&err, VK_FORBIDDEN, "certificate request %s was %s", m->request,
                   has_condition(status, "Denied") ? "denied" : "not signed");
        drop_key(m);
        fail(m, &err);
    } else if (!*certificate) {
        poll_later(m);
    } else if (!crypto_base64_decode(vk_str_of(certificate), arena, &pem)) {
        vk_err_set(&err, VK_PROTOCOL, "certificate request %s: the answer is not base64",
                   m->request);
        fail(m, &err);
    } else {
        issue(m, pem);
    }
}

static void on_request(void *user, struct vk_str body, const struct vk_err *err)
{
    struct certificate_manager *m = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root;
    struct vk_err parse_err;

    m->call = NULL;
    if (err && err->code == VK_NOT_FOUND) {
        /* The cluster forgets requests after a day. */
        vk_free(vk_take(m->request));
        vk_timer_arm(&m->timer, backoff_next_ms(&m->poll));
    } else if (err) {
        log_warning("Can't read the certificate request", LS("request", m->request), LERR(err));
        poll_later(m);
    } else if (json_parse(body, MAX_REQUEST_BYTES, arena, &root, &parse_err) < 0) {
        fail(m, &parse_err);
    } else {
        read_status(m, root, arena);
    }
}

static void read_request(struct certificate_manager *m)
{
    char *path VK_AUTOFREE = vk_asprintf(REQUESTS "/%s", m->request);

    m->call = rest_start(m->client, &(struct rest_request){.method = "GET",
                                                           .path = path,
                                                           .deadline_ms = CALL_MS,
                                                           .on_done = on_request,
                                                           .user = m});
}

static void on_created(void *user, struct vk_str body, const struct vk_err *err)
{
    struct certificate_manager *m = user;

    (void)body;
    m->call = NULL;
    vk_crash_point("after-csr-create");
    /* An earlier process may have made it, or the answer to us was lost. */
    if (err && err->code != VK_ALREADY_EXISTS && err->code != VK_CONFLICT) {
        fail(m, err);
        return;
    }
    m->poll = (struct backoff){.initial_ms = POLL_MS, .max_ms = SLOW_POLL_MS};
    tell_waiting(m, NULL);
    read_request(m);
}

static void write_request(struct certificate_manager *m, const char *pem, struct vk_buf *out)
{
    struct vk_buf encoded VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&encoded, MAX_REQUEST_BYTES);
    crypto_base64(vk_str_of(pem), &encoded);
    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "apiVersion", "certificates.k8s.io/v1");
    json_put_string(&w, "kind", "CertificateSigningRequest");
    json_begin_object(&w, "metadata");
    json_put_string(&w, "name", m->request);
    json_end_object(&w);
    json_begin_object(&w, "spec");
    json_put_str(&w, "request", vk_buf_str(&encoded));
    json_put_string(&w, "signerName", m->config.signer);
    json_begin_array(&w, "usages");
    json_put_string(&w, NULL, "digital signature");
    json_put_string(&w, NULL, m->config.use == CERTIFICATE_SERVER ? "server auth" : "client auth");
    json_end_array(&w);
    json_end_object(&w);
    json_end_object(&w);
}

static void create_request(struct certificate_manager *m)
{
    struct vk_buf pem VK_BUF_AUTO;
    struct vk_buf body VK_BUF_AUTO;
    char fingerprint[65];
    struct vk_err err;

    vk_buf_init(&pem, MAX_REQUEST_BYTES);
    vk_buf_init(&body, MAX_REQUEST_BYTES);
    take_key(m);
    if (tls_key_fingerprint(&m->key, fingerprint, &err) < 0 ||
        tls_request_write(&m->key, &m->config.names, &pem, &err) < 0) {
        drop_key(m);
        fail(m, &err);
        return;
    }
    m->request = request_name(m, fingerprint);
    write_request(m, vk_buf_peek(&pem), &body);
    vk_crash_point("before-csr-create");
    m->call = rest_start(m->client, &(struct rest_request){.method = "POST",
                                                           .path = REQUESTS,
                                                           .body = vk_buf_str(&body),
                                                           .deadline_ms = CALL_MS,
                                                           .what = "create a certificate request",
                                                           .on_done = on_created,
                                                           .user = m});
}

/* ---- life ---- */

static int64_t until_rotation_ms(const struct certificate_manager *m)
{
    const struct certificate_validity *v = &m->current.validity;
    double life_s = (double)(v->not_after_s - v->not_before_s);

    return v->not_before_s * 1000 + (int64_t)(life_s * m->rotate_at * 1000) - vk_wall_ms();
}

static void go_on(void *user)
{
    struct certificate_manager *m = user;
    int64_t left_ms = m->has_current ? until_rotation_ms(m) : 0;

    if (m->request)
        read_request(m);
    else if (left_ms > 0)
        vk_timer_arm(&m->timer, left_ms < LOOK_MS ? left_ms : LOOK_MS);
    else
        create_request(m);
}

int certificate_manager_new(struct vk_loop *loop, const struct certificate_manager_config *config,
                            struct certificate_manager **ret, struct vk_err *err)
{
    struct certificate_manager *m;

    if (config->cert_dir && make_folder(config->cert_dir, err) < 0)
        return -(int)err->code;
    m = vk_calloc(1, sizeof(*m));
    m->loop = loop;
    m->config = *config;
    m->poll = (struct backoff){.initial_ms = POLL_MS, .max_ms = SLOW_POLL_MS};
    m->retry = (struct backoff){.initial_ms = 2000, .max_ms = 5 * 60 * 1000};
    vk_timer_init(&m->timer, loop, "certificate", go_on, m);
    if (config->cert_dir) {
        m->pair_path = certificate_store_path(config->cert_dir, config->use);
        m->key_path = vk_asprintf("%s/%s.key.tmp", config->cert_dir, name_of(config->use));
        load_pair(m);
    }
    *ret = m;
    return 0;
}

void certificate_manager_free(struct certificate_manager *m)
{
    if (!m)
        return;
    vk_timer_disarm(&m->timer);
    rest_cancel(m->call);
    certificate_pair_release(&m->current);
    vk_secret_release(&m->key);
    vk_free(m->request);
    vk_free(m->pair_path);
    vk_free(m->key_path);
    vk_free(m);
}

const struct certificate_pair *certificate_manager_current(const struct certificate_manager *m)
{
    return m->has_current && holds_now(&m->current.validity) ? &m->current : NULL;
}

void certificate_manager_start(struct certificate_manager *m, struct rest_client *client)
{
    m->client = client;
    vk_timer_arm(&m->timer, 0);
}
