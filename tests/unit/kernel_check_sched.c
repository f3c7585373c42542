/*
 * Threads: each is current, or on exactly one queue, or held by one reply object, or stopped; and
 * those with a deadline are the heap of deadlines. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "ipc/ipc.h"
#include "kernel_check.h"

enum { HEAP_DEPTH = 1 << 16 };

static void ready_check(unsigned priority)
{
    const struct tcb_queue *queue = &core.ready[priority];
    const struct tcb *prev = NULL;
    CHECK(!!queue->head == !!(core.ready_bits >> priority & 1), queue);
    for (struct tcb *tcb = queue->head; tcb; prev = tcb, tcb = tcb->link_next) {
        struct check_object *object = check_find(tcb, AR_TCB);
        CHECK(object, queue);
        CHECK(object->places == 0, tcb);
        CHECK(tcb->link_prev == prev, tcb);
        CHECK(tcb->state == AR_THREAD_READY && !tcb->suspended, tcb);
        CHECK(tcb->queued && tcb->priority == priority && tcb != core.current, tcb);
        object->places++;
    }
    CHECK(queue->tail == prev, queue);
}

static void current_check(void)
{
    struct check_object *object;
    if (core.current) {
        object = check_find(core.current, AR_TCB);
        CHECK(object, core.current);
        CHECK(!core.current->queued, core.current);
        CHECK(core.current->state == AR_THREAD_READY && !core.current->suspended, core.current);
        object->places++;
    }
    CHECK(!core.vector_owner || check_find(core.vector_owner, AR_TCB), core.vector_owner);
}

static void heap_side_check(const struct tcb *parent, const struct tcb *side)
{
    if (!side)
        return;
    CHECK(check_find(side, AR_TCB), parent);
    CHECK(side->heap_parent == parent, side);
    CHECK(side->deadline >= parent->deadline, side);
}

static unsigned heap_rank(const struct tcb *tcb)
{
    return tcb ? tcb->heap_rank : 0;
}

/* The leftist heap: parents not after their children, linked both ways, the right way down the
 * shorter one. */
static void heap_check(void)
{
    const struct tcb *open[HEAP_DEPTH];
    unsigned depth = 0, members = 0, expected = 0;
    if (core.deadlines) {
        CHECK(check_find(core.deadlines, AR_TCB), core.deadlines);
        CHECK(!core.deadlines->heap_parent, core.deadlines);
        CHECK(core.timer_ns <= core.deadlines->deadline, core.deadlines); /* the timer is too late */
        open[depth++] = core.deadlines;
    }
    while (depth) {
        const struct tcb *tcb = open[--depth];
        CHECK(++members <= check.object_count, tcb);
        CHECK(tcb->deadline != AR_NO_DEADLINE, tcb);
        heap_side_check(tcb, tcb->heap_left);
        heap_side_check(tcb, tcb->heap_right);
        CHECK(heap_rank(tcb->heap_left) >= heap_rank(tcb->heap_right), tcb);
        CHECK(tcb->heap_rank == heap_rank(tcb->heap_right) + 1, tcb);
        CHECK(depth + 2 <= HEAP_DEPTH, tcb);
        if (tcb->heap_left)
            open[depth++] = tcb->heap_left;
        if (tcb->heap_right)
            open[depth++] = tcb->heap_right;
    }
    for (unsigned i = 0; i < check.object_count; i++)
        if (check.objects[i].type == AR_TCB)
            expected += ((struct tcb *)check.objects[i].address)->deadline != AR_NO_DEADLINE;
    CHECK(members == expected, core.deadlines);
}

static void buffer_check(const struct tcb *tcb)
{
    uint64_t buffer = (uint64_t)tcb->buffer;
    CHECK(buffer, tcb);
    if (tcb->ipc_frame.type == AR_FRAME) {
        CHECK(buffer == tcb->ipc_frame.object, tcb);
        return;
    }
    for (unsigned i = 0; i < host_boot.pool_count; i++) /* boot's own, or the dummy */
        CHECK(buffer - host_boot.pools[i].start >= 1ull << host_boot.pools[i].size_bits, tcb);
}

