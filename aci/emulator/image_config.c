/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/image_config.h"

#include "base/json.h"

#define INSPECT_MAX ((size_t)1 << 20)

static char **strings_of(const struct json *list, struct vk_arena *arena)
{
    char **out = vk_arena_array(arena, json_len(list) + 1, sizeof(*out));
    size_t n = 0;
    for (const struct json *v = json_first(list); v; v = json_next(v)) {
        const char *s = json_string(v);
        if (s)
            out[n++] = vk_arena_strdup(arena, s);
    }
    return out;
}

/* "registry/path@sha256:..." of the wanted repository, or of whichever the image has. */
static char *digest_of(const struct json *image, const char *repository, struct vk_arena *arena)
{
    const struct json *digests = json_get(image, "RepoDigests");
    for (const struct json *v = json_first(digests); v; v = json_next(v)) {
        const char *s = json_string(v);
        if (s && vk_starts(s, repository) && s[strlen(repository)] == '@')
            return vk_arena_strdup(arena, s);
    }
    return vk_arena_printf(arena, "%s@%s", repository, json_string_or(image, "Digest", "sha256:"));
}

static int parse_into(struct image_config *config, const struct json *image, const char *repository,
                      struct vk_err *err)
{
    struct vk_arena *arena = config->arena;
    const struct json *c = json_get(image, "Config");
    const struct json *driver = json_get(image, "GraphDriver");
    const struct json *data = json_get(driver, "Data");
    const char *upper = json_string_or(data, "UpperDir", NULL);
    const char *driver_name = json_string_or(driver, "Name", "");
    if (!image)
        return vk_err_set(err, VK_PROTOCOL, "image inspect of %s gave no image", repository);
    if (!vk_streq(driver_name, "overlay") || !upper)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "image store of %s: driver \"%s\" instead of overlay", repository,
                          driver_name);
    config->id = digest_of(image, repository, arena);
    config->entrypoint = strings_of(json_get(c, "Entrypoint"), arena);
    config->cmd = strings_of(json_get(c, "Cmd"), arena);
    config->env = strings_of(json_get(c, "Env"), arena);
    config->user = vk_arena_strdup(arena, json_string_or(c, "User", ""));
    config->working_dir = vk_arena_strdup(arena, json_string_or(c, "WorkingDir", ""));
    struct vk_str rest = vk_str_of(json_string_or(data, "LowerDir", ""));
    size_t count = 1;
    for (size_t i = 0; i < rest.n; i++)
        count += rest.p[i] == ':';
    config->layers = vk_arena_array(arena, count + 2, sizeof(*config->layers));
    config->layers[0] = vk_arena_strdup(arena, upper);
    for (size_t n = 1; rest.n > 0;) {
        struct vk_str one = vk_str_cut(rest, ':', &rest);
        if (one.n)
            config->layers[n++] = vk_arena_str(arena, one);
    }
    return 0;
}

int image_config_parse(struct vk_str text, const char *repository, struct image_config **ret,
                       struct vk_err *err)
{
    struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
    const struct json *root;
    if (json_parse(text, INSPECT_MAX, scratch, &root, err) < 0)
        return vk_err_wrap(err, "image inspect of %s", repository);
    struct vk_arena *arena = vk_arena_new();
    struct image_config *config = vk_arena_alloc(arena, sizeof(*config));
    config->arena = arena;
    config->references = 1;
    int rc = parse_into(config, json_first(root), repository, err);
    if (rc < 0) {
        image_config_unref(config);
        return rc;
    }
    *ret = config;
    return 0;
}

struct image_config *image_config_ref(struct image_config *config)
{
    config->references++;
    return config;
}

void image_config_unref(struct image_config *config)
{
    if (config && --config->references == 0)
        vk_arena_free(config->arena);
}

/* Splits one line of passwd or group at colons. */
static size_t fields_of(struct vk_str line, struct vk_str *out, size_t max)
{
    size_t n = 0;
    struct vk_str rest = line;
    while (n < max) {
        out[n++] = vk_str_cut(rest, ':', &rest);
        if (!rest.p)
            break;
    }
    return n;
}

/* The line whose field `column` is `key`; false when there is none. */
static bool find_line(struct vk_str text, size_t column, struct vk_str key, struct vk_str *ret,
                      size_t count)
{
    while (text.n > 0) {
        struct vk_str line = vk_str_cut(text, '\n', &text);
        if (fields_of(line, ret, count) == count && vk_str_eq(ret[column], key))
            return true;
    }
    return false;
}

static bool is_member(struct vk_str members, struct vk_str name)
{
    while (members.n > 0)
        if (vk_str_eq(vk_str_trim(vk_str_cut(members, ',', &members)), name))
            return true;
    return false;
}

static void add_supplementary(struct vk_str group, struct vk_str name, struct image_user *user)
{
    while (group.n > 0 && user->group_count < IMAGE_GROUPS_MAX) {
        struct vk_str f[4];
        int64_t gid;
        struct vk_str line = vk_str_cut(group, '\n', &group);
        if (fields_of(line, f, 4) == 4 && vk_str_int64(f[2], 0, UINT32_MAX, &gid) &&
            is_member(f[3], name))
            user->groups[user->group_count++] = (uint32_t)gid;
    }
}

static int resolve_group(struct vk_str name, struct vk_str group, struct image_user *user,
                         struct vk_err *err)
{
    struct vk_str f[3];
    int64_t gid;
    if (!vk_str_int64(name, 0, UINT32_MAX, &gid) &&
        (!find_line(group, 0, name, f, 3) || !vk_str_int64(f[2], 0, UINT32_MAX, &gid)))
        return vk_err_set(err, VK_INVALID,
                          "unable to find group %.*s: no matching entries in group "
                          "file",
                          (int)(name.n < 64 ? name.n : 64), name.p);
    user->gid = (uint32_t)gid;
    return 0;
}

int image_user_resolve(const char *user, struct vk_str passwd, struct vk_str group,
                       struct image_user *ret, struct vk_err *err)
{
    struct image_user u = {.home = "/"};
    struct vk_str group_name, f[6] = {{0}};
    struct vk_str name = vk_str_cut(vk_str_of(user), ':', &group_name);
    int64_t uid = 0, gid = 0;
    bool numeric = !name.n || vk_str_int64(name, 0, UINT32_MAX, &uid);
    bool found = find_line(passwd, numeric ? 2 : 0, name.n ? name : VK_STR("0"), f, 6);
    if (!numeric && (!found || !vk_str_int64(f[2], 0, UINT32_MAX, &uid)))
        return vk_err_set(err, VK_INVALID,
                          "unable to find user %.64s: no matching entries in passwd file", user);
    if (found) {
        if (vk_str_int64(f[3], 0, UINT32_MAX, &gid))
            u.gid = (uint32_t)gid;
        if (f[5].n && f[5].n < sizeof(u.home)) {
            memcpy(u.home, f[5].p, f[5].n);
            u.home[f[5].n] = '\0';
        }
    } else if (uid == 0) {
        (void)vk_strcpy_to(u.home, sizeof(u.home), "/root");
    }
    u.uid = (uint32_t)uid;
    if (group_name.n) {
        int rc = resolve_group(group_name, group, &u, err);
        if (rc < 0)
            return rc;
    } else if (found) {
        add_supplementary(group, f[0], &u);
    }
    *ret = u;
    return 0;
}
