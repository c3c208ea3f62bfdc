/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/security_context.h"

#include "base/alloc.h"
#include "base/str.h"
#include "provider/group_sku.h"

/* What a container of ACI may do anyway; adding it changes nothing. Source: the default set of
 * container runtimes. */
static const char *const default_capabilities[] = {
    "CHOWN",   "DAC_OVERRIDE", "FOWNER",           "FSETID",     "KILL",        "SETGID", "SETUID",
    "SETPCAP", "SETFCAP",      "NET_BIND_SERVICE", "SYS_CHROOT", "AUDIT_WRITE", "MKNOD",  "NET_RAW",
};

/* A container's own fields over the pod's. */
struct effective {
    bool has_user, has_group, non_root;
    int64_t user, group;
};

static struct effective effective_of(const struct pod *pod, const struct container *c)
{
    const struct pod_security_context *p = pod->spec.security_context;
    const struct container_security_context *s = c->security_context;
    struct effective e = {0};
    if (p) {
        e.has_user = p->has_run_as_user;
        e.user = p->run_as_user;
        e.has_group = p->has_run_as_group;
        e.group = p->run_as_group;
        e.non_root = p->run_as_non_root;
    }
    if (s && s->has_run_as_user) {
        e.has_user = true;
        e.user = s->run_as_user;
    }
    if (s && s->has_run_as_group) {
        e.has_group = true;
        e.group = s->run_as_group;
    }
    if (s && s->has_run_as_non_root)
        e.non_root = s->run_as_non_root;
    return e;
}

bool security_context_needs_image(const struct pod *pod, const struct container *c)
{
    const struct effective e = effective_of(pod, c);
    return e.has_user || e.has_group || e.non_root;
}

const char *security_context_wanted_user(const struct pod *pod, const struct container *c,
                                         struct vk_arena *arena)
{
    const struct effective e = effective_of(pod, c);
    if (!security_context_needs_image(pod, c))
        return NULL;
    const long long user = e.has_user ? e.user : e.non_root ? 65532 : 0;
    return vk_arena_printf(arena, "%lld:%lld", user, (long long)(e.has_group ? e.group : user));
}

static bool is_default_capability(const char *name)
{
    if (vk_starts(name, "CAP_"))
        name += 4;
    for (size_t i = 0; i < VK_COUNT(default_capabilities); i++) {
        if (vk_streq(name, default_capabilities[i]))
            return true;
    }
    return false;
}

static const char *first_added_right(const struct container_security_context *s)
{
    for (size_t i = 0; i < s->capabilities_add.n; i++) {
        if (!is_default_capability(s->capabilities_add.v[i]))
            return s->capabilities_add.v[i];
    }
    return NULL;
}

static bool is_unmasked(const struct container_security_context *s)
{
    return !vk_str_empty(s->proc_mount) && !vk_streq(s->proc_mount, "Default");
}

static int check_pod(const struct pod_security_context *s, struct vk_err *err)
{
    const struct {
        bool bad;
        const char *field, *rule;
    } rules[] = {
        {s->sysctl_count > 0, "sysctls", "ACI can't set kernel parameters"},
        {s->supplemental_group_count > 0, "supplementalGroups",
         "ACI runs the image's own user with its own groups"},
        {s->has_windows_options, "windowsOptions", "ACI runs the image's own user"},
    };
    for (size_t i = 0; i < VK_COUNT(rules); i++) {
        if (rules[i].bad)
            return vk_err_set(err, VK_UNSUPPORTED,
                              "spec.securityContext.%s: %s; remove it or use another node",
                              rules[i].field, rules[i].rule);
    }
    return 0;
}

static int check_container(const struct group_member *m, bool confidential, struct vk_err *err)
{
    const struct container_security_context *s = m->spec->security_context;
    if (!s)
        return 0;
    if (s->privileged && !confidential)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.securityContext.privileged: ACI runs no privileged containers; "
                          "remove it, or set aci-kubelet.io/sku to Confidential",
                          m->where);
    const char *right = confidential ? NULL : first_added_right(s);
    if (right)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.securityContext.capabilities.add: ACI can't grant %.60s; remove it, "
                          "or set aci-kubelet.io/sku to Confidential",
                          m->where, right);
    if (is_unmasked(s))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.securityContext.procMount: ACI masks /proc; remove it", m->where);
    if (s->has_windows_options)
        return vk_err_set(
            err, VK_UNSUPPORTED,
            "%s.securityContext.windowsOptions: ACI runs the image's own user; remove it",
            m->where);
    return 0;
}

