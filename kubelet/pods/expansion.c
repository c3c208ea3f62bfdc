/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/expansion.h"

#include <string.h>

void expansion_expand(struct vk_str text, expansion_lookup_fn lookup, void *user,
                      struct vk_buf *out)
{
    while (text.n && !out->failed) {
        const char *dollar = memchr(text.p, '$', text.n);
        size_t plain = dollar ? (size_t)(dollar - text.p) : text.n;
        struct vk_str name, value;
        const char *close;

        vk_buf_add(out, text.p, plain);
        text.p += plain;
        text.n -= plain;
        if (!text.n)
            return;
        if (text.n >= 2 && text.p[1] == '$') {
            vk_buf_addc(out, '$');
            text.p += 2;
            text.n -= 2;
            continue;
        }
        close = text.n >= 2 && text.p[1] == '(' ? memchr(text.p, ')', text.n) : NULL;
        if (!close) {
            /* A dollar that begins nothing. */
            vk_buf_addc(out, '$');
            text.p++;
            text.n--;
            continue;
        }
        name = (struct vk_str){.p = text.p + 2, .n = (size_t)(close - text.p) - 2};
        value = lookup(user, name);
        if (value.p)
            vk_buf_addstr(out, value);
        else
            vk_buf_add(out, text.p, name.n + 3);
        text.n -= name.n + 3;
        text.p = close + 1;
    }
}
