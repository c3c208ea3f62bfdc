/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/volume_plan.h"

#include "base/str.h"
#include "kubelet/api/quantity.h"
#include "provider/azure_file.h"
#include "provider/sub_path.h"
#include "provider/volumes.h"

#define MAX_STORAGE_BYTES (50ll * 1000 * 1000 * 1000)
/* A plan stops growing far above what ACI takes; the count is checked at the end. */
#define MAX_PLANNED 512

struct planner {
    const struct resolved_pod *pod;
    const struct pod_annotations *annotations;
    const struct key_vault *vault;
    bool windows;
    struct vk_arena *arena;
    struct volume_plan *out;
};

/* The mount at hand. */
struct request {
    const struct group_member *member;
    const struct volume_mount *mount;
    const struct volume *volume;
    const char *where; /* "spec.containers[web].volumeMounts[data]" */
    const char *sub_path;
    struct group_mounts *mounts;
};

bool volume_plan_is_token(const struct volume *v)
{
    return v->projected && vk_starts(v->name, "kube-api-access-");
}

static const struct volume *find_spec(const struct pod_spec *spec, const char *name)
{
    const struct volume *volumes = spec->volumes.v;
    for (size_t i = 0; i < spec->volumes.n; i++) {
        if (vk_streq(volumes[i].name, name))
            return &volumes[i];
    }
    return NULL;
}

static struct group_volume *find_planned(const struct planner *p, const struct volume *spec,
                                         const char *key)
{
    for (size_t i = 0; i < p->out->volume_count; i++) {
        struct group_volume *v = p->out->volumes[i];
        if (v->spec == spec && vk_streq(v->key, key))
            return v;
    }
    return NULL;
}

/* NULL where the plan is full, which is refused for the number of volumes in the end. */
static struct group_volume *plan_volume(struct planner *p, const struct volume *spec,
                                        const char *key, enum group_volume_kind kind)
{
    struct group_volume *v = find_planned(p, spec, key);
    if (v || p->out->volume_count == MAX_PLANNED)
        return v;
    char name[VOLUME_NAME_MAX + 1];
    const char *readable = spec ? spec->name : "files";
    volumes_name(*key ? vk_arena_printf(p->arena, "%s/%s", readable, key) : readable, name);
    v = vk_arena_alloc(p->arena, sizeof(*v));
    *v = (struct group_volume){
        .name = vk_arena_strdup(p->arena, name), .kind = kind, .spec = spec, .key = key};
    p->out->volumes[p->out->volume_count++] = v;
    return v;
}

static int add_mount(const struct planner *p, const struct request *r,
                     const struct group_volume *volume, const char *path, bool read_only,
                     struct vk_err *err)
{
    struct group_mounts *m = r->mounts;
    for (size_t i = 0; i < m->n; i++) {
        if (!vk_streq(m->v[i].path, path))
            continue;
        if (m->v[i].volume == volume && !r->volume->empty_dir)
            return 0;
        return vk_err_set(err, VK_INVALID, "%s.mountPath: %.150s is mounted twice", r->where, path);
    }
    (void)p;
    if (volume && m->n < MAX_PLANNED)
        m->v[m->n++] = (struct group_mount){.volume = volume, .path = path, .read_only = read_only};
    return 0;
}

static int refuse_sub_path(const struct request *r, const char *rule, struct vk_err *err)
{
    return vk_err_set(err, VK_UNSUPPORTED, "%s.subPath: %s", r->where, rule);
}

/* The length of the directory part of a path, 0 for a bare name. */
static size_t directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

static void add_file(struct planner *p, struct group_volume *v, size_t max, const char *name,
                     const struct resolved_file *file)
{
    if (!v->files)
        v->files = vk_arena_array(p->arena, max + 1, sizeof(*v->files));
    v->files[v->file_count++] = (struct group_file){.name = name, .file = file};
}

/* A file as a volume over its directory, together with the others of that directory. */
static int plan_single_file(struct planner *p, const struct request *r,
                            const struct resolved_file *file, struct vk_err *err)
{
    const size_t n = directory_length(r->mount->mount_path);
    if (!p->annotations->sub_path_files || n == 0)
        return refuse_sub_path(
            r,
            "ACI mounts directories, not files; mount the volume at a directory of its own, or, "
            "where the image has nothing else beside the file, set " ANNOTATION_PREFIX
            "sub-path-files to directory",
            err);
    const char *directory = vk_arena_strndup(p->arena, r->mount->mount_path, n);
    const char *name = r->mount->mount_path + n + 1;
    const char *key = vk_arena_printf(p->arena, "%s:%s", r->member->spec->name, directory);
    struct group_volume *v = plan_volume(p, NULL, key, GROUP_VOLUME_FILES);
    if (!v)
        return 0;
    for (size_t i = 0; i < v->file_count; i++) {
        if (vk_streq(v->files[i].name, name))
            return vk_err_set(err, VK_INVALID, "%s.mountPath: %.150s is mounted twice", r->where,
                              r->mount->mount_path);
    }
    if (v->file_count < r->member->spec->volume_mounts.n)
        add_file(p, v, r->member->spec->volume_mounts.n, name, file);
    return add_mount(p, r, v, directory, true, err);
}

