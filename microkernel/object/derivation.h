/*
 * The links of the derivation list (derivation.c says what its order means), inline for the fast path.
 * SPDX-License-Identifier: MIT
 */
#ifndef OBJECT_DERIVATION_H
#define OBJECT_DERIVATION_H

#include "object/object.h"
#include "arch/arch.h"
#include "trace.h"

static inline uint32_t link_of(const struct cap *slot)
{
    return slot ? (uint32_t)(arch_physical(slot) / AR_SLOT_SIZE) : 0;
}

static inline struct cap *link_slot(uint32_t link)
{
    return link ? arch_pointer((uint64_t)link * AR_SLOT_SIZE) : NULL;
}

/* Put `value` (links ignored) into the empty `slot`, as a descendant or sibling right after
 * `after` (NULL: a root). */
static inline void cap_insert(struct cap *slot, const struct cap *value, struct cap *after)
{
    uint32_t next = after ? after->next : 0, link = link_of(slot);
    *slot = *value;
    slot->prev = link_of(after);
    slot->next = next;
    if (next)
        link_slot(next)->prev = link;
    if (after)
        after->next = link;
    trace_cap_new(slot, after);
}

/* The capability changes its slot and keeps its place. */
static inline void cap_move(struct cap *to, struct cap *from)
{
    uint32_t link = link_of(to);
    *to = *from;
    if (to->prev)
        link_slot(to->prev)->next = link;
    if (to->next)
        link_slot(to->next)->prev = link;
    *from = (struct cap){0};
    trace_cap_move(to, from);
}

static inline void cap_unlink(struct cap *slot)
{
    if (slot->prev)
        link_slot(slot->prev)->next = slot->next;
    if (slot->next)
        link_slot(slot->next)->prev = slot->prev;
    *slot = (struct cap){0};
    trace_cap_gone(slot);
}

#endif
