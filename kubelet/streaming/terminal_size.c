/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/streaming/terminal_size.h"

#include "base/json.h"

static bool parse(struct vk_str text, struct terminal_size *ret)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root;
    int64_t columns = 0, rows = 0;
    struct vk_err err;

    if (json_parse(text, text.n, arena, &root, &err) < 0 || json_type_of(root) != JSON_OBJECT)
        return false;
    for (const struct json *v = json_first(root); v; v = json_next(v)) {
        int64_t *side = vk_strieq(json_key(v), "Width")    ? &columns
                        : vk_strieq(json_key(v), "Height") ? &rows
                                                           : NULL;

        if (side && (!json_int64(v, side) || *side < 0 || *side > UINT16_MAX))
            return false;
    }
    *ret = (struct terminal_size){.rows = (uint16_t)rows, .columns = (uint16_t)columns};
    return true;
}

bool terminal_size_read(struct terminal_size_reader *r, struct vk_str *in,
                        struct terminal_size *ret)
{
    while (in->n && !r->is_broken_) {
        char c = *in->p++;

        in->n--;
        if (!r->len_ && (c == ' ' || c == '\n' || c == '\r' || c == '\t'))
            continue;
        r->text_[r->len_++] = c;
        if (c == '}') {
            struct terminal_size size;
            size_t n = r->len_;

            r->len_ = 0;
            r->is_broken_ = !parse((struct vk_str){r->text_, n}, &size);
            /* A window without lines is one that is not shown: nothing to tell. */
            if (r->is_broken_ || !size.rows || !size.columns)
                continue;
            *ret = size;
            return true;
        }
        r->is_broken_ = r->len_ == sizeof(r->text_);
    }
    in->n = 0;
    return false;
}
