/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/status_annotations.h"

#include <inttypes.h>

#include "base/str.h"

static bool counts_deletion_cost(const struct pod *pod)
{
    const struct owner_reference *owners = pod->meta.owner_references.v;

    if (pairs_get(&pod->meta.annotations, POD_DELETION_COST))
        return false;
    for (size_t i = 0; i < pod->meta.owner_references.n; i++)
        if (owners[i].controller && vk_streq(owners[i].kind, "ReplicaSet"))
            return true;
    return false;
}

struct json_pairs status_annotations(const struct pod *pod, int64_t deletion_cost,
                                     char *const notes[STATUS_NOTES], struct vk_arena *arena)
{
    static const char *const names[STATUS_NOTES] = {[STATUS_NOTE_SIZE] = POD_BILLED_SIZE,
                                                    [STATUS_NOTE_TOKEN_EXPIRY] = POD_TOKEN_EXPIRY,
                                                    [STATUS_NOTE_MADE_AGAIN] = POD_MADE_AGAIN};
    struct json_pairs out = {.v = vk_arena_array(arena, STATUS_NOTES + 1, sizeof(*out.v))};

    if (deletion_cost && counts_deletion_cost(pod))
        out.v[out.n++] = (struct json_pair){POD_DELETION_COST,
                                            vk_arena_printf(arena, "%" PRId64, deletion_cost)};
    for (size_t i = 0; i < STATUS_NOTES; i++)
        if (notes[i] && !vk_streq(pairs_get(&pod->meta.annotations, names[i]), notes[i]))
            out.v[out.n++] = (struct json_pair){names[i], notes[i]};
    return out;
}
