/*
 * The links of the derivation list (derivation.c says what its order means), inline for the fast path.
 * SPDX-License-Identifier: MIT
 */
#ifndef OBJECT_DERIVATION_H
#define OBJECT_DERIVATION_H

#include "object/object.h"
#include "arch/arch.h"
#include "trace.h"

/* The neighbour that a link leads to. Link 0, of the first and the last of a list, leads to a slot
 * that is nobody's, at physical address 0: written, so that nothing asks whether there is a
 * neighbour, and never read. */
static inline struct cap *link_slot(uint32_t link)
{
    return arch_pointer((uint64_t)link * AR_SLOT_SIZE);
}

static inline struct cap *link_neighbour(uint32_t link)
{
    return link ? link_slot(link) : NULL;
}

/* `slot` comes between the two. */
static inline void links_join(struct cap *slot, uint32_t prev, uint32_t next)
{
    uint32_t link = arch_slot_link(slot);
    slot->prev = prev;
    slot->next = next;
    link_slot(prev)->next = link;
    link_slot(next)->prev = link;
}

/* Put `value` (links ignored) into the empty `slot`, as a descendant or sibling right after
 * `after` (NULL: a root). */
static inline void cap_insert(struct cap *slot, const struct cap *value, struct cap *after)
{
    *slot = *value;
    links_join(slot, after ? arch_slot_link(after) : 0, after ? after->next : 0);
    trace_cap_new(slot, after);
}

/* The capability changes its slot and keeps its place. */
static inline void cap_move(struct cap *to, struct cap *from)
{
    *to = *from;
    links_join(to, from->prev, from->next);
    *from = (struct cap){0};
    trace_cap_move(to, from);
}

static inline void cap_unlink(struct cap *slot)
{
    uint32_t prev = slot->prev, next = slot->next;
    link_slot(prev)->next = next;
    link_slot(next)->prev = prev;
    *slot = (struct cap){0};
    trace_cap_gone(slot);
}

/* What cap_copy and cap_move do of an open gate. An empty slot is clear, and the `asid` and `extra` of
 * a gate are 0, so there is less to write. */

static inline void gate_copy(struct cap *to, struct cap *from, struct gate *gate)
{
    to->head = CAP_GATE_COPY;
    to->object = (uint64_t)gate;
    uint32_t next = from->next, link = arch_slot_link(to);
    to->next = next;
    link_slot(next)->prev = link;
    from->next = link;
    to->prev = arch_slot_link(from);
    gate->copies++;
    trace_cap_new(to, from);
}

/* Of such a copy itself. */
static inline void gate_move(struct cap *to, struct cap *from, struct gate *gate)
{
    to->head = CAP_GATE_COPY;
    to->object = (uint64_t)gate;
    links_join(to, from->prev, from->next);
    *from = (struct cap){0};
    trace_cap_move(to, from);
}

#endif
