/*
 * What the threads see, held against the rules of abi.h. SPDX-License-Identifier: MIT
 *
 * A call is sent once, received at most once, and ends once: with the reply of whoever holds it,
 * or with the one error that fits what happened in this very step.
 */
#include "machine.h"
#include <string.h>

struct history history;
struct holds holds;
struct step step;

static bool is_gate(const struct cap *cap, unsigned gate)
{
    return cap->type == AR_GATE && cap->object == (uint64_t)&machine.gate[gate];
}

static void name_gate(struct alive *named, const struct cap *cap)
{
    if (cap->type == AR_GATE)
        named->gate[(struct gate *)cap->object - machine.gate] = true;
}

struct alive objects_named(void)
{
    struct alive named = {.notification = leaf[SLOT_NOTIFICATION].type != AR_NULL};
    for (unsigned i = 0; i < THREADS; i++)
        named.thread[i] = leaf[SLOT_THREAD + i].type != AR_NULL;
    for (unsigned i = 0; i < ENDPOINTS; i++)
        named.endpoint[i] = leaf[SLOT_ENDPOINT + i].type != AR_NULL;
    for (unsigned i = 0; i < REPLIES; i++)
        named.reply[i] = leaf[SLOT_REPLY + i].type != AR_NULL;
    for (unsigned slot = 1; slot < SLOTS; slot++)
        name_gate(&named, &leaf[slot]);
    for (unsigned i = 0; i < THREADS; i++)
        name_gate(&named, &machine.thread[i].fault_gate);
    return named;
}

/* dying.c: a stack of addresses with the type in the low bits, linked through the objects. */
static void add_dying(struct alive *there)
{
    enum { TYPE = 31, LINKED = 32 };
    unsigned bound = 16;
    for (uint64_t dying = core.dying; dying && bound; bound--) {
        void *object = (void *)(dying & ~63ull);
        uint64_t link = 0;
        if ((dying & TYPE) == AR_TCB) {
            there->thread[(struct tcb *)object - machine.thread] = true;
            link = ((struct tcb *)object)->dying;
        } else if ((dying & TYPE) == AR_ENDPOINT) {
            there->endpoint[(struct endpoint *)object - machine.endpoint] = true;
            link = ((struct endpoint *)object)->dying;
        } else if ((dying & TYPE) == AR_GATE) {
            there->gate[(struct gate *)object - machine.gate] = true;
            link = ((struct gate *)object)->dying;
        } else if ((dying & TYPE) == AR_NOTIFICATION) {
            there->notification = true;
            link = ((struct notification *)object)->dying;
        } else { /* not dying, but on the stack: receivers have to be told of closed gates */
            there->endpoint[(struct endpoint *)object - machine.endpoint] = true;
            link = ((struct endpoint *)object)->closing;
        }
        dying = link & ~(uint64_t)LINKED;
    }
}

struct alive objects_there(void)
{
    struct alive there = objects_named();
    add_dying(&there);
    return there;
}

unsigned gate_holders(unsigned gate)
{
    unsigned count = 0;
    for (unsigned slot = 1; slot < SLOTS; slot++)
        count += is_gate(&leaf[slot], gate) && !(leaf[slot].flags & CAP_ORIGINAL);
    for (unsigned t = 0; t < THREADS; t++) {
        const struct thread_history *thread = &history.thread[t];
        count += is_gate(&machine.thread[t].fault_gate, gate);
        count += (thread->doing == CALLING || thread->doing == FAULTING) && !thread->received &&
                 thread->gate == gate;
    }
    return count;
}

void history_before(void)
{
    step.there = objects_there();
    for (unsigned i = 0; i < GATES; i++)
        step.holders[i] = gate_holders(i);
    for (unsigned i = 0; i < ENDPOINTS; i++)
        step.closed_waits[i] = (history.owed[0] && i == 0) || (history.owed[1] && i == 0) ||
                               (history.owed[2] && i == 1);
}

/* ---- what a receive brought ------------------------------------------------------------------ */

static void message_received(unsigned receiver, unsigned sender, enum doing doing)
{
    struct thread_history *from = &history.thread[sender], *to = &history.thread[receiver];
    const struct ar_regs *regs = &machine.thread[receiver].regs;
    if (sender >= THREADS || from->doing != doing || from->received ||
        from->endpoint != to->endpoint) {
        holds.exactly_once = false;
        return;
    }
    if (step.actor == receiver && step.closed_waits[to->endpoint])
        holds.closed_first = false;
    if (regs->rdi != (unsigned)BADGE + from->gate || regs->rbx != PRINCIPAL + sender)
        holds.outcome_true = false;
    from->received = 1;
    from->reply = to->reply;
}

static void closed_received(unsigned receiver)
{
    unsigned gate = (unsigned)machine.thread[receiver].regs.rdi - BADGE;
    if (gate >= GATES || !history.owed[gate] || gate_holders(gate) ||
        home_of(gate) != history.thread[receiver].endpoint)
        holds.closed_exact = false;
    else
        history.owed[gate] = 0;
}

static void bits_received(uint64_t bits)
{
    if (!bits || bits != history.bits)
        holds.no_lost_signal = false;
    history.bits = 0;
}

/* Something that the thread's operation needs is not among `now`. */
static bool lacks(unsigned thread, struct alive now)
{
    const struct thread_history *was = &history.thread[thread];
    switch (was->doing) {
    case CALLING:
    case FAULTING:
        return was->received ? !now.reply[was->reply]
                             : !now.endpoint[was->endpoint] || !now.gate[was->gate];
    case RECEIVING:
        return !now.endpoint[was->endpoint] || !now.reply[was->reply];
    case WAITING:
        return !now.notification;
    default:
        return false;
    }
}

