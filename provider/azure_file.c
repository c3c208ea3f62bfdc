/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/azure_file.h"

#include "base/str.h"

#define CSI_DRIVER "file.csi.azure.com"

bool azure_file_is(const struct volume *v)
{
    return v->azure_file || v->persistent_volume_claim ||
           (v->csi && vk_streq(v->csi->driver, CSI_DRIVER));
}

const struct resolved_share *azure_file_find(const struct resolved_pod *pod, const char *volume)
{
    for (size_t i = 0; i < pod->share_count; i++) {
        if (vk_streq(pod->shares[i].volume, volume))
            return &pod->shares[i];
    }
    return NULL;
}

/* Azure: a storage account has 3 to 24 of [a-z0-9], a share 3 to 63 of [a-z0-9-]. */
static bool is_name(const char *text, size_t max, const char *alphabet)
{
    const size_t n = text ? strlen(text) : 0;
    return n >= 3 && n <= max && strspn(text, alphabet) == n && text[0] != '-' &&
           text[n - 1] != '-';
}

int azure_file_check(const struct resolved_share *share, struct vk_err *err)
{
    if (!is_name(share->account, 24, "abcdefghijklmnopqrstuvwxyz0123456789"))
        return vk_err_set(err, VK_INVALID,
                          "spec.volumes[%s]: \"%.60s\" is no name of a storage account",
                          share->volume, share->account ? share->account : "");
    if (!is_name(share->share, 63, "abcdefghijklmnopqrstuvwxyz0123456789-"))
        return vk_err_set(err, VK_INVALID, "spec.volumes[%s]: \"%.60s\" is no name of a file share",
                          share->volume, share->share ? share->share : "");
    if (!share->key)
        return vk_err_set(err, VK_INVALID,
                          "spec.volumes[%s]: the key of storage account %s is missing; ACI mounts "
                          "shares by key",
                          share->volume, share->account);
    return 0;
}

void azure_file_write(struct json_writer *w, const struct resolved_share *share)
{
    json_begin_object(w, "azureFile");
    json_put_string(w, "shareName", share->share);
    json_put_string(w, "storageAccountName", share->account);
    json_put_str(w, "storageAccountKey", vk_secret_reveal(share->key));
    if (share->read_only)
        json_put_bool(w, "readOnly", true);
    json_end_object(w);
}
