/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/storage_accounts.h"

#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/secret.h"
#include "base/str.h"

struct storage_accounts {
    struct vk_map *keys; /* name -> char *, owned */
};

struct storage_accounts *storage_accounts_new(void)
{
    struct storage_accounts *s = vk_calloc(1, sizeof(*s));

    s->keys = vk_map_new();
    return s;
}

static void free_key(void *key)
{
    if (key)
        vk_wipe(key, strlen(key));
    vk_free(key);
}

void storage_accounts_free(struct storage_accounts *s)
{
    if (!s)
        return;
    vk_map_free(s->keys, free_key);
    vk_free(s);
}

int storage_accounts_set(struct storage_accounts *s, const char *name, const char *key,
                         struct vk_err *err)
{
    const size_t n = name ? strlen(name) : 0;

    if (n < 3 || n > 24 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") != n)
        return vk_err_set(err, VK_INVALID,
                          "storage account '%.60s': expected 3 to 24 lower-case letters and digits",
                          name ? name : "");
    if (vk_str_empty(key))
        return vk_err_set(err, VK_INVALID, "storage account '%s' has no key", name);
    free_key(vk_map_put(s->keys, name, vk_strdup(key)));
    return 0;
}

int storage_accounts_parse(struct storage_accounts *s, const char *text, struct vk_err *err)
{
    const char *equals = strchr(text, '=');
    char *name VK_AUTOFREE = vk_strndup(text, equals ? (size_t)(equals - text) : strlen(text));

    return storage_accounts_set(s, name, equals ? equals + 1 : NULL, err);
}

bool storage_accounts_opens(const struct storage_accounts *s, const char *name, const char *key)
{
    const char *wanted = vk_map_get(s->keys, name);

    return !wanted || !key || vk_streq(wanted, key);
}

void storage_accounts_write(const struct storage_accounts *s, struct json_writer *w,
                            const char *member)
{
    const char *name;
    void *key;
    size_t it = 0;

    json_begin_array(w, member);
    while (vk_map_next(s->keys, &it, &name, &key))
        json_put_string(w, NULL, name);
    json_end_array(w);
}
