/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/runc_git.h"

#include <stdlib.h>
#include <string.h>

#include "aci/emulator/runc_engine.h"
#include "base/alloc.h"

/* For one command; a deletion of the group waits for its end. */
#define DEADLINE_MS 60000
#define MAX_ERROR_TEXT 300

struct runc_clone {
    char *volume; /* the volume's folder */
    char *repository, *folder, *revision;
};

int runc_git_check(const struct engine_git *git, struct vk_err *err)
{
    const char *d = git->directory ? git->directory : "";
    if (!vk_starts(git->repository, "https://"))
        return vk_err_set(err, VK_INVALID, "gitRepo: only https URLs are cloned");
    if (d[0] == '/' || d[0] == '-' || strstr(d, ".."))
        return vk_err_set(err, VK_INVALID, "gitRepo: directory \"%.100s\" leads out of the volume",
                          d);
    if (vk_starts(git->revision, "-"))
        return vk_err_set(err, VK_INVALID, "gitRepo: \"%.100s\" is no revision", git->revision);
    return 0;
}

/* As git itself names it: the last part of the URL without ".git". */
char *runc_git_folder(const struct engine_git *git)
{
    if (!vk_str_empty(git->directory))
        return vk_strdup(git->directory);
    struct vk_str name = vk_str_of(git->repository);
    while (name.n > 0 && name.p[name.n - 1] == '/')
        name.n--;
    for (size_t i = name.n; i > 0; i--) {
        if (name.p[i - 1] == '/') {
            name.p += i;
            name.n -= i;
            break;
        }
    }
    if (name.n > 4 && memcmp(name.p + name.n - 4, ".git", 4) == 0)
        name.n -= 4;
    return vk_strndup(name.p, name.n);
}

void runc_git_prepare(struct engine_sandbox *s, const struct engine_sandbox_spec *spec)
{
    s->clones = vk_calloc(spec->volume_count + 1, sizeof(*s->clones));
    for (size_t i = 0; i < spec->volume_count; i++) {
        const struct engine_volume *v = &spec->volumes[i];
        const struct sandbox_volume *made = sandbox_files_volume(&s->files, v->name);
        if (v->kind != ENGINE_VOLUME_GIT_REPO || !made)
            continue;
        s->clones[s->clone_count++] = (struct runc_clone){
            .volume = vk_strdup(made->path),
            .repository = vk_strdup(v->git.repository),
            .folder = runc_git_folder(&v->git),
            .revision = vk_str_empty(v->git.revision) ? NULL : vk_strdup(v->git.revision),
        };
    }
}

void runc_git_release(struct engine_sandbox *s)
{
    for (size_t i = 0; i < s->clone_count; i++) {
        vk_free(s->clones[i].volume);
        vk_free(s->clones[i].repository);
        vk_free(s->clones[i].folder);
        vk_free(s->clones[i].revision);
    }
    vk_free(s->clones);
}

static void run_git(struct engine_sandbox *s, const char *folder, const char *const *args,
                    runc_command_fn fn)
{
    const char *mirror = s->engine->git_mirror;
    const char *search = getenv("PATH");
    char *path VK_AUTOFREE = vk_asprintf("PATH=%s", search ? search : "/usr/bin:/bin");
    char *from VK_AUTOFREE =
        mirror ? vk_asprintf("url.file://%s/.insteadOf=https://", mirror) : NULL;
    const char *const env[] = {path,
                               "HOME=/nonexistent",
                               "GIT_CONFIG_NOSYSTEM=1",
                               "GIT_TERMINAL_PROMPT=0",
                               mirror ? "GIT_ALLOW_PROTOCOL=https:file"
                                      : "GIT_ALLOW_PROTOCOL=https",
                               NULL};
    const char *argv[16] = {"git", "-C", folder, "-c", "core.hooksPath=/dev/null"};
    size_t n = 5;
    if (from) {
        argv[n++] = "-c";
        argv[n++] = from;
    }
    while (*args && n + 1 < VK_COUNT(argv))
        argv[n++] = *args++;
    runc_processes_run(s->engine->processes,
                       &(struct runc_command){.lane = RUNC_LANE_CLONES,
                                              .argv = argv,
                                              .env = env,
                                              .output_fd = -1,
                                              .deadline_ms = DEADLINE_MS},
                       fn, s);
}

static void clone_next(struct engine_sandbox *s);

/* True: it has failed, and so has all of it. */
static bool has_failed(struct engine_sandbox *s, const struct runc_result *result)
{
    const struct vk_str why = result->error_text;
    if (result->ok)
        return false;
    (void)vk_err_set(&s->err, VK_UNAVAILABLE, "git clone %.200s:%s %.*s",
                     s->clones[s->clone_next].repository, result->timed_out ? " took too long" : "",
                     (int)(why.n < MAX_ERROR_TEXT ? why.n : MAX_ERROR_TEXT), why.n ? why.p : "");
    s->cloned(s);
    return true;
}

static void on_checked_out(void *user, const struct runc_result *result)
{
    struct engine_sandbox *s = user;
    if (has_failed(s, result))
        return;
    s->clone_next++;
    clone_next(s);
}

static void on_cloned(void *user, const struct runc_result *result)
{
    struct engine_sandbox *s = user;
    const struct runc_clone *c = &s->clones[s->clone_next];
    if (has_failed(s, result))
        return;
    if (!c->revision) {
        on_checked_out(s, result);
        return;
    }
    char *folder VK_AUTOFREE = vk_asprintf("%s/%s", c->volume, c->folder);
    const char *const args[] = {"checkout", "-q", c->revision, "--", NULL};
    run_git(s, folder, args, on_checked_out);
}

static void clone_next(struct engine_sandbox *s)
{
    if (s->clone_next == s->clone_count) {
        s->cloned(s);
        return;
    }
    const struct runc_clone *c = &s->clones[s->clone_next];
    const char *const args[] = {"clone", "-q", "--", c->repository, c->folder, NULL};
    run_git(s, c->volume, args, on_cloned);
}

void runc_git_clone(struct engine_sandbox *s, void (*done)(struct engine_sandbox *s))
{
    s->cloned = done;
    clone_next(s);
}
