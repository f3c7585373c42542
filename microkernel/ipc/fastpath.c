/*
 * The fast path (fastpath.h). SPDX-License-Identifier: MIT
 */
#include "ipc/fastpath.h"
#include "ipc/caps.h"
#include "ipc/ipc.h"
#include "sched/sched.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)

/* What tcb_lookup_type does; NULL for every error. */
static inline struct cap *fast_lookup(const struct tcb *tcb, uint64_t slot, unsigned type,
                                      unsigned rights)
{
    const struct cap *leaf = cnode_leaf(&tcb->cspace, slot);
    if (!leaf)
        return NULL;
    struct cap *cap = leaf_slot(leaf, slot);
    return cap->type == type && (cap->rights & rights) == rights ? cap : NULL;
}

/* No capabilities in the message, and not too long. Segments that a caller declares cost nothing. */
static inline bool only_words(uint64_t info)
{
    return (info & 0xffff) <= AR_MSG_WORDS;
}

/* A status that a thread has when it stopped in a fault and every register counts. */
#define STATUS_FAULTED (AR_THREAD_BLOCKED_FAULT | 1u << 16)

/* The words that travel in the buffer. */
static inline void words_move(const struct tcb *from, const struct tcb *to, uint64_t info)
{
    const uint64_t *source = from->buffer->words;
    uint64_t *target = to->buffer->words;
    uint64_t i = 4, words = AR_INFO_WORDS(info);
    for (; i + 2 <= words; i += 2) {
        target[i] = source[i];
        target[i + 1] = source[i + 1];
    }
    if (i < words)
        target[i] = source[i];
}

bool fast_call(uint64_t slot, uint64_t info)
{
    struct caps_pass pass;
    struct tcb *caller = core.current;
    if (!LIKELY(AR_INFO_LABEL(info) >= AR_LABEL_USER))
        return false;
    const struct cap *cap = fast_lookup(caller, slot, AR_GATE, AR_SEND);
    if (!LIKELY(cap))
        return false;
    const struct gate *gate = (const struct gate *)cap->object;
    struct endpoint *endpoint = gate->endpoint;
    if (!LIKELY(endpoint))
        return false;
    struct tcb *server = endpoint->receivers.head;
    if (!LIKELY(server && (server->status & TCB_STATUS_MASK) == AR_THREAD_BLOCKED_RECV &&
                server->deadline == AR_NO_DEADLINE && sched_runs_next(server)))
        return false;
    if (!LIKELY(only_words(info)) && !caps_pass(server, info, endpoint, &pass))
        return false;

    /* point of no return */
    struct reply *reply = server->reply;
    queue_take(&endpoint->receivers);
    server->reply = NULL;
    server->waiting_on = NULL;
    server->state = AR_THREAD_READY;
    caller->state = AR_THREAD_BLOCKED_REPLY;
    caller->reply = reply;
    reply->receiver = NULL;
    reply->caller = caller;
    reply->server = server;
    trace_message_fast(caller, server, slot, gate, endpoint, info);
    caps_trace(caller, server, &pass, info);
    if (!LIKELY(AR_INFO_WORDS(info) <= 4))
        words_move(caller, server, info);
    arch_switch(caller, server);
    return arch_leave_fast(server, gate->badge, info, caller->regs.rdx, caller->principal);
}

/* May the server wait on the endpoint in `slot`: no deadline, and nothing there to receive? Then it
 * is *endpoint, and *reply is what the next caller goes into. */
static inline bool may_wait(const struct tcb *server, uint64_t slot, struct endpoint **endpoint,
                            struct reply **reply)
{
    const struct cap *cap = fast_lookup(server, slot, AR_ENDPOINT, AR_RECV);
    if (!LIKELY(cap && server->regs.r13 == AR_NO_DEADLINE))
        return false;
    const struct cap *reply_cap = fast_lookup(server, server->regs.r12, AR_REPLY, 0);
    if (!LIKELY(reply_cap))
        return false;
    *endpoint = (struct endpoint *)cap->object;
    *reply = (struct reply *)reply_cap->object;
    return !(*endpoint)->senders.head && !(*endpoint)->closed_head &&
           !(server->bound && server->bound->bits);
}

