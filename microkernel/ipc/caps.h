/*
 * The capabilities of one message, on the fast path. SPDX-License-Identifier: MIT
 *
 * ipc_transfer looks at all of them and then moves them; here each goes as it is looked at, and when
 * one cannot, those before it go back (caps_undo). A single one, the most usual, has a way of its
 * own. Left to ipc_transfer is what is not usual: other capabilities than gates, what opens or closes
 * one, copies and moves in one message, and slots to receive in that do not lie in one leaf, or in
 * one from which something is sent. What `received` holds means nothing before a message has come.
 */
#ifndef IPC_CAPS_H
#define IPC_CAPS_H

#include "object/derivation.h"
#include "sched/sched.h"

/* One message. In memory, since there are not as many registers. */
struct caps_pass {
    const struct endpoint *endpoint; /* as ipc_transfer has it */
    uint64_t count;
    /* the leaf of what is sent now: number source_first is source[0]; and the leaf to receive in,
     * without slot AR_CAP_SELF */
    struct cap *source, *target;
    uint64_t source_first, target_first, target_count, target_leaf;
    struct cap *from[AR_MSG_CAPS], *to[AR_MSG_CAPS]; /* from: if it moved; to NULL: it came home */
};

static __attribute__((noinline, cold)) bool caps_undo(const struct caps_pass *pass, unsigned count,
                                                      bool move)
{
    while (count-- > 0) {
        struct cap *to = pass->to[count];
        if (to && move) {
            cap_move(pass->from[count], to);
        } else if (to) {
            ((struct gate *)to->object)->copies--;
            cap_unlink(to);
        }
    }
    return false;
}

/* Is it a gate of which a copy can be made that may send, and nothing changes but their count? */
static inline bool gate_copyable(const struct cap *cap)
{
    return cap->type == AR_GATE && (cap->rights & AR_SEND) && !((struct gate *)cap->object)->closed;
}

/* Capability i lies in another leaf than those before. False: it does not go this way. Out of line,
 * so that the loop has the registers. */
static __attribute__((noinline)) bool source_find(const struct tcb *from, struct caps_pass *pass,
                                                  uint64_t i, bool move)
{
    uint64_t word = from->buffer->caps_out[i];
    const struct cap *leaf = cnode_leaf(&from->cspace, word & ~AR_CAP_MOVE);
    if (!leaf || leaf->object == pass->target_leaf || word >> 63 != move)
        return false;
    pass->source = (struct cap *)leaf->object;
    pass->source_first = word & ~(AR_LEAF_SLOTS - 1ull);
    return true;
}

/* False, and nothing has changed: they cannot all go, as copies or by moving. */
static inline __attribute__((always_inline)) bool caps_go(const struct tcb *from,
                                                          const struct tcb *to,
                                                          struct caps_pass *pass, bool move)
{
    const uint64_t *out = from->buffer->caps_out, *in = to->buffer->recv_slots;
    struct ar_received *received = to->buffer->received;
    uint64_t i = 0;
    while (source_find(from, pass, i, move)) {
        for (;;) {
            uint64_t index = out[i] - pass->source_first;
            if (index >= AR_LEAF_SLOTS)
                break;
            struct cap *cap = &pass->source[index];
            if (__builtin_expect(cap->head != CAP_GATE_COPY, 0) && (move || !gate_copyable(cap)))
                return caps_undo(pass, i, move);
            struct gate *gate = (struct gate *)cap->object;
            const struct endpoint *endpoint = gate->endpoint;
            if (!endpoint)
                return caps_undo(pass, i, move);
            received->issuer = endpoint->issuer;
            if (__builtin_expect(endpoint == pass->endpoint, 0)) {
                if (move)
                    return caps_undo(pass, i, move);
                received->kind = AR_RECEIVED_BADGE;
                received->type = AR_GATE;
                received->value = gate->badge;
                pass->to[i] = NULL;
            } else {
                index = *in++ - pass->target_first;
                struct cap *slot = &pass->target[index];
                if (index >= pass->target_count || slot->type != AR_NULL)
                    return caps_undo(pass, i, move);
                received->kind = AR_RECEIVED_CAP;
                received->type = AR_GATE;
                received->value = pass->target_first + index;
                pass->to[i] = slot;
                if (move) {
                    pass->from[i] = cap;
                    gate_move(slot, cap, gate);
                } else {
                    gate_copy(slot, cap, gate);
                }
            }
            received++;
            if (++i == pass->count)
                return (uint64_t)(in - to->buffer->recv_slots) <= to->buffer->recv_slot_count ||
                       caps_undo(pass, i, move);
        }
    }
    return caps_undo(pass, i, move);
}

