/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/image_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aci/emulator/image_reference.h"
#include "base/alloc.h"
#include "base/crypto.h"
#include "base/json_writer.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/secret.h"

#define PULL_DEADLINE_MIN 10
#define INSPECT_DEADLINE_MS 30000

struct image_store {
    struct vk_loop *loop;
    struct runc_processes *processes;
    char *directory;          /* "<state>/podman" */
    char *mirrors;            /* as image_store_new has them, or NULL */
    char *env[8];             /* the registries' file is added per registry */
    struct vk_map *images;    /* name -> struct image_config */
    struct vk_map *inspected; /* "repository id" -> struct image_config */
    struct vk_map *pulls;     /* name and credentials -> struct pull */
};

struct waiter {
    struct vk_list node;
    engine_pulled_fn done;
    void *user;
};

struct pull {
    struct image_store *store;
    char *key;
    char *image; /* as it was asked for */
    char *repository;
    char *id; /* what podman calls it, after the pull */
    char *registries_conf;
    char *mirror; /* what is asked instead of its registry, or NULL */
    struct vk_list waiters;
    struct vk_timer timer; /* ends a pull that could not begin, with the error below */
    struct vk_err early;
};

static int write_config(const char *path, const char *text, struct vk_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t n = strlen(text);
    int failed = fd < 0 ? errno : 0;
    if (!failed && write(fd, text, n) != (ssize_t)n)
        failed = errno ? errno : ENOSPC;
    if (fd >= 0)
        close(fd);
    return failed ? vk_err_errno(err, failed, "write %s", path) : 0;
}

static int make_directories(const char *root, struct vk_err *err)
{
    static const char *const below[] = {"",
                                        "/root",
                                        "/run",
                                        "/tmp",
                                        "/home",
                                        "/net",
                                        "/home/.config",
                                        "/registries",
                                        "/home/.config/containers"};
    for (size_t i = 0; i < VK_COUNT(below); i++) {
        char *path VK_AUTOFREE = vk_asprintf("%s%s", root, below[i]);
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return vk_err_errno(err, errno, "make %s", path);
    }
    return 0;
}

