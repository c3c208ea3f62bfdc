/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/certificate_manager.c"

#include <dirent.h>
#include <stdlib.h>

#include "tests/unit/base/certificates.h"
#include "tests/unit/kubelet/fake_api_server.h"

#define CREATED                                                                                    \
    {                                                                                              \
        .status = 201, .body = "{}"                                                                \
    }
#define PENDING                                                                                    \
    {                                                                                              \
        .body = "{\"status\":{}}"                                                                  \
    }

static const char *dns[] = {"node-1"}, *ips[] = {"10.0.0.7"};

struct world {
    struct fake_api api;
    struct certificate ca;
    char folder[64];
    struct fake_step steps[8];
    size_t count;
    /* what `sign` makes of the last request */
    int64_t from_s, to_s;
    bool of_another_key;
    char *answer;
    /* what the manager told */
    size_t issued_count, waiting_count;
    bool is_issued, is_waiting, has_failed;
    char request[256];
    struct vk_err err;
};

/* ---- the cluster's signer ---- */

static X509_REQ *last_request(const struct world *w)
{
    static const char key[] = "\"request\":\"";
    const char *at = vk_buf_peek(&w->api.asked), *found = NULL;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str pem;
    X509_REQ *request;
    BIO *bio;

    while ((at = strstr(at, key)))
        found = at += sizeof(key) - 1;
    assert_non_null(found);
    assert_true(crypto_base64_decode((struct vk_str){found, strcspn(found, "\"")}, arena, &pem));
    bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    request = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(request);
    return request;
}

static char *sign_request(const struct world *w)
{
    X509_REQ *request = last_request(w);
    X509 *x509 = X509_new();
    EVP_PKEY *other = EVP_EC_gen("P-256");
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem;

    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 7);
    X509_gmtime_adj(X509_getm_notBefore(x509), w->from_s);
    X509_gmtime_adj(X509_getm_notAfter(x509), w->to_s);
    X509_set_subject_name(x509, X509_REQ_get_subject_name(request));
    X509_set_issuer_name(x509, X509_get_subject_name(w->ca.x509));
    X509_set_pubkey(x509, w->of_another_key ? other : X509_REQ_get0_pubkey(request));
    for (int i = 0; i < sk_X509_EXTENSION_num(extensions); i++)
        X509_add_ext(x509, sk_X509_EXTENSION_value(extensions, i), -1);
    assert_true(X509_sign(x509, w->ca.key, EVP_sha256()) > 0);
    PEM_write_bio_X509(bio, x509);
    pem = certificate_bio_text(bio);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    EVP_PKEY_free(other);
    X509_free(x509);
    X509_REQ_free(request);
    return pem;
}

/* Answers the step that runs with the certificate of the last request. */
static void sign(void *user)
{
    struct world *w = user;
    char *pem VK_AUTOFREE = sign_request(w);
    struct vk_buf base64 VK_BUF_AUTO;

    vk_buf_init(&base64, 1 << 16);
    crypto_base64(vk_str_of(pem), &base64);
    vk_free(w->answer);
    w->answer = vk_asprintf("{\"status\":{\"conditions\":[{\"type\":\"Approved\"}],"
                            "\"certificate\":\"%s\"}}",
                            vk_buf_peek(&base64));
    w->steps[w->api.next - 1].body = w->answer;
}

/* ---- the manager ---- */

static void on_issued(void *user, const struct certificate_pair *pair)
{
    struct world *w = user;

    assert_non_null(strstr(pair->cert_pem, "BEGIN CERTIFICATE"));
    w->issued_count++;
    w->is_issued = true;
}

static void on_waiting(void *user, const char *request, const struct vk_err *err)
{
    struct world *w = user;

    vk_strcpy_to(w->request, sizeof(w->request), request ? request : "");
    w->waiting_count += !err;
    w->is_waiting = !err;
    w->has_failed = err != NULL;
    if (err)
        w->err = *err;
}

static struct certificate_manager *manager_new(struct world *w, bool in_memory)
{
    struct certificate_manager *m;
    struct vk_err err;

    if (certificate_manager_new(w->api.loop,
                                &(struct certificate_manager_config){
                                    .use = CERTIFICATE_SERVER,
                                    .signer = "kubernetes.io/kubelet-serving",
                                    .node_name = "node-1",
                                    .names = {.common_name = "system:node:node-1",
                                              .organization = "system:nodes",
                                              .dns = dns,
                                              .dns_count = 1,
                                              .ips = ips,
                                              .ip_count = 1},
                                    .cert_dir = in_memory ? NULL : w->folder,
                                    .issued = on_issued,
                                    .waiting = on_waiting,
                                    .user = w,
                                },
                                &m, &err) < 0)
        fail_msg("%s", err.msg);
    m->retry.initial_ms = 1;
    return m;
}

