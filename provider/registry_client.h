/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads an image's configuration from its registry: manifest (index resolved to one platform), then
 * the config blob, with Basic or Bearer authentication and redirected blobs. Everything fetched by
 * digest is checked against it. Source: distribution-spec 1.1; Docker registry token
 * authentication.
 */
#pragma once

#include "base/http_client.h"
#include "base/secret.h"
#include "provider/image_manifest.h"
#include "provider/image_reference.h"

struct registry_client;
struct registry_fetch;

/* Text is copied. */
struct registry_client_config {
    const char *user_agent;
    const char *ca_file; /* trust anchors of registries, or NULL: the system's */
    /*
     * Where to ask instead of a registry: "docker.io=https://mirror.example",
     * "*=http://127.0.0.1:5000" for all that have no line of their own. Plain HTTP only where a
     * mirror says so.
     */
    const char *const *mirrors;
    size_t mirror_count;
};
/* One line of them. Errors: VK_INVALID naming a mirror that is no HOST=URL. */
VK_MUST_CHECK int registry_mirror_check(const char *line, struct vk_err *err);
/* Errors: as registry_mirror_check. */
VK_MUST_CHECK int registry_client_new(struct http_client *http,
                                      const struct registry_client_config *config,
                                      struct registry_client **ret, struct vk_err *err);
/* All fetches must have ended or been cancelled. */
void registry_client_free(struct registry_client *c);

struct registry_login {
    const char *username; /* NULL: anonymous */
    const struct vk_secret *password;
};
/*
 * config and digest (of the manifest asked for) are borrowed for the call. err: VK_UNAVAILABLE with
 * reason InaccessibleImage where image or credential is wrong, with reason RegistryUnavailable
 * where the registry does not answer; VK_UNSUPPORTED and VK_NOT_FOUND as image_manifest_parse says.
 */
typedef void (*registry_fetched_fn)(void *user, const struct image_config *config,
                                    const char *digest, const struct vk_err *err);
/* Exactly one call, never from inside. The whole fetch has 30 s. */
struct registry_fetch *registry_fetch_start(struct registry_client *c,
                                            const struct image_reference *image, const char *os,
                                            const char *arch, const struct registry_login *login,
                                            registry_fetched_fn done, void *user);
/* No callback afterwards. NULL is fine. */
void registry_fetch_cancel(struct registry_fetch *f);
