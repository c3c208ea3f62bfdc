/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aci/emulator/log_follow.h"
#include "aci/emulator/runc_engine.h"
#include "aci/emulator/runc_mounts.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define CLEAN_DEADLINE_MS 10000
#define CLEAN_STEP_MS 10
#define REMOVE_DEADLINE_MS 60000
#define RUN_OPTIONS "mode=700,size=25%"

static void empty_trash(struct runc_engine *e);

static void on_trash_emptied(void *user, const struct runc_result *result)
{
    struct runc_engine *e = user;
    e->trash_busy = false;
    if (result->ok)
        empty_trash(e);
    else
        log_warning("Trash was not emptied", LS("path", e->state_dir));
}

/* What a container wrote can be large: another process removes it, never the loop. */
static void empty_trash(struct runc_engine *e)
{
    if (e->trash_busy || !e->trash_full)
        return;
    char *from VK_AUTOFREE = vk_asprintf("%s/trash", e->state_dir);
    char *to VK_AUTOFREE = vk_asprintf("%s/trash.old", e->state_dir);
    /* An old one that could not be emptied: rename fails, both are removed together. */
    bool moved = rename(from, to) == 0 && mkdir(from, 0700) == 0;
    const char *const argv[] = {"rm", "-rf", "--one-file-system", "--", to, NULL};
    struct runc_command command = {
        .lane = RUNC_LANE_REMOVAL,
        .argv = argv,
        .output_fd = -1,
        .deadline_ms = REMOVE_DEADLINE_MS,
    };
    e->trash_busy = true;
    e->trash_full = !moved;
    runc_processes_run(e->processes, &command, on_trash_emptied, e);
}

void runc_trash(struct runc_engine *e, const char *path)
{
    uint64_t number = 0;
    crypto_random(&number, sizeof(number));
    char *to VK_AUTOFREE =
        vk_asprintf("%s/trash/%016llx", e->state_dir, (unsigned long long)number);
    if (rename(path, to) < 0) {
        if (errno != ENOENT)
            log_warning("Folder stays", LS("path", path), LS("err", strerror(errno)));
        return;
    }
    e->trash_full = true;
    empty_trash(e);
}

/* Kills and waits for all that runs below our control group. */
static void kill_all(const struct runc_engine *e, const char *cgroup)
{
    const struct timespec step = {.tv_nsec = CLEAN_STEP_MS * 1000000L};
    for (int64_t end = vk_mono_ms() + CLEAN_DEADLINE_MS; vk_mono_ms() < end;) {
        int left = cgroup_kill(&e->cgroups, cgroup);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (!left && cgroup_remove(&e->cgroups, cgroup))
            return;
        (void)nanosleep(&step, NULL);
    }
    log_warning("Control group stays", LS("cgroup", cgroup));
}

/*
 * Removes all that this emulator, or one that was killed while it used the same state folder, left
 * on the machine; images and shares stay.
 */
static void clean(const struct runc_engine *e)
{
    char *cgroup VK_AUTOFREE = vk_asprintf("/%s", e->name);
    kill_all(e, cgroup);
    runc_mounts_detach_below(e->state_dir);
    sandbox_net_clean(e->name);
    static const char *const folders[] = {"sandboxes", "trash", "trash.old", "run", "layers"};
    char *paths[VK_COUNT(folders)];
    const char *argv[VK_COUNT(folders) + 5] = {"rm", "-rf", "--one-file-system", "--"};
    for (size_t i = 0; i < VK_COUNT(folders); i++)
        argv[i + 4] = paths[i] = vk_asprintf("%s/%s", e->state_dir, folders[i]);
    if (runc_process_run_now(argv, VK_STR(""), REMOVE_DEADLINE_MS))
        log_warning("State folder was not emptied", LS("path", e->state_dir));
    for (size_t i = 0; i < VK_COUNT(folders); i++)
        vk_free(paths[i]);
}

