/*
 * Endpoints, gates, notifications, replies, interrupt lines: every queue and both ends of every
 * pointer.
 * SPDX-License-Identifier: MIT
 */
#include "ipc/ipc.h"
#include "kernel_check.h"

/* A queue of threads, linked both ways, of live threads only. Counts a place for each. */
static void queue_check(const struct tcb_queue *queue, const void *where)
{
    const struct tcb *prev = NULL;
    for (struct tcb *tcb = queue->head; tcb; prev = tcb, tcb = tcb->link_next) {
        struct check_object *object = check_find(tcb, AR_TCB);
        CHECK(object, where); /* a thread that is no more is on a queue */
        CHECK(object->places == 0, where); /* on two queues, or the queue is a ring */
        CHECK(tcb->link_prev == prev, where);
        object->places++;
    }
    CHECK(queue->tail == prev, where);
}

/* Those that wait in the queue count as copies do. */
static void gate_senders_check(const struct gate *gate)
{
    const struct tcb *prev = NULL;
    for (const struct tcb *tcb = gate->senders; tcb; prev = tcb, tcb = tcb->gate_next) {
        CHECK(check_find(tcb, AR_TCB), gate);
        CHECK(tcb->gate == gate && tcb->gate_prev == prev && tcb->waiting_on, tcb);
        CHECK(!gate->endpoint || tcb->waiting_on == gate->endpoint, tcb);
    }
}

static void gates_check(const struct endpoint *endpoint)
{
    const struct gate *prev = NULL;
    for (const struct gate *gate = endpoint->gates; gate; prev = gate, gate = gate->next) {
        struct check_object *object = check_find(gate, AR_GATE);
        CHECK(object, endpoint);
        CHECK(object->places == 0, endpoint);
        CHECK(gate->endpoint == endpoint, gate);
        CHECK(gate->prev == prev, gate);
        object->places = 1;
    }
    prev = NULL;
    for (const struct gate *gate = endpoint->closed_head; gate;
         prev = gate, gate = gate->closed_next) {
        struct check_object *object = check_find(gate, AR_GATE);
        CHECK(object, endpoint);
        CHECK(object->places == 1, gate); /* is the endpoint's, and is queued once */
        CHECK(gate->endpoint == endpoint && gate->closed, gate);
        CHECK(gate->closed_prev == prev, gate);
        object->places = 2;
    }
    CHECK(endpoint->closed_tail == prev, endpoint);
}

static void endpoint_check(const struct endpoint *endpoint)
{
    queue_check(&endpoint->senders, endpoint);
    queue_check(&endpoint->receivers, endpoint);
    for (const struct tcb *tcb = endpoint->senders.head; tcb; tcb = tcb->link_next) {
        CHECK(tcb->waiting_on == endpoint, tcb);
        CHECK(tcb->state == AR_THREAD_BLOCKED_CALL || tcb->state == AR_THREAD_BLOCKED_FAULT, tcb);
    }
    for (const struct tcb *tcb = endpoint->receivers.head; tcb; tcb = tcb->link_next) {
        CHECK(tcb->waiting_on == endpoint, tcb);
        CHECK(tcb->state == AR_THREAD_BLOCKED_RECV, tcb);
    }
    if (endpoint->receivers.head && !endpoint->dying) { /* a receiver waits, and so does something for it */
        CHECK(!endpoint->senders.head, endpoint);
        CHECK(!endpoint->closed_head || endpoint->closing, endpoint);
    }
    gates_check(endpoint);
}

static void gate_check(const struct check_object *object)
{
    const struct gate *gate = (const struct gate *)object->address;
    gate_senders_check(gate);
    if (object->dying) { /* until its senders have been told */
        CHECK(!gate->endpoint && !gate->copies, gate);
        return;
    }
    CHECK(gate->copies == object->caps - object->originals, gate);
    CHECK(gate->closed <= 1, gate);
    CHECK(!gate->endpoint || check_find_any(gate->endpoint, AR_ENDPOINT), gate);
    CHECK(object->places == (gate->endpoint ? 1u + gate->closed : 0u), gate);
    CHECK(!gate->closed || (!gate->copies && !gate->senders), gate);
}

static void notification_check(const struct notification *notification)
{
    const struct tcb *bound = notification->bound;
    queue_check(&notification->waiters, notification);
    for (const struct tcb *tcb = notification->waiters.head; tcb; tcb = tcb->link_next)
        CHECK(tcb->state == AR_THREAD_BLOCKED_WAIT && tcb->waiting_for == notification, tcb);
    if (bound) {
        CHECK(check_find(bound, AR_TCB), notification);
        CHECK(bound->bound == notification, notification);
    }
    CHECK(!bound || !notification->dying, notification);
    if (notification->bits && !notification->dying) { /* somebody waits for bits that are there */
        CHECK(!notification->waiters.head, notification);
        CHECK(!bound || bound->state != AR_THREAD_BLOCKED_RECV, notification);
    }
}

static void reply_check(const struct reply *reply)
{
    const struct tcb *caller = reply->caller, *receiver = reply->receiver;
    CHECK(!caller || !receiver, reply);
    if (caller) {
        CHECK(check_find(caller, AR_TCB), reply);
        CHECK(caller->reply == reply, reply);
        CHECK(caller->state == AR_THREAD_BLOCKED_REPLY || caller->state == AR_THREAD_BLOCKED_FAULT,
              reply);
    }
    if (receiver) {
        CHECK(check_find(receiver, AR_TCB), reply);
        CHECK(receiver->reply == reply && receiver->state == AR_THREAD_BLOCKED_RECV, reply);
    }
}

/* A line is given out exactly while there is a capability to it, and all those are neighbours;
 * one that is not given out or signals nobody is masked. */
static void lines_check(void)
{
    unsigned runs[IRQ_LINES] = {0};
    for (unsigned i = 0; i < check.cap_count; i++) {
        const struct cap *cap = check.caps[i], *next = cap_next(cap);
        if (cap->type == AR_IRQ && !(next && next->type == AR_IRQ && next->object == cap->object))
            runs[cap->object % IRQ_LINES]++;
    }
    for (unsigned line = 0; line < IRQ_LINES; line++) {
        const struct irq_line *irq = &core.irq[line];
        CHECK(runs[line] == irq->given, irq);
        CHECK(!irq->notification || irq->given, irq);
        CHECK(!irq->notification || check_find(irq->notification, AR_NOTIFICATION), irq);
        CHECK(irq->notification || !(host_irq_enabled >> line & 1), irq);
    }
}

void check_messages(void)
{
    lines_check();
    for (unsigned i = 0; i < check.object_count; i++) {
        const struct check_object *object = &check.objects[i];
        const void *memory = (const void *)object->address;
        if (object->type == AR_ENDPOINT)
            endpoint_check(memory);
        else if (object->type == AR_NOTIFICATION)
            notification_check(memory);
        else if (object->type == AR_REPLY)
            reply_check(memory);
    }
    for (unsigned i = 0; i < check.object_count; i++)
        if (check.objects[i].type == AR_GATE)
            gate_check(&check.objects[i]);
}
