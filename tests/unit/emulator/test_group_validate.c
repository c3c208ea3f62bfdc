/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aci/emulator/group_validate.h"
#include "base/buf.h"
#include "tests/unit/emulator/group_body.h"

#define IP(type, ports) "'ipAddress':{'type':'" type "','ports':[" ports "]},"
#define PRIVATE(ports) SUBNET IP("Private", ports)
#define VOLUMES(list) "'volumes':[" list "],"
#define ENV(list) "'environmentVariables':[" list "],"
#define NAME64 "a23456789-123456789-123456789-123456789-123456789-123456789-1234"

struct rule {
    const char *what, *name, *body;
    int status; /* 0: accepted */
    const char *code, *message_has;
};

static const struct rule rules[] = {
    {"plain group", "web", GROUP("", CONTAINER("c", "")), 0, NULL, NULL},
    {"unknown members are ignored", "web", GROUP("'new':{'a':1},", CONTAINER("c", "'x':1,")), 0,
     NULL, NULL},
    /* names */
    {"capital in group name", "Web", GROUP("", CONTAINER("c", "")), 400, "InvalidRequestContent",
     "'Web'"},
    {"hyphen first", "-web", GROUP("", CONTAINER("c", "")), 400, "InvalidRequestContent", "-web"},
    {"64 characters", NAME64, GROUP("", CONTAINER("c", "")), 400, "InvalidRequestContent",
     "1 to 63"},
    {"container name with dot", "web", GROUP("", CONTAINER("a.b", "")), 400,
     "InvalidRequestContent", "'a.b'"},
    {"two containers of one name", "web", GROUP("", CONTAINER("c", "") "," CONTAINER("c", "")), 400,
     "InvalidRequestContent", "twice"},
    {"init container of the same name", "web",
     GROUP("'initContainers':[{'name':'c','properties':{'image':'i'}}],", CONTAINER("c", "")), 400,
     "InvalidRequestContent", "twice"},
    /* kinds */
    {"no location", "web",
     "{'properties':{'osType':'Linux','containers':[" CONTAINER("c", "") "]}}", 400,
     "LocationRequired", "location"},
    {"no osType", "web", "{'location':'l','properties':{'containers':[" CONTAINER("c", "") "]}}",
     400, "InvalidOsType", "'<null>'"},
    {"bad restart policy", "web", GROUP("'restartPolicy':'Sometimes',", CONTAINER("c", "")), 400,
     "InvalidRequestContent", "Always,OnFailure,Never"},
    {"Windows", "web",
     "{'location':'l','properties':{'osType':'Windows','containers':[" CONTAINER("c", "") "]}}",
     409, "ServiceUnavailable", "'Windows' OS"},
    {"Spot with an address", "web",
     GROUP("'priority':'Spot'," IP("Public", "{'port':80}"), CONTAINER("c", "")), 400,
     "SpotPriorityContainerGroupNotSupportedForInboundConnectivity", "Spot"},
    /* containers */
    {"no containers", "web", GROUP("", ""), 400, "InvalidRequestContent", "1 to 60"},
    {"a null container", "web", GROUP("", "null"), 400, "InvalidRequestContent", "<null>"},
    {"no image", "web", GROUP("", "{'name':'c','properties':{" SIZED "}}"), 400,
     "InvalidRequestContent", "image cannot be empty for container 'c'"},
    {"privileged", "web", GROUP("", CONTAINER("c", "'securityContext':{'privileged':true},")), 400,
     "InvalidRequestContent", "privileged"},
    {"restricted security context", "web",
     GROUP("", CONTAINER("c", "'securityContext':{'allowPrivilegeEscalation':false,"
                              "'runAsUser':1000,'capabilities':{'drop':['ALL']}},")),
     0, NULL, NULL},
    {"port of a container out of range", "web", GROUP("", CONTAINER("c", "'ports':[{'port':0}],")),
     400, "InvalidRequestContent", "1 to 65535"},
    {"one port in two containers", "web",
     GROUP("", CONTAINER("a", "'ports':[{'port':80}],") "," CONTAINER("b", "'ports':[{'port':80,"
                                                                           "'protocol':'tcp'}],")),
     400, "InvalidRequestContent", "'a' and 'b'"},
    {"one port, two protocols", "web",
     GROUP("", CONTAINER("a", "'ports':[{'port':53}],") "," CONTAINER("b", "'ports':[{'port':53,"
                                                                           "'protocol':'UDP'}],")),
     0, NULL, NULL},
    {"init container with resources", "web",
     GROUP("'initContainers':[" CONTAINER("i", "") "],", CONTAINER("c", "")), 400,
     "InvalidRequestContent", "init container 'i'"},
    /* resources */
    {"no requests", "web", GROUP("", "{'name':'c','properties':{'image':'i'}}"), 400,
     "ResourceRequestsNotSpecified", "in container 'c' of contain group 'web'"},
    {"no memory", "web",
     GROUP("", "{'name':'c','properties':{'image':'i','resources':{'requests':{'cpu':1}}}}"), 400,
     "ResourceSomeRequestsNotSpecified", "'MemoryInGB'"},
    {"no CPU", "web",
     GROUP("", "{'name':'c','properties':{'image':'i','resources':{'requests':{'memoryInGB':1}}}}"),
     400, "ResourceSomeRequestsNotSpecified", "'Cpu'"},
    {"limit above the group's requests", "web",
     GROUP("", "{'name':'c','properties':{'image':'i','resources':{'requests':{'cpu':1,"
               "'memoryInGB':1},'limits':{'cpu':2}}}}"),
     400, "ContainerLimitGreaterThanContainerGroupTotalRequest", "The 'Cpu' limit '2'"},
    {"limit within the group's requests", "web",
     GROUP("", "{'name':'c','properties':{'image':'i','resources':{'requests':{'cpu':1,"
               "'memoryInGB':1},'limits':{'cpu':2,'memoryInGB':2.5}}}}," CONTAINER("d", "")),
     0, NULL, NULL},
    {"less than one CPU in total", "web",
     GROUP("", "{'name':'c','properties':{'image':'i','resources':{'requests':{'cpu':0.5,"
               "'memoryInGB':1}}}}"),
     500, "InternalServerError", "0.5 CPU"},
    {"one CPU from two halves", "web",
     GROUP("", "{'name':'c','properties':{'image':'i','resources':{'requests':{'cpu':0.5,"
               "'memoryInGB':0.5}}}},{'name':'d','properties':{'image':'i','resources':{"
               "'requests':{'cpu':0.5,'memoryInGB':0.5}}}}"),
     0, NULL, NULL},
    {"too little for a container", "web",
     GROUP("", CONTAINER("c", "") ",{'name':'d','properties':{'image':'i','resources':{'requests':{"
                                  "'cpu':0.001,'memoryInGB':1}}}}"),
     400, "InvalidRequestContent", "minimum"},
    {"33 CPUs", "web",
     GROUP("", "{'name':'c','properties':{'image':'i','resources':{'requests':{'cpu':33,"
               "'memoryInGB':1}}}}"),
     409, "ServiceUnavailable", "'33' CPU"},
    {"GPU", "web",
     GROUP("", "{'name':'c','properties':{'image':'i','resources':{'requests':{'cpu':1,"
               "'memoryInGB':1,'gpu':{'count':1,'sku':'V100'}}}}}"),
     409, "ServiceUnavailable", "not available"},
    /* environment */
    {"underscore first", "web", GROUP("", CONTAINER("c", ENV("{'name':'_A','value':'b'}"))), 400,
     "InvalidRequestContent", "'_A'"},
    {"hyphen in a variable", "web", GROUP("", CONTAINER("c", ENV("{'name':'a-b','value':'b'}"))),
     400, "InvalidRequestContent", "'a-b'"},
    {"variables that differ in case", "web",
     GROUP("", CONTAINER("c", ENV("{'name':'A','value':'1'},{'name':'a','value':'2'}"))), 400,
     "InvalidRequestContent", "twice"},
    {"value and secure value", "web",
     GROUP("", CONTAINER("c", ENV("{'name':'A','value':'1','secureValue':'2'}"))), 400,
     "InvalidRequestContent", "both"},
    {"a service variable", "web",
     GROUP("", CONTAINER("c", ENV("{'name':'KUBERNETES_SERVICE_HOST','value':'10.96.0.1'}"))), 0,
     NULL, NULL},
    /* addresses and ports */
    {"private without subnet", "web", GROUP(IP("Private", "{'port':80}"), CONTAINER("c", "")), 400,
     "PrivateIPAddressNotSupported", "subnet"},
    {"private in a subnet, 80 and 443", "web",
     GROUP(PRIVATE("{'port':80},{'port':443}"), CONTAINER("c", "")), 0, NULL, NULL},
    {"a subnet without address", "web", GROUP(SUBNET, CONTAINER("c", "")), 0, NULL, NULL},
    {"public in a subnet", "web", GROUP(SUBNET IP("Public", "{'port':80}"), CONTAINER("c", "")),
     400, "InvalidRequestContent", "public"},
    {"a subnet that is none", "web", GROUP("'subnetIds':[{'id':'here'}],", CONTAINER("c", "")), 400,
     "InvalidRequestContent", "subnet"},
    {"an address without ports", "web", GROUP(PRIVATE(""), CONTAINER("c", "")), 400,
     "MissingIpAddressPorts", "cannot be empty"},
    {"six ports", "web",
     GROUP(PRIVATE("{'port':1},{'port':2},{'port':3},{'port':4},{'port':5},{'port':6}"),
           CONTAINER("c", "")),
     400, "InvalidRequestContent", "6 ports"},
    {"reserved port of the address", "web", GROUP(PRIVATE("{'port':22}"), CONTAINER("c", "")), 400,
     "InvalidRequestContent", "reserved"},
    {"first of a reserved range", "web", GROUP(PRIVATE("{'port':49152}"), CONTAINER("c", "")), 400,
     "InvalidRequestContent", "reserved"},
    {"behind a reserved range", "web", GROUP(PRIVATE("{'port':65535}"), CONTAINER("c", "")), 0,
     NULL, NULL},
    {"reserved port of a container only", "web",
     GROUP("", CONTAINER("c", "'ports':[{'port':20001}],")), 0, NULL, NULL},
    {"a port twice", "web",
     GROUP(PRIVATE("{'port':80},{'port':80,'protocol':'TCP'}"), CONTAINER("c", "")), 400,
     "InvalidRequestContent", "twice"},
    {"bad protocol", "web", GROUP(PRIVATE("{'port':80,'protocol':'SCTP'}"), CONTAINER("c", "")),
     400, "InvalidRequestContent", "TCP or UDP"},
    {"bad address type", "web", GROUP(IP("Secret", "{'port':80}"), CONTAINER("c", "")), 400,
     "InvalidRequestContent", "Public,Private"},
    {"short DNS label", "web",
     GROUP("'ipAddress':{'type':'Public','dnsNameLabel':'abcd','ports':[{'port':80}]},",
           CONTAINER("c", "")),
     400, "InvalidRequestContent", "'abcd'"},
    {"name server that is no address", "web",
     GROUP("'dnsConfig':{'nameServers':['dns']},", CONTAINER("c", "")), 400,
     "InvalidRequestContent", "no IP address"},
    {"no name servers", "web", GROUP("'dnsConfig':{'searchDomains':'a'},", CONTAINER("c", "")), 400,
     "InvalidRequestContent", "nameServers"},
    /* volumes */
    {"mount of an unknown volume", "web",
     GROUP("", CONTAINER("c", "'volumeMounts':[{'name':'data','mountPath':'/d'}],")), 400,
     "InvalidRequestContent", "'data'"},
    {"mount path with colon", "web",
     GROUP(VOLUMES("{'name':'data1','emptyDir':{}}"),
           CONTAINER("c", "'volumeMounts':[{'name':'data1','mountPath':'/a:b'}],")),
     400, "InvalidRequestContent", "'/a:b'"},
    {"two mounts at one path", "web",
     GROUP(VOLUMES("{'name':'data1','emptyDir':{}}"),
           CONTAINER("c", "'volumeMounts':[{'name':'data1','mountPath':'/a'},"
                          "{'name':'data1','mountPath':'/a'}],")),
     400, "InvalidRequestContent", "twice"},
    {"short volume name", "web",
     GROUP(VOLUMES("{'name':'data','emptyDir':{}}"), CONTAINER("c", "")), 400,
     "InvalidRequestContent", "5 to 63"},
    {"two hyphens in a volume name", "web",
     GROUP(VOLUMES("{'name':'kube--api','emptyDir':{}}"), CONTAINER("c", "")), 400,
     "InvalidRequestContent", "no two together"},
    {"volume of two kinds", "web",
     GROUP(VOLUMES("{'name':'data1','emptyDir':{},'secret':{'a':'YQ=='}}"), CONTAINER("c", "")),
     400, "InvalidRequestContent", "exactly one kind"},
    {"volume of no kind", "web", GROUP(VOLUMES("{'name':'data1'}"), CONTAINER("c", "")), 400,
     "InvalidRequestContent", "exactly one kind"},
    {"secret that is no base64", "web",
     GROUP(VOLUMES("{'name':'data1','secret':{'a':'?'}}"), CONTAINER("c", "")), 400,
     "InvalidRequestContent", "base64"},
    {"secret file that leaves its folder", "web",
     GROUP(VOLUMES("{'name':'data1','secret':{'..':'YQ=='}}"), CONTAINER("c", "")), 400,
     "InvalidRequestContent", "'..'"},
    {"share without key", "web",
     GROUP(VOLUMES("{'name':'data1','azureFile':{'shareName':'s','storageAccountName':'a'}}"),
           CONTAINER("c", "")),
     400, "InvalidRequestContent", "key"},
    /* the rest */
    {"credential without password", "web",
     GROUP("'imageRegistryCredentials':[{'server':'r.io','username':'u'}],", CONTAINER("c", "")),
     400, "InvalidRequestContent", "'r.io'"},
    {"slash in a tag", "web",
     "{'location':'l','tags':{'a/b':'c'},'properties':{'osType':'Linux','containers':[" CONTAINER(
         "c", "") "]}}",
     400, "InvalidTagNameCharacters", "'a/b'"},
    {"wrong type", "web", GROUP("'containers':5,", ""), 400, "InvalidRequestContent",
     "deserialized"},
    {"no JSON", "web", "{", 400, "InvalidRequestContent", "deserialized"},
    {"CPU as text", "web",
     GROUP("", "{'name':'c','properties':{'image':'i','resources':{'requests':{'cpu':'1'}}}}"), 400,
     "InvalidRequestContent", "properties.containers[0].properties.resources.requests.cpu"},
};

