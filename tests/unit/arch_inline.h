/* The thread switch and the cycle counter of the host's machine. SPDX-License-Identifier: MIT */
#ifndef UNIT_ARCH_INLINE_H
#define UNIT_ARCH_INLINE_H

#include "sched/sched.h"

extern uint64_t host_clock;

static inline uint64_t arch_cycles(void) { return host_clock; }

static inline void arch_switch(struct tcb *last, struct tcb *next)
{
    if (last)
        last->cycles += arch_cycles() - core.switched;
    core.switched = arch_cycles();
    core.current = next;
}

#endif
