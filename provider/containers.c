/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/containers.h"

#include "provider/ports.h"
#include "provider/probes.h"
#include "provider/security_context.h"
#include "provider/start_wrapper.h"
#include "provider/validation.h"
#include "provider/volumes.h"

static int read_commands(const struct pod *pod, const struct group_member *m, size_t n,
                         const struct pod_annotations *annotations, struct vk_arena *arena,
                         struct json_strs **ret, struct vk_err *err)
{
    struct json_strs *out = vk_arena_array(arena, n + 1, sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        const struct resolved_container *c = m[i].container;
        const bool wrapped = start_wrapper_is_used(pod, c, annotations);
        const int rc = wrapped
                           ? container_command_whole(c, m[i].image, m[i].where, arena, &out[i], err)
                           : container_command(c, m[i].image, m[i].where, arena, &out[i], err);
        if (rc < 0)
            return rc;
        if (wrapped)
            out[i] = start_wrapper_command(pod, c, &out[i], arena);
    }
    *ret = out;
    return 0;
}

int containers_commands(const struct pod *pod, const struct group_layout *layout,
                        const struct pod_annotations *annotations, struct vk_arena *arena,
                        struct pod_commands *ret, struct vk_err *err)
{
    struct pod_commands out;
    if (read_commands(pod, layout->containers, layout->container_count, annotations, arena,
                      &out.containers, err) < 0 ||
        read_commands(pod, layout->init_containers, layout->init_container_count, annotations,
                      arena, &out.init_containers, err) < 0)
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

/* Those of Services with names that ACI does not take are left out; unhonoured names them. */
static bool is_sent(const struct resolved_env *env, const char *container,
                    const struct key_vault *vault)
{
    return !key_vault_variable(vault, container, env->name) &&
           (!env->is_implied || validation_is_env_name(env->name));
}

static void write_env(struct json_writer *w, const struct resolved_container *c,
                      const struct key_vault *vault)
{
    size_t sent = key_vault_count_env(vault, c->spec->name);
    for (size_t i = 0; i < c->env_count; i++)
        sent += is_sent(&c->env[i], c->spec->name, vault);
    if (sent == 0)
        return;
    json_begin_array(w, "environmentVariables");
    for (size_t i = 0; i < c->env_count; i++) {
        if (!is_sent(&c->env[i], c->spec->name, vault))
            continue;
        json_begin_object(w, NULL);
        json_put_string(w, "name", c->env[i].name);
        if (c->env[i].secret)
            json_put_str(w, "secureValue", vk_secret_reveal(c->env[i].secret));
        else
            json_put_string(w, "value", c->env[i].value ? c->env[i].value : "");
        json_end_object(w);
    }
    key_vault_write_env(w, vault, c->spec->name);
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

/* What init containers have too. */
static void write_common(struct json_writer *w, const struct containers_plan *plan,
                         const struct group_member *m, const struct json_strs *command,
                         const struct group_mounts *mounts)
{
    json_put_string(w, "image", m->spec->image);
    write_command(w, command);
    write_env(w, m->container, plan->vault);
    volumes_write_mounts(w, mounts);
    security_context_write(w, plan->pod, m->spec, plan->annotations);
}

static void write_container(struct json_writer *w, const struct containers_plan *plan, size_t i)
{
    const struct group_member *m = &plan->layout->containers[i];
    json_begin_object(w, NULL);
    json_put_string(w, "name", m->spec->name);
    json_begin_object(w, "properties");
    write_common(w, plan, m, &plan->commands->containers[i], &plan->volumes->containers[i]);
    ports_write_container(w, plan->layout, i);
    write_resources(w, &plan->resources->containers[i]);
    probes_write(w, plan->pod, m->spec);
    json_end_object(w);
    json_end_object(w);
}

void containers_write(struct json_writer *w, const struct containers_plan *plan)
{
    json_begin_array(w, "containers");
    for (size_t i = 0; i < plan->layout->container_count; i++)
        write_container(w, plan, i);
    json_end_array(w);
    if (plan->layout->init_container_count == 0)
        return;
    json_begin_array(w, "initContainers");
    for (size_t i = 0; i < plan->layout->init_container_count; i++) {
        const struct group_member *m = &plan->layout->init_containers[i];
        json_begin_object(w, NULL);
        json_put_string(w, "name", m->spec->name);
        json_begin_object(w, "properties");
        write_common(w, plan, m, &plan->commands->init_containers[i],
                     &plan->volumes->init_containers[i]);
        json_end_object(w);
        json_end_object(w);
    }
    json_end_array(w);
}
