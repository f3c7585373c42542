/*
 * Call, receive, reply: the rendezvous. SPDX-License-Identifier: MIT
 *
 *   READY --call, nobody receives--> BLOCKED_CALL --received--> BLOCKED_REPLY --reply, deadline--> READY
 *   READY --call, somebody receives-----------------------------^
 *   READY --receive, nothing there--> BLOCKED_RECV --call, closed gate, bits, deadline--> READY
 *   READY --fault--> BLOCKED_FAULT --received--> BLOCKED_FAULT (reply object) --reply--> READY
 *
 * `waiting_on` is set exactly in the states that are on an endpoint's queue; `reply` is set in
 * BLOCKED_REPLY, in BLOCKED_FAULT after it was received, and in BLOCKED_RECV (the reply object
 * that the caller will go into).
 */
#include "arch/arch.h"
#include "ipc/ipc.h"
#include "sched/sched.h"

/* A reply with more capabilities takes so long that the receive comes in an entry of its own. */
enum { MUCH_CAPS = AR_MSG_CAPS / 2 };

static void block(struct tcb *tcb, enum ar_thread_state state)
{
    tcb->state = (uint8_t)state;
    sched_unready(tcb);
}

static void unblock(struct tcb *tcb)
{
    deadline_remove(tcb);
    tcb->state = AR_THREAD_READY;
    tcb->waiting_on = NULL;
    tcb->waiting_for = NULL;
}

static void wake(struct tcb *tcb)
{
    unblock(tcb);
    sched_ready(tcb);
}

static void sender_queue(struct tcb *sender, struct endpoint *endpoint, struct gate *gate)
{
    sender->waiting_on = endpoint;
    trace_state(sender, sender->state, 0, endpoint, gate);
    queue_append(&endpoint->senders, sender);
    if (gate)
        gate_sender_added(gate, sender);
}

static void sender_unqueue(struct tcb *sender)
{
    queue_remove(&sender->waiting_on->senders, sender);
    sender->waiting_on = NULL;
    if (sender->gate)
        gate_sender_removed(sender);
}

/* The receiver is off its queue already: let go of the reply object it offered and make it
 * ready. */
static void receiver_done(struct tcb *receiver)
{
    if (receiver->reply) {
        receiver->reply->receiver = NULL;
        receiver->reply = NULL;
    }
    wake(receiver);
}

