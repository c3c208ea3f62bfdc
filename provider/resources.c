/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/resources.h"

#include "base/str.h"
#include "kubelet/api/quantity.h"

/* azure-aci's defaults, so that bills do not change when a deployment moves over. */
#define DEFAULT_CPU_CENTI 100
#define DEFAULT_MEMORY_DECI 15
#define MIN_CPU_CENTI 1
#define MIN_MEMORY_DECI 1
/* ACI: at least 1 CPU and 1 GB in total; less has been seen to answer 500. */
#define MIN_GROUP_CPU_CENTI 100
#define MIN_GROUP_MEMORY_DECI 10
/* The largest that the capabilities API names; regions may refuse less. */
#define MAX_GROUP_CPU_CENTI 3200
#define MAX_GROUP_MEMORY_DECI 2560
#define TENTH_OF_GB_BYTES 100000000ll
#define MAX_STORAGE_BYTES (50ll * 1000 * 1000 * 1000)

static int64_t at_least(int64_t value, int64_t floor)
{
    return value < floor ? floor : value;
}

static int64_t divide_up(int64_t value, int64_t by)
{
    return value / by + (value % by > 0);
}

static int bad_quantity(const char *where, const char *name, const char *text, struct vk_err *err)
{
    return vk_err_set(err, VK_INVALID, "%s.%s: \"%s\" is no quantity", where, name, text);
}

/* Reads cpu and memory of one list; what is absent stays as it is. */
static int read_list(const struct json_pairs *list, const char *where, int64_t *cpu_centi,
                     int64_t *memory_deci, struct vk_err *err)
{
    for (size_t i = 0; i < list->n; i++) {
        const char *name = list->v[i].key;
        const char *text = list->v[i].value;
        int64_t value;
        if (vk_streq(name, "cpu")) {
            if (!quantity_milli(text, &value))
                return bad_quantity(where, name, text, err);
            *cpu_centi = at_least(divide_up(value, 10), MIN_CPU_CENTI);
        } else if (vk_streq(name, "memory")) {
            if (!quantity_value(text, &value))
                return bad_quantity(where, name, text, err);
            *memory_deci = at_least(divide_up(value, TENTH_OF_GB_BYTES), MIN_MEMORY_DECI);
        } else if (vk_streq(name, "ephemeral-storage")) {
            if (!quantity_value(text, &value))
                return bad_quantity(where, name, text, err);
            if (value > MAX_STORAGE_BYTES)
                return vk_err_set(err, VK_UNSUPPORTED,
                                  "%s.%s: ACI gives a group 50 GB of disk; ask for less", where,
                                  name);
        } else if (quantity_value(text, &value) && value == 0) {
            continue;
        } else {
            return vk_err_set(
                err, VK_UNSUPPORTED,
                "%s.%s: ACI has cpu and memory only (GPUs were retired); remove it or "
                "run the pod on another node",
                where, name);
        }
    }
    return 0;
}

static int read_container(const struct container *c, const char *kind,
                          struct container_resources *ret, struct vk_err *err)
{
    char where[160];
    (void)snprintf(where, sizeof(where), "spec.%s[%s].resources.requests", kind, c->name);
    if (read_list(&c->resources.requests, where, &ret->cpu_centi, &ret->memory_deci, err) < 0)
        return -(int)err->code;
    (void)snprintf(where, sizeof(where), "spec.%s[%s].resources.limits", kind, c->name);
    if (read_list(&c->resources.limits, where, &ret->cpu_limit_centi, &ret->memory_limit_deci,
                  err) < 0)
        return -(int)err->code;
    return 0;
}

static void fit_limit(int64_t request, int64_t total, int64_t *limit, bool *was_cut)
{
    if (*limit == 0)
        return;
    if (*limit < request)
        *limit = request;
    if (*limit > total) {
        *limit = total;
        *was_cut = true;
    }
}

int resources_of_pod(const struct resolved_pod *pod, struct vk_arena *arena,
                     struct pod_resources *ret, struct vk_err *err)
{
    struct pod_resources out = {
        .containers = vk_arena_array(arena, pod->container_count, sizeof(*out.containers)),
    };
    int64_t min_cpu = MIN_GROUP_CPU_CENTI;
    int64_t min_memory = MIN_GROUP_MEMORY_DECI;
    for (size_t i = 0; i < pod->init_container_count; i++) {
        struct container_resources init = {0};
        if (read_container(pod->init_containers[i].spec, "initContainers", &init, err) < 0)
            return -(int)err->code;
        min_cpu = at_least(min_cpu, init.cpu_centi);
        min_memory = at_least(min_memory, init.memory_deci);
    }
    for (size_t i = 0; i < pod->container_count; i++) {
        struct container_resources *c = &out.containers[i];
        c->cpu_centi = DEFAULT_CPU_CENTI;
        c->memory_deci = DEFAULT_MEMORY_DECI;
        if (read_container(pod->containers[i].spec, "containers", c, err) < 0)
            return -(int)err->code;
        /* Sums of 60 saturated values must not wrap; too much is refused below all the same. */
        out.cpu_centi += c->cpu_centi < INT32_MAX ? c->cpu_centi : INT32_MAX;
        out.memory_deci += c->memory_deci < INT32_MAX ? c->memory_deci : INT32_MAX;
    }
    if (pod->container_count && out.cpu_centi < min_cpu) {
        out.containers[0].cpu_centi += min_cpu - out.cpu_centi;
        out.cpu_centi = min_cpu;
    }
    if (pod->container_count && out.memory_deci < min_memory) {
        out.containers[0].memory_deci += min_memory - out.memory_deci;
        out.memory_deci = min_memory;
    }
    if (out.cpu_centi > MAX_GROUP_CPU_CENTI || out.memory_deci > MAX_GROUP_MEMORY_DECI)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.containers[*].resources.requests: together more than 32 CPU or 256 "
                          "GB, the most that a container group can have; ask for less");
    for (size_t i = 0; i < pod->container_count; i++) {
        struct container_resources *c = &out.containers[i];
        fit_limit(c->cpu_centi, out.cpu_centi, &c->cpu_limit_centi, &c->limit_was_cut);
        fit_limit(c->memory_deci, out.memory_deci, &c->memory_limit_deci, &c->limit_was_cut);
    }
    *ret = out;
    return 0;
}
