/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/containers.h"

#include "provider/ports.h"
#include "provider/volumes.h"

static int read_commands(const char *kind, const struct resolved_container *c, size_t n,
                         const struct pod_image *images, struct vk_arena *arena,
                         struct json_strs **ret, struct vk_err *err)
{
    struct json_strs *out = vk_arena_array(arena, n + 1, sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        char where[128];
        (void)snprintf(where, sizeof(where), "spec.%s[%s]", kind, c[i].spec->name);
        if (container_command(&c[i], images ? &images[i] : NULL, where, arena, &out[i], err) < 0)
            return -(int)err->code;
    }
    *ret = out;
    return 0;
}

int containers_commands(const struct resolved_pod *pod, const struct pod_images *images,
                        struct vk_arena *arena, struct pod_commands *ret, struct vk_err *err)
{
    struct pod_commands out;
    if (read_commands("containers", pod->containers, pod->container_count,
                      images ? images->containers : NULL, arena, &out.containers, err) < 0 ||
        read_commands("initContainers", pod->init_containers, pod->init_container_count,
                      images ? images->init_containers : NULL, arena, &out.init_containers,
                      err) < 0)
        return -(int)err->code;
    *ret = out;
    return 0;
}

static void write_command(struct json_writer *w, const struct json_strs *command)
{
    if (command->n == 0)
        return;
    json_begin_array(w, "command");
    for (size_t i = 0; i < command->n; i++)
        json_put_string(w, NULL, command->v[i]);
    json_end_array(w);
}

static void write_env(struct json_writer *w, const struct resolved_container *c)
{
    if (c->env_count == 0)
        return;
    json_begin_array(w, "environmentVariables");
    for (size_t i = 0; i < c->env_count; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", c->env[i].name);
        if (c->env[i].secret)
            json_put_str(w, "secureValue", vk_secret_reveal(c->env[i].secret));
        else
            json_put_string(w, "value", c->env[i].value ? c->env[i].value : "");
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_amounts(struct json_writer *w, const char *key, int64_t cpu_centi,
                          int64_t memory_deci)
{
    json_begin_object(w, key);
    if (cpu_centi)
        json_put_fixed(w, "cpu", cpu_centi, 2);
    if (memory_deci)
        json_put_fixed(w, "memoryInGB", memory_deci, 1);
    json_end_object(w);
}

static void write_resources(struct json_writer *w, const struct container_resources *r)
{
    json_begin_object(w, "resources");
    write_amounts(w, "requests", r->cpu_centi, r->memory_deci);
    if (r->cpu_limit_centi || r->memory_limit_deci)
        write_amounts(w, "limits", r->cpu_limit_centi, r->memory_limit_deci);
    json_end_object(w);
}

static void write_common(struct json_writer *w, const struct resolved_pod *pod,
                         const struct resolved_container *c, const struct json_strs *command)
{
    json_put_string(w, "image", c->spec->image);
    write_command(w, command);
    write_env(w, c);
    volumes_write_mounts(w, pod, c->spec);
}

void containers_write(struct json_writer *w, const struct resolved_pod *pod,
                      const struct pod_commands *commands, const struct pod_resources *resources)
{
    json_begin_array(w, "containers");
    for (size_t i = 0; i < pod->container_count; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", pod->containers[i].spec->name);
        json_begin_object(w, "properties");
        write_common(w, pod, &pod->containers[i], &commands->containers[i]);
        ports_write_container(w, pod, i);
        write_resources(w, &resources->containers[i]);
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
    if (pod->init_container_count == 0)
        return;
    json_begin_array(w, "initContainers");
    for (size_t i = 0; i < pod->init_container_count; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", pod->init_containers[i].spec->name);
        json_begin_object(w, "properties");
        write_common(w, pod, &pod->init_containers[i], &commands->init_containers[i]);
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
}
