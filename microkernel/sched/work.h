/*
 * The work meter. SPDX-License-Identifier: MIT
 *
 * How much one entry into the kernel does. Interrupts are off meanwhile, so what can take long
 * goes in pieces: it says what it spends, and stops when no work is left (KERNEL_AGAIN). A unit is
 * about 100 instructions; that no stretch exceeds 5,000 leaves room for the way in and out and
 * for the last piece, which may be larger than what was left. A meter, not a clock: every run, and
 * every test on the host, does the same pieces.
 */
#ifndef SCHED_WORK_H
#define SCHED_WORK_H

#include "sched/sched.h"

enum work {
    WORK_LIMIT = 30,
    WORK_LOOK = 1,     /* look up two slots */
    WORK_COPY = 1,     /* copy a capability, or make an object */
    WORK_DELETE = 2,
    WORK_DISSOLVE = 1, /* besides what is deleted or cancelled */
    WORK_RUN = 3,      /* of ipc_data: find the segment and the page */
    WORK_CANCEL = 4,   /* wake a thread that waits, perhaps with a deadline */
};

static inline void work_start(void)
{
    core.work = 0;
}

static inline void work_spend(unsigned units)
{
    core.work += units;
}

static inline bool work_left(void)
{
    return core.work < WORK_LIMIT;
}

/* Is there so much left? At the start of an entry always. */
static inline bool work_fits(unsigned units)
{
    return core.work == 0 || core.work + units <= WORK_LIMIT;
}

/* Clearing and copying takes an instruction a word. */
enum { WORK_BYTES = 800 /* in a unit */, WORK_PIECE = 16384 /* bytes in one entry */ };

#endif
