/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/group_identity.h"

#include "base/crypto.h"
#include "base/str.h"

#define HASH_DIGITS 20
#define PREFIX_MAX (GROUP_NAME_MAX - HASH_DIGITS - 1)

/* Appends what ACI takes of text; a run of anything else becomes one hyphen, none at the front. */
static size_t add_readable(char *out, size_t n, const char *text)
{
    for (const char *c = text; *c && n < PREFIX_MAX; c++) {
        const bool plain = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');
        if (plain)
            out[n++] = *c;
        else if (n > 0 && out[n - 1] != '-')
            out[n++] = '-';
    }
    return n;
}

void group_name(const char *namespace_, const char *name, const char *uid,
                char out[GROUP_NAME_MAX + 1])
{
    size_t n = add_readable(out, 0, namespace_);
    n = add_readable(out, n, "-");
    n = add_readable(out, n, name);
    if (n == 0)
        n = add_readable(out, 0, "pod");
    if (out[n - 1] != '-')
        out[n++] = '-';
    char hash[65];
    crypto_sha256_hex(uid, strlen(uid), hash);
    memcpy(out + n, hash, HASH_DIGITS);
    out[n + HASH_DIGITS] = '\0';
}

void group_identity_write(struct json_writer *w, const struct group_identity *identity)
{
    json_put_string(w, GROUP_TAG_FORMAT, GROUP_FORMAT);
    json_put_string(w, GROUP_TAG_CLUSTER, identity->cluster);
    json_put_string(w, GROUP_TAG_NODE, identity->node);
    json_put_string(w, GROUP_TAG_NAMESPACE, identity->namespace_);
    json_put_string(w, GROUP_TAG_POD, identity->pod);
    json_put_string(w, GROUP_TAG_UID, identity->uid);
}

bool group_identity_read(const struct container_group *group, struct group_identity *ret)
{
    if (!vk_streq(container_group_tag(group, GROUP_TAG_FORMAT), GROUP_FORMAT))
        return false;
    const struct group_identity found = {
        .cluster = container_group_tag(group, GROUP_TAG_CLUSTER),
        .node = container_group_tag(group, GROUP_TAG_NODE),
        .namespace_ = container_group_tag(group, GROUP_TAG_NAMESPACE),
        .pod = container_group_tag(group, GROUP_TAG_POD),
        .uid = container_group_tag(group, GROUP_TAG_UID),
    };
    if (vk_str_empty(found.cluster) || vk_str_empty(found.node) || vk_str_empty(found.namespace_) ||
        vk_str_empty(found.pod) || vk_str_empty(found.uid))
        return false;
    *ret = found;
    return true;
}

bool group_container_is_sidecar(const struct container_group *group, const char *container)
{
    struct vk_str rest = vk_str_of(container_group_tag(group, GROUP_TAG_SIDECARS));
    while (rest.n > 0) {
        if (vk_str_is(vk_str_cut(rest, ',', &rest), container))
            return true;
    }
    return false;
}
