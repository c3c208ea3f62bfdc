/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/server/authentication.h"

int authentication_check_list(const struct json_strs *allowed, struct vk_err *err)
{
    for (size_t i = 0; i < allowed->n; i++) {
        const char *entry = allowed->v[i];

        if ((!vk_starts(entry, "O=") || !entry[2]) && (!vk_starts(entry, "CN=") || !entry[3]))
            return vk_err_set(err, VK_INVALID,
                              "allowed client '%s': expected O=<organisation> or CN=<name>", entry);
    }
    return 0;
}

static bool matches(const struct tls_peer *peer, const char *entry)
{
    if (vk_starts(entry, "CN="))
        return vk_streq(peer->common_name, entry + 3);
    for (size_t i = 0; i < peer->organization_count; i++)
        if (vk_streq(peer->organizations[i], entry + 2))
            return true;
    return false;
}

int authenticate(const struct tls_peer *peer, const struct json_strs *allowed, struct vk_err *err)
{
    if (!peer->verified)
        return vk_err_set(err, VK_UNAUTHENTICATED,
                          "Unauthorized: a client certificate of the client CA is required");
    for (size_t i = 0; i < allowed->n; i++)
        if (matches(peer, allowed->v[i]))
            return 0;
    return vk_err_set(err, VK_FORBIDDEN, "Forbidden: user '%s' is not an allowed client",
                      peer->common_name);
}