/*
 * The first process of a container ends after all others of its PID namespace were reaped, those of
 * an exec by us: later than its control group was empty.
 */
static void reap(const struct engine_sandbox *s)
{
    const struct timespec step = {.tv_nsec = CLEAN_STEP_MS * 1000000L};
    int64_t end = vk_mono_ms() + CLEAN_DEADLINE_MS;
    VK_LIST_FOREACH(it, &s->instances)
    {
        const struct runc_instance *i = VK_LIST_ENTRY(it, struct runc_instance, node);
        while (i->state == RUNC_INSTANCE_RUNNING && waitpid(i->pid, NULL, WNOHANG) == 0 &&
               vk_mono_ms() < end)
            (void)nanosleep(&step, NULL);
    }
}

static void engine_free(struct engine *engine)
{
    struct runc_engine *e = runc_engine_of(engine);
    if (!e)
        return;
    runc_processes_free(e->processes);
    runc_exec_free_all(e);
    if (e->lock_fd >= 0 && e->cgroups.root)
        clean(e);
    VK_LIST_FOREACH(it, &e->sandboxes)
    {
        struct engine_sandbox *s = VK_LIST_ENTRY(it, struct engine_sandbox, node);
        reap(s);
        runc_sandbox_free(s);
    }
    image_store_free(e->images);
    if (e->lock_fd >= 0)
        close(e->lock_fd);
    sandbox_net_release(&e->net);
    vk_free(e->git_mirror);
    vk_free(e->state_dir);
    vk_free(e);
}

bool runc_cgroup_usage(const struct runc_engine *e, const char *cgroup, struct engine_usage *ret)
{
    struct cgroup_usage usage;
    if (!cgroup_usage_read(&e->cgroups, cgroup, &usage))
        return false;
    *ret = (struct engine_usage){
        .cpu_ns = usage.cpu_ns,
        .memory_bytes = usage.memory_bytes,
        .working_set_bytes = usage.working_set_bytes,
        .rss_bytes = usage.rss_bytes,
    };
    return true;
}

static void engine_pull(struct engine *engine, const struct engine_image_spec *spec,
                        engine_pulled_fn done, void *user)
{
    image_store_pull(runc_engine_of(engine)->images, spec, done, user);
}

static void engine_log_unfollow(struct engine *engine, struct engine_log_follow *f)
{
    (void)engine;
    log_follow_free(f);
}

static const struct engine_ops runc_ops = {
    .name = "runc",
    .pull = engine_pull,
    .sandbox_create = runc_sandbox_create,
    .sandbox_delete = runc_sandbox_delete,
    .container_start = runc_instance_start,
    .container_kill = runc_instance_kill,
    .container_logs = runc_instance_logs,
    .container_check = runc_container_check,
    .container_usage = runc_instance_usage,
    .sandbox_usage = runc_sandbox_usage,
    .sandbox_enter = runc_sandbox_enter,
    .exec_start = runc_exec_start,
    .exec_write = runc_exec_write,
    .exec_pause = runc_exec_pause,
    .exec_close = runc_exec_close,
    .log_follow = runc_instance_follow,
    .log_unfollow = engine_log_unfollow,
    .free = engine_free,
};