static int check(const char *name, const char *text, struct vk_err *err)
{
    char *body VK_AUTOFREE = group_body(text);
    struct group_spec *spec;
    int r;

    if (group_spec_parse(vk_str_of(body), &spec, err) < 0)
        return -1;
    r = group_validate(name, spec, err);
    group_spec_free(spec);
    return r;
}

static void each_rule_answers_with_its_own_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < VK_COUNT(rules); i++) {
        const struct rule *rule = &rules[i];
        struct vk_err err = {0};
        int r = check(rule->name, rule->body, &err);

        if ((r == 0) != (rule->status == 0) ||
            (r < 0 && (err.http_status != rule->status || strcmp(err.reason, rule->code) != 0 ||
                       !strstr(err.msg, rule->message_has))))
            fail_msg("%s: %d %d %s: %s", rule->what, r, err.http_status, err.reason, err.msg);
    }
}

static void counts_end_at_their_limits(void **state)
{
    static const struct {
        size_t containers, volumes;
        bool is_good;
    } cases[] = {{60, 0, true}, {61, 0, false}, {1, 20, true}, {1, 21, false}};

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        struct vk_buf text VK_BUF_AUTO;
        struct vk_err err;

        vk_buf_init(&text, 1024 * 1024);
        vk_buf_adds(&text, "{'location':'l','properties':{'osType':'Linux','volumes':[");
        for (size_t k = 0; k < cases[i].volumes; k++)
            vk_buf_printf(&text, "%s{'name':'data%zu','emptyDir':{}}", k ? "," : "", k);
        vk_buf_adds(&text, "],'containers':[");
        for (size_t k = 0; k < cases[i].containers; k++)
            vk_buf_printf(&text,
                          "%s{'name':'c%zu','properties':{'image':'i','resources':{'requests':{"
                          "'cpu':0.5,'memoryInGB':1}}}}",
                          k ? "," : "", k);
        if (cases[i].containers == 1)
            vk_buf_adds(&text, "," CONTAINER("last", ""));
        vk_buf_adds(&text, "]}}");
        assert_int_equal(check("web", vk_buf_peek(&text), &err) == 0, cases[i].is_good);
    }
}

