/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/registry_credentials.h"

#include "base/alloc.h"
#include "base/str.h"

static const char *const azure_registries[] = {".azurecr.io", ".azurecr.us", ".azurecr.cn"};

/* The registry that an image names; empty for Docker Hub. */
static struct vk_str host_of(const char *image)
{
    struct vk_str rest;
    const struct vk_str host = vk_str_cut(vk_str_of(image), '/', &rest);
    return rest.p ? host : VK_STR("");
}

static bool is_azure(struct vk_str host)
{
    for (size_t i = 0; i < VK_COUNT(azure_registries); i++) {
        const struct vk_str end = vk_str_of(azure_registries[i]);
        if (host.n > end.n &&
            vk_str_ieq((struct vk_str){.p = host.p + host.n - end.n, .n = end.n}, end))
            return true;
    }
    return false;
}

static bool has_secret(const struct resolved_pod *pod, struct vk_str host)
{
    for (size_t i = 0; i < pod->credential_count; i++) {
        if (vk_str_ieq(host, vk_str_of(pod->credentials[i].server)))
            return true;
    }
    return false;
}

bool registry_credentials_are_an_identity(const struct resolved_pod *pod,
                                          const struct pod_annotations *annotations,
                                          const struct container *c)
{
    const struct vk_str host = host_of(c->image);
    return annotations->pull_identity && is_azure(host) && !has_secret(pod, host);
}

/* The i-th container of both kinds. */
static const struct container *container_at(const struct resolved_pod *pod, size_t i)
{
    return i < pod->container_count ? pod->containers[i].spec
                                    : pod->init_containers[i - pod->container_count].spec;
}

/* Once for each registry. */
static bool is_pulled_by_identity(const struct resolved_pod *pod,
                                  const struct pod_annotations *annotations, size_t i)
{
    const struct vk_str host = host_of(container_at(pod, i)->image);
    if (!registry_credentials_are_an_identity(pod, annotations, container_at(pod, i)))
        return false;
    for (size_t k = 0; k < i; k++) {
        if (vk_str_ieq(host_of(container_at(pod, k)->image), host))
            return false;
    }
    return true;
}

void registry_credentials_write(struct json_writer *w, const struct resolved_pod *pod,
                                const struct pod_annotations *annotations)
{
    const size_t n = pod->container_count + pod->init_container_count;
    bool by_identity = false;
    for (size_t i = 0; i < n; i++)
        by_identity |= is_pulled_by_identity(pod, annotations, i);
    if (pod->credential_count == 0 && !by_identity)
        return;
    json_begin_array(w, "imageRegistryCredentials");
    for (size_t i = 0; i < pod->credential_count; i++) {
        const struct registry_credential *c = &pod->credentials[i];
        json_begin_object(w, NULL);
        json_put_string(w, "server", c->server);
        json_put_string(w, "username", c->username);
        if (c->password)
            json_put_str(w, "password", vk_secret_reveal(c->password));
        json_end_object(w);
    }
    for (size_t i = 0; by_identity && i < n; i++) {
        if (!is_pulled_by_identity(pod, annotations, i))
            continue;
        json_begin_object(w, NULL);
        json_put_str(w, "server", host_of(container_at(pod, i)->image));
        json_put_string(w, "identity", annotations->pull_identity);
        json_end_object(w);
    }
    json_end_array(w);
}
