/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the runc engine and what they know of each other. The engine owns its sandboxes, a
 * sandbox its instances; an instance is one run of a container from its start to the removal of the
 * last trace, and stays as a record for its log until the next run of the same name has started.
 *
 * State folder: podman/ (images, a cache that survives), layers/ (short names for overlay mounts),
 * shares/ (file shares, survive), run/ (a tmpfs: bundles, the runtime's state), sandboxes/, trash/.
 */
#pragma once

#include "aci/emulator/cgroup_tree.h"
#include "aci/emulator/container_log.h"
#include "aci/emulator/engine.h"
#include "aci/emulator/image_store.h"
#include "aci/emulator/runc_git.h"
#include "aci/emulator/runc_process.h"
#include "aci/emulator/sandbox_files.h"
#include "aci/emulator/sandbox_net.h"
#include "base/list.h"

#define RUNC_DEADLINE_MS 30000

struct runc_engine {
    struct engine base;
    struct vk_loop *loop;
    char *state_dir;  /* absolute, no links */
    char name[16];    /* "aci" + 6 hex of the folder's digest: prefix of all that is global */
    char *git_mirror; /* or NULL */
    int lock_fd;
    int64_t nofile;
    struct runc_processes *processes;
    struct image_store *images;
    struct cgroup_tree cgroups;
    struct sandbox_net net;
    struct vk_list sandboxes;
    struct vk_list execs; /* struct engine_exec; they may outlive their sandbox */
    uint64_t exec_number;
    bool trash_busy, trash_full;
};

enum runc_sandbox_state {
    RUNC_SANDBOX_CREATING,
    RUNC_SANDBOX_READY,
    RUNC_SANDBOX_STOPPING, /* waits for its instances */
    RUNC_SANDBOX_REMOVING,
};

struct engine_sandbox {
    struct vk_list node;
    struct runc_engine *engine;
    enum runc_sandbox_state state;
    char *id, *hostname;
    char *folder; /* id.index: name of its folders and of its control group */
    char *cgroup; /* "/aci1a2b3c/folder" */
    uint32_t index;
    char ip[SANDBOX_IP_MAX];
    struct sandbox_files files;
    struct vk_list instances; /* struct runc_instance, oldest first */
    unsigned instance_number;
    struct runc_clone *clones; /* runc_git.c */
    size_t clone_count, clone_next;
    void (*cloned)(struct engine_sandbox *s);
    engine_sandbox_fn created;
    engine_done_fn deleted; /* NULL: the creation failed, with the error below */
    void *user;
    struct vk_err err;
    struct vk_timer timer;
    int64_t give_up_mono_ms;
};

enum runc_instance_state {
    RUNC_INSTANCE_FAILED, /* before the runtime was asked; reported by the timer */
    RUNC_INSTANCE_STARTING,
    RUNC_INSTANCE_RUNNING,
    RUNC_INSTANCE_REMOVING,
    RUNC_INSTANCE_GONE,
};

struct runc_instance {
    struct vk_list node;
    struct engine_sandbox *sandbox;
    enum runc_instance_state state;
    char *name;      /* of the container */
    char *id;        /* for the runtime */
    char *directory; /* upper, work, rootfs, mounts */
    char *bundle;    /* on the tmpfs */
    char *cgroup;
    pid_t pid;
    bool mounted; /* the overlay */
    bool started; /* it did run: its log is the container's */
    unsigned sub_path_count;
    int log_fd; /* what the container writes; -1 when closed */
    struct vk_fd *log_source;
    struct container_log *log;
    struct vk_list followers; /* of the log */
    engine_started_fn on_started;
    engine_exited_fn on_exited;
    void *user;
    struct vk_err err;
    struct vk_timer timer;
};

/* engine_ops of the same name. */
void runc_sandbox_create(struct engine *e, const struct engine_sandbox_spec *spec,
                         engine_sandbox_fn done, void *user);
void runc_sandbox_delete(struct engine *e, struct engine_sandbox *s, engine_done_fn done,
                         void *user);
bool runc_sandbox_usage(struct engine *e, struct engine_sandbox *s, struct engine_usage *ret);
bool runc_sandbox_enter(struct engine *e, struct engine_sandbox *s, void (*fn)(void *user),
                        void *user);
void runc_instance_start(struct engine *e, struct engine_sandbox *s,
                         const struct engine_container_spec *spec, engine_started_fn started,
                         engine_exited_fn exited, void *user);
void runc_instance_kill(struct engine *e, struct engine_sandbox *s, const char *name, int signal);
int runc_instance_logs(struct engine *e, struct engine_sandbox *s, const char *name, int64_t tail,
                       bool timestamps, struct vk_buf *out, struct vk_err *err);
bool runc_container_check(struct engine *e, struct engine_sandbox *s, const char *name,
                          const struct engine_check *check, engine_checked_fn fn, void *user);
bool runc_instance_usage(struct engine *e, struct engine_sandbox *s, const char *name,
                         struct engine_usage *ret);

struct engine_log_follow *runc_instance_follow(struct engine *e, struct engine_sandbox *s,
                                               const char *name, engine_output_fn output,
                                               engine_done_fn ended, void *user);
struct engine_exec *runc_exec_start(struct engine *e, struct engine_sandbox *s,
                                    const struct engine_exec_spec *spec,
                                    const struct engine_exec_events *events, void *user);
bool runc_exec_write(struct engine *e, struct engine_exec *x, struct vk_str bytes);
void runc_exec_pause(struct engine *e, struct engine_exec *x, bool paused);
void runc_exec_close(struct engine *e, struct engine_exec *x);

/* The instance of that name that runs now, or NULL. */
struct runc_instance *runc_instance_running(struct engine_sandbox *s, const char *name);
/* Memory and descriptors only, at the end of the engine. */
void runc_exec_free_all(struct runc_engine *e);

/* An instance of the sandbox is gone or runs at last: a deletion may go on. */
void runc_sandbox_progress(struct engine_sandbox *s);
/* Memory only, at the end of the engine. */
void runc_sandbox_free(struct engine_sandbox *s);
/* The sandbox goes: no more calls back; kills it when it runs. */
void runc_instance_stop(struct runc_instance *i);
void runc_instance_free(struct runc_instance *i);

/* runc_prepare.c: overlay, mounts and config.json of an instance whose paths are set. */
VK_MUST_CHECK int runc_prepare(struct runc_instance *i, const struct engine_container_spec *spec,
                               struct vk_err *err);
/* Undoes its mounts and moves its folders away. */
void runc_unprepare(struct runc_instance *i);

/* What a control group uses, without the network's figures. False when it is gone. */
bool runc_cgroup_usage(const struct runc_engine *e, const char *cgroup, struct engine_usage *ret);

/* Moves a folder without mounts into the trash, which a process of its own empties. */
void runc_trash(struct runc_engine *e, const char *path);

static inline struct runc_engine *runc_engine_of(struct engine *e)
{
    return (struct runc_engine *)(void *)e;
}