int security_context_check(const struct pod *pod, const struct group_layout *layout,
                           const struct pod_annotations *annotations,
                           const struct provider_env *env, struct vk_err *err)
{
    const bool confidential = group_sku_is_confidential(annotations);
    if (env->settings.warn_security)
        return 0;
    if (pod->spec.security_context && check_pod(pod->spec.security_context, err) < 0)
        return -(int)err->code;
    for (size_t i = 0; i < layout->container_count; i++) {
        if (check_container(&layout->containers[i], confidential, err) < 0)
            return -(int)err->code;
    }
    for (size_t i = 0; i < layout->init_container_count; i++) {
        if (check_container(&layout->init_containers[i], confidential, err) < 0)
            return -(int)err->code;
    }
    return 0;
}

/* "65532:65532" of an image. A part that is a name, or absent, is not known as a number. */
struct image_user {
    bool user_known, group_known;
    int64_t user, group;
};

static struct image_user user_of(const char *text)
{
    if (vk_str_empty(text))
        return (struct image_user){.user_known = true, .group_known = true};
    struct image_user out = {0};
    struct vk_str group;
    const struct vk_str user = vk_str_cut(vk_str_of(text), ':', &group);
    out.user_known = vk_str_int64(user, 0, INT64_MAX, &out.user);
    out.group_known = vk_str_int64(group, 0, INT64_MAX, &out.group);
    return out;
}

static const char *user_text(const struct group_member *m)
{
    if (!m->image || !m->image->known)
        return "not known";
    return vk_str_empty(m->image->config.user) ? "root" : m->image->config.user;
}

static int check_non_root(const struct effective *e, const struct image_user *image,
                          const struct group_member *m, struct vk_err *err)
{
    if (!e->non_root || (e->has_user && e->user != 0))
        return 0;
    if (e->has_user)
        return vk_err_set(
            err, VK_UNSUPPORTED,
            "%s.securityContext.runAsNonRoot: contradicts runAsUser 0; remove one of them",
            m->where);
    /* An image that only ACI can read: a hardening that can't be checked is named. */
    if (!m->image || !m->image->known)
        return 0;
    if (!image->user_known)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.securityContext.runAsNonRoot: the image's user is %.40s and may be "
                          "root; give the image a numeric USER",
                          m->where, user_text(m));
    if (image->user == 0)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.securityContext.runAsNonRoot: the image runs as root; give it "
                          "another USER",
                          m->where);
    return 0;
}

int security_context_check_image(const struct pod *pod, const struct group_member *m,
                                 const struct pod_annotations *annotations,
                                 const struct provider_env *env, struct vk_err *err)
{
    const struct effective e = effective_of(pod, m->spec);
    if (env->settings.warn_security || !security_context_needs_image(pod, m->spec))
        return 0;
    const bool sent = group_sku_is_confidential(annotations);
    const struct image_user image =
        user_of(m->image && m->image->known ? m->image->config.user : "?");
    if (check_non_root(&e, &image, m, err) < 0)
        return -(int)err->code;
    if (sent)
        return 0;
    if (e.has_user && (!image.user_known || image.user != e.user))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.securityContext.runAsUser: ACI runs the image's own user (%.40s), "
                          "not %lld; set USER in the image, or remove the field",
                          m->where, user_text(m), (long long)e.user);
    if (e.has_group && image.group_known && image.group != e.group)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.securityContext.runAsGroup: ACI runs the image's own group (%lld), "
                          "not %lld; set USER in the image, or remove the field",
                          m->where, (long long)image.group, (long long)e.group);
    return 0;
}

static void name_if(bool ignored, struct ignored_fields *ret, struct vk_arena *arena,
                    const char *where, const char *field)
{
    if (ignored)
        ignored_fields_add(ret, arena, "%ssecurityContext.%s", where, field);
}