static int check_flat(const struct request *r, const char *path, struct vk_err *err)
{
    if (vk_str_empty(path) || vk_streq(path, ".") || vk_streq(path, ".."))
        return vk_err_set(err, VK_INVALID, "spec.volumes[%s]: a file has no name", r->volume->name);
    return 0;
}

/* Whether a file of the volume lies above another one's directory: ACI can't mount both. */
static const char *nested_file(const struct resolved_volume *files, const char *below)
{
    for (size_t i = 0; i < files->file_count; i++) {
        const char *a = sub_path_inside(files->files[i].path, below);
        const size_t n = a ? directory_length(a) : 0;
        for (size_t k = 0; a && k < files->file_count; k++) {
            const char *b = sub_path_inside(files->files[k].path, below);
            const size_t m = b ? directory_length(b) : 0;
            if (b && m > n && (n == 0 || (strncmp(a, b, n) == 0 && b[n] == '/')))
                return b;
        }
    }
    return NULL;
}

/* The files below sub_path, a volume per directory; *ret_found: there are some. */
static int plan_directories(struct planner *p, const struct request *r,
                            const struct resolved_volume *files, bool *ret_found,
                            struct vk_err *err)
{
    const char *nested = nested_file(files, r->sub_path);
    if (nested)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.volumes[%s]: file %.120s: ACI's secret volumes are flat; use paths "
                          "without '/', or put all files into directories beside each other",
                          r->volume->name, nested);
    for (size_t i = 0; i < files->file_count; i++) {
        const char *path = sub_path_inside(files->files[i].path, r->sub_path);
        if (!path)
            continue;
        if (check_flat(r, path, err) < 0)
            return -(int)err->code;
        *ret_found = true;
        const size_t n = directory_length(path);
        const size_t cut = strlen(files->files[i].path) - strlen(path) + n;
        const char *key = vk_arena_strndup(p->arena, files->files[i].path,
                                           n || !*r->sub_path ? cut : strlen(r->sub_path));
        const char *base = r->mount->mount_path;
        const char *at =
            n ? vk_arena_printf(p->arena, "%s/%.*s", vk_streq(base, "/") ? "" : base, (int)n, path)
              : base;
        const bool is_new = !find_planned(p, r->volume, key);
        struct group_volume *v = plan_volume(p, r->volume, key, GROUP_VOLUME_FILES);
        if (v && is_new) {
            for (size_t k = i; k < files->file_count; k++) {
                const char *other = files->files[k].path;
                if (directory_length(other) == strlen(key) && strncmp(other, key, strlen(key)) == 0)
                    add_file(p, v, files->file_count, other + strlen(key) + (*key ? 1 : 0),
                             &files->files[k]);
            }
        }
        if (add_mount(p, r, v, at, true, err) < 0)
            return -(int)err->code;
    }
    return 0;
}

static int plan_files(struct planner *p, const struct request *r,
                      const struct resolved_volume *files, struct vk_err *err)
{
    for (size_t i = 0; *r->sub_path && i < files->file_count; i++) {
        if (vk_streq(files->files[i].path, r->sub_path))
            return plan_single_file(p, r, &files->files[i], err);
    }
    bool found = false;
    if (plan_directories(p, r, files, &found, err) < 0)
        return -(int)err->code;
    if (found)
        return 0;
    if (*r->sub_path)
        return vk_err_set(err, VK_INVALID, "%s.subPath: the volume has no %.100s", r->where,
                          r->sub_path);
    return add_mount(p, r, plan_volume(p, r->volume, "", GROUP_VOLUME_EMPTY_DIR),
                     r->mount->mount_path, true, err);
}