static void wake_receiver(struct tcb *receiver)
{
    queue_remove(&receiver->waiting_on->receivers, receiver);
    receiver_done(receiver);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Hand a fault message over; the words do not come from the faulting thread's registers. */
static void transfer_fault(struct tcb *from, struct tcb *to)
{
    to->regs.rdx = from->fault[0];
    to->regs.r10 = from->fault[1];
    to->regs.r8 = from->fault[2];
    to->regs.r9 = from->fault[3];
    for (unsigned i = 4; i < FAULT_WORDS; i++)
        to->buffer->words[i] = from->fault[i];
    to->regs.rsi = AR_INFO(AR_LABEL_FAULT, FAULT_WORDS, 0, 0, 0);
    to->regs.rdi = from->badge;
    to->regs.rax = AR_OK;
}

/* Give the sender's message to a receiver that uses `reply`. The sender is on no queue. False:
 * it got an error instead, and the receiver goes on waiting. */
static bool deliver(struct tcb *sender, struct tcb *receiver, struct reply *reply,
                    struct endpoint *endpoint)
{
    if (sender->state == AR_THREAD_BLOCKED_FAULT) {
        transfer_fault(sender, receiver);
        trace_fault_message(sender, receiver, endpoint);
    } else {
        enum ar_error error = ipc_transfer(sender, receiver, sender->badge, endpoint);
        if (error) {
            trace_state(sender, AR_THREAD_READY, error, NULL, NULL);
            ipc_return(sender, error);
            wake(sender);
            return false;
        }
        block(sender, AR_THREAD_BLOCKED_REPLY);
    }
    receiver->regs.rbx = sender->principal;
    sender->reply = reply;
    reply->caller = sender;
    reply->server = receiver;
    return true;
}

/* `sender` is blocked (BLOCKED_CALL or BLOCKED_FAULT) and has its badge: deliver now or queue.
 * The receiver leaves its queue before the transfer: a capability that moves in may be the last
 * copy of a gate of this very endpoint, and the closed message must then go to somebody else. */
static void send(struct tcb *sender, struct endpoint *endpoint, struct gate *gate)
{
    struct tcb *receiver = endpoint->receivers.head;
    if (!receiver) {
        sender_queue(sender, endpoint, gate);
        return;
    }
    queue_remove(&endpoint->receivers, receiver);
    if (deliver(sender, receiver, receiver->reply, endpoint))
        receiver_done(receiver);
    else
        queue_append(&endpoint->receivers, receiver);
}

/* The endpoint that slot rdi leads to, by way of which gate (NULL: none). */
static enum ar_error call_target(struct tcb *caller, struct endpoint **endpoint,
                                 struct gate **gate)
{
    struct cap *slot;
    enum ar_error error = tcb_lookup(caller, caller->regs.rdi, &slot);
    if (error)
        return error;
    if (slot->type == AR_GATE) {
        *gate = (struct gate *)slot->object;
        *endpoint = gate_endpoint(*gate);
        caller->badge = (*gate)->badge;
    } else if (slot->type == AR_ENDPOINT) {
        *endpoint = (struct endpoint *)slot->object;
        caller->badge = 0;
    } else {
        return slot->type == AR_NULL ? AR_ERR_EMPTY : AR_ERR_TYPE;
    }
    if (!(slot->rights & AR_SEND))
        return AR_ERR_RIGHTS;
    return *endpoint ? AR_OK : AR_ERR_GONE;
}

void ipc_call(struct tcb *caller, uint64_t deadline)
{
    struct endpoint *endpoint = NULL;
    struct gate *gate = NULL;
    enum ar_error error = call_target(caller, &endpoint, &gate);
    if (!error && AR_INFO_LABEL(caller->regs.rsi) < AR_LABEL_USER)
        error = AR_ERR_LABEL;
    if (!error && (AR_INFO_WORDS(caller->regs.rsi) > AR_MSG_WORDS ||
                   AR_INFO_CAPS(caller->regs.rsi) > AR_MSG_CAPS))
        error = AR_ERR_ARGUMENT;
    if (!error && deadline != AR_NO_DEADLINE && deadline <= arch_clock_ns())
        error = AR_ERR_TIMEOUT;
    if (error) {
        ipc_return(caller, error);
        return;
    }
    block(caller, AR_THREAD_BLOCKED_CALL);
    send(caller, endpoint, gate);
    if (caller->state != AR_THREAD_READY)
        deadline_add(caller, deadline);
}

bool ipc_fault(struct tcb *tcb, const uint64_t words[FAULT_WORDS])
{
    if (tcb->fault_gate.type != AR_GATE)
        return false;
    struct gate *gate = (struct gate *)tcb->fault_gate.object;
    struct endpoint *endpoint = gate_endpoint(gate);
    if (!endpoint)
        return false;
    for (unsigned i = 0; i < FAULT_WORDS; i++)
        tcb->fault[i] = words[i];
    tcb->badge = gate->badge;
    block(tcb, AR_THREAD_BLOCKED_FAULT);
    send(tcb, endpoint, gate);
    return true;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* What comes goes into `reply`. */
static void receive(struct tcb *receiver, struct endpoint *endpoint, struct reply *reply)
{
    uint64_t deadline = receiver->regs.r13;
    if (reply->caller || reply->receiver) {
        ipc_return(receiver, AR_ERR_BUSY);
        return;
    }
    endpoint->server = receiver;
    struct gate *closed = gate_take_closed(endpoint);
    if (closed) {
        ipc_return_message(receiver, closed->badge, AR_LABEL_CLOSED, 0, 0);
        return;
    }
    if (receiver->bound && receiver->bound->bits) {
        ipc_return_message(receiver, 0, AR_LABEL_NOTIFICATION, receiver->bound->bits, 1);
        receiver->bound->bits = 0;
        return;
    }
    struct tcb *sender = endpoint->senders.head;
    if (sender) {
        sender_unqueue(sender);
        /* A message that cannot be delivered took its time as well: the next one in another entry.
         * If a reply came before this (AR_SYS_REPLY_RECV), its reply object is empty by now, and
         * that is no error. */
        if (!deliver(sender, receiver, reply, endpoint))
            syscall_again(receiver);
        return;
    }
    if (deadline != AR_NO_DEADLINE && deadline <= arch_clock_ns()) {
        ipc_return_message(receiver, 0, AR_LABEL_TIMEOUT, 0, 0);
        return;
    }
    ipc_wait_for_message(receiver, endpoint, reply);
    trace_state(receiver, AR_THREAD_BLOCKED_RECV, 0, endpoint, NULL);
    deadline_add(receiver, deadline);
}

void ipc_receive(struct tcb *receiver)
{
    struct cap *slot, *reply_slot;
    enum ar_error error =
        tcb_lookup_type(receiver, receiver->regs.rdi, AR_ENDPOINT, AR_RECV, &slot);
    if (!error)
        error = tcb_lookup_type(receiver, receiver->regs.r12, AR_REPLY, 0, &reply_slot);
    if (error)
        ipc_return(receiver, error);
    else
        receive(receiver, (struct endpoint *)slot->object, (struct reply *)reply_slot->object);
}

void ipc_deliver_closed(struct endpoint *endpoint)
{
    struct tcb *receiver = endpoint->receivers.head;
    if (!receiver)
        return;
    struct gate *gate = gate_take_closed(endpoint);
    ipc_return_message(receiver, gate->badge, AR_LABEL_CLOSED, 0, 0);
    wake_receiver(receiver);
}

void ipc_deliver_bits(struct tcb *receiver, uint64_t bits)
{
    ipc_return_message(receiver, 0, AR_LABEL_NOTIFICATION, bits, 1);
    wake_receiver(receiver);
}

/* ---- replying -------------------------------------------------------------------------------- */

/* *caller can go on then, but is on no queue yet. AR_ERR_GONE: there is none (any more). */
static enum ar_error reply_to(struct tcb *server, struct reply *reply, struct tcb **caller)
{
    struct tcb *to = reply->caller;
    if (!to)
        return AR_ERR_GONE;
    if (to->state != AR_THREAD_BLOCKED_FAULT) {
        enum ar_error error = ipc_transfer(server, to, 0, NULL);
        if (error)
            return error;
    } else {
        trace_fault_reply(server, to);
    }
    reply->caller = NULL;
    to->reply = NULL;
    unblock(to);
    *caller = to;
    return AR_OK;
}

/* The server has replied to `caller` and received: if it waits now, its caller goes on without the
 * detour of a queue, as on the fast path. */
static void hand_back(struct tcb *server, struct tcb *caller)
{
    if (server->state == AR_THREAD_BLOCKED_RECV && caller->state == AR_THREAD_READY &&
        !caller->suspended && sched_runs_next(caller))
        arch_switch(server, caller);
    else
        sched_ready(caller);
}

void ipc_reply(struct tcb *server)
{
    struct cap *slot;
    struct tcb *caller;
    enum ar_error error = tcb_lookup_type(server, server->regs.rdi, AR_REPLY, 0, &slot);
    if (!error)
        error = reply_to(server, (struct reply *)slot->object, &caller);
    if (!error)
        sched_ready(caller);
    ipc_return(server, error);
}

void ipc_reply_receive(struct tcb *server)
{
    struct cap *slot, *reply_slot;
    struct tcb *caller = NULL;
    unsigned caps = AR_INFO_CAPS(server->regs.rsi);
    enum ar_error error = tcb_lookup_type(server, server->regs.r12, AR_REPLY, 0, &reply_slot);
    struct reply *reply = error ? NULL : (struct reply *)reply_slot->object;
    if (!error)
        error = reply_to(server, reply, &caller);
    if (error == AR_ERR_GONE && !caps)
        error = AR_OK;
    if (!error)
        server->regs.rsi = 0; /* if this is done again: it is no error that the reply object is empty */
    if (!error && caps > MUCH_CAPS) {
        syscall_again(server);
    } else {
        if (!error)
            error = tcb_lookup_type(server, server->regs.rdi, AR_ENDPOINT, AR_RECV, &slot);
        if (error)
            ipc_return(server, error);
        else
            receive(server, (struct endpoint *)slot->object, reply);
    }
    if (caller)
        hand_back(server, caller);
}

/* ---- giving up ------------------------------------------------------------------------------- */

void ipc_cancel(struct tcb *tcb, enum ar_error error)
{
    if (tcb->state != AR_THREAD_READY && tcb->state != AR_THREAD_INACTIVE)
        trace_state(tcb, AR_THREAD_READY, error, NULL, NULL);
    switch (tcb->state) {
    case AR_THREAD_BLOCKED_CALL:
        sender_unqueue(tcb);
        break;
    case AR_THREAD_BLOCKED_FAULT:
        if (tcb->waiting_on)
            sender_unqueue(tcb);
        /* fall through */
    case AR_THREAD_BLOCKED_REPLY:
        if (tcb->reply) {
            tcb->reply->caller = NULL;
            tcb->reply = NULL;
        }
        break;
    case AR_THREAD_BLOCKED_RECV:
        if (error == AR_ERR_TIMEOUT)
            ipc_return_message(tcb, 0, AR_LABEL_TIMEOUT, 0, 0);
        else
            ipc_return(tcb, error);
        wake_receiver(tcb);
        return;
    case AR_THREAD_BLOCKED_WAIT:
        queue_remove(&tcb->waiting_for->waiters, tcb);
        break;
    default:
        return;
    }
    if (tcb->state != AR_THREAD_BLOCKED_FAULT)
        ipc_return(tcb, error);
    wake(tcb);
}

bool ipc_interrupt(struct tcb *tcb)
{
    if (tcb->state != AR_THREAD_BLOCKED_CALL && tcb->state != AR_THREAD_BLOCKED_RECV &&
        tcb->state != AR_THREAD_BLOCKED_WAIT)
        return false;
    ipc_cancel(tcb, AR_ERR_CANCELLED);
    return true;
}
