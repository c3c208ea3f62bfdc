/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network namespace of the test's own with a registry in it that has one small image,
 * "scratch/busybox:1" (entrypoint none, cmd "sleep 1000", user app in group 1000), built from
 * Debian's busybox. Nothing of it reaches the network of the machine.
 */
#pragma once

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/str.h"

struct registry_fixture {
    char directory[64];
    pid_t pid;
};

static inline int fixture_shell(const char *command)
{
    int status = system(command);
    return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* Why the machine cannot run real containers, or NULL. */
static inline const char *fixture_missing(void)
{
    if (geteuid() != 0)
        return "not root";
    return fixture_shell("for p in runc podman buildah docker-registry busybox htpasswd ip; do "
                         "command -v $p >/dev/null || exit 1; done; test -d /sys/fs/cgroup/memory "
                         "|| test -f /sys/fs/cgroup/cgroup.controllers")
               ? "runc, podman, buildah, docker-registry, busybox, htpasswd or iproute2 is missing"
               : NULL;
}

/* In the place of every test where the machine cannot run them. */
static void fixture_skipped(void **state)
{
    (void)state;
    skip();
}

static inline void fixture_stop(struct registry_fixture *f)
{
    if (f->pid > 0) {
        kill(f->pid, SIGKILL);
        waitpid(f->pid, NULL, 0);
    }
    char *command VK_AUTOFREE = vk_asprintf("rm -rf --one-file-system %s", f->directory);
    (void)fixture_shell(command);
}

/* Moves the process into a namespace of its own; a user and password where they are given. */
static inline bool fixture_start(struct registry_fixture *f, const char *user, const char *password)
{
    (void)vk_strcpy_to(f->directory, sizeof(f->directory), "/tmp/emulator-test-XXXXXX");
    if (!mkdtemp(f->directory) || unshare(CLONE_NEWNET) < 0 ||
        fixture_shell("ip link set lo up") != 0)
        return false;
    char *config VK_AUTOFREE =
        vk_asprintf("set -e; cd %s; mkdir data; cat >registry.yml <<E\n"
                    "version: 0.1\nlog: {level: error}\n"
                    "storage: {filesystem: {rootdirectory: %s/data}}\n"
                    "http: {addr: 127.0.0.1:5000}\nE\n"
                    "if [ -n '%s' ]; then htpasswd -Bbn '%s' '%s' >users 2>/dev/null; printf "
                    "'auth: {htpasswd: {realm: test, path: %s/users}}\\n' >>registry.yml; fi",
                    f->directory, f->directory, user, user, password, f->directory);
    if (fixture_shell(config) != 0)
        return false;
    f->pid = fork();
    if (f->pid == 0) {
        char *file = vk_asprintf("%s/registry.yml", f->directory);
        (void)!freopen("/dev/null", "w", stderr);
        (void)!freopen("/dev/null", "w", stdout);
        execlp("docker-registry", "docker-registry", "serve", file, (char *)NULL);
        _exit(127);
    }
    char *creds VK_AUTOFREE =
        *user ? vk_asprintf("--creds '%s:%s'", user, password) : vk_strdup("");
    /* The push retries until the registry listens. */
    char *push VK_AUTOFREE = vk_asprintf(
        "set -e; cd %s; exec 2>push.log; mkdir -p root/bin root/etc root/tmp store run; cp "
        "/bin/busybox root/bin/; "
        "chmod 1777 root/tmp; "
        "for a in $(/bin/busybox --list); do [ $a = busybox ] || ln -s busybox root/bin/$a; done; "
        "printf 'root:x:0:0:root:/root:/bin/sh\\napp:x:1000:1000::/home/app:/bin/sh\\n' "
        ">root/etc/passwd; printf 'root:x:0:\\napp:x:1000:\\nextra:x:2000:app\\n' >root/etc/group; "
        "printf '[storage]\\ndriver=\"vfs\"\\nrunroot=\"%s/run\"\\ngraphroot=\"%s/store\"\\n' "
        ">storage.conf; export CONTAINERS_STORAGE_CONF=%s/storage.conf BUILDAH_ISOLATION=chroot; "
        "c=$(buildah from scratch); buildah copy -q $c root / >/dev/null; "
        "buildah config --cmd '[\"sleep\",\"1000\"]' --env FROM_IMAGE=yes --env BOTH=image "
        "--workingdir /tmp $c; buildah commit -q $c scratch >/dev/null; "
        "for i in 1 2 3 4 5 6 7 8 9 10; do buildah push -q %s --tls-verify=false scratch "
        "docker://127.0.0.1:5000/scratch/busybox:1 && exit 0; sleep 0.2; done; "
        "cat push.log >&1; exit 1",
        f->directory, f->directory, f->directory, f->directory, creds);
    return fixture_shell(push) == 0;
}