static bool gone(unsigned thread)
{
    return lacks(thread, objects_named());
}

static void error_returned(unsigned thread, uint64_t error)
{
    const struct thread_history *was = &history.thread[thread];
    bool at_once = step.actor == thread, expected = false;
    switch (error) {
    case AR_ERR_GONE:
        expected = gone(thread);
        break;
    case AR_ERR_TIMEOUT:
        expected = was->deadline && (at_once || step.event == EXPIRING);
        break;
    case AR_ERR_CANCELLED:
        expected = step.event == CANCELLING && step.object == thread;
        holds.exactly_once &= !was->received; /* the caller would send it again */
        break;
    case AR_ERR_EMPTY: /* the slot called or received on, or the one to be moved */
        expected = at_once || (was->moving && !was->received);
        break;
    case AR_ERR_NO_SLOT:
        expected = was->moving && !was->received;
        break;
    case AR_ERR_BUSY:
        expected = at_once && was->doing == RECEIVING;
        break;
    default:
        break;
    }
    holds.outcome_true &= expected;
}

static void receive_ended(unsigned thread, bool closed)
{
    const struct ar_regs *regs = &machine.thread[thread].regs;
    uint32_t label = AR_INFO_LABEL(regs->rsi);
    if (regs->rax != AR_OK) {
        error_returned(thread, regs->rax);
        return;
    }
    if (closed) {
        closed_received(thread);
        return;
    }
    switch (label) {
    case AR_LABEL_USER:
        message_received(thread, (unsigned)regs->rdx - CALL_WORD, CALLING);
        break;
    case AR_LABEL_FAULT:
        message_received(thread, (unsigned)regs->rdx - FAULT_WORD, FAULTING);
        break;
    case AR_LABEL_NOTIFICATION:
        bits_received(regs->rdx);
        break;
    case AR_LABEL_TIMEOUT:
        error_returned(thread, AR_ERR_TIMEOUT);
        break;
    default:
        holds.outcome_true = false;
    }
}

/* ---- how a call, a wait or a fault ended ----------------------------------------------------- */

/* The thread's call or fault is answered: by a reply, through the object that holds it. */
static bool is_replied(const struct thread_history *was)
{
    return was->received && step.event == REPLYING && step.object == was->reply;
}

static void call_ended(unsigned thread)
{
    const struct thread_history *was = &history.thread[thread];
    const struct ar_regs *regs = &machine.thread[thread].regs;
    if (was->doing == FAULTING) { /* goes on, or tries again */
        holds.exactly_once &= is_replied(was) || gone(thread);
        return;
    }
    if (regs->rax != AR_OK) {
        error_returned(thread, regs->rax);
        return;
    }
    if (!is_replied(was))
        holds.exactly_once = false;
    else if (regs->rdx != REPLY_WORD + step.actor || regs->rdi)
        holds.outcome_true = false;
}

static void wait_ended(unsigned thread)
{
    const struct ar_regs *regs = &machine.thread[thread].regs;
    if (regs->rax == AR_OK)
        bits_received(regs->rdx);
    else
        error_returned(thread, regs->rax);
}

static bool has_ended(unsigned thread)
{
    return history.thread[thread].doing != IDLE && leaf[SLOT_THREAD + thread].type != AR_NULL &&
           machine.thread[thread].state == AR_THREAD_READY && !history.thread[thread].again;
}

static bool closed_arrived(unsigned thread)
{
    const struct ar_regs *regs = &machine.thread[thread].regs;
    return history.thread[thread].doing == RECEIVING && regs->rax == AR_OK &&
           AR_INFO_LABEL(regs->rsi) == AR_LABEL_CLOSED;
}

static void forget(unsigned thread)
{
    history.thread[thread] =
        (struct thread_history){.endpoint = NOTHING, .gate = NOTHING, .reply = NOTHING};
}

/* What waited on an object must have ended when the object is in pieces. */
static void check_woken(void)
{
    struct alive now = objects_there();
    for (unsigned t = 0; t < THREADS; t++)
        if (leaf[SLOT_THREAD + t].type != AR_NULL && lacks(t, now) && !has_ended(t) &&
            !history.thread[t].again)
            holds.destroyed_wakes = false;
}

static void owe_closed(void)
{
    struct alive now = objects_named();
    for (unsigned gate = 0; gate < GATES; gate++) {
        unsigned holders = gate_holders(gate);
        if (holders || !now.endpoint[home_of(gate)])
            history.owed[gate] = 0;
        else if (step.holders[gate])
            history.owed[gate] = 1;
    }
}

void history_after(void)
{
    bool closed[THREADS] = {false};
    /* receives first: a message is received before its call can end */
    for (unsigned t = 0; t < THREADS; t++) {
        closed[t] = has_ended(t) && closed_arrived(t);
        if (has_ended(t) && history.thread[t].doing == RECEIVING && !closed[t])
            receive_ended(t, false);
    }
    check_woken();
    for (unsigned t = 0; t < THREADS; t++) {
        if (leaf[SLOT_THREAD + t].type == AR_NULL)
            forget(t);
        if (!has_ended(t) || closed[t])
            continue;
        if (history.thread[t].doing == WAITING)
            wait_ended(t);
        else if (history.thread[t].doing != RECEIVING)
            call_ended(t);
        forget(t);
    }
    owe_closed();
    for (unsigned t = 0; t < THREADS; t++)
        if (closed[t]) {
            receive_ended(t, true);
            forget(t);
        }
    struct alive now = objects_named();
    for (unsigned gate = 0; gate < GATES; gate++)
        history.owed[gate] &= now.gate[gate];
    if (!now.notification)
        history.bits = 0;
}
