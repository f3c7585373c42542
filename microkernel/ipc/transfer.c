/*
 * One message from one thread to another. SPDX-License-Identifier: MIT
 *
 * First everything that can be wrong is looked at (the decode part), then words and capabilities
 * move and nothing can fail any more. A capability to one of the receiver's own gates arrives as
 * its badge and takes no slot.
 */
#include "ipc/ipc.h"
#include "sched/work.h"
#include "trace.h"

struct cap_plan {
    struct cap *from, *to; /* to NULL: unwrapped */
    bool move;
};

static bool unwraps(const struct cap *cap, const struct endpoint *endpoint)
{
    return endpoint && cap->type == AR_GATE && ((struct gate *)cap->object)->endpoint == endpoint;
}

static enum ar_error plan_caps(struct tcb *from, struct tcb *to, unsigned count,
                               struct endpoint *endpoint, struct cap_plan *plan)
{
    uint64_t slots_used = 0, slots_offered = to->buffer->recv_slot_count;
    if (slots_offered > AR_MSG_CAPS)
        slots_offered = AR_MSG_CAPS;
    for (unsigned i = 0; i < count; i++) {
        uint64_t word = from->buffer->caps_out[i];
        enum ar_error error = tcb_lookup(from, word & ~AR_CAP_MOVE, &plan[i].from);
        if (error)
            return error;
        if (plan[i].from->type == AR_NULL)
            return AR_ERR_EMPTY;
        if (!cap_copyable(plan[i].from))
            return AR_ERR_TYPE;
        plan[i].move = word & AR_CAP_MOVE;
        for (unsigned j = 0; j < i; j++)
            if (plan[j].from == plan[i].from && (plan[i].move || plan[j].move))
                return AR_ERR_ARGUMENT;
        plan[i].to = NULL;
        if (unwraps(plan[i].from, endpoint))
            continue;
        if (slots_used == slots_offered)
            return AR_ERR_NO_SLOT;
        if (tcb_lookup_empty(to, to->buffer->recv_slots[slots_used++], &plan[i].to))
            return AR_ERR_NO_SLOT;
        for (unsigned j = 0; j < i; j++)
            if (plan[j].to == plan[i].to)
                return AR_ERR_NO_SLOT;
    }
    return AR_OK;
}

static void trace_caps(const struct tcb *from, const struct tcb *to, unsigned count,
                       const struct cap_plan *plan)
{
    unsigned slot = 0;
    for (unsigned i = 0; i < count; i++)
        trace_message_cap(to, plan[i].from, from->buffer->caps_out[i],
                          plan[i].to ? to->buffer->recv_slots[slot++] : 0, plan[i].move,
                          !plan[i].to);
}

static void move_caps(struct tcb *to, unsigned count, struct cap_plan *plan)
{
    unsigned slot = 0;
    for (unsigned i = 0; i < count; i++) {
        struct ar_received *received = &to->buffer->received[i];
        struct cap *from = plan[i].from;
        struct gate *gate = from->type == AR_GATE ? (struct gate *)from->object : NULL;
        work_spend(WORK_LOOK + WORK_COPY);
        received->type = from->type;
        received->issuer = gate && gate->endpoint ? gate->endpoint->issuer : 0;
        if (!plan[i].to) {
            received->kind = AR_RECEIVED_BADGE;
            received->value = gate->badge;
            if (plan[i].move)
                cap_delete(from);
            continue;
        }
        received->kind = AR_RECEIVED_CAP;
        received->value = to->buffer->recv_slots[slot++];
        if (plan[i].move)
            cap_move(plan[i].to, from);
        else
            cap_copy(plan[i].to, from, gate ? AR_SEND : AR_ALL);
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
        enum ar_error error = plan_caps(from, to, caps, endpoint, plan);
        if (error)
            return error;
    }

    /* point of no return */
    trace_transfer(from, to, endpoint, badge);
    if (caps)
        trace_caps(from, to, caps, plan);
    to->regs.rdx = from->regs.rdx;
    to->regs.r10 = from->regs.r10;
    to->regs.r8 = from->regs.r8;
    to->regs.r9 = from->regs.r9;
    for (unsigned i = 4; i < words; i++)
        to->buffer->words[i] = from->buffer->words[i];
    if (caps)
        move_caps(to, caps, plan);
    to->regs.rsi = info;
    to->regs.rdi = badge;
    to->regs.rax = AR_OK;
    return AR_OK;
}
