/* SPDX-License-Identifier: Apache-2.0 */
/* Which values of options are taken at the start: each that is not is named with what is expected.
 */
#include "provider/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"

#define NAME_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SUBNET                                                                                     \
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n"
#define MAX_ARGS 6

static const char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

/* What is said of the options, beside the least that is needed; "" where they are taken. */
static const char *say(struct vk_arena *arena, const char *const *more)
{
    static const char *const least[] = {"aci-kubelet", "--node-ip=10.0.0.7", "--subscription=s",
                                        "--resource-group=g", "--location=westeurope"};
    char *args[VK_COUNT(least) + MAX_ARGS];
    struct aci_kubelet_options o = {0};
    const char **rest;
    size_t rest_count;
    struct vk_err err;
    int n = 0;

    for (size_t i = 0; i < VK_COUNT(least); i++)
        args[n++] = vk_arena_strdup(arena, least[i]);
    for (size_t i = 0; i < MAX_ARGS && more[i]; i++)
        args[n++] = vk_arena_strdup(arena, more[i]);
    if (options_parse(&aci_kubelet_option_set, n, args, no_environment, "config", &o, arena, &rest,
                      &rest_count, &err) < 0 ||
        aci_kubelet_options_complete(&o, arena, &err) < 0)
        return vk_arena_strdup(arena, err.msg);
    return "";
}

static void what_can_be_meant_is_taken(void **state)
{
    static const char *const taken[][MAX_ARGS] = {
        {NULL},
        {"--nodename=burst-1.eu"},
        {"--nodename=" NAME_63},
        {"--taint-key=example.com/burst", "--taint-value="},
        {"--taint-key=burst", "--taint-value=A.b_c-1"},
        {"--disable-taint", "--taint-key=no key"},
        {"--node-ip=fd00::7", "--cluster-dns=fd00::a"},
        {"--cluster-dns="},
        {"--kube-proxy-kubeconfig=f", "--cluster-cidr=10.0.0.0/8,fd00::/64"},
        {"--cluster-cidr=no range"},
        {"--arm-endpoint=http://127.0.0.1:8080", "--authority-host=https://login.example/"},
        {"--pod-api-server=api.example:6443"},
        {"--tag-labels=app,app.kubernetes.io/name", "--deny-annotations=identity,ip-address"},
        {"--registry-mirrors=*=http://127.0.0.1:5000"},
        {"--subnet-id=" SUBNET "," SUBNET},
        {"--log-analytics-id=i", "--log-analytics-key=k"},
        {"--prices=cpu=0.0486,gb=0.0053"},
        {"--leader-elect-renew-deadline=20s"},
        {"--leader-elect", "--leader-elect-lease-duration=30s",
         "--leader-elect-renew-deadline=20s"},
    };
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();

    (void)state;
    for (size_t i = 0; i < VK_COUNT(taken); i++)
        assert_string_equal(say(arena, taken[i]), "");
}

