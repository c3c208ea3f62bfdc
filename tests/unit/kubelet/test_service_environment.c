/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/service_environment.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "tests/unit/kubelet/resolve_fixture.h"

#define MAX_SERVICES 8

#define KUBERNETES                                                                                 \
    "{\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"default\"},\"spec\":{\"clusterIP\":"   \
    "\"10.96.0.1\",\"ports\":[{\"name\":\"https\",\"protocol\":\"TCP\",\"port\":443}]}}"
#define OWN_KUBERNETES                                                                             \
    "{\"metadata\":{\"name\":\"kubernetes\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":"      \
    "\"10.96.0.9\",\"ports\":[{\"port\":6443}]}}"
#define MY_DB                                                                                      \
    "{\"metadata\":{\"name\":\"my-db\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":"           \
    "\"10.96.0.2\",\"ports\":[{\"name\":\"sql\",\"port\":5432},{\"name\":\"dns-udp\","             \
    "\"protocol\":\"UDP\",\"port\":53}]}}"
#define ELSEWHERE                                                                                  \
    "{\"metadata\":{\"name\":\"web\",\"namespace\":\"other\"},\"spec\":{\"clusterIP\":"            \
    "\"10.96.0.3\",\"ports\":[{\"port\":80}]}}"
#define HEADLESS                                                                                   \
    "{\"metadata\":{\"name\":\"peers\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":\"None\","  \
    "\"ports\":[{\"port\":80}]}}"
#define EXTERNAL                                                                                   \
    "{\"metadata\":{\"name\":\"far\",\"namespace\":\"shop\"},\"spec\":{\"type\":\"ExternalName\"," \
    "\"externalName\":\"example.com\"}}"
#define SIX                                                                                        \
    "{\"metadata\":{\"name\":\"six\",\"namespace\":\"shop\"},\"spec\":{\"clusterIP\":\"fd00::6\"," \
    "\"ports\":[{\"port\":80}]}}"

#define KUBERNETES_AT(ip, port)                                                                    \
    "KUBERNETES_SERVICE_HOST=" ip " KUBERNETES_SERVICE_PORT=" port                                 \
    " KUBERNETES_SERVICE_PORT_HTTPS=" port " KUBERNETES_PORT=tcp://" ip ":" port                   \
    " KUBERNETES_PORT_" port "_TCP=tcp://" ip ":" port " KUBERNETES_PORT_" port                    \
    "_TCP_PROTO=tcp KUBERNETES_PORT_" port "_TCP_PORT=" port " KUBERNETES_PORT_" port              \
    "_TCP_ADDR=" ip " "

static const struct row {
    const char *name, *services[MAX_SERVICES];
    bool no_links;
    struct pod_api_server api_server;
    const char *expected;
} rows[] = {
    {"the API server always",
     {KUBERNETES, ELSEWHERE},
     false,
     {0},
     KUBERNETES_AT("10.96.0.1", "443")},
    {"by name, ports and links",
     {MY_DB},
     false,
     {0},
     "MY_DB_SERVICE_HOST=10.96.0.2 MY_DB_SERVICE_PORT=5432 MY_DB_SERVICE_PORT_SQL=5432 "
     "MY_DB_SERVICE_PORT_DNS_UDP=53 MY_DB_PORT=tcp://10.96.0.2:5432 "
     "MY_DB_PORT_5432_TCP=tcp://10.96.0.2:5432 MY_DB_PORT_5432_TCP_PROTO=tcp "
     "MY_DB_PORT_5432_TCP_PORT=5432 MY_DB_PORT_5432_TCP_ADDR=10.96.0.2 "
     "MY_DB_PORT_53_UDP=udp://10.96.0.2:53 MY_DB_PORT_53_UDP_PROTO=udp "
     "MY_DB_PORT_53_UDP_PORT=53 MY_DB_PORT_53_UDP_ADDR=10.96.0.2 "},
    {"without an address of its own", {HEADLESS, EXTERNAL}, false, {0}, ""},
    {"without links the API server alone",
     {MY_DB, KUBERNETES},
     true,
     {0},
     KUBERNETES_AT("10.96.0.1", "443")},
    {"a kubernetes of the namespace stands before the API server's",
     {KUBERNETES, OWN_KUBERNETES},
     false,
     {0},
     "KUBERNETES_SERVICE_HOST=10.96.0.9 KUBERNETES_SERVICE_PORT=6443 "
     "KUBERNETES_PORT=tcp://10.96.0.9:6443 KUBERNETES_PORT_6443_TCP=tcp://10.96.0.9:6443 "
     "KUBERNETES_PORT_6443_TCP_PROTO=tcp KUBERNETES_PORT_6443_TCP_PORT=6443 "
     "KUBERNETES_PORT_6443_TCP_ADDR=10.96.0.9 "},
    {"an address that pods reach",
     {KUBERNETES},
     false,
     {.host = "10.1.0.4", .port = 6443},
     KUBERNETES_AT("10.1.0.4", "6443")},
    {"an address that pods reach, of no Service",
     {NULL},
     true,
     {.host = "api.example.com", .port = 443},
     KUBERNETES_AT("api.example.com", "443")},
    {"IPv6 in URLs",
     {SIX},
     false,
     {0},
     "SIX_SERVICE_HOST=fd00::6 SIX_SERVICE_PORT=80 SIX_PORT=tcp://[fd00::6]:80 "
     "SIX_PORT_80_TCP=tcp://[fd00::6]:80 SIX_PORT_80_TCP_PROTO=tcp SIX_PORT_80_TCP_PORT=80 "
     "SIX_PORT_80_TCP_ADDR=fd00::6 "},
};

