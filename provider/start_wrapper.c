/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/start_wrapper.h"

#include <string.h>

#include "base/str.h"
#include "provider/network.h"

#define SCRIPT_MAX_BYTES (64ul << 10)

/*
 * The last address of the trie's leaves that is the container's own and no loopback. Names begin
 * with '_', which no variable of a group does.
 */
#define FIND_ADDRESS                                                                               \
    "while read -r _a _b _c; do case $_a in '|--') _i=$_b;; /32) case $_b.$_c.$_i in "             \
    "host.LOCAL.127.*);; host.LOCAL.*) _p=$_i;; esac;; esac; done </proc/net/fib_trie; "           \
    "[ \"$_p\" ] || { echo 'start wrapper: no address of this container in /proc/net/fib_trie' "   \
    ">&2; exit 1; }; "
/* Puts it into $_v, as often as it is wanted there. */
#define PUT_ADDRESS                                                                                \
    "_put() { while :; do case $_v in *" RESOLVED_POD_ADDRESS "*) _v=${_v%%" RESOLVED_POD_ADDRESS  \
    "*}$_p${_v#*" RESOLVED_POD_ADDRESS "};; *) return;; esac; done; }; "
#define PUT_INTO_COMMAND "for _v do _put; set -- \"$@\" \"$_v\"; shift; done; "

static bool wants_address(struct vk_str text)
{
    return text.n > 0 &&
           memmem(text.p, text.n, RESOLVED_POD_ADDRESS, sizeof(RESOLVED_POD_ADDRESS) - 1);
}

static bool variable_wants_address(const struct resolved_env *env)
{
    return wants_address(env->secret ? vk_secret_reveal(env->secret) : vk_str_of(env->value));
}

static bool command_wants_address(const struct json_strs *strs)
{
    for (size_t i = 0; i < strs->n; i++) {
        if (wants_address(vk_str_of(strs->v[i])))
            return true;
    }
    return false;
}

/* The name of the first variable that holds the address, "" for the command, NULL for none. */
static const char *what_wants_address(const struct resolved_container *c)
{
    for (size_t i = 0; i < c->env_count; i++) {
        if (variable_wants_address(&c->env[i]))
            return c->env[i].name;
    }
    return command_wants_address(&c->command) || command_wants_address(&c->args) ? "" : NULL;
}

static bool is_asked_for(const struct pod_annotations *annotations)
{
    return annotation_is_true(annotations->start_wrapper, false);
}

bool start_wrapper_is_used(const struct pod *pod, const struct resolved_container *c,
                           const struct pod_annotations *annotations)
{
    return is_asked_for(annotations) && (pod->spec.host_aliases.n > 0 || what_wants_address(c));
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

static int check_aliases(const struct pod *pod, const struct pod_annotations *annotations,
                         bool windows, struct vk_err *err)
{
    const struct host_alias *aliases = pod->spec.host_aliases.v;
    if (pod->spec.host_aliases.n == 0)
        return 0;
    if (!is_asked_for(annotations))
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

static int check_address(const struct group_member *m, size_t n,
                         const struct pod_annotations *annotations, bool can_help,
                         struct vk_err *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = what_wants_address(m[i].container);
        if (!name || (can_help && is_asked_for(annotations)))
            continue;
        return vk_err_set(
            err, VK_UNSUPPORTED,
            "%s.env[%s].valueFrom.fieldRef: status.podIP is known only when ACI runs the group; %s",
            m[i].where, name,
            can_help ? "where the image has a shell, set " ANNOTATION_PREFIX
                       "start-wrapper to true, or let the program ask its interface"
                     : "the start wrapper finds it in Linux groups of a subnet only; let the "
                       "program ask its interface");
    }
    return 0;
}

int start_wrapper_check(const struct pod *pod, const struct group_layout *layout,
                        const struct pod_annotations *annotations, const struct provider_env *env,
                        bool windows, struct vk_err *err)
{
    const bool can_help = !windows && network_has_subnet(annotations, env);
    if (check_aliases(pod, annotations, windows, err) < 0 ||
        check_address(layout->containers, layout->container_count, annotations, can_help, err) <
            0 ||
        check_address(layout->init_containers, layout->init_container_count, annotations, can_help,
                      err) < 0)
        return -(int)err->code;
    return 0;
}

static void add_aliases(const struct pod *pod, struct vk_buf *script)
{
    const struct host_alias *aliases = pod->spec.host_aliases.v;
    if (pod->spec.host_aliases.n == 0)
        return;
    vk_buf_adds(script, "echo '");
    for (size_t i = 0; i < pod->spec.host_aliases.n; i++) {
        vk_buf_printf(script, "%s%s", i ? "\n" : "", aliases[i].ip);
        for (size_t k = 0; k < aliases[i].hostnames.n; k++)
            vk_buf_printf(script, "\t%s", aliases[i].hostnames.v[k]);
    }
    vk_buf_adds(script, "' >>/etc/hosts && ");
}

static void add_address(const struct resolved_container *c, struct vk_buf *script)
{
    if (!what_wants_address(c))
        return;
    vk_buf_adds(script, FIND_ADDRESS PUT_ADDRESS);
    for (size_t i = 0; i < c->env_count; i++) {
        const char *name = c->env[i].name;
        if (variable_wants_address(&c->env[i]))
            vk_buf_printf(script, "_v=$%s; _put; export %s=\"$_v\"; ", name, name);
    }
    vk_buf_adds(script, PUT_INTO_COMMAND);
}

struct json_strs start_wrapper_command(const struct pod *pod, const struct resolved_container *c,
                                       const struct json_strs *command, struct vk_arena *arena)
{
    struct vk_buf script VK_BUF_AUTO;
    vk_buf_init(&script, SCRIPT_MAX_BYTES);
    add_address(c, &script);
    add_aliases(pod, &script);
    vk_buf_adds(&script, "exec \"$@\"");
    struct json_strs out = {.v = vk_arena_array(arena, command->n + 4, sizeof(*out.v))};
    out.v[out.n++] = "/bin/sh";
    out.v[out.n++] = "-c";
    out.v[out.n++] = vk_arena_str(arena, vk_buf_str(&script));
    out.v[out.n++] = "sh";
    for (size_t i = 0; i < command->n; i++)
        out.v[out.n++] = command->v[i];
    return out;
}
