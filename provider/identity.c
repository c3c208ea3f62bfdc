/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/identity.h"

#include "base/alloc.h"
#include "base/str.h"

#define PROVIDER "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/"
/* More than anybody assigns to one group; a text is walked once for it. */
#define MAX_IDENTITIES 32

bool identity_is_resource_id(const char *text)
{
    if (vk_str_empty(text) || !vk_starts(text, "/subscriptions/"))
        return false;
    /* ARM compares names without regard to case. */
    const size_t n = strlen(PROVIDER);
    for (const char *c = text; *c; c++) {
        if (*c == '/' && strlen(c) > n &&
            vk_str_ieq((struct vk_str){.p = c, .n = n}, vk_str_of(PROVIDER)))
            return strchr(c + n, '/') == NULL;
    }
    return false;
}

static int add(struct group_identities *out, const char *name, const char *id, struct vk_err *err)
{
    if (!identity_is_resource_id(id))
        return vk_err_set(err, VK_INVALID,
                          "metadata.annotations[" ANNOTATION_PREFIX
                          "%s]: \"%.100s\" is no resource id of a user-assigned identity "
                          "(/subscriptions/.../userAssignedIdentities/NAME)",
                          name, id);
    for (size_t i = 0; i < out->user_assigned.n; i++) {
        if (vk_strieq(out->user_assigned.v[i], id))
            return 0;
    }
    if (out->user_assigned.n == MAX_IDENTITIES)
        return vk_err_set(err, VK_INVALID,
                          "metadata.annotations[" ANNOTATION_PREFIX "%s]: more than %d identities",
                          name, MAX_IDENTITIES);
    out->user_assigned.v[out->user_assigned.n++] = id;
    return 0;
}

int identity_of_pod(const struct pod_annotations *annotations, struct vk_arena *arena,
                    struct group_identities *ret, struct vk_err *err)
{
    struct group_identities out = {
        .user_assigned.v = vk_arena_array(arena, MAX_IDENTITIES, sizeof(*out.user_assigned.v))};
    struct vk_str rest = vk_str_of(annotations->identity);
    for (const char *id = annotation_next(&rest, arena); id; id = annotation_next(&rest, arena)) {
        if (vk_strieq(id, "system"))
            out.system = true;
        else if (add(&out, "identity", id, err) < 0)
            return -(int)err->code;
    }
    const struct {
        const char *name, *id;
    } others[] = {
        {"pull-identity", annotations->pull_identity},
        {"key-vault-identity", annotations->key_vault_identity},
        {"cmk-identity", annotations->cmk_identity},
    };
    for (size_t i = 0; i < VK_COUNT(others); i++) {
        if (others[i].id && add(&out, others[i].name, others[i].id, err) < 0)
            return -(int)err->code;
    }
    *ret = out;
    return 0;
}

void identity_write(struct json_writer *w, const struct group_identities *identities)
{
    const bool user = identities->user_assigned.n > 0;
    if (!user && !identities->system)
        return;
    json_begin_object(w, "identity");
    json_put_string(w, "type",
                    user && identities->system ? "SystemAssigned, UserAssigned"
                    : user                     ? "UserAssigned"
                                               : "SystemAssigned");
    if (user) {
        json_begin_object(w, "userAssignedIdentities");
        for (size_t i = 0; i < identities->user_assigned.n; i++) {
            json_begin_object(w, identities->user_assigned.v[i]);
            json_end_object(w);
        }
        json_end_object(w);
    }
    json_end_object(w);
}
