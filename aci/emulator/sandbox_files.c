/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/sandbox_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aci/emulator/runc_git.h"
#include "aci/emulator/runc_mounts.h"
#include "base/alloc.h"

/* Azure's own resolver, which ACI puts into every resolv.conf. */
#define PLATFORM_RESOLVER "168.63.129.16"
#define SECRETS_OPTIONS "mode=755,size=16m,nr_inodes=16k"

bool sandbox_files_is_name(const char *name)
{
    return !vk_str_empty(name) && !strchr(name, '/') && !vk_streq(name, ".") &&
           !vk_streq(name, "..") && strlen(name) < 256;
}

int sandbox_files_mkdir(const char *path, unsigned mode, bool new_one, struct vk_err *err)
{
    if (mkdir(path, mode) < 0 && (new_one || errno != EEXIST))
        return vk_err_errno(err, errno, "make folder %s", path);
    if (chmod(path, mode) < 0)
        return vk_err_errno(err, errno, "set the mode of %s", path);
    return 0;
}

int sandbox_files_write(const char *path, struct vk_str text, unsigned mode, struct vk_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return vk_err_errno(err, errno, "make %s", path);
    int failed = 0;
    while (text.n > 0 && !failed) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0) {
            failed = errno;
            break;
        }
        text.p += n;
        text.n -= (size_t)n;
    }
    if (!failed && fchmod(fd, mode) < 0)
        failed = errno;
    close(fd);
    return failed ? vk_err_errno(err, failed, "write %s", path) : 0;
}

void sandbox_files_resolv_conf(const struct engine_sandbox_spec *spec, struct vk_buf *out)
{
    bool has_platform = false;
    for (size_t i = 0; i < spec->name_server_count; i++) {
        vk_buf_printf(out, "nameserver %s\n", spec->name_servers[i]);
        has_platform = has_platform || vk_streq(spec->name_servers[i], PLATFORM_RESOLVER);
    }
    if (!has_platform)
        vk_buf_adds(out, "nameserver " PLATFORM_RESOLVER "\n");
    if (!vk_str_empty(spec->search_domains))
        vk_buf_printf(out, "search %s\n", spec->search_domains);
    if (!vk_str_empty(spec->dns_options))
        vk_buf_printf(out, "options %s\n", spec->dns_options);
}

