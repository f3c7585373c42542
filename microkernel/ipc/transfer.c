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

/* `endpoint`: as ipc_transfer has it. */
static enum ar_error caps_plan(const struct tcb *from, const struct tcb *to, unsigned count,
                               const struct endpoint *endpoint, struct cap_plan *plan)
{
    const struct ar_ipc_buffer *buffer = to->buffer;
    unsigned taken = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t word = from->buffer->caps_out[i];
        struct cap *cap = cnode_slot(&from->cspace, word & ~AR_CAP_MOVE), *slot = NULL;
        bool move = word & AR_CAP_MOVE;
        if (!cap)
            return AR_ERR_SLOT;
        if (!cap_copyable(cap))
            return cap->type == AR_NULL ? AR_ERR_EMPTY : AR_ERR_TYPE;
        for (unsigned j = 0; j < i; j++)
            if (plan[j].from == cap && (plan[j].move || move))
                return AR_ERR_ARGUMENT;
        if (!endpoint || cap->type != AR_GATE || ((struct gate *)cap->object)->endpoint != endpoint) {
            if (taken == AR_MSG_CAPS || taken >= buffer->recv_slot_count ||
                tcb_lookup_empty(to, buffer->recv_slots[taken++], &slot))
                return AR_ERR_NO_SLOT;
            for (unsigned j = 0; j < i; j++)
                if (plan[j].to == slot)
                    return AR_ERR_NO_SLOT;
        }
        plan[i] = (struct cap_plan){cap, slot, move};
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
        *received = (struct ar_received){
            slot ? AR_RECEIVED_CAP : AR_RECEIVED_BADGE, cap->type, slot ? *in++ : gate->badge,
            gate && gate->endpoint ? gate->endpoint->issuer : 0};
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