/* What a thread waits on, and where it must be found. */
static void waiting_check(const struct tcb *tcb, unsigned places)
{
    const struct endpoint *endpoint = tcb->waiting_on;
    const struct notification *notification = tcb->waiting_for;
    const struct reply *reply = tcb->reply;
    CHECK(!endpoint || check_find_any(endpoint, AR_ENDPOINT), tcb);
    CHECK(!notification || check_find_any(notification, AR_NOTIFICATION), tcb);
    CHECK(!tcb->gate || (endpoint && check_find_any(tcb->gate, AR_GATE)), tcb);
    CHECK(endpoint || (!tcb->gate && !tcb->gate_next && !tcb->gate_prev), tcb);
    CHECK(!reply || check_find(reply, AR_REPLY), tcb);
    switch (tcb->state) {
    case AR_THREAD_INACTIVE:
        CHECK(!endpoint && !notification && !reply && places == 0, tcb);
        break;
    case AR_THREAD_READY:
        CHECK(!endpoint && !notification && !reply, tcb);
        CHECK(places == (tcb->suspended ? 0 : 1), tcb);
        CHECK(tcb->deadline == AR_NO_DEADLINE, tcb); /* of something that is over */
        break;
    case AR_THREAD_BLOCKED_CALL:
        CHECK(endpoint && !notification && !reply && places == 1, tcb);
        break;
    case AR_THREAD_BLOCKED_REPLY:
        CHECK(!endpoint && !notification && reply && reply->caller == tcb && places == 0, tcb);
        break;
    case AR_THREAD_BLOCKED_RECV:
        CHECK(endpoint && !notification && reply && reply->receiver == tcb && places == 1, tcb);
        break;
    case AR_THREAD_BLOCKED_WAIT:
        CHECK(!endpoint && notification && !reply && places == 1, tcb);
        break;
    case AR_THREAD_BLOCKED_FAULT:
        CHECK(!notification && !endpoint == !!reply && places == (endpoint ? 1 : 0), tcb);
        CHECK(!reply || reply->caller == tcb, tcb);
        break;
    default:
        check_broken("no such state", tcb);
    }
}

static void thread_check(const struct check_object *object)
{
    const struct tcb *tcb = (const struct tcb *)object->address;
    CHECK(tcb->priority <= AR_PRIORITY_MAX, tcb);
    CHECK(tcb->state == AR_THREAD_READY || !tcb->queued, tcb);
    waiting_check(tcb, object->places);
    buffer_check(tcb);
    if (tcb->bound) {
        CHECK(check_find(tcb->bound, AR_NOTIFICATION), tcb);
        CHECK(tcb->bound->bound == tcb, tcb);
    }
    CHECK((tcb->regs.rflags & ~ARCH_USER_FLAGS_SETTABLE) == ARCH_USER_FLAGS, tcb);
    CHECK(tcb->regs.rip < ARCH_USER_END && tcb->foreign_entry < ARCH_USER_END, tcb);
}

/* Only its own capabilities are left of it. */
static void dying_check(const struct check_object *object)
{
    const struct tcb *tcb = (const struct tcb *)object->address;
    CHECK(tcb->state == AR_THREAD_INACTIVE && !tcb->queued && object->places == 0, tcb);
    CHECK(tcb->deadline == AR_NO_DEADLINE && !tcb->reply && !tcb->waiting_on && !tcb->gate, tcb);
}

static void everybody_check(void)
{
    const struct tcb *prev = NULL;
    unsigned listed = 0;
    for (const struct tcb *tcb = core.all_threads; tcb; prev = tcb, tcb = tcb->all_next) {
        CHECK(check_find(tcb, AR_TCB), tcb);
        CHECK(tcb->all_prev == prev, tcb);
        CHECK(++listed <= check.object_count, tcb);
    }
    for (unsigned i = 0; i < check.object_count; i++) {
        if (check.objects[i].type != AR_TCB)
            continue;
        if (check.objects[i].dying) {
            dying_check(&check.objects[i]);
            continue;
        }
        listed--;
        thread_check(&check.objects[i]);
    }
    CHECK(listed == 0, core.all_threads);
}

void check_threads(void)
{
    for (unsigned priority = 0; priority <= AR_PRIORITY_MAX; priority++)
        ready_check(priority);
    current_check();
    heap_check();
    everybody_check();
}
