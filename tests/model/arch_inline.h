/* The thread switch and the ways out of the kernel, in the model. SPDX-License-Identifier: MIT */
#ifndef MODEL_ARCH_INLINE_H
#define MODEL_ARCH_INLINE_H

#include "sched/sched.h"

uint64_t arch_physical(const void *pointer);
void *arch_pointer(uint64_t physical);
uint32_t arch_slot_link(const void *slot);

extern struct ar_regs model_live; /* the processor's registers when the system call began */

static inline uint64_t arch_cycles(void) { return 0; }

static inline void arch_switch(struct tcb *last, struct tcb *next)
{
    (void)last;
    core.current = next;
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
    next->regs.r10 = model_live.r10; /* where the caller's registers still are */
    next->regs.r8 = model_live.r8;
    next->regs.r9 = model_live.r9;
    return true;
}

#endif
