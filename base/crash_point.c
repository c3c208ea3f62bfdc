/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crash_point.h"

#ifdef VK_CRASH_POINTS

#include <signal.h>
#include <unistd.h>

#include "base/str.h"

/* The linker makes these for a section of this name; weak, since a program may have no point. */
extern const char *const __start_vk_crash_points[] __attribute__((weak));
extern const char *const __stop_vk_crash_points[] __attribute__((weak));

static struct {
    const char *name; /* static; NULL: none */
    int64_t left;
} armed;

static const char *find(struct vk_str name)
{
    for (const char *const *p = __start_vk_crash_points; p != __stop_vk_crash_points; p++) {
        if (vk_str_eq(vk_str_of(*p), name))
            return *p;
    }
    return NULL;
}

int vk_crash_point_arm(const char *spec, struct vk_err *err)
{
    struct vk_str count;
    const struct vk_str name = vk_str_cut(vk_str_of(spec), ':', &count);
    const char *known;
    int64_t left = 1;

    armed.name = NULL;
    if (vk_str_empty(spec))
        return 0;
    known = find(name);
    if (!known)
        return vk_err_set(err, VK_INVALID, "there is no crash point '%.100s'", spec);
    if (count.p && !vk_str_int64(count, 1, INT64_MAX, &left))
        return vk_err_set(err, VK_INVALID, "crash point '%.100s': expected NAME:N with N from 1",
                          spec);
    armed.name = known;
    armed.left = left;
    return 0;
}

void vk_crash_point_reached(const char *name)
{
    if (!armed.name || !vk_streq(name, armed.name) || --armed.left > 0)
        return;
    /* Whoever looks at the corpse must be able to tell it from one that an error of ours left. */
    (void)dprintf(STDERR_FILENO, "crash point %s reached\n", name);
    (void)raise(SIGKILL);
}

void vk_crash_point_list(FILE *out)
{
    for (const char *const *p = __start_vk_crash_points; p != __stop_vk_crash_points; p++)
        (void)fprintf(out, "%s\n", *p);
}

#endif