static void updates_may_not_change_what_the_service_fixed(void **state)
{
    static const char old[] = GROUP("", CONTAINER("c", ""));
    static const struct {
        const char *body;
        bool is_good;
    } cases[] = {
        {GROUP("", CONTAINER("c", "'command':['b'],")), true},
        {GROUP("'restartPolicy':'Always',", CONTAINER("c", "")), true},
        {GROUP("'restartPolicy':'Never',", CONTAINER("c", "")), false},
        {GROUP(SUBNET, CONTAINER("c", "")), false},
        {GROUP("", CONTAINER("c", "") "," CONTAINER("d", "")), false},
    };

    (void)state;
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        char *a VK_AUTOFREE = group_body(old), *b VK_AUTOFREE = group_body(cases[i].body);
        struct group_spec *before, *after;
        struct vk_err err = {0};
        int r;

        assert_int_equal(group_spec_parse(vk_str_of(a), &before, &err), 0);
        assert_int_equal(group_spec_parse(vk_str_of(b), &after, &err), 0);
        r = group_validate_update("web", before, after, &err);
        assert_int_equal(r == 0, cases[i].is_good);
        if (r < 0)
            assert_string_equal(err.reason, "InvalidContainerGroupUpdate");
        group_spec_free(before);
        group_spec_free(after);
    }
}