static void check_row(const struct row *row)
{
    struct service *services[MAX_SERVICES];
    const struct service_variable *v;
    struct resolve_fixture f;
    struct vk_buf out VK_BUF_AUTO;
    struct vk_err err;
    size_t n = 0, count;

    vk_buf_init(&out, 65536);
    fixture_init(&f, row->no_links ? "{\"enableServiceLinks\":false,\"containers\":[]}"
                                   : "{\"containers\":[]}");
    for (; row->services[n]; n++)
        if (service_parse(vk_str_of(row->services[n]), &services[n], &err) < 0)
            fail_msg("%s: %s", row->name, err.msg);
    service_environment(f.pod, (const struct service *const *)services, n, &row->api_server,
                        f.arena, &v, &count);
    for (size_t i = 0; i < count; i++)
        vk_buf_printf(&out, "%s=%s ", v[i].name, v[i].value);
    if (!vk_streq(vk_buf_peek(&out), row->expected))
        fail_msg("%s: \"%s\", not \"%s\"", row->name, vk_buf_peek(&out), row->expected);
    for (size_t i = 0; i < n; i++)
        service_free(services[i]);
    fixture_release(&f);
}

static void services_become_the_variables_of_kubernetes(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(rows); i++)
        check_row(&rows[i]);
}

static void the_order_does_not_depend_on_the_watch(void **state)
{
    struct row a = {.name = "one way", .services = {MY_DB, KUBERNETES, SIX}};
    struct row b = {.name = "the other", .services = {SIX, KUBERNETES, MY_DB}};
    struct service *services[3];
    char text[2][8192] = {{0}};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        const struct row *row = k ? &b : &a;
        const struct service_variable *v;
        struct resolve_fixture f;
        struct vk_err err;
        size_t count, at = 0;

        fixture_init(&f, "{\"containers\":[]}");
        for (size_t i = 0; i < 3; i++)
            assert_return_code(service_parse(vk_str_of(row->services[i]), &services[i], &err), 0);
        service_environment(f.pod, (const struct service *const *)services, 3,
                            &(struct pod_api_server){0}, f.arena, &v, &count);
        for (size_t i = 0; i < count; i++)
            at += (size_t)snprintf(text[k] + at, sizeof(text[k]) - at, "%s ", v[i].name);
        for (size_t i = 0; i < 3; i++)
            service_free(services[i]);
        fixture_release(&f);
    }
    assert_string_equal(text[0], text[1]);
    assert_int_equal(strncmp(text[0], "KUBERNETES_", 11), 0);
}

static void addresses_are_read_as_users_write_them(void **state)
{
    static const struct {
        const char *text, *host;
        int64_t port;
    } good[] = {{"10.1.0.4", "10.1.0.4", 443},
                {"api.example.com:6443", "api.example.com", 6443},
                {"[fd00::1]", "fd00::1", 443},
                {"[fd00::1]:8443", "fd00::1", 8443}};
    static const char *const bad[] = {
        "",   ":443",     "host:",      "host:0",       "host:65536",
        "[]", "[fd00::1", "[fd00::1]x", "https://host", "host:443/path"};
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct pod_api_server at;
    struct vk_err err;

    (void)state;
    for (size_t i = 0; i < VK_COUNT(good); i++) {
        if (service_environment_address(good[i].text, arena, &at, &err) < 0)
            fail_msg("%s", err.msg);
        assert_string_equal(at.host, good[i].host);
        assert_int_equal(at.port, good[i].port);
    }
    for (size_t i = 0; i < VK_COUNT(bad); i++) {
        if (service_environment_address(bad[i], arena, &at, &err) == 0)
            fail_msg("'%s' is no address", bad[i]);
        assert_int_equal(err.code, VK_INVALID);
    }
}

static void what_is_no_service_is_refused(void **state)
{
    static const char *const bad[] = {"", "[]", "{}", "{\"metadata\":{\"name\":\"x\"}}"};
    struct service *s;
    struct vk_err err;

    (void)state;
    for (size_t i = 0; i < VK_COUNT(bad); i++)
        assert_true(service_parse(vk_str_of(bad[i]), &s, &err) < 0);
    service_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services_become_the_variables_of_kubernetes),
        cmocka_unit_test(the_order_does_not_depend_on_the_watch),
        cmocka_unit_test(addresses_are_read_as_users_write_them),
        cmocka_unit_test(what_is_no_service_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
