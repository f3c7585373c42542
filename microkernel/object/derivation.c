/*
 * The derivation list: who came from whom. SPDX-License-Identifier: MIT
 *
 * There are no parent pointers. The list keeps every capability after the one it was made from
 * and before anything that was made from something else, so the descendants of a capability are
 * the run behind it for which `cap_is_descendant` holds:
 *   - an Untyped is the ancestor of every object that lies in its memory, and of all capabilities
 *     to it;
 *   - an original (made by retype) is the ancestor of every copy of it; copies are each other's
 *     siblings;
 *   - a port range is the ancestor of every range inside it; the original IRQ control, of its
 *     copies and of all lines.
 * All capabilities to one object are neighbours, so "is this the last one?" looks at two slots.
 */
#include "object/derivation.h"

struct cap *cap_next(const struct cap *slot)
{
    return link_neighbour(slot->next);
}

unsigned object_size_bits(enum ar_type type)
{
    static const uint8_t bits[AR_TYPE_COUNT] = {
        [AR_ENDPOINT] = AR_ENDPOINT_BITS, [AR_GATE] = AR_GATE_BITS,
        [AR_NOTIFICATION] = AR_NOTIFICATION_BITS, [AR_REPLY] = AR_REPLY_BITS,
        [AR_TCB] = AR_TCB_BITS, [AR_VSPACE] = AR_TABLE_BITS, [AR_TABLE] = AR_TABLE_BITS};
    return type < AR_TYPE_COUNT ? bits[type] : 0;
}

/* How many bytes of kernel memory the object of this capability takes; 0: none. */
static uint64_t object_bytes(const struct cap *cap)
{
    if (cap->type == AR_UNTYPED || cap->type == AR_FRAME)
        return 1ull << cap->size_bits;
    if (cap->type == AR_CNODE)
        return (uint64_t)AR_SLOT_SIZE << cap->size_bits;
    unsigned bits = object_size_bits(cap->type);
    return bits ? 1ull << bits : 0;
}

static bool port_inside(const struct cap *outer, const struct cap *inner)
{
    return (inner->object & 0xffff) >= (outer->object & 0xffff) &&
           inner->object >> 16 <= outer->object >> 16;
}

bool cap_is_descendant(const struct cap *ancestor, const struct cap *slot)
{
    switch (ancestor->type) {
    case AR_NULL:
        return false;
    case AR_UNTYPED: {
        uint64_t bytes = object_bytes(slot);
        return bytes && slot->object >= ancestor->object &&
               slot->object + bytes <= ancestor->object + (1ull << ancestor->size_bits);
    }
    case AR_PORT:
        return (ancestor->flags & CAP_ORIGINAL) && slot->type == AR_PORT &&
               port_inside(ancestor, slot);
    case AR_IRQ_CONTROL:
        return (ancestor->flags & CAP_ORIGINAL) &&
               (slot->type == AR_IRQ_CONTROL || slot->type == AR_IRQ);
    default:
        return (ancestor->flags & CAP_ORIGINAL) && slot->type == ancestor->type &&
               slot->object == ancestor->object;
    }
}

static bool same_object(const struct cap *a, const struct cap *b)
{
    return a && b && a->type == b->type && a->object == b->object;
}

bool cap_is_final(const struct cap *slot)
{
    return !same_object(slot, link_neighbour(slot->prev)) &&
           !same_object(slot, link_neighbour(slot->next));
}
