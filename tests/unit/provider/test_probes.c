/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/probes.h"

#include "base/alloc.h"
#include "tests/unit/provider/sample_pod.h"

#define EXEC "{\"exec\":{\"command\":[\"true\"]}}"
#define HTTP "{\"httpGet\":{\"port\":80}}"

static struct resolved_pod *pod_with(struct vk_arena *arena, const char *policy, const char *probes)
{
    const char *text = vk_arena_printf(
        arena,
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\"},\"spec\":{"
        "\"restartPolicy\":\"%s\",\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{"
        "\"name\":\"web\",\"containerPort\":8080}],%s}]}}",
        policy, probes);
    return sample_pod(vk_str_of(text), NULL, NULL);
}

static void each_probe_has_one_who_runs_it(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *probes;
        bool by_aci;
    } rows[] = {
        {"Always", "\"livenessProbe\":" EXEC, true},
        {"OnFailure", "\"livenessProbe\":" HTTP, true},
        {"Never", "\"livenessProbe\":" HTTP, false},
        {"Always", "\"livenessProbe\":{\"exec\":{\"command\":[]}}", false},
        {"Always", "\"livenessProbe\":{\"httpGet\":{\"port\":\"web\",\"scheme\":\"HTTPS\"}}", true},
        {"Always", "\"livenessProbe\":{\"httpGet\":{\"port\":\"nope\"}}", false},
        {"Always", "\"livenessProbe\":{\"httpGet\":{\"port\":80,\"host\":\"10.0.0.1\"}}", false},
        {"Always", "\"livenessProbe\":{\"tcpSocket\":{\"port\":80}}", false},
        {"Always", "\"livenessProbe\":{\"grpc\":{\"port\":80}}", false},
        {"Always", "\"livenessProbe\":" EXEC ",\"startupProbe\":" EXEC, false},
        {"Always",
         "\"livenessProbe\":{\"exec\":{\"command\":[\"x\"]},\"terminationGracePeriodSeconds\":1}",
         false},
        {"Always", "\"readinessProbe\":" EXEC, false},
    };
    for (size_t i = 0; i < VK_COUNT(rows); i++) {
        struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
        struct resolved_pod *pod = pod_with(arena, rows[i].policy, rows[i].probes);
        const struct container *c = pod->containers[0].spec;
        if (probes_run_by_aci(pod->pod, c, PROBE_LIVENESS) != rows[i].by_aci)
            fail_msg("%s of a pod that restarts %s", rows[i].probes, rows[i].policy);
        assert_false(probes_run_by_aci(pod->pod, c, PROBE_READINESS));
        assert_false(probes_run_by_aci(pod->pod, c, PROBE_STARTUP));
        resolved_pod_free(pod);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_probe_has_one_who_runs_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
