/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mount.h>
#include <unistd.h>

#include "aci/emulator/runc_capabilities.h"
#include "aci/emulator/runc_config.h"
#include "aci/emulator/runc_engine.h"
#include "aci/emulator/runc_mounts.h"
#include "base/alloc.h"
#include "base/arena.h"

#define USER_FILE_MAX ((size_t)1 << 20)
#define CONFIG_MAX ((size_t)4 << 20)

/* The upper folder's mode is that of the container's "/". */
static int make_folders(const struct runc_instance *i, struct vk_err *err)
{
    static const char *const below[] = {"", "/upper", "/work", "/rootfs", "/mounts"};
    int rc = sandbox_files_mkdir(i->bundle, 0700, true, err);
    for (size_t n = 0; rc == 0 && n < VK_COUNT(below); n++) {
        char *path VK_AUTOFREE = vk_asprintf("%s%s", i->directory, below[n]);
        rc = sandbox_files_mkdir(path, 0755, true, err);
    }
    return rc;
}

static int mount_root(struct runc_instance *i, const struct image_config *image, struct vk_err *err)
{
    char *links VK_AUTOFREE = vk_asprintf("%s/layers", i->sandbox->engine->state_dir);
    char *upper VK_AUTOFREE = vk_asprintf("%s/upper", i->directory);
    char *work VK_AUTOFREE = vk_asprintf("%s/work", i->directory);
    char *rootfs VK_AUTOFREE = vk_asprintf("%s/rootfs", i->directory);
    int rc = runc_mounts_overlay(links, image->layers, upper, work, rootfs, err);
    i->mounted = rc == 0;
    return rc;
}

/* The user of the spec where it names one, else the image's; names come from the image's files. */
static int resolve_user(const char *rootfs, const struct engine_container_spec *spec,
                        const struct image_config *image, struct image_user *ret,
                        struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_str passwd = runc_mounts_read_in_root(rootfs, "etc/passwd", USER_FILE_MAX, arena);
    struct vk_str group = runc_mounts_read_in_root(rootfs, "etc/group", USER_FILE_MAX, arena);
    const char *user = image->user;
    if (spec->run_as_user >= 0)
        user = vk_arena_printf(arena, "%lld", (long long)spec->run_as_user);
    int rc = image_user_resolve(user, passwd, group, ret, err);
    if (rc == 0 && spec->run_as_group >= 0)
        ret->gid = (uint32_t)spec->run_as_group;
    return rc;
}

static int add_mount(struct runc_instance *i, const struct engine_mount *mount,
                     struct runc_bind *ret, struct vk_arena *arena, struct vk_err *err)
{
    const struct sandbox_volume *v = sandbox_files_volume(&i->sandbox->files, mount->volume);
    if (!v)
        return vk_err_set(err, VK_INVALID,
                          "container %s mounts volume \"%.100s\", which the group "
                          "does not have",
                          i->name, mount->volume);
    if (!mount->path || mount->path[0] != '/')
        return vk_err_set(err, VK_INVALID, "container %s: mount path \"%.100s\" is not absolute",
                          i->name, mount->path ? mount->path : "");
    *ret = (struct runc_bind){
        .source = v->path,
        .destination = mount->path,
        .read_only = v->read_only || mount->read_only,
    };
    if (vk_str_empty(mount->sub_path))
        return 0;
    ret->source = vk_arena_printf(arena, "%s/mounts/%u", i->directory, i->sub_path_count);
    int rc = runc_mounts_sub_path(v->path, mount->sub_path, ret->source, err);
    if (rc == 0)
        i->sub_path_count++;
    return rc;
}

/* Files of /etc first: a volume mounted at /etc goes over them, as everywhere else. */
static int collect_binds(struct runc_instance *i, const struct engine_container_spec *spec,
                         struct vk_arena *arena, struct runc_bind **ret, size_t *ret_count,
                         struct vk_err *err)
{
    static const char *const etc[] = {"resolv.conf", "hosts", "hostname"};
    struct runc_bind *binds =
        vk_arena_array(arena, spec->mount_count + VK_COUNT(etc), sizeof(*binds));
    size_t n = 0;
    for (; n < VK_COUNT(etc); n++)
        binds[n] = (struct runc_bind){
            .source = vk_arena_printf(arena, "%s/etc/%s", i->sandbox->files.directory, etc[n]),
            .destination = vk_arena_printf(arena, "/etc/%s", etc[n]),
        };
    for (size_t m = 0; m < spec->mount_count; m++) {
        int rc = add_mount(i, &spec->mounts[m], &binds[n++], arena, err);
        if (rc < 0)
            return rc;
    }
    *ret = binds;
    *ret_count = n;
    return 0;
}

static int write_config(struct runc_instance *i, const struct engine_container_spec *spec,
                        const struct image_config *image, struct vk_err *err)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    char ns[32];
    sandbox_net_namespace(&i->sandbox->engine->net, i->sandbox->index, ns);
    struct image_user user;
    struct runc_bind *binds = NULL;
    struct runc_config_input in = {
        .spec = spec,
        .image = image,
        .user = &user,
        .rootfs = vk_arena_printf(arena, "%s/rootfs", i->directory),
        .hostname = i->sandbox->hostname,
        .net_path = vk_arena_printf(arena, "/run/netns/%s", ns),
        .cgroup_path = i->cgroup,
        .nofile = i->sandbox->engine->nofile,
    };
    int rc = resolve_user(in.rootfs, spec, image, &user, err);
    if (rc == 0)
        rc = runc_capabilities_of(spec, &in.capabilities, err);
    if (rc == 0)
        rc = collect_binds(i, spec, arena, &binds, &in.bind_count, err);
    if (rc < 0)
        return rc;
    in.binds = binds;
    struct vk_buf text;
    vk_buf_init(&text, CONFIG_MAX);
    rc = runc_config_write(&in, &text, err);
    if (rc == 0)
        rc = sandbox_files_write(vk_arena_printf(arena, "%s/config.json", i->bundle),
                                 vk_buf_str(&text), 0600, err);
    vk_buf_release_secret(&text);
    return rc;
}

int runc_prepare(struct runc_instance *i, const struct engine_container_spec *spec,
                 struct vk_err *err)
{
    const struct image_config *image = image_store_get(i->sandbox->engine->images, spec->image);
    if (!image)
        return vk_err_set(err, VK_NOT_FOUND, "image \"%.200s\" was not pulled", spec->image);
    int rc = make_folders(i, err);
    if (rc == 0)
        rc = mount_root(i, image, err);
    return rc == 0 ? write_config(i, spec, image, err) : rc;
}

void runc_unprepare(struct runc_instance *i)
{
    while (i->sub_path_count > 0) {
        char *path VK_AUTOFREE = vk_asprintf("%s/mounts/%u", i->directory, --i->sub_path_count);
        (void)umount2(path, MNT_DETACH);
    }
    if (i->mounted) {
        char *rootfs VK_AUTOFREE = vk_asprintf("%s/rootfs", i->directory);
        (void)umount2(rootfs, MNT_DETACH);
        i->mounted = false;
    }
    runc_trash(i->sandbox->engine, i->directory);
    static const char *const files[] = {"config.json", "pid", "runc.log"};
    for (size_t n = 0; n < VK_COUNT(files); n++) {
        char *path VK_AUTOFREE = vk_asprintf("%s/%s", i->bundle, files[n]);
        (void)unlink(path);
    }
    (void)rmdir(i->bundle);
}