static int write_etc(const struct sandbox_files *files, const struct engine_sandbox_spec *spec,
                     const char *ip, struct vk_err *err)
{
    struct vk_buf resolv VK_BUF_AUTO, hosts VK_BUF_AUTO, hostname VK_BUF_AUTO;
    vk_buf_init(&resolv, 64 << 10);
    vk_buf_init(&hosts, 4096);
    vk_buf_init(&hostname, 1024);
    sandbox_files_resolv_conf(spec, &resolv);
    vk_buf_printf(&hosts,
                  "127.0.0.1\tlocalhost\n"
                  "::1\tlocalhost ip6-localhost ip6-loopback\n"
                  "%s\t%s\n",
                  ip, spec->hostname);
    vk_buf_printf(&hostname, "%s\n", spec->hostname);
    const struct {
        const char *name;
        const struct vk_buf *text;
    } etc[] = {{"resolv.conf", &resolv}, {"hosts", &hosts}, {"hostname", &hostname}};
    for (size_t i = 0; i < VK_COUNT(etc); i++) {
        char *path VK_AUTOFREE = vk_asprintf("%s/etc/%s", files->directory, etc[i].name);
        int rc = sandbox_files_write(path, vk_buf_str(etc[i].text), 0644, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int make_secret(struct sandbox_files *files, const struct engine_volume *volume,
                       const char *path, struct vk_err *err)
{
    if (!files->has_secrets) {
        char *root VK_AUTOFREE = vk_asprintf("%s/secrets", files->directory);
        int rc = sandbox_files_mkdir(root, 0755, true, err);
        if (rc == 0)
            rc = runc_mounts_tmpfs(root, SECRETS_OPTIONS, err);
        if (rc < 0)
            return rc;
        files->has_secrets = true;
    }
    int rc = sandbox_files_mkdir(path, 0755, true, err);
    for (size_t i = 0; rc == 0 && i < volume->file_count; i++) {
        const struct engine_file *f = &volume->files[i];
        if (!sandbox_files_is_name(f->name))
            return vk_err_set(err, VK_INVALID, "secret volume %s: \"%.100s\" is no file name",
                              volume->name, f->name ? f->name : "");
        char *file VK_AUTOFREE = vk_asprintf("%s/%s", path, f->name);
        rc = sandbox_files_write(file, f->content, 0644, err);
    }
    return rc;
}

/* "account/share" below the folder of all shares. */
static int make_share(const char *shares, const char *share, const char *path, struct vk_err *err)
{
    const char *slash = share ? strchr(share, '/') : NULL;
    char *account VK_AUTOFREE = slash ? vk_strndup(share, (size_t)(slash - share)) : NULL;
    if (!slash || !sandbox_files_is_name(account) || !sandbox_files_is_name(slash + 1))
        return vk_err_set(err, VK_INVALID, "file share \"%.100s\": expected account/share",
                          share ? share : "");
    char *parent VK_AUTOFREE = vk_asprintf("%s/%s", shares, account);
    int rc = sandbox_files_mkdir(parent, 0755, false, err);
    return rc < 0 ? rc : sandbox_files_mkdir(path, 0777, false, err);
}

static int make_volume(struct sandbox_files *files, const char *shares,
                       const struct engine_volume *v, struct vk_err *err)
{
    if (!sandbox_files_is_name(v->name))
        return vk_err_set(err, VK_INVALID, "\"%.100s\" is no volume name", v->name ? v->name : "");
    struct sandbox_volume *made = &files->volumes[files->volume_count++];
    made->name = vk_strdup(v->name);
    made->read_only = v->read_only;
    switch (v->kind) {
    case ENGINE_VOLUME_SECRET:
        made->path = vk_asprintf("%s/secrets/%s", files->directory, v->name);
        return make_secret(files, v, made->path, err);
    case ENGINE_VOLUME_SHARE:
        made->path = vk_asprintf("%s/%s", shares, v->share ? v->share : "");
        return make_share(shares, v->share, made->path, err);
    case ENGINE_VOLUME_GIT_REPO:
        if (runc_git_check(&v->git, err) < 0)
            return -(int)err->code;
        break;
    case ENGINE_VOLUME_EMPTY_DIR:
        break;
    }
    made->path = vk_asprintf("%s/volumes/%s", files->directory, v->name);
    return sandbox_files_mkdir(made->path, 0777, true, err);
}

int sandbox_files_make(struct sandbox_files *files, const char *directory, const char *shares,
                       const struct engine_sandbox_spec *spec, const char *ip, struct vk_err *err)
{
    static const char *const below[] = {"", "/etc", "/volumes"};
    *files = (struct sandbox_files){
        .directory = vk_strdup(directory),
        .volumes = vk_calloc(spec->volume_count + 1, sizeof(*files->volumes)),
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < VK_COUNT(below); i++) {
        char *path VK_AUTOFREE = vk_asprintf("%s%s", directory, below[i]);
        rc = sandbox_files_mkdir(path, 0711, true, err);
    }
    if (rc == 0)
        rc = write_etc(files, spec, ip, err);
    for (size_t i = 0; rc == 0 && i < spec->volume_count; i++)
        rc = make_volume(files, shares, &spec->volumes[i], err);
    return rc;
}

const struct sandbox_volume *sandbox_files_volume(const struct sandbox_files *files,
                                                  const char *name)
{
    for (size_t i = 0; i < files->volume_count; i++)
        if (vk_streq(files->volumes[i].name, name))
            return &files->volumes[i];
    return NULL;
}

void sandbox_files_unmount(struct sandbox_files *files)
{
    if (!files->has_secrets)
        return;
    char *path VK_AUTOFREE = vk_asprintf("%s/secrets", files->directory);
    (void)umount2(path, MNT_DETACH);
    files->has_secrets = false;
}

void sandbox_files_release(struct sandbox_files *files)
{
    for (size_t i = 0; i < files->volume_count; i++) {
        vk_free(files->volumes[i].name);
        vk_free(files->volumes[i].path);
    }
    vk_free(files->volumes);
    vk_free(files->directory);
    *files = (struct sandbox_files){0};
}
