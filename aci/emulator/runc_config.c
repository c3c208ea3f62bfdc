/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/runc_config.h"

#include "aci/emulator/runc_capabilities.h"
#include "base/alloc.h"
#include "base/json_writer.h"

#define CPU_PERIOD_US 100000
#define CPU_QUOTA_MIN_US 1000
/* Bounds a fork bomb; ACI publishes no number. */
#define PIDS_MAX 8192

static const struct {
    const char *destination, *type, *source;
    const char *options[7];
} system_mounts[] = {
    {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
    {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
    {"/dev/pts",
     "devpts",
     "devpts",
     {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
    {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
    {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
    {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
};
static const char *const masked_paths[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
};
static const char *const read_only_paths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

static void put_strings(struct json_writer *w, const char *key, const char *const *strings,
                        size_t count)
{
    json_begin_array(w, key);
    for (size_t i = 0; i < count; i++)
        json_put_string(w, NULL, strings[i]);
    json_end_array(w);
}

/* A command of the spec replaces the image's entrypoint and its arguments. */
static int put_args(struct json_writer *w, const struct runc_config_input *in, struct vk_err *err)
{
    const struct engine_container_spec *spec = in->spec;
    if (spec->command_count) {
        put_strings(w, "args", spec->command, spec->command_count);
        return 0;
    }
    if (!in->image->entrypoint[0] && !in->image->cmd[0])
        return vk_err_set(err, VK_INVALID,
                          "no command specified: neither the container nor image %s has one",
                          spec->image);
    json_begin_array(w, "args");
    for (char **s = in->image->entrypoint; *s; s++)
        json_put_string(w, NULL, *s);
    for (char **s = in->image->cmd; *s; s++)
        json_put_string(w, NULL, *s);
    json_end_array(w);
    return 0;
}

static bool names_same(const char *entry, const char *name)
{
    size_t n = strlen(name);
    return vk_starts(entry, name) && entry[n] == '=';
}

static bool spec_has(const struct engine_container_spec *spec, size_t from, const char *entry)
{
    for (size_t i = from; i < spec->env_count; i++)
        if (names_same(entry, spec->env[i].name))
            return true;
    return false;
}

static bool image_has(const struct image_config *image, const char *name)
{
    for (char **s = image->env; *s; s++)
        if (names_same(*s, name))
            return true;
    return false;
}

/* The image's, the spec's over it, and what every process may expect to find. */
static void put_env(struct json_writer *w, const struct runc_config_input *in)
{
    const struct engine_container_spec *spec = in->spec;
    const struct {
        const char *name, *value;
    } expected[] = {
        {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        {"HOME", in->user->home},
        {"HOSTNAME", in->hostname},
    };
    json_begin_array(w, "env");
    for (size_t i = 0; i < VK_COUNT(expected); i++) {
        char *entry VK_AUTOFREE = vk_asprintf("%s=%s", expected[i].name, expected[i].value);
        if (!image_has(in->image, expected[i].name) && !spec_has(spec, 0, entry))
            json_put_string(w, NULL, entry);
    }
    for (char **s = in->image->env; *s; s++)
        if (!spec_has(spec, 0, *s))
            json_put_string(w, NULL, *s);
    for (size_t i = 0; i < spec->env_count; i++) {
        struct vk_buf entry;
        vk_buf_init(&entry, SIZE_MAX / 2);
        vk_buf_printf(&entry, "%s=%s", spec->env[i].name, spec->env[i].value);
        if (!spec_has(spec, i + 1, vk_buf_peek(&entry)))
            json_put_str(w, NULL, vk_buf_str(&entry));
        vk_buf_release_secret(&entry);
    }
    json_end_array(w);
}

static int put_process(struct json_writer *w, const struct runc_config_input *in,
                       struct vk_err *err)
{
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    json_begin_object(w, "process");
    json_put_bool(w, "terminal", false);
    json_begin_object(w, "user");
    json_put_int(w, "uid", in->user->uid);
    json_put_int(w, "gid", in->user->gid);
    json_begin_array(w, "additionalGids");
    for (size_t i = 0; i < in->user->group_count; i++)
        json_put_int(w, NULL, in->user->groups[i]);
    json_end_array(w);
    json_end_object(w);
    int rc = put_args(w, in, err);
    if (rc < 0)
        return rc;
    put_env(w, in);
    json_put_string(w, "cwd", vk_str_empty(in->image->working_dir) ? "/" : in->image->working_dir);
    json_begin_object(w, "capabilities");
    for (size_t i = 0; i < VK_COUNT(sets); i++)
        runc_capabilities_put(w, sets[i], in->capabilities);
    json_end_object(w);
    json_begin_array(w, "rlimits");
    json_begin_object(w, NULL);
    json_put_string(w, "type", "RLIMIT_NOFILE");
    json_put_int(w, "hard", in->nofile);
    json_put_int(w, "soft", in->nofile);
    json_end_object(w);
    json_end_array(w);
    json_put_bool(w, "noNewPrivileges", in->spec->no_new_privileges);
    json_end_object(w);
    return 0;
}

static void put_mounts(struct json_writer *w, const struct runc_config_input *in)
{
    json_begin_array(w, "mounts");
    for (size_t i = 0; i < VK_COUNT(system_mounts); i++) {
        bool sys = vk_streq(system_mounts[i].type, "sysfs");
        json_begin_object(w, NULL);
        json_put_string(w, "destination", system_mounts[i].destination);
        json_put_string(w, "type", system_mounts[i].type);
        json_put_string(w, "source", system_mounts[i].source);
        json_begin_array(w, "options");
        for (const char *const *o = system_mounts[i].options; *o; o++)
            json_put_string(w, NULL, sys && in->spec->privileged && vk_streq(*o, "ro") ? "rw" : *o);
        json_end_array(w);
        json_end_object(w);
    }
    for (size_t i = 0; i < in->bind_count; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "destination", in->binds[i].destination);
        json_put_string(w, "type", "bind");
        json_put_string(w, "source", in->binds[i].source);
        json_begin_array(w, "options");
        json_put_string(w, NULL, "rbind");
        json_put_string(w, NULL, "rprivate");
        json_put_string(w, NULL, in->binds[i].read_only ? "ro" : "rw");
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_resources(struct json_writer *w, const struct engine_container_spec *spec)
{
    json_begin_object(w, "resources");
    json_begin_array(w, "devices");
    json_begin_object(w, NULL);
    json_put_bool(w, "allow", false);
    json_put_string(w, "access", "rwm");
    json_end_object(w);
    json_end_array(w);
    if (spec->memory_bytes > 0) {
        json_begin_object(w, "memory");
        json_put_int(w, "limit", spec->memory_bytes);
        json_end_object(w);
    }
    if (spec->cpu_milli > 0) {
        int64_t quota = spec->cpu_milli * (CPU_PERIOD_US / 1000);
        json_begin_object(w, "cpu");
        json_put_int(w, "quota", quota < CPU_QUOTA_MIN_US ? CPU_QUOTA_MIN_US : quota);
        json_put_int(w, "period", CPU_PERIOD_US);
        json_end_object(w);
    }
    json_begin_object(w, "pids");
    json_put_int(w, "limit", PIDS_MAX);
    json_end_object(w);
    json_end_object(w);
}

static void put_linux(struct json_writer *w, const struct runc_config_input *in)
{
    static const char *const own[] = {"pid", "ipc", "uts", "mount"};
    json_begin_object(w, "linux");
    json_put_string(w, "cgroupsPath", in->cgroup_path);
    json_begin_array(w, "namespaces");
    for (size_t i = 0; i < VK_COUNT(own); i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "type", own[i]);
        json_end_object(w);
    }
    json_begin_object(w, NULL);
    json_put_string(w, "type", "network");
    json_put_string(w, "path", in->net_path);
    json_end_object(w);
    json_end_array(w);
    put_resources(w, in->spec);
    /* As Docker: low ports need no capability, ping none either. */
    json_begin_object(w, "sysctl");
    json_put_string(w, "net.ipv4.ip_unprivileged_port_start", "0");
    json_put_string(w, "net.ipv4.ping_group_range", "0 2147483647");
    json_end_object(w);
    if (!in->spec->privileged) {
        put_strings(w, "maskedPaths", masked_paths, VK_COUNT(masked_paths));
        put_strings(w, "readonlyPaths", read_only_paths, VK_COUNT(read_only_paths));
    }
    json_end_object(w);
}

int runc_config_write(const struct runc_config_input *in, struct vk_buf *out, struct vk_err *err)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_string(&w, "ociVersion", "1.0.2");
    int rc = put_process(&w, in, err);
    if (rc < 0)
        return rc;
    json_begin_object(&w, "root");
    json_put_string(&w, "path", in->rootfs);
    json_put_bool(&w, "readonly", false);
    json_end_object(&w);
    json_put_string(&w, "hostname", in->hostname);
    put_mounts(&w, in);
    put_linux(&w, in);
    json_end_object(&w);
    if (!json_writer_done(&w))
        return vk_err_set(err, VK_TOO_LARGE,
                          "container %s: its environment and command are too "
                          "large",
                          in->spec->name);
    return 0;
}
