/* SPDX-License-Identifier: Apache-2.0 */
/* A pod and the objects that it refers to, for tests of what is pure. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kubelet/pods/pod_references.h"

struct resolve_fixture {
    struct pod *pod;
    struct vk_arena *arena;
    struct pod_references *refs;
};

static const char *const fixture_ip_text[] = {"10.240.0.2", "fd00::2"};

/* spec: JSON of the spec; objects: up to 4 of kind and JSON. */
static __attribute__((unused)) void fixture_init(struct resolve_fixture *f, const char *spec)
{
    static struct json_strs ips;
    struct vk_arena *scratch = vk_arena_new();
    const char **copy;
    struct vk_err err;
    char *raw = vk_arena_printf(
        scratch,
        "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"uid-1\",\"labels\":{"
        "\"b\":\"2\",\"a\":\"x\\\"y\"},\"annotations\":{\"example.com/note\":\"hi\"}},\"spec\":%s}",
        spec);

    f->arena = vk_arena_new();
    if (pod_parse(vk_str_of(raw), &f->pod, &err) < 0)
        fail_msg("%s", err.msg);
    vk_arena_free(scratch);
    copy = vk_arena_array(f->arena, 2, sizeof(*copy));
    copy[0] = fixture_ip_text[0];
    copy[1] = fixture_ip_text[1];
    ips = (struct json_strs){.v = copy, .n = 2};
    f->refs = vk_arena_alloc(f->arena, sizeof(*f->refs));
    pod_references_collect(f->pod, f->arena, f->refs);
    f->refs->node_ips = &ips;
    f->refs->node_cpu_milli = 8000;
    f->refs->node_memory_bytes = 1 << 30;
}

/* Fills in what was collected under the object's own name. */
static __attribute__((unused)) void fixture_object(struct resolve_fixture *f, enum object_kind kind,
                                                   const char *json)
{
    struct object_data *o;
    struct vk_err err;

    if (object_data_parse(kind, vk_str_of(json), &o, &err) < 0)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < f->refs->object_count; i++) {
        struct object_use *u = &f->refs->objects[i];

        if (u->kind == kind && vk_streq(u->name, o->name)) {
            u->object = o;
            return;
        }
    }
    fail_msg("%s %s was not collected", object_kind_name(kind), o->name);
}

static __attribute__((unused)) void fixture_release(struct resolve_fixture *f)
{
    vk_arena_free(f->arena);
    pod_unref(f->pod);
}
