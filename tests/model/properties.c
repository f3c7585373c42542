/*
 * What is true of the kernel's own structures after every step. SPDX-License-Identifier: MIT
 *
 * Queues are walked with a bound: a broken one may be a ring.
 */
#include "machine.h"
#include <string.h>

static bool there(unsigned thread) { return leaf[SLOT_THREAD + thread].type != AR_NULL; }

/* ---- queues ---------------------------------------------------------------------------------- */

/* Count the queue's threads in `on`; false when its links are not right both ways. */
static bool count_queue(const struct tcb_queue *queue, unsigned on[THREADS])
{
    const struct tcb *last = NULL;
    unsigned length = 0;
    for (const struct tcb *at = queue->head; at; last = at, at = at->link_next) {
        uint64_t index = (uint64_t)(at - machine.thread);
        if (at < machine.thread || index >= THREADS || !there((unsigned)index) ||
            at->link_prev != last || ++length > THREADS)
            return false;
        on[index]++;
    }
    return queue->tail == last;
}

static const struct tcb_queue *expected_queue(const struct tcb *tcb)
{
    static const struct tcb_queue nowhere;
    unsigned state = tcb->state;
    if ((!tcb->waiting_on &&
         (state == AR_THREAD_BLOCKED_CALL || state == AR_THREAD_BLOCKED_RECV)) ||
        (!tcb->waiting_for && state == AR_THREAD_BLOCKED_WAIT))
        return &nowhere;
    switch (tcb->state) {
    case AR_THREAD_READY:
        return tcb->suspended || tcb == core.current ? NULL : &core.ready[tcb->priority];
    case AR_THREAD_BLOCKED_CALL:
        return &tcb->waiting_on->senders;
    case AR_THREAD_BLOCKED_FAULT:
        return tcb->waiting_on ? &tcb->waiting_on->senders : NULL;
    case AR_THREAD_BLOCKED_RECV:
        return &tcb->waiting_on->receivers;
    case AR_THREAD_BLOCKED_WAIT:
        return &tcb->waiting_for->waiters;
    default:
        return NULL;
    }
}

static bool is_on(const struct tcb_queue *queue, const struct tcb *tcb)
{
    for (const struct tcb *at = queue->head; at; at = at->link_next)
        if (at == tcb)
            return true;
    return false;
}

static bool one_queue(void)
{
    unsigned on[THREADS] = {0};
    bool good = true;
    struct alive now = objects_there();
    for (unsigned p = 0; p <= AR_PRIORITY_MAX; p++)
        if (core.ready[p].head || core.ready[p].tail || core.ready_bits >> p & 1)
            good &=
                core.ready_bits >> p & 1 && core.ready[p].head && count_queue(&core.ready[p], on);
    for (unsigned i = 0; i < ENDPOINTS; i++)
        if (now.endpoint[i])
            good &= count_queue(&machine.endpoint[i].senders, on) &&
                    count_queue(&machine.endpoint[i].receivers, on);
    if (now.notification)
        good &= count_queue(&machine.notification.waiters, on);
    for (unsigned t = 0; good && t < THREADS; t++) {
        const struct tcb *tcb = &machine.thread[t];
        if (!there(t))
            continue;
        const struct tcb_queue *queue = expected_queue(tcb);
        good &= on[t] == (queue != NULL) && (!queue || is_on(queue, tcb));
        good &= tcb->queued == (queue && tcb->state == AR_THREAD_READY);
    }
    return good;
}

/* ---- pointers -------------------------------------------------------------------------------- */

static bool is_object(const void *pointer, const void *first, unsigned bytes, unsigned count,
                      const bool alive[])
{
    uint64_t offset = (uint64_t)((const uint8_t *)pointer - (const uint8_t *)first);
    return !pointer || (offset % bytes == 0 && offset / bytes < count && alive[offset / bytes]);
}

#define GOOD(pointer, array, count, alive)                                                         \
    is_object(pointer, array, sizeof((array)[0]), count, alive)

static bool is_poison(const void *memory, size_t bytes)
{
    const uint8_t *at = memory;
    return at[0] == 0x5a && !memcmp(at, at + 1, bytes - 1);
}

static bool thread_points_right(const struct tcb *tcb, const struct alive *now)
{
    return GOOD(tcb->waiting_on, machine.endpoint, ENDPOINTS, now->endpoint) &&
           GOOD(tcb->waiting_for, &machine.notification, 1, &now->notification) &&
           GOOD(tcb->bound, &machine.notification, 1, &now->notification) &&
           GOOD(tcb->gate, machine.gate, GATES, now->gate) &&
           GOOD(tcb->gate_next, machine.thread, THREADS, now->thread) &&
           GOOD(tcb->reply, machine.reply, REPLIES, now->reply) &&
           GOOD(tcb->link_next, machine.thread, THREADS, now->thread) &&
           GOOD(tcb->heap_left, machine.thread, THREADS, now->thread) &&
           GOOD(tcb->heap_right, machine.thread, THREADS, now->thread) &&
           GOOD(tcb->all_next, machine.thread, THREADS, now->thread);
}

