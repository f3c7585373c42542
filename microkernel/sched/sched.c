/*
 * Fixed priorities, round robin among equals, preemptive. SPDX-License-Identifier: MIT
 *
 * A thread is on the ready queue of its priority exactly when it is READY, not suspended and not
 * current. `current` is on no queue; it is put back when it is still READY at the time somebody
 * better is picked.
 */
#include "sched/sched.h"
#include "sched/work.h"
#include "arch/arch.h"
#include "ipc/ipc.h"
#include "trace.h"

struct core core = {.timer_ns = AR_NO_DEADLINE, .turn = 1};

static bool runnable(const struct tcb *tcb)
{
    return tcb->state == AR_THREAD_READY && !tcb->suspended;
}

void sched_ready(struct tcb *tcb)
{
    if (tcb->queued || tcb == core.current || !runnable(tcb))
        return;
    sched_queue(tcb);
}

void sched_unready(struct tcb *tcb)
{
    if (!tcb->queued)
        return;
    queue_remove(&core.ready[tcb->priority], tcb);
    if (!core.ready[tcb->priority].head)
        core.ready_bits &= ~(1ull << tcb->priority);
    tcb->queued = 0;
}

/* The first of the threads that are ready at `priority` becomes current. */
static void switch_to_first(unsigned priority)
{
    struct tcb *last = core.current, *next = sched_take(priority);
    arch_switch(last, next);
    /* put the last one back after `current` changed: sched_ready passes over the current thread */
    if (last)
        sched_ready(last);
}

/* Have the timer ring when something is due, after `slice` ns at the latest. */
static void arm_timer(uint64_t slice)
{
    uint64_t ring = arch_clock_ns() + (core.dying || log_pending() ? SCHED_SOON_NS : slice);
    if (core.deadlines && core.deadlines->deadline < ring)
        ring = core.deadlines->deadline;
    arch_timer_arm(ring);
}

/* `current` stays what it was, but the time is nobody's. */
static void idle(void)
{
    struct tcb *last = core.current;
    if (last)
        last->cycles += arch_cycles();
    trace_idle(true);
    while (!core.ready_bits && !(core.current && runnable(core.current))) {
        core.idle = 1;
        arm_timer(10 * SCHED_SLICE_NS); /* then the log's input is looked at */
        arch_halt();
        core.idle = 0;
    }
    trace_idle(false);
    if (core.current)
        core.current->cycles -= arch_cycles();
}

void sched_pick(void)
{
    struct tcb *last = core.current;
    if (!core.ready_bits && !(last && runnable(last)))
        idle();
    bool keep = last && runnable(last);
    unsigned best = core.ready_bits ? 63u - (unsigned)__builtin_clzll(core.ready_bits) : 0;
    if (keep && (!core.ready_bits || last->priority >= best))
        return;
    switch_to_first(best);
}

void sched_yield(void)
{
    struct tcb *last = core.current;
    if (!last || !runnable(last) || !core.ready[last->priority].head)
        return;
    switch_to_first(last->priority);
}

uint64_t sched_cycles(const struct tcb *tcb)
{
    return tcb->cycles + (tcb == core.current && !core.idle ? arch_cycles() : 0);
}

void sched_tick(uint64_t now)
{
    core.timer_ns = AR_NO_DEADLINE;
    work_start();
    deadline_expire(now);
    /* what nobody takes apart, because the thread that deleted it does not run (any more) */
    dying_work();
    core.turn = 0;
    if (!core.idle)
        sched_yield();
    arm_timer(SCHED_SLICE_NS);
}
