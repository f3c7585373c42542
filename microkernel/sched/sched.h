/*
 * Who runs. SPDX-License-Identifier: MIT
 */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H

#include "object/object.h"

/* An interrupt line: whom it signals, with which bits; has anybody a capability to it? */
struct irq_line {
    struct notification *notification; /* NULL: masked */
    uint64_t bits;
    bool given;
};
enum { IRQ_LINES = 16 };

/* Everything that is one per processor. entry.asm uses the first two fields, arch_switch the last
 * few. */
struct core {
    struct tcb *current;      /* never NULL once threads run; stays the last one while idle */
    uint64_t user_stack;      /* entry.asm: the user's rsp while it decides */
    uint64_t idle;            /* in the idle loop: interrupts come from the kernel itself */
    uint64_t ready_bits;      /* bit p: queue p is not empty */
    struct tcb_queue ready[AR_PRIORITY_MAX + 1];
    struct tcb *vector_owner; /* whose vector state is in the registers */
    struct tcb *all_threads;
    struct tcb *init;         /* the first thread: without it there is no system */
    struct tcb *deadlines;    /* root of the deadline heap */
    uint64_t turn;            /* 0: a slice ended since the last switch by sched_pick or a yield */
    uint64_t timer_ns;        /* when the timer will fire; AR_NO_DEADLINE: not armed */
    uint64_t dying;           /* dying.c: the objects to take apart */
    struct tcb *listed;       /* log.c: the next thread in the list that is being printed */
    uint64_t listing;         /* it is */
    unsigned work;            /* work.h: done in this entry into the kernel */
    uint64_t space;           /* physical address of the top page table in use */
    struct irq_line irq[IRQ_LINES];
};
extern struct core core;

/* A 10 ms slice among threads of one priority. */
#define SCHED_SLICE_NS 10000000ull
/* While there is work that nobody does in a system call: objects to take apart, log to print. */
#define SCHED_SOON_NS 100000ull

static inline void queue_append(struct tcb_queue *queue, struct tcb *tcb)
{
    tcb->link_next = NULL;
    tcb->link_prev = queue->tail;
    if (queue->tail)
        queue->tail->link_next = tcb;
    else
        queue->head = tcb;
    queue->tail = tcb;
}

/* The first, of a queue that has one, and usually no more. */
static inline struct tcb *queue_take(struct tcb_queue *queue)
{
    struct tcb *first = queue->head, *next = first->link_next;
    queue->head = next;
    if (__builtin_expect(!next, 1)) {
        queue->tail = NULL;
    } else {
        next->link_prev = NULL;
        first->link_next = NULL;
    }
    return first;
}

static inline void queue_remove(struct tcb_queue *queue, struct tcb *tcb)
{
    if (tcb->link_prev)
        tcb->link_prev->link_next = tcb->link_next;
    else
        queue->head = tcb->link_next;
    if (tcb->link_next)
        tcb->link_next->link_prev = tcb->link_prev;
    else
        queue->tail = tcb->link_prev;
    tcb->link_next = tcb->link_prev = NULL;
}

/* Put a thread that can run, is not current and not queued, at the end of its priority's queue. */
static inline void sched_queue(struct tcb *tcb)
{
    queue_append(&core.ready[tcb->priority], tcb);
    core.ready_bits |= 1ull << tcb->priority;
    tcb->queued = 1;
}

/* Take the first thread off the queue of this priority, to switch to it. */
static inline struct tcb *sched_take(unsigned priority)
{
    struct tcb *next = queue_take(&core.ready[priority]);
    if (!core.ready[priority].head)
        core.ready_bits &= ~(1ull << priority);
    next->queued = 0;
    core.turn = 1;
    return next;
}

/* Is `tcb` what sched_pick would pick once the current thread blocks? Among equals the one that
 * was just served goes first, it is in the cache, unless the slice ended while it was served. */
static inline bool sched_runs_next(const struct tcb *tcb)
{
    return !core.ready_bits || core.ready_bits >> tcb->priority <= core.turn;
}

/* The thread can run: queue it (unless suspended). Idempotent. */
void sched_ready(struct tcb *tcb);
/* The thread cannot run any more: take it off the ready queue. */
void sched_unready(struct tcb *tcb);
/* Let `current` go behind the others of its priority. */
void sched_yield(void);
/* Make the best ready thread current: the last step of every way into the kernel. Idles until
 * there is one. */
void sched_pick(void);
/* Processor time that the thread has had, in TSC ticks. */
uint64_t sched_cycles(const struct tcb *tcb);
/* A timer interrupt came at `now`. */
void sched_tick(uint64_t now);

/* deadline.c: wake `tcb` (blocked in a receive or wait) at `deadline`; AR_NO_DEADLINE is never. */
void deadline_add(struct tcb *tcb, uint64_t deadline);
void deadline_remove(struct tcb *tcb);
/* Wake those whose deadline is not after `now`, as many as there is work left for. */
void deadline_expire(uint64_t now);

#endif
