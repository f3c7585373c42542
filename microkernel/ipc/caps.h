/*
 * The capabilities of one message. SPDX-License-Identifier: MIT
 *
 * First everything that can be wrong is looked at (caps_plan), then they go and nothing can fail any
 * more (caps_go). A capability to one of the receiver's own gates comes home: it arrives as its
 * badge and takes no slot. Inline for both ways: `fast` refuses what is not simple, capabilities that
 * are no gates and those that open or close one.
 */
#ifndef IPC_CAPS_H
#define IPC_CAPS_H

#include "object/derivation.h"
#include "sched/work.h"

struct cap_plan {
    struct cap *from, *to; /* to NULL: it comes home */
    bool move;
};

static inline bool comes_home(const struct cap *cap, const struct endpoint *endpoint)
{
    return endpoint && cap->type == AR_GATE && ((struct gate *)cap->object)->endpoint == endpoint;
}

/* Both come from the same slot and not both as copies, or go into the same one. Most messages have
 * their slots in order, and nothing is compared. */
static inline bool caps_collide(const struct cap_plan *plan, unsigned i)
{
    for (unsigned j = 0; j < i; j++)
        if (plan[j].from == plan[i].from && (plan[i].move || plan[j].move))
            return true;
    return false;
}

static inline enum ar_error caps_plan(const struct tcb *from, const struct tcb *to, unsigned count,
                                      const struct endpoint *endpoint, bool fast,
                                      struct cap_plan *plan)
{
    const uint64_t *in = to->buffer->recv_slots;
    uint64_t offered = to->buffer->recv_slot_count;
    const uint64_t *end = in + (offered < AR_MSG_CAPS ? offered : AR_MSG_CAPS);
    const struct cap *last_from = NULL, *last_to = NULL;
    bool moves = false;
    for (unsigned i = 0; i < count; i++) {
        uint64_t word = from->buffer->caps_out[i];
        struct cap *cap = cnode_slot(&from->cspace, word & ~AR_CAP_MOVE);
        if (!cap)
            return AR_ERR_SLOT;
        if (fast ? cap->type != AR_GATE : !cap_copyable(cap))
            return cap->type == AR_NULL ? AR_ERR_EMPTY : AR_ERR_TYPE;
        plan[i].from = cap;
        plan[i].to = NULL;
        plan[i].move = word & AR_CAP_MOVE;
        moves |= plan[i].move;
        if (moves && cap <= last_from && caps_collide(plan, i))
            return AR_ERR_ARGUMENT;
        last_from = cap > last_from ? cap : last_from;
        bool home = comes_home(cap, endpoint);
        if (fast && (((struct gate *)cap->object)->closed || (home && plan[i].move)))
            return AR_ERR_BUSY;
        if (home)
            continue;
        if (in == end || *in == AR_CAP_SELF)
            return AR_ERR_NO_SLOT;
        plan[i].to = cnode_slot(&to->cspace, *in++);
        if (!plan[i].to || plan[i].to->type != AR_NULL)
            return AR_ERR_NO_SLOT;
        for (unsigned j = 0; plan[i].to <= last_to && j < i; j++)
            if (plan[j].to == plan[i].to)
                return AR_ERR_NO_SLOT;
        last_to = plan[i].to > last_to ? plan[i].to : last_to;
    }
    return AR_OK;
}

static inline void caps_trace(const struct tcb *from, const struct tcb *to, unsigned count,
                              const struct cap_plan *plan)
{
    unsigned slot = 0;
    for (unsigned i = 0; i < count; i++)
        trace_message_cap(to, plan[i].from, from->buffer->caps_out[i],
                          plan[i].to ? to->buffer->recv_slots[slot++] : 0, plan[i].move,
                          !plan[i].to);
}

static inline void caps_go(const struct tcb *to, unsigned count, bool fast,
                           const struct cap_plan *plan)
{
    const uint64_t *in = to->buffer->recv_slots;
    struct ar_received *received = to->buffer->received;
    for (; count; count--, plan++, received++) {
        struct cap *cap = plan->from, *slot = plan->to;
        struct gate *gate = fast || cap->type == AR_GATE ? (struct gate *)cap->object : NULL;
        received->kind = slot ? AR_RECEIVED_CAP : AR_RECEIVED_BADGE;
        received->type = fast ? AR_GATE : cap->type;
        received->value = slot ? *in++ : gate->badge;
        received->issuer = gate && gate->endpoint ? gate->endpoint->issuer : 0;
        if (!fast)
            work_spend(WORK_LOOK + WORK_COPY);
        if (slot && plan->move) {
            cap_move(slot, cap);
        } else if (slot && fast) { /* what cap_copy does of an open gate */
            struct cap value = *cap;
            value.rights &= AR_SEND;
            value.flags = 0;
            cap_insert(slot, &value, cap);
            gate->copies++;
        } else if (slot) {
            cap_copy(slot, cap, gate ? AR_SEND : AR_ALL);
        } else if (!fast && plan->move) {
            cap_delete(cap);
        }
    }
}

#endif
