/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file_watch.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"

/*
 * A file that is written twice within one tick of the kernel's clock looks the same after the
 * second time, so what is younger than this is taken for changed at the next look again.
 */
#define YOUNG_S 2

struct stamp {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec changed;
    bool is_there, is_young;
};
struct file_watch {
    char *paths[FILE_WATCH_MAX];
    struct stamp stamps[FILE_WATCH_MAX];
    size_t count;
    int64_t every_ms;
    struct vk_timer timer;
    void (*changed)(void *user);
    void *user;
};

static struct stamp look(const char *path)
{
    struct stamp s = {0};
    struct stat st;

    if (stat(path, &st) < 0)
        return s;
    s.is_there = true;
    s.dev = st.st_dev;
    s.ino = st.st_ino;
    s.size = st.st_size;
    s.changed = st.st_ctim;
    s.is_young = vk_wall_ms() / 1000 - st.st_ctim.tv_sec < YOUNG_S;
    return s;
}

static bool differs(const struct stamp *a, const struct stamp *b)
{
    return a->is_there != b->is_there || a->dev != b->dev || a->ino != b->ino ||
           a->size != b->size || a->changed.tv_sec != b->changed.tv_sec ||
           a->changed.tv_nsec != b->changed.tv_nsec;
}

static void on_timer(void *user)
{
    struct file_watch *w = user;
    bool has_changed = false;

    for (size_t i = 0; i < w->count; i++) {
        struct stamp now = look(w->paths[i]);

        if (!differs(&now, &w->stamps[i]) && (!w->stamps[i].is_young || now.is_young))
            continue;
        has_changed = true;
        w->stamps[i] = now;
    }
    vk_timer_arm(&w->timer, w->every_ms);
    if (has_changed)
        w->changed(w->user);
}

struct file_watch *file_watch_new(struct vk_loop *loop, const char *const *paths, size_t count,
                                  int64_t every_ms, void (*changed)(void *user), void *user)
{
    struct file_watch *w = vk_calloc(1, sizeof(*w));

    w->every_ms = every_ms;
    w->changed = changed;
    w->user = user;
    for (size_t i = 0; i < count; i++) {
        if (!paths[i])
            continue;
        assert(w->count < FILE_WATCH_MAX);
        w->stamps[w->count] = look(paths[i]);
        w->paths[w->count++] = vk_strdup(paths[i]);
    }
    vk_timer_init(&w->timer, loop, "file watch", on_timer, w);
    if (w->count)
        vk_timer_arm(&w->timer, every_ms);
    return w;
}

void file_watch_free(struct file_watch *w)
{
    if (!w)
        return;
    vk_timer_disarm(&w->timer);
    for (size_t i = 0; i < w->count; i++)
        vk_free(w->paths[i]);
    vk_free(w);
}
