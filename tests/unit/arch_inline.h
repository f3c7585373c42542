/* The thread switch and the cycle counter of the host's machine. SPDX-License-Identifier: MIT */
#ifndef UNIT_ARCH_INLINE_H
#define UNIT_ARCH_INLINE_H

#include "sched/sched.h"

uint64_t arch_physical(const void *pointer);
void *arch_pointer(uint64_t physical);
uint32_t arch_slot_link(const void *slot);

extern uint64_t host_clock;
extern struct ar_regs host_live; /* the processor's registers when the system call began */
void host_space_use(const struct cap *vspace); /* kernel_host_pages.c */

static inline uint64_t arch_cycles(void) { return host_clock; }

static inline void arch_switch(struct tcb *last, struct tcb *next)
{
    if (last)
        last->cycles += arch_cycles();
    next->cycles -= arch_cycles();
    core.current = next;
    host_space_use(&next->vspace);
}

static inline bool arch_leave(void) { return true; }

static inline bool arch_leave_fast(struct tcb *next, uint64_t badge, uint64_t info, uint64_t word0,
                                   uint64_t principal)
{
    next->regs.rax = AR_OK;
    next->regs.rdi = badge;
    next->regs.rsi = info;
    next->regs.rdx = word0;
    next->regs.rbx = principal;
    next->regs.r10 = host_live.r10; /* where the caller's registers still are */
    next->regs.r8 = host_live.r8;
    next->regs.r9 = host_live.r9;
    return true;
}

#endif
