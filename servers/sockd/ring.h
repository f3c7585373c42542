/*
 * Intrusive lists in rings: a head is a pointer to the first node, zero is empty, and everything is
 * done in a few steps whatever the length. A node that is in no list is zero.
 * SPDX-License-Identifier: MIT
 */
#ifndef SOCKD_RING_H
#define SOCKD_RING_H

#include <stdbool.h>
#include <stddef.h>

struct ring {
    struct ring *next, *previous;
};

/* The structure whose member `name` is the node. */
#define RING_OF(node, type, name) ((type *)(void *)((char *)(node) - offsetof(type, name)))

static inline bool ring_linked(const struct ring *node)
{
    return node->next;
}

static inline void ring_append(struct ring **first, struct ring *node)
{
    struct ring *head = *first;
    if (!head) {
        node->next = node->previous = node;
        *first = node;
        return;
    }
    node->next = head;
    node->previous = head->previous;
    node->previous->next = node;
    head->previous = node;
}

static inline void ring_prepend(struct ring **first, struct ring *node)
{
    ring_append(first, node);
    *first = node;
}

static inline void ring_remove(struct ring **first, struct ring *node)
{
    if (node->next == node) {
        *first = NULL;
    } else {
        node->next->previous = node->previous;
        node->previous->next = node->next;
        if (*first == node)
            *first = node->next;
    }
    node->next = node->previous = NULL;
}

/* The one after it, or NULL behind the last. */
static inline struct ring *ring_next(const struct ring *first, const struct ring *node)
{
    return node->next == first ? NULL : node->next;
}

/* Put all of `front` before `*first`; `*front` is empty then. */
static inline void ring_join(struct ring **front, struct ring **first)
{
    struct ring *a = *front, *b = *first;
    *front = NULL;
    if (!a)
        return;
    *first = a;
    if (!b)
        return;
    struct ring *last = b->previous;
    a->previous->next = b;
    b->previous = a->previous;
    a->previous = last;
    last->next = a;
}

#endif