static void credentials_belong_to_the_registry_of_the_image(void **state)
{
    static const struct {
        const char *image, *user;
    } cases[] = {{"r.io/a/b:1", "u1"}, {"busybox", "u2"},          {"library/busybox", "u2"},
                 {"other.io/a", NULL}, {"127.0.0.1:5000/a", "u3"}, {"R.IO/a", "u1"}};
    char *body VK_AUTOFREE = group_body(
        GROUP("'imageRegistryCredentials':[{'server':'r.io','username':'u1','password':'p'},"
              "{'server':'index.docker.io','username':'u2','password':'p'},"
              "{'server':'127.0.0.1:5000','username':'u3','password':'p'}],",
              CONTAINER("c", "")));
    struct group_spec *spec;
    struct vk_err err;

    (void)state;
    assert_int_equal(group_spec_parse(vk_str_of(body), &spec, &err), 0);
    for (size_t i = 0; i < VK_COUNT(cases); i++) {
        const struct credential_spec *c = group_spec_credential(spec, cases[i].image);

        assert_int_equal(c != NULL, cases[i].user != NULL);
        if (c)
            assert_string_equal(c->username, cases[i].user);
    }
    group_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_answers_with_its_own_error),
        cmocka_unit_test(counts_end_at_their_limits),
        cmocka_unit_test(updates_may_not_change_what_the_service_fixed),
        cmocka_unit_test(credentials_belong_to_the_registry_of_the_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