static bool is_installed(const char *program)
{
    static const char *const folders[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                          "/usr/bin",        "/sbin",          "/bin"};
    for (size_t i = 0; i < VK_COUNT(folders); i++) {
        char *path VK_AUTOFREE = vk_asprintf("%s/%s", folders[i], program);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

static int check_machine(struct vk_err *err)
{
    static const struct {
        const char *program, *package;
    } needed[] = {{"runc", "runc"}, {"podman", "podman"}, {"ip", "iproute2"}};
    if (geteuid() != 0)
        return vk_err_set(err, VK_FORBIDDEN,
                          "the runc engine needs root; --engine simulated does "
                          "not");
    for (size_t i = 0; i < VK_COUNT(needed); i++)
        if (!is_installed(needed[i].program))
            return vk_err_set(err, VK_UNSUPPORTED, "%s is not installed: apt-get install %s",
                              needed[i].program, needed[i].package);
    return 0;
}

/* Makes the folder, resolves it, takes its lock, and derives the name of all that is global. */
static int open_state(struct runc_engine *e, const char *state_dir, struct vk_err *err)
{
    char path[PATH_MAX], digest[65];
    int rc = sandbox_files_mkdir(state_dir, 0711, false, err);
    if (rc < 0)
        return rc;
    if (!realpath(state_dir, path))
        return vk_err_errno(err, errno, "state directory %s", state_dir);
    if (strpbrk(path, ":,\\"))
        return vk_err_set(err, VK_INVALID,
                          "state directory %s: an overlay mount takes no ':', ',' or '\\'", path);
    e->state_dir = vk_strdup(path);
    crypto_sha256_hex(path, strlen(path), digest);
    (void)snprintf(e->name, sizeof(e->name), "aci%.6s", digest);
    char *lock VK_AUTOFREE = vk_asprintf("%s/lock", path);
    e->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (e->lock_fd < 0)
        return vk_err_errno(err, errno, "open %s", lock);
    if (flock(e->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        close(e->lock_fd);
        e->lock_fd = -1;
        return vk_err_set(err, VK_CONFLICT, "another emulator uses the state directory %s", path);
    }
    return 0;
}

static int make_folders(const struct runc_engine *e, struct vk_err *err)
{
    static const struct {
        const char *name;
        unsigned mode;
    } folders[] = {
        {"sandboxes", 0711}, {"trash", 0700}, {"run", 0700}, {"layers", 0755}, {"shares", 0711}};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < VK_COUNT(folders); i++) {
        char *path VK_AUTOFREE = vk_asprintf("%s/%s", e->state_dir, folders[i].name);
        rc = sandbox_files_mkdir(path, folders[i].mode, false, err);
        if (rc == 0 && vk_streq(folders[i].name, "run"))
            rc = runc_mounts_tmpfs(path, RUN_OPTIONS, err);
    }
    return rc;
}

int engine_runc_new(struct vk_loop *loop, const struct engine_runc_config *config,
                    struct engine **ret, struct vk_err *err)
{
    struct rlimit files = {0};
    struct runc_engine *e = vk_calloc(1, sizeof(*e));
    e->base.ops = &runc_ops;
    e->loop = loop;
    e->git_mirror = vk_str_empty(config->git_mirror) ? NULL : vk_strdup(config->git_mirror);
    e->lock_fd = -1;
    vk_list_init(&e->sandboxes);
    vk_list_init(&e->execs);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    e->nofile = files.rlim_max > 1048576 ? 1048576 : (int64_t)files.rlim_max;
    int rc = check_machine(err);
    if (rc == 0 && e->git_mirror && e->git_mirror[0] != '/')
        rc = vk_err_set(err, VK_INVALID, "git mirror %s: expected an absolute path", e->git_mirror);
    if (rc == 0)
        rc = open_state(e, config->state_dir, err);
    if (rc == 0)
        rc = cgroup_tree_open(CGROUP_ROOT, &e->cgroups, err);
    if (rc == 0)
        rc = sandbox_net_init(&e->net, e->name, config->pod_cidr, err);
    if (rc == 0) {
        clean(e);
        rc = make_folders(e, err);
    }
    if (rc == 0)
        rc = sandbox_net_up(&e->net, err);
    if (rc == 0) {
        e->processes = runc_processes_new(loop);
        rc = image_store_new(loop, e->processes, e->state_dir, config->registry_mirror, &e->images,
                             err);
    }
    if (rc < 0) {
        engine_free(&e->base);
        return vk_err_wrap(err, "runc engine");
    }
    *ret = &e->base;
    return 0;
}