bool fast_reply_receive(uint64_t slot, uint64_t info)
{
    struct caps_pass pass;
    struct tcb *server = core.current;
    struct endpoint *endpoint;
    struct reply *reply;
    if (!LIKELY(may_wait(server, slot, &endpoint, &reply)))
        return false;
    struct tcb *caller = reply->caller;
    if (!LIKELY(caller && caller->deadline == AR_NO_DEADLINE && sched_runs_next(caller)))
        return false;
    unsigned status = caller->status & TCB_STATUS_MASK;
    if (!LIKELY(status == AR_THREAD_BLOCKED_REPLY) &&
        (status != STATUS_FAULTED || AR_INFO_CAPS(info)))
        return false;
    if (!LIKELY(only_words(info)) && !caps_pass(caller, info, NULL, &pass))
        return false;

    /* point of no return */
    ipc_wait_for_message(server, endpoint, reply);
    reply->caller = NULL;
    caller->reply = NULL;
    caller->state = AR_THREAD_READY;
    trace_reply_fast(server, caller, reply, info, status != AR_THREAD_BLOCKED_REPLY);
    caps_trace(server, caller, &pass, info);
    if (!LIKELY(AR_INFO_WORDS(info) <= 4) && status == AR_THREAD_BLOCKED_REPLY)
        words_move(server, caller, info);
    trace_state(server, AR_THREAD_BLOCKED_RECV, 0, endpoint, NULL);
    arch_switch(server, caller);
    if (!LIKELY(status == AR_THREAD_BLOCKED_REPLY))
        return arch_leave(); /* the reply to a fault carries nothing */
    return arch_leave_fast(caller, 0, info, server->regs.rdx, caller->regs.rbx);
}

bool fast_receive(uint64_t slot)
{
    struct tcb *server = core.current;
    struct endpoint *endpoint;
    struct reply *reply;
    if (!LIKELY(core.ready_bits && may_wait(server, slot, &endpoint, &reply) && !reply->caller &&
                !reply->receiver))
        return false;

    /* point of no return */
    ipc_wait_for_message(server, endpoint, reply);
    trace_state(server, AR_THREAD_BLOCKED_RECV, 0, endpoint, NULL);
    arch_switch(server, sched_take(63u - (unsigned)__builtin_clzll(core.ready_bits)));
    return arch_leave(); /* whoever goes on was stopped at any place */
}

/* Of a copy that is not the last: deleting it changes the list and a count. */
bool fast_delete(uint64_t target, uint64_t info, uint64_t slot)
{
    struct tcb *caller = core.current;
    if (!LIKELY(target == AR_CAP_SELF && info == AR_INFO(AR_CNODE_DELETE, 4, 0, 0, 0)))
        return false;
    const struct cap *leaf = cnode_leaf(&caller->cspace, slot);
    if (!LIKELY(leaf))
        return false;
    struct cap *cap = leaf_slot(leaf, slot);
    if (!LIKELY(cap->head == CAP_GATE_COPY))
        return false;
    struct gate *gate = (struct gate *)cap->object;
    uint32_t left = gate->copies - 1;
    if (!LIKELY(left))
        return false;

    /* point of no return */
    gate->copies = left;
    cap_unlink(cap);
    return arch_leave_fast(caller, target, AR_INFO(0, 0, 0, 0, 0), slot, caller->regs.rbx);
}

bool fast_signal(uint64_t slot)
{
    struct tcb *caller = core.current;
    const struct ar_regs *regs = &caller->regs;
    const struct cap *cap = fast_lookup(caller, slot, AR_NOTIFICATION, AR_SEND);
    if (!LIKELY(cap))
        return false;
    struct notification *notification = (struct notification *)cap->object;
    const struct tcb *bound = notification->bound;
    struct tcb *waiter = notification->waiters.head;
    if (!LIKELY(!(bound && bound->state == AR_THREAD_BLOCKED_RECV)))
        return false;
    if (waiter && !(regs->rdx && waiter->deadline == AR_NO_DEADLINE && !waiter->suspended &&
                    waiter->priority <= caller->priority))
        return false;

    /* point of no return */
    trace_signal(notification, regs->rdx, waiter);
    if (waiter) { /* so no bits were set */
        queue_remove(&notification->waiters, waiter);
        waiter->waiting_for = NULL;
        waiter->state = AR_THREAD_READY;
        waiter->regs.rax = AR_OK;
        waiter->regs.rdx = regs->rdx;
        sched_queue(waiter);
    } else {
        notification->bits |= regs->rdx;
    }
    return arch_leave_fast(caller, regs->rdi, regs->rsi, regs->rdx, regs->rbx);
}
