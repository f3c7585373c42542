/*
 * One message from one thread to another. SPDX-License-Identifier: MIT
 *
 * First everything that can be wrong with its capabilities is looked at (caps_plan), then they go and
 * nothing can fail any more (caps_go). A capability to one of the receiver's own gates comes home: it
 * arrives as its badge and takes no slot.
 */
#include "ipc/ipc.h"
#include "object/derivation.h"
#include "sched/work.h"

struct cap_plan {
    struct cap *from, *to; /* to NULL: it comes home */
    bool move;
};

static bool comes_home(const struct cap *cap, const struct endpoint *endpoint)
{
    return endpoint && cap->type == AR_GATE && ((struct gate *)cap->object)->endpoint == endpoint;
}

/* Both come from the same slot and not both as copies, or go into the same one. Most messages have
 * their slots in order, and nothing is compared. */
static bool caps_collide(const struct cap_plan *plan, unsigned i)
{
    for (unsigned j = 0; j < i; j++)
        if (plan[j].from == plan[i].from && (plan[i].move || plan[j].move))
            return true;
    return false;
}

static enum ar_error caps_plan(const struct tcb *from, const struct tcb *to, unsigned count,
                               const struct endpoint *endpoint, struct cap_plan *plan)
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
        if (!cap_copyable(cap))
            return cap->type == AR_NULL ? AR_ERR_EMPTY : AR_ERR_TYPE;
        plan[i].from = cap;
        plan[i].to = NULL;
        plan[i].move = word & AR_CAP_MOVE;
        moves |= plan[i].move;
        if (moves && cap <= last_from && caps_collide(plan, i))
            return AR_ERR_ARGUMENT;
        last_from = cap > last_from ? cap : last_from;
        if (comes_home(cap, endpoint))
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

static void caps_trace(const struct tcb *from, const struct tcb *to, unsigned count,
                       const struct cap_plan *plan)
{
    unsigned slot = 0;
    for (unsigned i = 0; i < count; i++)
        trace_message_cap(to, plan[i].from, from->buffer->caps_out[i],
                          plan[i].to ? to->buffer->recv_slots[slot++] : 0, plan[i].move,
                          !plan[i].to);
}

static void caps_go(const struct tcb *to, unsigned count, const struct cap_plan *plan)
{
    const uint64_t *in = to->buffer->recv_slots;
    struct ar_received *received = to->buffer->received;
    for (; count; count--, plan++, received++) {
        struct cap *cap = plan->from, *slot = plan->to;
        struct gate *gate = cap->type == AR_GATE ? (struct gate *)cap->object : NULL;
        received->kind = slot ? AR_RECEIVED_CAP : AR_RECEIVED_BADGE;
        received->type = cap->type;
        received->value = slot ? *in++ : gate->badge;
        received->issuer = gate && gate->endpoint ? gate->endpoint->issuer : 0;
        work_spend(WORK_LOOK + WORK_COPY);
        if (slot && plan->move)
            cap_move(slot, cap);
        else if (slot)
            cap_copy(slot, cap, gate ? AR_SEND : AR_ALL);
        else if (plan->move)
            cap_delete(cap);
    }
}

enum ar_error ipc_transfer(struct tcb *from, struct tcb *to, uint64_t badge,
                           struct endpoint *endpoint)
{
    struct cap_plan plan[AR_MSG_CAPS];
    uint64_t info = from->regs.rsi;
    unsigned words = AR_INFO_WORDS(info), caps = AR_INFO_CAPS(info);
    if (words > AR_MSG_WORDS || caps > AR_MSG_CAPS)
        return AR_ERR_ARGUMENT;
    if (endpoint && AR_INFO_LABEL(info) < AR_LABEL_USER)
        return AR_ERR_LABEL; /* the registers were written while the sender waited */
    if (caps) {
        enum ar_error error = caps_plan(from, to, caps, endpoint, plan);
        if (error)
            return error;
    }

    /* point of no return */
    trace_transfer(from, to, endpoint, badge);
    caps_trace(from, to, caps, plan);
    to->regs.rdx = from->regs.rdx;
    to->regs.r10 = from->regs.r10;
    to->regs.r8 = from->regs.r8;
    to->regs.r9 = from->regs.r9;
    for (unsigned i = 4; i < words; i++)
        to->buffer->words[i] = from->buffer->words[i];
    caps_go(to, caps, plan);
    to->regs.rsi = info;
    to->regs.rdi = badge;
    to->regs.rax = AR_OK;
    return AR_OK;
}