static int check_empty_dir(const struct empty_dir_volume *e, const char *name, struct vk_err *err)
{
    int64_t bytes = 0;
    if (vk_starts(e->medium, "HugePages"))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.volumes[%s].emptyDir.medium: ACI has no huge pages; remove it or "
                          "use another node",
                          name);
    if (!vk_str_empty(e->size_limit) && !quantity_value(e->size_limit, &bytes))
        return vk_err_set(err, VK_INVALID,
                          "spec.volumes[%s].emptyDir.sizeLimit: \"%.40s\" is no quantity", name,
                          e->size_limit);
    if (bytes > MAX_STORAGE_BYTES)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.volumes[%s].emptyDir.sizeLimit: ACI gives a group 50 GB of disk; "
                          "use a file share",
                          name);
    return 0;
}

static int plan_empty_dir(struct planner *p, const struct request *r, struct vk_err *err)
{
    if (check_empty_dir(r->volume->empty_dir, r->volume->name, err) < 0)
        return -(int)err->code;
    if (key_vault_fills(p->vault, r->volume->name)) {
        if (*r->sub_path)
            return refuse_sub_path(r, "ACI mounts a volume of Key Vault secrets as a whole", err);
        return add_mount(p, r, plan_volume(p, r->volume, "", GROUP_VOLUME_KEY_VAULT),
                         r->mount->mount_path, true, err);
    }
    for (size_t i = 0; i < p->out->volume_count; i++) {
        const struct group_volume *other = p->out->volumes[i];
        if (other->spec == r->volume && !vk_streq(other->key, r->sub_path) &&
            (!*other->key || sub_path_overlaps(other->key, r->sub_path) || !*r->sub_path))
            return refuse_sub_path(
                r,
                "ACI mounts whole volumes, and another mount shares files with this one; give each "
                "path a volume of its own",
                err);
    }
    return add_mount(p, r, plan_volume(p, r->volume, r->sub_path, GROUP_VOLUME_EMPTY_DIR),
                     r->mount->mount_path, r->mount->read_only, err);
}

static int plan_share(struct planner *p, const struct request *r, struct vk_err *err)
{
    const struct resolved_share *share = azure_file_find(p->pod, r->volume->name);
    if (!share)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.volumes[%s]: the file share behind it is not known; use a claim of "
                          "file.csi.azure.com",
                          r->volume->name);
    if (azure_file_check(share, err) < 0)
        return -(int)err->code;
    if (*r->sub_path)
        return refuse_sub_path(r, "ACI mounts whole file shares; use a share per path", err);
    struct group_volume *v = plan_volume(p, r->volume, "", GROUP_VOLUME_SHARE);
    if (v)
        v->share = share;
    return add_mount(p, r, v, r->mount->mount_path, r->mount->read_only || share->read_only, err);
}

static int plan_git_repo(struct planner *p, const struct request *r, struct vk_err *err)
{
    const struct git_repo_volume *git = r->volume->git_repo;
    const char *d = git->directory;
    if (!vk_starts(git->repository, "https://"))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.volumes[%s].gitRepo.repository: ACI clones https URLs only; use "
                          "one, or clone in an init container",
                          r->volume->name);
    if (!vk_str_empty(d) && (d[0] == '/' || strstr(d, "..")))
        return vk_err_set(err, VK_INVALID,
                          "spec.volumes[%s].gitRepo.directory: must stay in the volume",
                          r->volume->name);
    if (*r->sub_path)
        return refuse_sub_path(r, "ACI mounts whole volumes; use gitRepo.directory", err);
    return add_mount(p, r, plan_volume(p, r->volume, "", GROUP_VOLUME_GIT_REPO),
                     r->mount->mount_path, r->mount->read_only, err);
}

static int refuse_kind(const struct volume *v, struct vk_err *err)
{
    if (v->csi)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.volumes[%s].csi: ACI mounts Azure file shares only "
                          "(file.csi.azure.com), not %.60s; use a file share or another node",
                          v->name, v->csi->driver ? v->csi->driver : "");
    return vk_err_set(err, VK_UNSUPPORTED,
                      "spec.volumes[%s].%s: this kind of volume can't be mounted into a container "
                      "group; use emptyDir, configMap, secret, projected, downwardAPI, azureFile "
                      "or a claim of file.csi.azure.com, or another node",
                      v->name, v->unknown_kind ? v->unknown_kind : "?");
}

static int plan_kind(struct planner *p, const struct request *r, struct vk_err *err)
{
    const struct resolved_volume *files = volumes_find_files(p->pod, r->volume->name);
    static const struct resolved_volume none = {0};
    const struct volume *v = r->volume;
    if (v->config_map || v->secret || v->projected || v->downward_api)
        return plan_files(p, r, files ? files : &none, err);
    if (v->empty_dir)
        return plan_empty_dir(p, r, err);
    if (azure_file_is(v))
        return plan_share(p, r, err);
    if (v->git_repo)
        return plan_git_repo(p, r, err);
    return refuse_kind(v, err);
}

