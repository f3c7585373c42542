/*
 * Copying and deleting capabilities, and what deleting the last one does.
 * SPDX-License-Identifier: MIT
 */
#include "object/object.h"
#include "object/derivation.h"
#include "sched/work.h"

void cap_copy(struct cap *to, struct cap *from, unsigned rights)
{
    struct cap value = *from;
    value.rights &= (uint8_t)rights;
    value.flags &= (uint8_t)~(CAP_ORIGINAL | CAP_MAPPED | CAP_BUFFER);
    if (value.type == AR_FRAME || value.type == AR_TABLE) {
        value.asid = 0;
        value.extra = 0;
    }
    cap_insert(to, &value, from);
    if (value.type == AR_GATE)
        gate_copy_added((struct gate *)value.object);
}

static void object_destroy(struct cap *cap)
{
    switch (cap->type) {
    case AR_ENDPOINT:
        endpoint_destroy((struct endpoint *)cap->object);
        break;
    case AR_GATE:
        gate_destroy((struct gate *)cap->object);
        break;
    case AR_NOTIFICATION:
        notification_destroy((struct notification *)cap->object);
        break;
    case AR_REPLY:
        reply_destroy((struct reply *)cap->object);
        break;
    case AR_TCB:
        tcb_destroy((struct tcb *)cap->object);
        break;
    case AR_CNODE:
        cnode_destroy((struct cnode *)cap->object, cap->size_bits);
        break;
    case AR_VSPACE:
        vspace_destroy(cap);
        break;
    case AR_IRQ:
        irq_destroy((unsigned)cap->object);
        break;
    default:
        break;
    }
}

void cap_delete(struct cap *slot)
{
    if (slot->type == AR_NULL)
        return;
    work_spend(WORK_DELETE);
    bool final = cap_is_final(slot);
    struct cap cap = *slot;
    if (cap.type == AR_FRAME)
        frame_unmap(&cap);
    else if (cap.type == AR_TABLE && final)
        table_unmap(&cap);
    if (cap.flags & CAP_BUFFER)
        tcb_buffer_gone(slot);
    cap_unlink(slot);
    if (cap.type == AR_GATE && !(cap.flags & CAP_ORIGINAL))
        gate_copy_removed((struct gate *)cap.object);
    if (final)
        object_destroy(&cap);
}

/* The slot itself may be emptied on the way: it can lie in a CNode that descends from it. An empty
 * slot has no descendants. */
bool cap_revoke(struct cap *slot)
{
    for (;;) {
        if (!dying_work())
            return false;
        struct cap *next = cap_next(slot);
        if (!next || !cap_is_descendant(slot, next))
            return true;
        if (!work_left())
            return false;
        cap_delete(next);
    }
}
