/*
 * Threads that wait until a time: a pairing heap, linked through the threads themselves.
 * SPDX-License-Identifier: MIT
 *
 * heap_child is a node's first child, heap_next its next sibling, heap_prev its previous sibling
 * or, for a first child, its parent. Adding is O(1), removing O(log n) amortised.
 */
#include "sched/sched.h"
#include "arch/arch.h"
#include "ipc/ipc.h"

static struct tcb *meld(struct tcb *a, struct tcb *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->deadline < a->deadline) {
        struct tcb *swap = a;
        a = b;
        b = swap;
    }
    b->heap_prev = a;
    b->heap_next = a->heap_child;
    if (b->heap_next)
        b->heap_next->heap_prev = b;
    a->heap_child = b;
    return a;
}

/* Meld a list of siblings two by two, then the pairs from the last to the first. */
static struct tcb *meld_siblings(struct tcb *first)
{
    struct tcb *pairs = NULL;
    while (first) {
        struct tcb *a = first, *b = a->heap_next;
        first = b ? b->heap_next : NULL;
        a->heap_next = a->heap_prev = NULL;
        if (b)
            b->heap_next = b->heap_prev = NULL;
        a = meld(a, b);
        a->heap_next = pairs;
        pairs = a;
    }
    struct tcb *root = NULL;
    while (pairs) {
        struct tcb *next = pairs->heap_next;
        pairs->heap_next = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

void deadline_add(struct tcb *tcb, uint64_t deadline)
{
    tcb->deadline = deadline;
    if (deadline == AR_NO_DEADLINE)
        return;
    tcb->heap_child = tcb->heap_next = tcb->heap_prev = NULL;
    core.deadlines = meld(core.deadlines, tcb);
    if (deadline < core.timer_ns)
        arch_timer_arm(deadline);
}

void deadline_remove(struct tcb *tcb)
{
    if (tcb->deadline == AR_NO_DEADLINE)
        return;
    tcb->deadline = AR_NO_DEADLINE;
    struct tcb *children = meld_siblings(tcb->heap_child);
    if (core.deadlines == tcb) {
        core.deadlines = children;
    } else {
        if (tcb->heap_prev->heap_child == tcb)
            tcb->heap_prev->heap_child = tcb->heap_next;
        else
            tcb->heap_prev->heap_next = tcb->heap_next;
        if (tcb->heap_next)
            tcb->heap_next->heap_prev = tcb->heap_prev;
        core.deadlines = meld(core.deadlines, children);
    }
    tcb->heap_child = tcb->heap_next = tcb->heap_prev = NULL;
}

void deadline_expire(uint64_t now)
{
    while (core.deadlines && core.deadlines->deadline <= now)
        ipc_cancel(core.deadlines, AR_ERR_TIMEOUT);
}
