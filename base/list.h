/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked list; the head is a node itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct vk_list {
    struct vk_list *next, *prev;
};

static inline void vk_list_init(struct vk_list *n)
{
    n->next = n->prev = n;
}
static inline bool vk_list_is_empty(const struct vk_list *head)
{
    return head->next == head;
}
/* True while the node is in some list; a node must be vk_list_init'ed first. */
static inline bool vk_list_is_linked(const struct vk_list *n)
{
    return n->next != n;
}
static inline void vk_list_add_tail(struct vk_list *head, struct vk_list *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}
static inline void vk_list_add_head(struct vk_list *head, struct vk_list *n)
{
    vk_list_add_tail(head->next, n);
}
static inline void vk_list_remove(struct vk_list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    vk_list_init(n);
}
/* Entry of type `type` whose member `member` is `node`. */
#define VK_LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
/* Safe against removal of the current node. */
#define VK_LIST_FOREACH(it, head)                                                                  \
    for (struct vk_list *it = (head)->next, *it##_next_ = it->next; it != (head);                  \
         it = it##_next_, it##_next_ = it->next)