static void start(struct world *w, const struct fake_step *steps, size_t count)
{
    memcpy(w->steps, steps, count * sizeof(*steps));
    fake_start(&w->api, w->steps, count, NULL);
    w->api.user = w;
}

static int set_up(void **state)
{
    struct world *w = vk_calloc(1, sizeof(*w));

    w->ca = certificate_authority("ca");
    w->from_s = -60;
    w->to_s = 3600;
    vk_strcpy_to(w->folder, sizeof(w->folder), "/tmp/certificates.XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    vk_strcpy_to(w->folder + strlen(w->folder), 8, "/a/b");
    *state = w;
    return 0;
}

/* Files of the folder; removes them when told to. */
static size_t count_files(const char *folder, bool remove_them)
{
    DIR *dir = opendir(folder);
    const struct dirent *e;
    size_t n = 0;

    while (dir && (e = readdir(dir))) {
        char *path VK_AUTOFREE = vk_asprintf("%s/%s", folder, e->d_name);

        if (e->d_name[0] == '.')
            continue;
        n++;
        if (remove_them)
            unlink(path);
    }
    if (dir)
        closedir(dir);
    return n;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    fake_stop(&w->api);
    count_files(w->folder, true);
    for (int i = 0; i < 3; i++) {
        rmdir(w->folder);
        *strrchr(w->folder, '/') = '\0';
    }
    certificate_release(&w->ca);
    vk_free(w->answer);
    vk_free(w);
    return 0;
}

static void a_certificate_is_asked_for_awaited_and_kept(void **state)
{
    static const struct fake_step steps[] = {CREATED, PENDING, {.before = sign}};
    struct world *w = *state;
    struct certificate_manager *m;
    struct stat st;

    start(w, steps, 3);
    m = manager_new(w, false);
    assert_null(certificate_manager_current(m));
    certificate_manager_start(m, w->api.rest);
    fake_run_until(&w->api, &w->is_waiting);
    assert_true(vk_starts(w->request, "kubelet-server-node-1-"));
    assert_int_equal(count_files(w->folder, false), 1);
    fake_run_until(&w->api, &w->is_issued);
    assert_non_null(certificate_manager_current(m));
    assert_non_null(strstr(vk_buf_peek(&w->api.asked),
                           "\"signerName\":\"kubernetes.io/kubelet-serving\","
                           "\"usages\":[\"digital signature\",\"server auth\"]"));
    assert_int_equal(count_files(w->folder, false), 1);
    assert_int_equal(stat(m->pair_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    certificate_manager_free(m);

    m = manager_new(w, false);
    assert_non_null(certificate_manager_current(m));
    assert_null(strstr(certificate_manager_current(m)->cert_pem, "PRIVATE KEY"));
    certificate_manager_start(m, w->api.rest);
    fake_run_ms(&w->api, 20);
    assert_int_equal(w->api.next, 3);
    certificate_manager_free(m);
}

static void a_request_is_taken_up_again_after_a_restart(void **state)
{
    static const struct fake_step steps[] = {
        CREATED,
        PENDING,
        {.status = 409, .body = "{\"reason\":\"AlreadyExists\"}"},
        {.before = sign}};
    struct world *w = *state;
    struct certificate_manager *m;
    char request[256];

    start(w, steps, 4);
    m = manager_new(w, false);
    certificate_manager_start(m, w->api.rest);
    while (w->api.next < 2)
        fake_run_ms(&w->api, 1);
    vk_strcpy_to(request, sizeof(request), w->request);
    certificate_manager_free(m);
    m = manager_new(w, false);
    certificate_manager_start(m, w->api.rest);
    fake_run_until(&w->api, &w->is_issued);
    assert_string_equal(w->request, request);
    certificate_manager_free(m);
}

static void a_request_that_was_refused_is_made_anew_with_another_key(void **state)
{
    static const struct fake_step steps[] = {
        CREATED,
        {.body = "{\"status\":{\"conditions\":[{\"type\":\"Denied\"}]}}"},
        CREATED,
        {.before = sign}};
    struct world *w = *state;
    struct certificate_manager *m;
    char request[256];

    start(w, steps, 4);
    m = manager_new(w, false);
    certificate_manager_start(m, w->api.rest);
    fake_run_until(&w->api, &w->has_failed);
    assert_non_null(strstr(w->err.msg, "was denied"));
    vk_strcpy_to(request, sizeof(request), w->request);
    fake_run_until(&w->api, &w->is_issued);
    assert_string_not_equal(w->request, request);
    certificate_manager_free(m);
}

static void a_request_that_was_forgotten_is_made_again(void **state)
{
    static const struct fake_step steps[] = {
        CREATED, {.status = 404, .body = "{\"reason\":\"NotFound\"}"}, CREATED, {.before = sign}};
    struct world *w = *state;
    struct certificate_manager *m;

    start(w, steps, 4);
    m = manager_new(w, true);
    certificate_manager_start(m, w->api.rest);
    fake_run_until(&w->api, &w->is_issued);
    assert_int_equal(w->waiting_count, 2);
    assert_int_equal(count_files(w->folder, false), 0);
    certificate_manager_free(m);
}

static void a_certificate_of_another_key_is_not_used(void **state)
{
    static const struct fake_step steps[] = {CREATED, {.before = sign}};
    struct world *w = *state;
    struct certificate_manager *m;

    w->of_another_key = true;
    start(w, steps, 2);
    m = manager_new(w, false);
    certificate_manager_start(m, w->api.rest);
    fake_run_until(&w->api, &w->has_failed);
    assert_non_null(strstr(w->err.msg, "not of this key"));
    assert_null(certificate_manager_current(m));
    certificate_manager_free(m);
}

static void the_api_server_that_refuses_is_asked_again(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 403, .body = "{}"}, {.status = 500, .body = "{}"}, CREATED, {.before = sign}};
    struct world *w = *state;
    struct certificate_manager *m;

    start(w, steps, 4);
    m = manager_new(w, false);
    certificate_manager_start(m, w->api.rest);
    fake_run_until(&w->api, &w->is_issued);
    assert_true(w->waiting_count >= 1);
    certificate_manager_free(m);
}

/* A kept pair, `age` seconds into a life of `life` seconds. */
static struct certificate_manager *manager_with_pair(struct world *w, int64_t age, int64_t life)
{
    static const struct fake_step steps[] = {CREATED, {.before = sign}};
    struct certificate_manager *m;

    w->from_s = -age;
    w->to_s = life - age;
    start(w, steps, 2);
    m = manager_new(w, false);
    certificate_manager_start(m, w->api.rest);
    fake_run_until(&w->api, &w->is_issued);
    certificate_manager_free(m);
    return manager_new(w, false);
}

static void a_certificate_is_replaced_late_in_its_life(void **state)
{
    struct world *w = *state;
    struct certificate_manager *m = manager_with_pair(w, 0, 1000);

    assert_in_range(until_rotation_ms(m), 690000, 900000);
    m->rotate_at = 0.75;
    assert_in_range(until_rotation_ms(m), 740000, 750000);
    certificate_manager_free(m);
    for (int i = 0; i < 1000; i++) {
        double part = random_part_of_life();

        assert_true(part >= 0.7 && part <= 0.9);
    }
}

static void one_that_is_nearly_over_is_in_use_while_another_is_asked_for(void **state)
{
    static const struct fake_step more[] = {CREATED, {.before = sign}};
    struct world *w = *state;
    struct certificate_manager *m = manager_with_pair(w, 950, 1000);

    assert_non_null(certificate_manager_current(m));
    memcpy(w->steps + 2, more, sizeof(more));
    w->api.step_count = 4;
    w->is_issued = false;
    w->from_s = -60;
    w->to_s = 3600;
    certificate_manager_start(m, w->api.rest);
    fake_run_until(&w->api, &w->is_issued);
    assert_int_equal(w->issued_count, 2);
    assert_true(until_rotation_ms(m) > 2000000);
    certificate_manager_free(m);
}

static void one_that_has_expired_is_not_in_use(void **state)
{
    struct world *w = *state;
    struct certificate_manager *m = manager_with_pair(w, 2000, 1000);

    assert_true(m->has_current);
    assert_null(certificate_manager_current(m));
    assert_true(until_rotation_ms(m) < 0);
    certificate_manager_free(m);
}

static void what_is_kept_but_broken_or_of_other_names_is_as_good_as_nothing(void **state)
{
    struct world *w = *state;
    struct certificate_manager *m = manager_with_pair(w, 0, 1000);
    struct vk_err err;

    ips[0] = "10.0.0.8";
    certificate_manager_free(m);
    m = manager_new(w, false);
    assert_null(certificate_manager_current(m));
    ips[0] = "10.0.0.7";
    assert_int_equal(file_write_private(m->pair_path, VK_STR("nonsense"), &err), 0);
    certificate_manager_free(m);
    m = manager_new(w, false);
    assert_null(certificate_manager_current(m));
    certificate_manager_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
        TEST(a_certificate_is_asked_for_awaited_and_kept),
        TEST(a_request_is_taken_up_again_after_a_restart),
        TEST(a_request_that_was_refused_is_made_anew_with_another_key),
        TEST(a_request_that_was_forgotten_is_made_again),
        TEST(a_certificate_of_another_key_is_not_used),
        TEST(the_api_server_that_refuses_is_asked_again),
        TEST(a_certificate_is_replaced_late_in_its_life),
        TEST(one_that_is_nearly_over_is_in_use_while_another_is_asked_for),
        TEST(one_that_has_expired_is_not_in_use),
        TEST(what_is_kept_but_broken_or_of_other_names_is_as_good_as_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
