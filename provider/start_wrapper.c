/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/start_wrapper.h"

#include "base/str.h"

#define SCRIPT_MAX_BYTES (64ul << 10)

bool start_wrapper_is_used(const struct pod *pod, const struct pod_annotations *annotations)
{
    return pod->spec.host_aliases.n > 0 && annotation_is_true(annotations->start_wrapper, false);
}

/* What needs no quoting in a shell: addresses and DNS names. */
static bool is_plain(const char *text)
{
    return !vk_str_empty(text) &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-_") ==
               strlen(text);
}

static int check_alias(const struct host_alias *alias, struct vk_err *err)
{
    bool good = is_plain(alias->ip);
    for (size_t i = 0; i < alias->hostnames.n; i++)
        good = good && is_plain(alias->hostnames.v[i]);
    if (good)
        return 0;
    return vk_err_set(err, VK_INVALID, "spec.hostAliases[%.60s]: takes an address and DNS names",
                      alias->ip ? alias->ip : "");
}

int start_wrapper_check(const struct pod *pod, const struct pod_annotations *annotations,
                        bool windows, struct vk_err *err)
{
    const struct host_alias *aliases = pod->spec.host_aliases.v;
    if (pod->spec.host_aliases.n == 0)
        return 0;
    if (!annotation_is_true(annotations->start_wrapper, false))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.hostAliases: ACI can't write /etc/hosts; use DNS names, or, where "
                          "the images have a shell and run as root, set " ANNOTATION_PREFIX
                          "start-wrapper to true");
    if (windows)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.hostAliases: can't be written in a Windows container; use DNS "
                          "names");
    for (size_t i = 0; i < pod->spec.host_aliases.n; i++) {
        if (check_alias(&aliases[i], err) < 0)
            return -(int)err->code;
    }
    return 0;
}

struct json_strs start_wrapper_command(const struct pod *pod, const struct json_strs *command,
                                       struct vk_arena *arena)
{
    const struct host_alias *aliases = pod->spec.host_aliases.v;
    struct vk_buf script VK_BUF_AUTO;
    vk_buf_init(&script, SCRIPT_MAX_BYTES);
    vk_buf_adds(&script, "echo '");
    for (size_t i = 0; i < pod->spec.host_aliases.n; i++) {
        vk_buf_printf(&script, "%s%s", i ? "\n" : "", aliases[i].ip);
        for (size_t k = 0; k < aliases[i].hostnames.n; k++)
            vk_buf_printf(&script, "\t%s", aliases[i].hostnames.v[k]);
    }
    vk_buf_adds(&script, "' >>/etc/hosts && exec \"$@\"");
    struct json_strs out = {.v = vk_arena_array(arena, command->n + 4, sizeof(*out.v))};
    out.v[out.n++] = "/bin/sh";
    out.v[out.n++] = "-c";
    out.v[out.n++] = vk_arena_str(arena, vk_buf_str(&script));
    out.v[out.n++] = "sh";
    for (size_t i = 0; i < command->n; i++)
        out.v[out.n++] = command->v[i];
    return out;
}