static bool no_dangling(void)
{
    struct alive now = objects_there();
    bool good = GOOD(core.current, machine.thread, THREADS, now.thread) &&
                GOOD(core.deadlines, machine.thread, THREADS, now.thread) &&
                GOOD(core.all_threads, machine.thread, THREADS, now.thread);
    for (unsigned i = 0; i < THREADS; i++)
        if (!now.thread[i])
            good &= is_poison(&machine.thread[i], sizeof(struct tcb));
        else if (there(i)) /* a dying one has nothing but its capabilities */
            good &= thread_points_right(&machine.thread[i], &now);
    for (unsigned i = 0; i < ENDPOINTS; i++) {
        const struct endpoint *endpoint = &machine.endpoint[i];
        if (!now.endpoint[i])
            good &= is_poison(endpoint, sizeof(*endpoint));
        else
            good &= GOOD(endpoint->senders.head, machine.thread, THREADS, now.thread) &&
                    GOOD(endpoint->receivers.head, machine.thread, THREADS, now.thread) &&
                    GOOD(endpoint->gates, machine.gate, GATES, now.gate) &&
                    GOOD(endpoint->closed_head, machine.gate, GATES, now.gate);
    }
    for (unsigned i = 0; i < GATES; i++) {
        const struct gate *gate = &machine.gate[i];
        if (!now.gate[i])
            good &= is_poison(gate, sizeof(*gate));
        else
            good &= GOOD(gate->endpoint, machine.endpoint, ENDPOINTS, now.endpoint) &&
                    GOOD(gate->next, machine.gate, GATES, now.gate) &&
                    (!gate->closed || GOOD(gate->closed_next, machine.gate, GATES, now.gate)) &&
                    GOOD(gate->senders, machine.thread, THREADS, now.thread);
    }
    for (unsigned i = 0; i < REPLIES; i++) {
        const struct reply *reply = &machine.reply[i];
        good &= now.reply[i] ? GOOD(reply->caller, machine.thread, THREADS, now.thread) &&
                                   GOOD(reply->receiver, machine.thread, THREADS, now.thread)
                             : is_poison(reply, sizeof(*reply));
    }
    const struct notification *notification = &machine.notification;
    if (!now.notification)
        return good && is_poison(notification, sizeof(*notification));
    if (leaf[SLOT_NOTIFICATION].type) /* of a dying one nobody looks at it */
        good &= GOOD(notification->bound, machine.thread, THREADS, now.thread);
    return good && GOOD(notification->waiters.head, machine.thread, THREADS, now.thread);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static bool no_lost_wakeup(void)
{
    for (unsigned i = 0; i < ENDPOINTS; i++) {
        const struct endpoint *endpoint = &machine.endpoint[i];
        if (leaf[SLOT_ENDPOINT + i].type && endpoint->receivers.head &&
            (endpoint->senders.head || (endpoint->closed_head && !endpoint->closing)))
            return false; /* closing: dying_work tells them, as the next piece */
    }
    if (!leaf[SLOT_NOTIFICATION].type)
        return true;
    const struct notification *notification = &machine.notification;
    const struct tcb *bound = notification->bound;
    return !notification->bits || (!notification->waiters.head &&
                                   !(bound && bound->state == AR_THREAD_BLOCKED_RECV));
}

static bool reply_both_ways(void)
{
    for (unsigned i = 0; i < REPLIES; i++) {
        const struct reply *reply = &machine.reply[i];
        if (!leaf[SLOT_REPLY + i].type)
            continue;
        const struct tcb *caller = reply->caller, *receiver = reply->receiver;
        if (caller && (receiver || caller->reply != reply ||
                       (caller->state != AR_THREAD_BLOCKED_REPLY &&
                        (caller->state != AR_THREAD_BLOCKED_FAULT || caller->waiting_on))))
            return false;
        if (receiver && (receiver->reply != reply || receiver->state != AR_THREAD_BLOCKED_RECV))
            return false;
    }
    for (unsigned t = 0; t < THREADS; t++) {
        const struct tcb *tcb = &machine.thread[t];
        if (!there(t))
            continue;
        bool receives = tcb->state == AR_THREAD_BLOCKED_RECV;
        bool held = tcb->state == AR_THREAD_BLOCKED_REPLY ||
                    (tcb->state == AR_THREAD_BLOCKED_FAULT && !tcb->waiting_on);
        if ((receives || held) != !!tcb->reply)
            return false;
        if (tcb->reply && (receives ? tcb->reply->receiver : tcb->reply->caller) != tcb)
            return false;
        if (tcb->bound && tcb->bound->bound != tcb)
            return false;
    }
    const struct tcb *bound = leaf[SLOT_NOTIFICATION].type ? machine.notification.bound : NULL;
    return !bound || bound->bound == &machine.notification;
}

/* ---- closing --------------------------------------------------------------------------------- */

static bool is_closed_queued(const struct endpoint *endpoint, const struct gate *gate)
{
    unsigned found = 0, length = 0;
    const struct gate *last = NULL;
    for (const struct gate *at = endpoint->closed_head; at; last = at, at = at->closed_next) {
        found += at == gate;
        if (at->closed_prev != last || ++length > GATES)
            return false;
    }
    return found == 1 && endpoint->closed_tail == last;
}

/* The kernel's counts are the true ones, and queued as closed is what the history says is owed. */
static bool closed_exact(void)
{
    struct alive now = objects_named();
    for (unsigned i = 0; i < GATES; i++) {
        const struct gate *gate = &machine.gate[i];
        if (!now.gate[i] || !now.endpoint[home_of(i)])
            continue;
        unsigned senders = 0;
        for (const struct tcb *at = gate->senders; at && senders <= THREADS; at = at->gate_next) {
            senders++;
            if (at->gate != gate || !at->waiting_on)
                return false;
        }
        if (gate->copies + senders != gate_holders(i) || !gate->closed != !history.owed[i])
            return false;
        if (gate->closed && !is_closed_queued(gate->endpoint, gate))
            return false;
    }
    return true;
}

/* ---- who runs, deadlines --------------------------------------------------------------------- */

static bool ready_runs(void)
{
    bool somebody = false;
    for (unsigned t = 0; t < THREADS; t++) {
        const struct tcb *tcb = &machine.thread[t];
        if (!model_runs(t))
            continue;
        somebody = true;
        if (!core.current || tcb->priority > core.current->priority)
            return false;
    }
    const struct tcb *current = core.current;
    return somebody ? current->state == AR_THREAD_READY && !current->suspended && !core.idle
                    : core.idle;
}

static unsigned rank(const struct tcb *tcb) { return tcb ? tcb->heap_rank : 0; }

/* Count the heap's threads in `in`; nobody is earlier than the one above, and it leans left. */
static bool count_heap(const struct tcb *root, unsigned in[THREADS])
{
    const struct tcb *stack[2 * THREADS + 2];
    unsigned depth = 0, seen = 0;
    if (root)
        stack[depth++] = root;
    while (depth) {
        const struct tcb *at = stack[--depth];
        if (++seen > THREADS || rank(at->heap_left) < rank(at->heap_right) ||
            at->heap_rank != rank(at->heap_right) + 1)
            return false;
        in[at - machine.thread]++;
        const struct tcb *sides[] = {at->heap_left, at->heap_right};
        for (unsigned i = 0; i < 2; i++) {
            if (!sides[i])
                continue;
            if (sides[i]->heap_parent != at || sides[i]->deadline < at->deadline)
                return false;
            stack[depth++] = sides[i];
        }
    }
    return !root || !root->heap_parent;
}

static bool deadline_exact(void)
{
    unsigned in[THREADS] = {0};
    if (!count_heap(core.deadlines, in))
        return false;
    if (core.deadlines && core.timer_ns > core.deadlines->deadline)
        return false; /* nobody would come to look */
    for (unsigned t = 0; t < THREADS; t++) {
        const struct tcb *tcb = &machine.thread[t];
        if (!there(t))
            continue;
        bool has = tcb->deadline != AR_NO_DEADLINE;
        const struct thread_history *thread = &history.thread[t];
        bool wanted = thread->doing != IDLE && thread->deadline && !thread->again;
        if (in[t] != has || has != wanted)
            return false;
        if (core.deadlines && has && tcb->deadline < core.deadlines->deadline)
            return false;
    }
    return true;
}

void properties_check(void)
{
    holds.one_queue &= one_queue();
    holds.no_dangling &= no_dangling();
    if (!holds.one_queue || !holds.no_dangling)
        return; /* the others follow pointers */
    holds.no_lost_wakeup &= no_lost_wakeup();
    holds.no_lost_signal &=
        !leaf[SLOT_NOTIFICATION].type || machine.notification.bits == history.bits;
    holds.reply_both_ways &= reply_both_ways();
    holds.closed_exact &= closed_exact();
    holds.ready_runs &= ready_runs();
    holds.deadline_exact &= deadline_exact();
}
