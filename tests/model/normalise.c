/*
 * After a step: what does not matter is made the same. SPDX-License-Identifier: MIT
 */
#include "machine.h"
#include <string.h>

enum { POISON = 0x5a };

static void clear_if(bool clear, void *memory, size_t bytes)
{
    if (clear)
        memset(memory, 0, bytes);
}

/* Only the order of deadlines counts, so they become 10, 20, 30. */
static void normalise_deadlines(void)
{
    uint64_t ranks[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        ranks[i] = 10;
        for (unsigned j = 0; j < THREADS; j++) {
            bool first = true; /* of those with this deadline */
            for (unsigned k = 0; k < j; k++)
                first &= machine.thread[k].deadline != machine.thread[j].deadline;
            if (first && machine.thread[j].deadline < machine.thread[i].deadline)
                ranks[i] += 10;
        }
    }
    for (unsigned i = 0; i < THREADS; i++)
        if (leaf[SLOT_THREAD + i].type && machine.thread[i].deadline != AR_NO_DEADLINE)
            machine.thread[i].deadline = ranks[i];
    core.timer_ns = core.deadlines ? core.deadlines->deadline : AR_NO_DEADLINE;
}

/* A timer interrupt may come at any time and turn the ready queue: their order is no state. */
static void normalise_order(void)
{
    unsigned first = 0;
    while (first < THREADS && !model_runs(first))
        first++;
    if (first == THREADS)
        return;
    if (scene.ladder) /* everybody has a queue of his own */
        return;
    for (unsigned i = 0; i < THREADS && core.current != &machine.thread[first]; i++)
        sched_yield();
    for (unsigned i = first + 1; i < THREADS; i++)
        if (model_runs(i) && machine.thread[i].queued) {
            sched_unready(&machine.thread[i]);
            sched_ready(&machine.thread[i]);
        }
}

/* A destroyed object's memory may be anything, and nobody may look. */
void step_poison(void)
{
    struct alive now = objects_there();
    for (unsigned i = 0; i < THREADS; i++)
        if (step.there.thread[i] && !now.thread[i])
            memset(&machine.thread[i], POISON, sizeof(struct tcb));
    for (unsigned i = 0; i < ENDPOINTS; i++)
        if (step.there.endpoint[i] && !now.endpoint[i])
            memset(&machine.endpoint[i], POISON, sizeof(struct endpoint));
    for (unsigned i = 0; i < GATES; i++)
        if (step.there.gate[i] && !now.gate[i])
            memset(&machine.gate[i], POISON, sizeof(struct gate));
    for (unsigned i = 0; i < REPLIES; i++)
        if (step.there.reply[i] && !now.reply[i])
            memset(&machine.reply[i], POISON, sizeof(struct reply));
    if (step.there.notification && !now.notification)
        memset(&machine.notification, POISON, sizeof(struct notification));
}

void step_normalise(void)
{
    struct alive now = objects_there();
    for (unsigned i = 0; i < THREADS; i++) {
        struct tcb *tcb = &machine.thread[i];
        if (!now.thread[i])
            continue;
        /* a message stays where it is until it is received, and is dead after; a system call
         * that goes on has its progress in the registers */
        if (tcb->state != AR_THREAD_BLOCKED_CALL && !history.thread[i].again)
            tcb->regs = (struct ar_regs){.rip = RIP, .rflags = tcb->regs.rflags};
        if (tcb->state == AR_THREAD_READY)
            tcb->full_restore = 0; /* until it enters the kernel again */
        clear_if(tcb->state != AR_THREAD_BLOCKED_CALL && tcb->state != AR_THREAD_BLOCKED_FAULT,
                 &tcb->badge, sizeof(tcb->badge));
        clear_if(tcb->deadline == AR_NO_DEADLINE, &tcb->heap_rank, sizeof(tcb->heap_rank));
        clear_if(tcb->state != AR_THREAD_BLOCKED_FAULT, tcb->fault, sizeof(tcb->fault));
    }
    /* for the log only */
    for (unsigned i = 0; i < ENDPOINTS; i++)
        clear_if(now.endpoint[i], &machine.endpoint[i].server, sizeof(struct tcb *));
    for (unsigned i = 0; i < REPLIES; i++)
        clear_if(now.reply[i], &machine.reply[i].server, sizeof(struct tcb *));
    core.work = 0; /* of this entry */
    normalise_deadlines();
    normalise_order();
}
