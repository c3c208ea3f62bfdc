/* SPDX-License-Identifier: Apache-2.0 */
/* Resolved pods without a resolver: literal environment, files and credentials from a document. */
#pragma once

#include "kubelet/api/resolved_pod.h"
#include "tests/unit/provider/golden.h"

static inline struct resolved_env *sample_env(struct vk_arena *arena, const struct container *c)
{
    const struct env_var *var = c->env.v;
    struct resolved_env *env = vk_arena_array(arena, c->env.n + 1, sizeof(*env));
    for (size_t i = 0; i < c->env.n; i++) {
        env[i].name = var[i].name;
        if (var[i].secret_key)
            env[i].secret = vk_arena_secret(arena, "s3cret", 6);
        else if (var[i].field && vk_streq(var[i].field->field_path, "status.podIP"))
            env[i].value = RESOLVED_POD_ADDRESS;
        else
            env[i].value = var[i].value ? var[i].value : "";
    }
    return env;
}

static inline const struct resolved_container *
sample_containers(struct vk_arena *arena, const struct json_array *containers)
{
    const struct container *c = containers->v;
    struct resolved_container *out = vk_arena_array(arena, containers->n + 1, sizeof(*out));
    for (size_t i = 0; i < containers->n; i++) {
        out[i] = (struct resolved_container){
            .spec = &c[i],
            .env = sample_env(arena, &c[i]),
            .env_count = c[i].env.n,
            .command = c[i].command,
            .args = c[i].args,
        };
    }
    return out;
}

/* {"volume": {"path": "content"}}; a path that ends in "!" has mode 0400. */
static inline void sample_volumes(struct resolved_pod *pod, const struct json *files)
{
    struct resolved_volume *volumes =
        vk_arena_array(pod->arena_, json_len(files) + 1, sizeof(*volumes));
    for (const struct json *v = json_first(files); v; v = json_next(v)) {
        struct resolved_file *out = vk_arena_array(pod->arena_, json_len(v) + 1, sizeof(*out));
        size_t n = 0;
        for (const struct json *f = json_first(v); f; f = json_next(f)) {
            struct vk_str path = vk_str_of(json_key(f));
            const bool odd = vk_ends(path.p, "!");
            path.n -= odd;
            out[n++] = (struct resolved_file){
                .path = vk_arena_str(pod->arena_, path),
                .content = vk_str_of(vk_arena_strdup(pod->arena_, json_string(f))),
                .is_secret = true,
                .mode = odd ? 0400 : 0644,
            };
        }
        volumes[pod->volume_count++] = (struct resolved_volume){
            .name = vk_arena_strdup(pod->arena_, json_key(v)), .files = out, .file_count = n};
    }
    pod->volumes = volumes;
}

static inline void sample_credentials(struct resolved_pod *pod, const struct json *list)
{
    struct registry_credential *out = vk_arena_array(pod->arena_, json_len(list) + 1, sizeof(*out));
    for (const struct json *c = json_first(list); c; c = json_next(c)) {
        const char *password = json_string_or(c, "password", "");
        out[pod->credential_count++] = (struct registry_credential){
            .server = vk_arena_strdup(pod->arena_, json_string_or(c, "server", "")),
            .username = vk_arena_strdup(pod->arena_, json_string_or(c, "username", "")),
            .password = vk_arena_secret(pod->arena_, password, strlen(password)),
        };
    }
    pod->credentials = out;
}

/* {"volume": {"account": "...", "share": "...", "key": "...", "readOnly": true}} */
static inline void sample_shares(struct resolved_pod *pod, const struct json *shares)
{
    struct resolved_share *out = vk_arena_array(pod->arena_, json_len(shares) + 1, sizeof(*out));
    for (const struct json *s = json_first(shares); s; s = json_next(s)) {
        const char *key = json_string_or(s, "key", "");
        out[pod->share_count++] = (struct resolved_share){
            .volume = vk_arena_strdup(pod->arena_, json_key(s)),
            .account = vk_arena_strdup(pod->arena_, json_string_or(s, "account", "")),
            .share = vk_arena_strdup(pod->arena_, json_string_or(s, "share", "")),
            .key = *key ? vk_arena_secret(pod->arena_, key, strlen(key)) : NULL,
            .read_only = json_bool_or(s, "readOnly", false),
        };
    }
    pod->shares = out;
}

/* {"NAME": "value"}: what each container is told of Services. */
static inline void sample_services(struct resolved_pod *pod, const struct json *services)
{
    struct resolved_container *c = (struct resolved_container *)(uintptr_t)pod->containers;
    for (size_t i = 0; services && i < pod->container_count; i++) {
        struct resolved_env *env =
            vk_arena_array(pod->arena_, c[i].env_count + json_len(services) + 1, sizeof(*env));
        for (size_t k = 0; k < c[i].env_count; k++)
            env[k] = c[i].env[k];
        for (const struct json *s = json_first(services); s; s = json_next(s))
            env[c[i].env_count++] =
                (struct resolved_env){.name = vk_arena_strdup(pod->arena_, json_key(s)),
                                      .value = vk_arena_strdup(pod->arena_, json_string(s)),
                                      .is_implied = true};
        c[i].env = env;
    }
}

/* files and credentials may be NULL. Released with resolved_pod_free. */
static inline struct resolved_pod *sample_pod(struct vk_str text, const struct json *files,
                                              const struct json *credentials)
{
    struct pod *parsed;
    struct vk_err err;
    if (pod_parse(text, &parsed, &err) < 0)
        fail_msg("%s", err.msg);
    struct vk_arena *arena = vk_arena_new();
    struct resolved_pod *pod = vk_arena_alloc(arena, sizeof(*pod));
    pod->arena_ = arena;
    pod->pod = parsed;
    pod->containers = sample_containers(arena, &parsed->spec.containers);
    pod->container_count = parsed->spec.containers.n;
    pod->init_containers = sample_containers(arena, &parsed->spec.init_containers);
    pod->init_container_count = parsed->spec.init_containers.n;
    sample_volumes(pod, files);
    sample_credentials(pod, credentials);
    return pod;
}

static inline struct resolved_pod *sample_of_image(const char *name, const char *uid,
                                                   const char *image)
{
    char text[1024];
    (void)snprintf(text, sizeof(text),
                   "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\",\"uid\":\"%s\"},"
                   "\"spec\":{\"restartPolicy\":\"Always\",\"containers\":[{\"name\":\"c\","
                   "\"image\":\"%s\",\"command\":[\"run\"]}]}}",
                   name, uid, image);
    return sample_pod(vk_str_of(text), NULL, NULL);
}

static inline struct resolved_pod *sample_simple(const char *name, const char *uid)
{
    return sample_of_image(name, uid, "app:1");
}