static int check_mount(const struct request *r, struct vk_err *err)
{
    const struct volume_mount *m = r->mount;
    if (!vk_str_empty(m->mount_propagation) && !vk_streq(m->mount_propagation, "None"))
        return vk_err_set(err, VK_UNSUPPORTED, "%s.mountPropagation: ACI has none; remove it",
                          r->where);
    if (vk_streq(m->recursive_read_only, "Enabled"))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.recursiveReadOnly: ACI does not promise it; use IfPossible",
                          r->where);
    if (vk_str_empty(m->mount_path) || m->mount_path[0] != '/' || strchr(m->mount_path, ':'))
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s.mountPath: ACI takes an absolute path without ':'; use another",
                          r->where);
    return 0;
}

static int plan_mount(struct planner *p, const struct group_member *m,
                      const struct volume_mount *mount, struct group_mounts *mounts,
                      struct vk_err *err)
{
    struct request r = {
        .member = m,
        .mount = mount,
        .mounts = mounts,
        .where = vk_arena_printf(p->arena, "%s.volumeMounts[%s]", m->where,
                                 mount->name ? mount->name : ""),
        .volume = find_spec(&p->pod->pod->spec, mount->name),
    };
    if (!r.volume)
        return vk_err_set(err, VK_INVALID, "%s: no such volume", r.where);
    if (p->windows && volume_plan_is_token(r.volume))
        return 0;
    if (p->windows)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "%s: ACI mounts volumes into Linux containers only; remove it", r.where);
    if (check_mount(&r, err) < 0 ||
        sub_path_of_mount(m->container, mount, r.where, p->arena, &r.sub_path, err) < 0)
        return -(int)err->code;
    return plan_kind(p, &r, err);
}

static int plan_members(struct planner *p, const struct group_member *m, size_t n,
                        struct group_mounts **ret, struct vk_err *err)
{
    struct group_mounts *out = vk_arena_array(p->arena, n + 1, sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        const struct volume_mount *mounts = m[i].spec->volume_mounts.v;
        if (m[i].spec->volume_device_count > 0)
            return vk_err_set(
                err, VK_UNSUPPORTED,
                "%s.volumeDevices: ACI has no block devices; use a file share or another node",
                m[i].where);
        if (m[i].spec->volume_mounts.n)
            out[i].v = vk_arena_array(p->arena, MAX_PLANNED, sizeof(*out[i].v));
        for (size_t k = 0; k < m[i].spec->volume_mounts.n; k++) {
            if (plan_mount(p, &m[i], &mounts[k], &out[i], err) < 0)
                return -(int)err->code;
        }
    }
    *ret = out;
    return 0;
}

/* In the order of the pod's volumes, so that a group reads like its pod. */
static void sort_volumes(const struct planner *p)
{
    struct volume_plan *plan = p->out;
    struct group_volume **sorted =
        vk_arena_array(p->arena, plan->volume_count + 1, sizeof(plan->volumes[0]));
    const struct volume *specs = p->pod->pod->spec.volumes.v;
    size_t n = 0;
    for (size_t i = 0; i <= p->pod->pod->spec.volumes.n; i++) {
        const struct volume *spec = i < p->pod->pod->spec.volumes.n ? &specs[i] : NULL;
        for (size_t k = 0; k < plan->volume_count; k++) {
            if (plan->volumes[k]->spec == spec)
                sorted[n++] = plan->volumes[k];
        }
    }
    plan->volumes = sorted;
}

int volume_plan_make(const struct resolved_pod *pod, const struct group_layout *layout,
                     const struct pod_annotations *annotations, const struct key_vault *vault,
                     bool windows, struct vk_arena *arena, struct volume_plan *ret,
                     struct vk_err *err)
{
    struct volume_plan out = {
        .volumes = vk_arena_array(arena, MAX_PLANNED, sizeof(*out.volumes)),
        .vault = vault,
    };
    struct planner p = {.pod = pod,
                        .annotations = annotations,
                        .vault = vault,
                        .windows = windows,
                        .arena = arena,
                        .out = &out};
    if (plan_members(&p, layout->init_containers, layout->init_container_count,
                     &out.init_containers, err) < 0 ||
        plan_members(&p, layout->containers, layout->container_count, &out.containers, err) < 0)
        return -(int)err->code;
    if (out.volume_count > VOLUMES_MAX)
        return vk_err_set(err, VK_UNSUPPORTED,
                          "spec.volumes: %zu are mounted, a container group takes %d; each "
                          "directory of files counts as one",
                          out.volume_count, VOLUMES_MAX);
    sort_volumes(&p);
    *ret = out;
    return 0;
}