static void what_can_not_be_meant_is_named_at_the_start(void **state)
{
    static const struct {
        const char *args[MAX_ARGS], *said;
    } refused[] = {
        {{"--nodename="}, "--nodename is missing"},
        {{"--nodename=Burst_1"}, "--nodename 'Burst_1': expected lower-case letters"},
        {{"--nodename=a..b"}, "--nodename 'a..b'"},
        {{"--nodename=a.-b"}, "--nodename 'a.-b'"},
        {{"--nodename=a-.b"}, "--nodename 'a-.b'"},
        {{"--nodename=-a"}, "--nodename '-a'"},
        {{"--nodename=a."}, "--nodename 'a.'"},
        {{"--nodename=a" NAME_63}, "at most 63 of them"},
        {{"--taint-key=a b"}, "--taint-key 'a b'"},
        {{"--taint-key=/a"}, "--taint-key '/a'"},
        {{"--taint-key=a/"}, "--taint-key 'a/'"},
        {{"--taint-key="}, "--taint-key ''"},
        {{"--taint-key=A.b/c"}, "--taint-key 'A.b/c'"},
        {{"--taint-value=-a"}, "--taint-value '-a'"},
        {{"--taint-value=a" NAME_63}, "--taint-value 'a"},
        {{"--cpu=many"}, "--cpu 'many': expected a quantity"},
        {{"--memory=0"}, "--memory '0': expected a quantity"},
        {{"--node-ip=node.example"}, "--node-ip 'node.example': expected an IP address"},
        {{"--cluster-dns=dns.example"}, "--cluster-dns 'dns.example': expected an IP address"},
        {{"--kube-proxy-kubeconfig=f", "--cluster-cidr=10.0.0.0/33"},
         "--cluster-cidr '10.0.0.0/33'"},
        {{"--kube-proxy-kubeconfig=f", "--cluster-cidr=10.0.0.0/8,"},
         "--cluster-cidr '10.0.0.0/8,'"},
        {{"--cluster-domain=a b"}, "--cluster-domain 'a b'"},
        {{"--arm-endpoint=management.azure.com"},
         "--arm-endpoint 'management.azure.com': expected a"},
        {{"--authority-host=ftp://a"}, "--authority-host 'ftp://a': expected a URL"},
        {{"--imds-endpoint=a"}, "--imds-endpoint 'a': expected a URL"},
        {{"--pod-api-server=https://a"}, "--pod-api-server: 'https://a' is no HOST"},
        {{"--tag-labels=app,a b"}, "--tag-labels 'a b': expected keys of labels"},
        {{"--deny-annotations=identity,aci-kubelet.io/zones"},
         "--deny-annotations 'aci-kubelet.io/zones': there is none of that name"},
        {{"--registry-mirrors=mirror.example"}, "--registry-mirrors: registry mirror"},
        {{"--subnet-id=" SUBNET ",pods"}, "--subnet-id 'pods': expected what `az network vnet"},
        {{"--log-analytics-id=i"}, "belong together"},
        {{"--prices=cheap"}, "--prices: 'cheap' is no price"},
        {{"--arm-limits=many"}, "--arm-limits"},
        {{"--leader-elect", "--leader-elect-renew-deadline=20s"},
         "--leader-elect: the lease duration must be longer than the renew deadline"},
        {{"--tls-cert-file=f"}, "--tls-private-key-file is missing"},
        {{"--client-secret=s"}, "--tenant-id is missing"},
    };
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();

    (void)state;
    for (size_t i = 0; i < VK_COUNT(refused); i++) {
        const char *said = say(arena, refused[i].args);

        if (!strstr(said, refused[i].said))
            fail_msg("%s: expected \"%s\", said \"%s\"", refused[i].args[0], refused[i].said, said);
    }
}

static void count(void *user, const struct vk_err *fault)
{
    struct vk_buf *told = user;

    vk_buf_printf(told, "%.12s\n", fault->msg);
}

static void one_fault_hides_no_other(void **state)
{
    static const char *const args[] = {"aci-kubelet",        "--nodename=A",    "--node-ip=x",
                                       "--resource-group=g", "--taint-key=a b", "--prices=x"};
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct aci_kubelet_options o = {0};
    struct vk_buf told VK_BUF_AUTO;
    char *copies[VK_COUNT(args)];
    const char **rest;
    size_t rest_count;
    struct vk_err err;

    (void)state;
    vk_buf_init(&told, 4096);
    for (size_t i = 0; i < VK_COUNT(args); i++)
        copies[i] = vk_arena_strdup(arena, args[i]);
    assert_int_equal(options_parse(&aci_kubelet_option_set, VK_COUNT(args), copies, no_environment,
                                   "config", &o, arena, &rest, &rest_count, &err),
                     0);
    assert_int_equal(aci_kubelet_options_complete_all(&o, arena, count, &told), 6);
    assert_string_equal(vk_buf_peek(&told), "--subscripti\n--location i\n--nodename '\n"
                                            "--taint-key \n--node-ip 'x\n--prices: 'x\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_meant_is_taken),
        cmocka_unit_test(what_can_not_be_meant_is_named_at_the_start),
        cmocka_unit_test(one_fault_hides_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
