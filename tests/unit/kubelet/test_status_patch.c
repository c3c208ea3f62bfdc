/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kubelet/api/pod.h"
#include "kubelet/pods/status_annotations.h"
#include "kubelet/pods/status_patch.h"

#define FULL                                                                                       \
    "\"phase\":\"Running\",\"reason\":\"R\",\"message\":\"M\",\"hostIP\":\"1.1.1.1\",\"hostIPs\":" \
    "[{\"ip\":\"1.1.1.1\"}],\"podIP\":\"2.2.2.2\",\"podIPs\":[{\"ip\":\"2.2.2.2\"}],"              \
    "\"qosClass\":\"BestEffort\",\"startTime\":\"2023-11-14T22:00:00Z\",\"observedGeneration\":1"
#define CONTAINER(state)                                                                           \
    "\"containerStatuses\":[{\"name\":\"c\",\"image\":\"i\",\"imageID\":\"\",\"ready\":false,"     \
    "\"restartCount\":0,\"state\":" state ",\"lastState\":{}}]"
#define EPHEMERAL                                                                                  \
    "\"ephemeralContainerStatuses\":[{\"name\":\"e\",\"image\":\"i\",\"imageID\":\"\","            \
    "\"ready\":false,\"restartCount\":0,\"state\":{\"terminated\":{\"exitCode\":128}},"            \
    "\"lastState\":{}}]"
#define CONDITION(type, status, rest)                                                              \
    "{\"type\":\"" type "\",\"status\":\"" status "\",\"lastTransitionTime\":"                     \
    "\"2023-11-14T22:00:00Z\"" rest "}"

struct row {
    const char *from, *to;
    const char *patch; /* members of status; NULL: nothing to write */
};

static const struct row rows[] = {
    {FULL, FULL, NULL},
    {"", "\"phase\":\"Pending\"", "\"phase\":\"Pending\""},
    {FULL "," CONTAINER("{\"running\":{\"startedAt\":\"2023-11-14T22:00:00Z\"}}"),
     FULL "," CONTAINER("{\"running\":{\"startedAt\":\"2023-11-14T22:00:00Z\"}}"), NULL},
    {CONTAINER("{\"waiting\":{\"reason\":\"ContainerCreating\"}}"),
     CONTAINER("{\"running\":{\"startedAt\":\"2023-11-14T22:00:00Z\"}}"),
     CONTAINER("{\"running\":{\"startedAt\":\"2023-11-14T22:00:00Z\"}}")},
    {"\"ephemeralContainerStatuses\":[]", EPHEMERAL, EPHEMERAL},
    {EPHEMERAL, EPHEMERAL, NULL},
    /* What is not said any more is removed. */
    {"\"reason\":\"R\",\"message\":\"M\"", "", "\"reason\":null,\"message\":null"},
    {"\"podIP\":\"2.2.2.2\",\"podIPs\":[{\"ip\":\"2.2.2.2\"}]", "",
     "\"podIP\":null,\"podIPs\":[{\"$patch\":\"replace\"}]"},
    {"\"podIP\":\"2.2.2.2\",\"podIPs\":[{\"ip\":\"2.2.2.2\"}]",
     "\"podIP\":\"3.3.3.3\",\"podIPs\":[{\"ip\":\"3.3.3.3\"}]",
     "\"podIP\":\"3.3.3.3\",\"podIPs\":[{\"$patch\":\"replace\"},{\"ip\":\"3.3.3.3\"}]"},
    {"", "\"hostIP\":\"1.1.1.1\",\"hostIPs\":[{\"ip\":\"1.1.1.1\"}]",
     "\"hostIP\":\"1.1.1.1\",\"hostIPs\":[{\"$patch\":\"replace\"},{\"ip\":\"1.1.1.1\"}]"},
    /* Conditions of others are not even looked at; of ours only what changed is sent. */
    {"\"conditions\":[" CONDITION("PodScheduled", "True", "") "," CONDITION("Ready", "True",
                                                                            "") "]",
     "\"conditions\":[" CONDITION("Ready", "True", "") "]", NULL},
    {"\"conditions\":[" CONDITION("DisruptionTarget", "True", "") "," CONDITION(
         "PodResizeInProgress", "True", "") "," CONDITION("AllContainersRestarting", "True",
                                                          "") "]",
     "\"conditions\":[" CONDITION("Initialized", "True", "") "]",
     "\"conditions\":[{\"type\":\"Initialized\",\"status\":\"True\",\"lastTransitionTime\":"
     "\"2023-11-14T22:00:00Z\",\"reason\":null,\"message\":null}]"},
    {"\"conditions\":[" CONDITION("Ready", "False",
                                  ",\"reason\":\"X\"") "," CONDITION("Initialized", "True", "") "]",
     "\"conditions\":[" CONDITION("Ready", "True", "") "," CONDITION("Initialized", "True", "") "]",
     "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"lastTransitionTime\":"
     "\"2023-11-14T22:00:00Z\",\"reason\":null,\"message\":null}]"},
    /* The one that comes and goes. */
    {"\"conditions\":[" CONDITION("PodResizePending", "True", "") "]", "\"conditions\":[]",
     "\"conditions\":[{\"$patch\":\"delete\",\"type\":\"PodResizePending\"}]"},
    /* A condition's generation follows the status's. */
    {"\"observedGeneration\":1,\"conditions\":[" CONDITION("Ready", "True",
                                                           ",\"observedGeneration\":1") "]",
     "\"observedGeneration\":2,\"conditions\":[" CONDITION("Ready", "True",
                                                           ",\"observedGeneration\":2") "]",
     "\"observedGeneration\":2,\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\","
     "\"lastTransitionTime\":\"2023-11-14T22:00:00Z\",\"observedGeneration\":2,\"reason\":null,"
     "\"message\":null}]"},
};