/* podman finds nothing of the machine's own configuration: two emulators share no state. */
static int write_configs(struct image_store *s, struct vk_err *err)
{
    const char *d = s->directory;
    char *containers VK_AUTOFREE = vk_asprintf("[engine]\n"
                                               "cgroup_manager=\"cgroupfs\"\n"
                                               "events_logger=\"none\"\n"
                                               "runtime=\"runc\"\n"
                                               "tmp_dir=\"%s/tmp\"\n"
                                               "[network]\n"
                                               "network_config_dir=\"%s/net\"\n",
                                               d, d);
    char *storage VK_AUTOFREE = vk_asprintf("[storage]\n"
                                            "driver=\"overlay\"\n"
                                            "runroot=\"%s/run\"\n"
                                            "graphroot=\"%s/root\"\n",
                                            d, d);
    const struct {
        const char *name, *text;
    } files[] = {
        {"containers.conf", containers},
        {"storage.conf", storage},
        {"home/.config/containers/policy.json", "{\"default\":[{\"type\":"
                                                "\"insecureAcceptAnything\"}]}\n"},
    };
    for (size_t i = 0; i < VK_COUNT(files); i++) {
        char *path VK_AUTOFREE = vk_asprintf("%s/%s", d, files[i].name);
        int rc = write_config(path, files[i].text, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int image_store_new(struct vk_loop *loop, struct runc_processes *processes, const char *state_dir,
                    const char *mirrors, struct image_store **ret, struct vk_err *err)
{
    struct image_store *s = vk_calloc(1, sizeof(*s));
    s->loop = loop;
    s->processes = processes;
    s->directory = vk_asprintf("%s/podman", state_dir);
    s->mirrors = vk_str_empty(mirrors) ? NULL : vk_strdup(mirrors);
    s->images = vk_map_new();
    s->inspected = vk_map_new();
    s->pulls = vk_map_new();
    s->env[0] = vk_strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    s->env[1] = vk_asprintf("HOME=%s/home", s->directory);
    s->env[2] = vk_asprintf("TMPDIR=%s/tmp", s->directory);
    s->env[3] = vk_asprintf("XDG_RUNTIME_DIR=%s/run", s->directory);
    s->env[4] = vk_asprintf("CONTAINERS_CONF=%s/containers.conf", s->directory);
    s->env[5] = vk_asprintf("CONTAINERS_STORAGE_CONF=%s/storage.conf", s->directory);
    int rc = make_directories(s->directory, err);
    if (rc == 0)
        rc = write_configs(s, err);
    if (rc < 0) {
        image_store_free(s);
        return vk_err_wrap(err, "image store");
    }
    *ret = s;
    return 0;
}

static void config_free(void *config)
{
    image_config_unref(config);
}

static void pull_free(void *p)
{
    struct pull *pull = p;
    vk_timer_disarm(&pull->timer);
    VK_LIST_FOREACH(it, &pull->waiters)
    {
        struct waiter *w = VK_LIST_ENTRY(it, struct waiter, node);
        vk_list_remove(it);
        vk_free(w);
    }
    vk_free(pull->key);
    vk_free(pull->image);
    vk_free(pull->repository);
    vk_free(pull->id);
    vk_free(pull->registries_conf);
    vk_free(pull->mirror);
    vk_free(pull);
}

void image_store_free(struct image_store *s)
{
    if (!s)
        return;
    vk_map_free(s->pulls, pull_free);
    vk_map_free(s->images, config_free);
    vk_map_free(s->inspected, config_free);
    for (size_t i = 0; i < VK_COUNT(s->env); i++)
        vk_free(s->env[i]);
    vk_free(s->mirrors);
    vk_free(s->directory);
    vk_free(s);
}

struct image_config *image_store_get(const struct image_store *store, const char *image)
{
    return vk_map_get(store->images, image);
}

int image_store_pull_error(struct vk_str text, const char *image, struct vk_err *err)
{
    static const struct {
        const char *text;
        enum vk_code code;
    } known[] = {
        {"manifest unknown", VK_NOT_FOUND},
        {"name unknown", VK_NOT_FOUND},
        {"not found", VK_NOT_FOUND},
        {"invalid reference format", VK_NOT_FOUND},
        {"no image found in", VK_NOT_FOUND},
        {"unauthorized", VK_UNAUTHENTICATED},
        {"authentication required", VK_UNAUTHENTICATED},
        {"denied", VK_UNAUTHENTICATED},
        {"invalid username/password", VK_UNAUTHENTICATED},
    };
    enum vk_code code = VK_UNAVAILABLE;
    /* podman tells what it does, then the error: its last line is the registry's answer. */
    const char *newline = text.n ? memrchr(text.p, '\n', text.n) : NULL;
    if (newline) {
        text.n -= (size_t)(newline + 1 - text.p);
        text.p = newline + 1;
    }
    if (vk_str_starts(text, VK_STR("Error: "))) {
        text.p += 7;
        text.n -= 7;
    }
    for (size_t i = 0; i < VK_COUNT(known) && code == VK_UNAVAILABLE; i++)
        if (text.n && memmem(text.p, text.n, known[i].text, strlen(known[i].text)))
            code = known[i].code;
    size_t n = text.n < 300 ? text.n : 300;
    return vk_err_set(err, code, "Failed to pull image \"%.120s\": %.*s", image, (int)n,
                      n ? text.p : "");
}

/* Calls everybody who waits; a callback may pull again. */
static void pull_end(struct pull *pull, const struct image_config *config, const struct vk_err *err)
{
    (void)vk_map_remove(pull->store->pulls, pull->key);
    struct engine_image image = {.id = config ? config->id : NULL};
    while (!vk_list_is_empty(&pull->waiters)) {
        struct waiter *w = VK_LIST_ENTRY(pull->waiters.next, struct waiter, node);
        vk_list_remove(&w->node);
        w->done(w->user, config ? &image : NULL, err);
        vk_free(w);
    }
    pull_free(pull);
}

static void pull_succeeded(struct pull *pull, struct image_config *config)
{
    struct image_config *old =
        vk_map_put(pull->store->images, pull->image, image_config_ref(config));
    image_config_unref(old);
    struct image_config *held = image_config_ref(config);
    pull_end(pull, held, NULL);
    image_config_unref(held);
}

static void on_inspected(void *user, const struct runc_result *result)
{
    struct pull *pull = user;
    struct image_config *config;
    struct vk_err err = {0};
    if (!result->ok) {
        (void)image_store_pull_error(result->error_text, pull->image, &err);
        err.code = VK_UNAVAILABLE;
    } else if (image_config_parse(result->out, pull->repository, &config, &err) == 0) {
        char *key VK_AUTOFREE = vk_asprintf("%s %s", pull->repository, pull->id);
        image_config_unref(vk_map_put(pull->store->inspected, key, config));
        pull_succeeded(pull, config);
        return;
    }
    pull_end(pull, NULL, &err);
}

static void run_podman(struct pull *pull, const char *const *argv, struct vk_str secret,
                       int64_t deadline_ms, runc_command_fn fn)
{
    struct image_store *s = pull->store;
    s->env[6] = pull->registries_conf;
    struct runc_command command = {
        .lane = RUNC_LANE_IMAGES,
        .argv = argv,
        .env = (const char *const *)s->env,
        .secret = secret,
        .output_fd = -1,
        .deadline_ms = deadline_ms,
    };
    runc_processes_run(s->processes, &command, fn, pull);
    s->env[6] = NULL;
}

static void on_pulled(void *user, const struct runc_result *result)
{
    struct pull *pull = user;
    struct vk_str id = vk_str_trim(result->out);
    if (!result->ok || !id.n) {
        struct vk_err err = {0};
        if (result->timed_out)
            (void)vk_err_set(&err, VK_UNAVAILABLE,
                             "Failed to pull image \"%.120s\": not done after %d minutes",
                             pull->image, PULL_DEADLINE_MIN);
        else if (result->status < 0)
            (void)vk_err_set(&err, VK_UNAVAILABLE, "podman did not start; is it installed?");
        else
            (void)image_store_pull_error(result->error_text, pull->image, &err);
        log_v(2, "Pull failed", LS("image", pull->image), LERR(&err));
        pull_end(pull, NULL, &err);
        return;
    }
    const char *newline = memrchr(id.p, '\n', id.n);
    pull->id = newline ? vk_strndup(newline + 1, id.n - (size_t)(newline + 1 - id.p))
                       : vk_strndup(id.p, id.n);
    char *key VK_AUTOFREE = vk_asprintf("%s %s", pull->repository, pull->id);
    struct image_config *known = vk_map_get(pull->store->inspected, key);
    if (known) {
        pull_succeeded(pull, known);
        return;
    }
    const char *const argv[] = {"podman", "image", "inspect", pull->id, NULL};
    run_podman(pull, argv, VK_STR(""), INSPECT_DEADLINE_MS, on_inspected);
}

static void pull_not_begun(void *user)
{
    struct pull *pull = user;
    struct vk_err err = pull->early;
    pull_end(pull, NULL, &err);
}

/* The mirror of that name, else the one of all others; the caller frees it. */
static char *mirror_of(const struct image_store *s, const char *registry)
{
    struct vk_str rest = vk_str_of(s->mirrors), of_all = {0};
    while (rest.n > 0) {
        struct vk_str mirror, name = vk_str_cut(vk_str_cut(rest, ',', &rest), '=', &mirror);
        if (mirror.n == 0)
            of_all = name;
        else if (vk_str_is(name, registry))
            return vk_strndup(mirror.p, mirror.n);
    }
    return of_all.n ? vk_strndup(of_all.p, of_all.n) : NULL;
}

/*
 * registries.conf has no entry that stands for every registry, so there is one file per registry
 * that moves it to the mirror as a whole: the real one is not asked even when the mirror fails.
 */
static int choose_registries(struct pull *pull, const char *registry, struct vk_err *err)
{
    struct image_store *s = pull->store;
    char *path VK_AUTOFREE = vk_asprintf("%s/registries/%s.conf", s->directory, registry);
    pull->mirror = mirror_of(s, registry);
    char *text VK_AUTOFREE =
        pull->mirror ? vk_asprintf("[[registry]]\nprefix=\"%s\"\nlocation=\"%s\"\ninsecure=true\n",
                                   registry, pull->mirror)
                     : vk_strdup("unqualified-search-registries=[]\n");
    pull->registries_conf = vk_asprintf("CONTAINERS_REGISTRIES_CONF=%s", path);
    return write_config(path, text, err);
}

/* The file that podman calls authfile; also for the mirror, which is the one that is asked. */
static void write_credentials(const struct pull *pull, const struct engine_image_spec *spec,
                              const char *registry, struct vk_buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "auths");
    const char *const hosts[] = {registry, pull->mirror};
    for (size_t i = 0; spec->username && i < VK_COUNT(hosts); i++) {
        if (!hosts[i] || (i == 1 && vk_streq(hosts[0], hosts[1])))
            continue;
        struct vk_buf plain, encoded;
        vk_buf_init(&plain, 64 << 10);
        vk_buf_init(&encoded, 128 << 10);
        vk_buf_printf(&plain, "%s:%s", spec->username, spec->password ? spec->password : "");
        crypto_base64(vk_buf_str(&plain), &encoded);
        json_begin_object(&w, hosts[i]);
        json_put_str(&w, "auth", vk_buf_str(&encoded));
        json_end_object(&w);
        vk_buf_release_secret(&plain);
        vk_buf_release_secret(&encoded);
    }
    json_end_object(&w);
    json_end_object(&w);
}

static void pull_begin(struct pull *pull, const struct engine_image_spec *spec,
                       const struct image_reference *ref)
{
    char *name VK_AUTOFREE =
        vk_asprintf("docker://%s/%s%s", ref->registry, ref->path, ref->version);
    /* With both a tag and a digest the digest decides, and podman refuses the pair. */
    char *digest = strchr(ref->version, '@');
    if (digest) {
        vk_free(name);
        name = vk_asprintf("docker://%s/%s%s", ref->registry, ref->path, digest);
    }
    struct vk_buf secret;
    vk_buf_init(&secret, 256 << 10);
    write_credentials(pull, spec, ref->registry, &secret);
    const char *const argv[] = {"podman",          "pull", "-q", "--authfile",
                                "/proc/self/fd/3", name,   NULL};
    run_podman(pull, argv, vk_buf_str(&secret), INT64_C(60000) * PULL_DEADLINE_MIN, on_pulled);
    vk_buf_release_secret(&secret);
}

static char *pull_key(const struct engine_image_spec *spec)
{
    char *credentials VK_AUTOFREE = vk_asprintf("%s:%s", spec->username ? spec->username : "",
                                                spec->password ? spec->password : "");
    char digest[65];
    crypto_sha256_hex(credentials, strlen(credentials), digest);
    vk_wipe(credentials, strlen(credentials));
    return vk_asprintf("%s %s", spec->image, digest);
}

void image_store_pull(struct image_store *s, const struct engine_image_spec *spec,
                      engine_pulled_fn done, void *user)
{
    char *key VK_AUTOFREE = pull_key(spec);
    struct waiter *w = vk_calloc(1, sizeof(*w));
    w->done = done;
    w->user = user;
    vk_list_init(&w->node);
    struct pull *pull = vk_map_get(s->pulls, key);
    if (pull) {
        vk_list_add_tail(&pull->waiters, &w->node);
        return;
    }
    pull = vk_calloc(1, sizeof(*pull));
    pull->store = s;
    pull->key = vk_take(key);
    pull->image = vk_strdup(spec->image);
    vk_timer_init(&pull->timer, s->loop, "pull", pull_not_begun, pull);
    vk_list_init(&pull->waiters);
    vk_list_add_tail(&pull->waiters, &w->node);
    (void)vk_map_put(s->pulls, pull->key, pull);
    struct image_reference ref;
    if (image_reference_parse(spec->image, &ref, &pull->early) < 0 ||
        choose_registries(pull, ref.registry, &pull->early) < 0) {
        vk_timer_arm(&pull->timer, 0);
        return;
    }
    pull->repository = vk_asprintf("%s/%s", ref.registry, ref.path);
    pull_begin(pull, spec, &ref);
}