static __attribute__((noinline)) bool caps_pass_many(const struct tcb *to, uint64_t info,
                                                     const struct endpoint *endpoint,
                                                     struct caps_pass *pass)
{
    const struct tcb *from = core.current;
    pass->endpoint = endpoint;
    pass->count = AR_INFO_CAPS(info);
    if (AR_INFO_WORDS(info) > AR_MSG_WORDS || pass->count > AR_MSG_CAPS)
        return false;
    uint64_t first = to->buffer->recv_slots[0] & ~(AR_LEAF_SLOTS - 1ull), self = !first;
    const struct cap *leaf = cnode_leaf(&to->cspace, first);
    if (!leaf)
        return false;
    pass->target_leaf = leaf->object;
    pass->target = (struct cap *)leaf->object + self;
    pass->target_first = first + self;
    pass->target_count = AR_LEAF_SLOTS - self;
    return from->buffer->caps_out[0] & AR_CAP_MOVE ? caps_go(from, to, pass, true)
                                                   : caps_go(from, to, pass, false);
}

/* The only one of a message: there is nothing to undo. False, and nothing has changed: it is not the
 * most usual, a copy of a gate. */
static inline __attribute__((always_inline)) bool cap_go(const struct tcb *to,
                                                         const struct endpoint *endpoint,
                                                         struct caps_pass *pass)
{
    const struct tcb *from = core.current;
    uint64_t word = from->buffer->caps_out[0], number = to->buffer->recv_slots[0];
    const struct cap *leaf = cnode_leaf(&from->cspace, word & ~AR_CAP_MOVE);
    if (!leaf)
        return false;
    struct cap *cap = leaf_slot(leaf, word);
    struct gate *gate = (struct gate *)cap->object;
    if (cap->head != CAP_GATE_COPY || !gate->endpoint)
        return false;
    struct ar_received *received = to->buffer->received;
    received->type = AR_GATE;
    received->issuer = gate->endpoint->issuer;
    if (gate->endpoint == endpoint) {
        received->kind = AR_RECEIVED_BADGE;
        received->value = gate->badge;
        pass->to[0] = NULL;
        return !(word & AR_CAP_MOVE);
    }
    leaf = cnode_leaf(&to->cspace, number);
    if (!leaf || number == AR_CAP_SELF || !to->buffer->recv_slot_count)
        return false;
    struct cap *slot = leaf_slot(leaf, number);
    if (slot->type != AR_NULL)
        return false;
    received->kind = AR_RECEIVED_CAP;
    received->value = number;
    pass->to[0] = slot;
    if (word & AR_CAP_MOVE)
        gate_move(slot, cap, gate);
    else
        gate_copy(slot, cap, gate);
    return true;
}

/* Out of the way of messages that have none. With no more than four arguments: the fifth would go
 * into r8. */
static __attribute__((noinline)) bool caps_pass(const struct tcb *to, uint64_t info,
                                                const struct endpoint *endpoint,
                                                struct caps_pass *pass)
{
    if (AR_INFO_CAPS(info) == 1 && AR_INFO_WORDS(info) <= AR_MSG_WORDS &&
        cap_go(to, endpoint, pass))
        return true;
    return caps_pass_many(to, info, endpoint, pass);
}

static inline void caps_trace(const struct tcb *from, const struct tcb *to,
                              const struct caps_pass *pass, uint64_t info)
{
    unsigned slot = 0;
    for (unsigned i = 0; i < AR_INFO_CAPS(info); i++) {
        uint64_t word = from->buffer->caps_out[i];
        bool move = word & AR_CAP_MOVE;
        trace_message_cap(to, move ? pass->to[i] : cnode_slot(&from->cspace, word), word,
                          pass->to[i] ? to->buffer->recv_slots[slot++] : 0, move, !pass->to[i]);
    }
}

#endif