static struct pod *pod_with(const char *status)
{
    struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
    struct pod *pod = NULL;
    struct vk_err err;

    if (pod_parse(
            vk_str_of(vk_arena_printf(
                scratch,
                "{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\",\"uid\":\"u\"},\"spec\":{},"
                "\"status\":{%s}}",
                status)),
            &pod, &err) < 0)
        fail_msg("%s", err.msg);
    return pod;
}

/* Order of members is no matter: both texts are read and compared as trees. */
static bool is_same(const struct json *a, const struct json *b)
{
    char x[32], y[32];

    if (json_type_of(a) != json_type_of(b) || json_len(a) != json_len(b))
        return false;
    switch (json_type_of(a)) {
    case JSON_STRING:
        return vk_streq(json_string(a), json_string(b));
    case JSON_NUMBER:
        return vk_streq(json_number_text(a, x, sizeof(x)), json_number_text(b, y, sizeof(y)));
    case JSON_BOOL:
        return json_is_true(a) == json_is_true(b);
    case JSON_OBJECT:
        for (a = json_first(a); a; a = json_next(a))
            if (!json_get(b, json_key(a)) || !is_same(a, json_get(b, json_key(a))))
                return false;
        return true;
    case JSON_ARRAY:
        for (a = json_first(a), b = json_first(b); a; a = json_next(a), b = json_next(b))
            if (!is_same(a, b))
                return false;
        return true;
    case JSON_NULL:
        break;
    }
    return true;
}

static void patch_holds_what_changed_and_no_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct pod *from = pod_with(rows[i].from), *to = pod_with(rows[i].to);
        struct vk_buf out VK_BUF_AUTO;
        const struct json *got, *want;
        struct vk_err err;
        struct json_pair cost = {POD_DELETION_COST, "-5"};
        const struct json_pairs annotations = {.v = &cost, .n = 1};
        bool changed;

        vk_buf_init(&out, 65536);
        changed = status_patch_write("uid-1", i % 2 ? "7" : NULL, i % 3 ? NULL : &annotations,
                                     &from->status, &to->status, &out);
        assert_int_equal(changed, rows[i].patch != NULL);
        if (!changed) {
            assert_int_equal(vk_buf_len(&out), 0);
        } else {
            const char *text = vk_arena_printf(
                arena, "{\"metadata\":{\"uid\":\"uid-1\"%s%s},\"status\":{%s}}",
                i % 2 ? ",\"resourceVersion\":\"7\"" : "",
                i % 3 ? "" : ",\"annotations\":{\"" POD_DELETION_COST "\":\"-5\"}", rows[i].patch);

            assert_int_equal(json_parse(vk_buf_str(&out), 65536, arena, &got, &err), 0);
            assert_int_equal(json_parse(vk_str_of(text), 65536, arena, &want, &err), 0);
            if (!is_same(got, want))
                fail_msg("row %zu: %s, not %s", i, vk_buf_peek(&out), text);
        }
        pod_unref(from);
        pod_unref(to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patch_holds_what_changed_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
