/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/resources.h"

#include "base/json_writer.h"
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

static int read_container(const struct group_member *m, struct container_resources *ret,
                          struct vk_err *err)
{
    const struct container *c = m->spec;
    char where[160];
    (void)snprintf(where, sizeof(where), "%s.resources.requests", m->where);
    if (read_list(&c->resources.requests, where, &ret->cpu_centi, &ret->memory_deci, err) < 0)
        return -(int)err->code;
    (void)snprintf(where, sizeof(where), "%s.resources.limits", m->where);
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

/* The largest group of a kind. Source: ACI quotas and limits; regions may refuse less. */
struct ceiling {
    const char *kind;
    int64_t cpu, memory_gb;
};

static struct ceiling ceiling_of(const struct pod_annotations *a)
{
    if (vk_streq(a->priority, "Spot"))
        return (struct ceiling){"Spot group", 4, 16};
    if (a->cce_policy || vk_streq(a->sku, "Confidential"))
        return (struct ceiling){"Confidential group", 32, 180};
    return (struct ceiling){"container group", MAX_GROUP_CPU_CENTI / 100,
                            MAX_GROUP_MEMORY_DECI / 10};
}

/* Sums of 60 saturated values must not wrap; too much is refused all the same. */
static int64_t bounded(int64_t value)
{
    return value < INT32_MAX ? value : INT32_MAX;
}

static void raise_to(int64_t least, int64_t *total, int64_t *first, bool *is_larger)
{
    if (*total >= least)
        return;
    *first += least - *total;
    *total = least;
    *is_larger = true;
}

/* What the group must have at least: of ACI, of the pod itself, of its init containers. */
static int read_floor(const struct resolved_pod *pod, const struct group_layout *layout,
                      struct container_resources *ret_pod, int64_t *cpu, int64_t *memory,
                      struct vk_err *err)
{
    const struct resource_list *own = &pod->pod->spec.resources;
    if (read_list(&own->requests, "spec.resources.requests", &ret_pod->cpu_centi,
                  &ret_pod->memory_deci, err) < 0 ||
        read_list(&own->limits, "spec.resources.limits", &ret_pod->cpu_limit_centi,
                  &ret_pod->memory_limit_deci, err) < 0)
        return -(int)err->code;
    *cpu = at_least(MIN_GROUP_CPU_CENTI, ret_pod->cpu_centi);
    *memory = at_least(MIN_GROUP_MEMORY_DECI, ret_pod->memory_deci);
    for (size_t i = 0; i < layout->init_container_count; i++) {
        struct container_resources init = {0};
        if (read_container(&layout->init_containers[i], &init, err) < 0)
            return -(int)err->code;
        *cpu = at_least(*cpu, init.cpu_centi);
        *memory = at_least(*memory, init.memory_deci);
    }
    return 0;
}

static int read_containers(const struct group_layout *layout,
                           const struct container_resources *of_pod, struct pod_resources *out,
                           struct vk_err *err)
{
    for (size_t i = 0; i < layout->container_count; i++) {
        struct container_resources *c = &out->containers[i];
        if (read_container(&layout->containers[i], c, err) < 0)
            return -(int)err->code;
        /* As the API server does where only a limit is given. */
        if (c->cpu_centi == 0)
            c->cpu_centi = c->cpu_limit_centi;
        if (c->memory_deci == 0)
            c->memory_deci = c->memory_limit_deci;
        out->is_larger |= c->cpu_centi == 0 || c->memory_deci == 0;
        if (c->cpu_centi == 0)
            c->cpu_centi = of_pod->cpu_centi ? MIN_CPU_CENTI : DEFAULT_CPU_CENTI;
        if (c->memory_deci == 0)
            c->memory_deci = of_pod->memory_deci ? MIN_MEMORY_DECI : DEFAULT_MEMORY_DECI;
        out->cpu_centi += bounded(c->cpu_centi);
        out->memory_deci += bounded(c->memory_deci);
    }
    return 0;
}

int resources_of_pod(const struct resolved_pod *pod, const struct group_layout *layout,
                     const struct pod_annotations *annotations, struct vk_arena *arena,
                     struct pod_resources *ret, struct vk_err *err)
{
    struct pod_resources out = {
        .containers = vk_arena_array(arena, layout->container_count + 1, sizeof(*out.containers)),
    };
    struct container_resources of_pod = {0};
    int64_t min_cpu = 0;
    int64_t min_memory = 0;
    if (read_floor(pod, layout, &of_pod, &min_cpu, &min_memory, err) < 0 ||
        read_containers(layout, &of_pod, &out, err) < 0)
        return -(int)err->code;
    raise_to(min_cpu, &out.cpu_centi, &out.containers[0].cpu_centi, &out.is_larger);
    raise_to(min_memory, &out.memory_deci, &out.containers[0].memory_deci, &out.is_larger);
    const struct ceiling top = ceiling_of(annotations);
    if (out.cpu_centi > top.cpu * 100 || out.memory_deci > top.memory_gb * 10)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.containers[*].resources.requests: together more than %lld CPU or "
                          "%lld GB, the most that a %s can have; ask for less",
                          (long long)top.cpu, (long long)top.memory_gb, top.kind);
    for (size_t i = 0; i < layout->container_count; i++) {
        struct container_resources *c = &out.containers[i];
        fit_limit(c->cpu_centi, out.cpu_centi, &c->cpu_limit_centi, &c->limit_was_cut);
        fit_limit(c->memory_deci, out.memory_deci, &c->memory_limit_deci, &c->limit_was_cut);
    }
    *ret = out;
    return 0;
}

const char *resources_text(int64_t cpu_centi, int64_t memory_deci, struct vk_arena *arena)
{
    struct vk_buf text;
    struct json_writer w;
    vk_buf_init(&text, 128);
    json_writer_init(&w, &text);
    json_begin_array(&w, NULL);
    json_put_fixed(&w, NULL, cpu_centi, 2);
    json_put_fixed(&w, NULL, memory_deci, 1);
    json_end_array(&w);
    struct vk_str memory;
    const struct vk_str cpu = vk_str_cut(
        (struct vk_str){.p = vk_buf_peek(&text) + 1, .n = vk_buf_len(&text) - 2}, ',', &memory);
    const char *out =
        vk_arena_printf(arena, "%.*s CPU and %.*s GB", (int)cpu.n, cpu.p, (int)memory.n, memory.p);
    vk_buf_release(&text);
    return out;
}
