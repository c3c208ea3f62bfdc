/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/log_follow.h"

#include "base/alloc.h"

struct engine_log_follow {
    struct vk_list link;
    engine_output_fn output;
    engine_done_fn ended;
    void *user;
};

struct engine_log_follow *log_follow_new(struct vk_list *followers, engine_output_fn output,
                                         engine_done_fn ended, void *user)
{
    struct engine_log_follow *f = vk_calloc(1, sizeof(*f));

    f->output = output;
    f->ended = ended;
    f->user = user;
    vk_list_init(&f->link);
    vk_list_add_tail(followers, &f->link);
    return f;
}

void log_follow_free(struct engine_log_follow *f)
{
    if (!f)
        return;
    vk_list_remove(&f->link);
    vk_free(f);
}

void log_follow_output(struct vk_list *followers, struct vk_str bytes)
{
    VK_LIST_FOREACH(it, followers)
    {
        struct engine_log_follow *f = VK_LIST_ENTRY(it, struct engine_log_follow, link);

        f->output(f->user, bytes);
    }
}

void log_follow_end(struct vk_list *followers)
{
    while (!vk_list_is_empty(followers)) {
        struct engine_log_follow *f =
            VK_LIST_ENTRY(followers->next, struct engine_log_follow, link);

        vk_list_remove(&f->link);
        f->ended(f->user);
    }
}
