/*
 * Threads that wait until a time: a leftist heap, linked through the threads themselves.
 * SPDX-License-Identifier: MIT
 *
 * No thread is due before the one above it (heap_parent). Its rank is the number of threads on the
 * way down to the right until there is none; the left side's rank is never less than the right
 * side's. So the way down to the right from any thread is at most log2(n) long, and that is the
 * only way that merging goes: adding and removing any thread is O(log n), not only on average, and
 * nothing recurses.
 */
#include "sched/sched.h"
#include "arch/arch.h"
#include "ipc/ipc.h"
#include "sched/work.h"

static unsigned rank(const struct tcb *tcb)
{
    return tcb ? tcb->heap_rank : 0;
}

/* Put the sides in order and the rank right. False: the rank is what it was. */
static bool settle(struct tcb *tcb)
{
    unsigned before = tcb->heap_rank;
    if (rank(tcb->heap_left) < rank(tcb->heap_right)) {
        struct tcb *left = tcb->heap_left;
        tcb->heap_left = tcb->heap_right;
        tcb->heap_right = left;
    }
    tcb->heap_rank = (uint8_t)(rank(tcb->heap_right) + 1);
    return tcb->heap_rank != before;
}

/* One heap of two, either may be empty: their right sides become one, in order; then the ranks are
 * put right from its end up. */
static struct tcb *merge(struct tcb *a, struct tcb *b)
{
    struct tcb *top = NULL, *last = NULL;
    while (a && b) {
        struct tcb *first = b->deadline < a->deadline ? b : a;
        if (first == b)
            b = a;
        a = first->heap_right;
        first->heap_parent = last;
        if (last)
            last->heap_right = first;
        else
            top = first;
        last = first;
    }
    struct tcb *rest = a ? a : b;
    if (rest)
        rest->heap_parent = last;
    if (!last)
        return rest;
    last->heap_right = rest;
    for (; last; last = last->heap_parent)
        settle(last);
    return top;
}

void deadline_add(struct tcb *tcb, uint64_t deadline)
{
    tcb->deadline = deadline;
    if (deadline == AR_NO_DEADLINE)
        return;
    tcb->heap_left = tcb->heap_right = tcb->heap_parent = NULL;
    tcb->heap_rank = 1;
    core.deadlines = merge(core.deadlines, tcb);
    if (deadline < core.timer_ns)
        arch_timer_arm(deadline);
}

void deadline_remove(struct tcb *tcb)
{
    struct tcb *parent = tcb->heap_parent, *rest;
    if (tcb->deadline == AR_NO_DEADLINE)
        return;
    tcb->deadline = AR_NO_DEADLINE;
    rest = merge(tcb->heap_left, tcb->heap_right);
    if (rest)
        rest->heap_parent = parent;
    if (!parent)
        core.deadlines = rest;
    else if (parent->heap_left == tcb)
        parent->heap_left = rest;
    else
        parent->heap_right = rest;
    /* Each thread above whose rank changes has a larger one than the last: soon one does not. */
    while (parent && settle(parent))
        parent = parent->heap_parent;
    tcb->heap_left = tcb->heap_right = tcb->heap_parent = NULL;
}

/* If more are due than one entry may wake, the timer is armed for a time that is past. */
void deadline_expire(uint64_t now)
{
    while (core.deadlines && core.deadlines->deadline <= now && work_left()) {
        work_spend(WORK_CANCEL);
        ipc_cancel(core.deadlines, AR_ERR_TIMEOUT);
    }
}