void security_context_name_ignored_pod(const struct pod *pod, struct ignored_fields *ret,
                                       struct vk_arena *arena)
{
    const struct pod_security_context *s = pod->spec.security_context;
    if (!s)
        return;
    const struct {
        bool ignored;
        const char *field;
    } fields[] = {
        {s->has_fs_group, "fsGroup"},
        {s->supplemental_group_count > 0, "supplementalGroups"},
        {s->sysctl_count > 0, "sysctls"},
        {s->has_se_linux_options, "seLinuxOptions"},
        {!vk_str_empty(s->seccomp_type), "seccompProfile"},
        {!vk_str_empty(s->app_armor_type), "appArmorProfile"},
        {vk_streq(s->supplemental_groups_policy, "Strict"), "supplementalGroupsPolicy"},
        {s->has_windows_options, "windowsOptions"},
    };
    for (size_t i = 0; i < VK_COUNT(fields); i++)
        name_if(fields[i].ignored, ret, arena, "", fields[i].field);
}

/* Users and groups that came through although they are not the image's. */
static void name_user(const struct pod *pod, const struct group_member *m, const char *where,
                      struct ignored_fields *ret, struct vk_arena *arena)
{
    const struct effective e = effective_of(pod, m->spec);
    const struct image_user image =
        user_of(m->image && m->image->known ? m->image->config.user : "?");
    name_if(e.has_user && (!image.user_known || image.user != e.user), ret, arena, where,
            "runAsUser");
    name_if(e.has_group && (!image.group_known || image.group != e.group), ret, arena, where,
            "runAsGroup");
    name_if(e.non_root && !e.has_user && (!image.user_known || image.user == 0), ret, arena, where,
            "runAsNonRoot");
}

void security_context_name_ignored(const struct pod *pod, const struct group_member *m,
                                   const struct pod_annotations *annotations,
                                   struct ignored_fields *ret, struct vk_arena *arena)
{
    static const struct container_security_context none = {0};
    const struct container_security_context *s =
        m->spec->security_context ? m->spec->security_context : &none;
    const char *where = vk_arena_printf(arena, "%s.", m->where + strlen("spec."));
    const bool sent = group_sku_is_confidential(annotations);
    if (!sent)
        name_user(pod, m, where, ret, arena);
    const struct {
        bool ignored;
        const char *field;
    } fields[] = {
        {!sent && s->privileged, "privileged"},
        {!sent && first_added_right(s), "capabilities.add"},
        {s->read_only_root_filesystem, "readOnlyRootFilesystem"},
        {!sent && s->has_allow_privilege_escalation && !s->allow_privilege_escalation,
         "allowPrivilegeEscalation"},
        {!sent && s->capabilities_drop.n > 0, "capabilities.drop"},
        {!vk_str_empty(s->seccomp_type), "seccompProfile"},
        {!vk_str_empty(s->app_armor_type), "appArmorProfile"},
        {s->has_se_linux_options, "seLinuxOptions"},
        {is_unmasked(s), "procMount"},
        {s->has_windows_options, "windowsOptions"},
    };
    for (size_t i = 0; i < VK_COUNT(fields); i++)
        name_if(fields[i].ignored, ret, arena, where, fields[i].field);
}

static void write_names(struct json_writer *w, const char *key, const struct json_strs *names)
{
    if (names->n == 0)
        return;
    json_begin_array(w, key);
    for (size_t i = 0; i < names->n; i++)
        json_put_string(w, NULL, names->v[i]);
    json_end_array(w);
}

static bool fits_int32(int64_t value)
{
    return value >= 0 && value <= INT32_MAX;
}

void security_context_write(struct json_writer *w, const struct pod *pod, const struct container *c,
                            const struct pod_annotations *annotations)
{
    static const struct container_security_context none = {0};
    const struct container_security_context *s = c->security_context ? c->security_context : &none;
    const struct effective e = effective_of(pod, c);
    const bool caps = s->capabilities_add.n > 0 || s->capabilities_drop.n > 0;
    if (!group_sku_is_confidential(annotations) ||
        (!caps && !s->has_privileged && !s->has_allow_privilege_escalation && !e.has_user &&
         !e.has_group))
        return;
    json_begin_object(w, "securityContext");
    if (s->has_privileged)
        json_put_bool(w, "privileged", s->privileged);
    if (s->has_allow_privilege_escalation)
        json_put_bool(w, "allowPrivilegeEscalation", s->allow_privilege_escalation);
    if (caps) {
        json_begin_object(w, "capabilities");
        write_names(w, "add", &s->capabilities_add);
        write_names(w, "drop", &s->capabilities_drop);
        json_end_object(w);
    }
    if (e.has_user && fits_int32(e.user))
        json_put_int(w, "runAsUser", e.user);
    if (e.has_group && fits_int32(e.group))
        json_put_int(w, "runAsGroup", e.group);
    json_end_object(w);
}
