/*
 * The thread switch and the cycle counter. SPDX-License-Identifier: MIT
 *
 * Inline because the fast path has neither the time nor the registers for a call; arch/arch.h
 * includes it, and the host's tests have their own.
 */
#ifndef X86_64_ARCH_INLINE_H
#define X86_64_ARCH_INLINE_H

#include "arch/x86_64/measure.h"
#include "arch/x86_64/paging.h"
#include "sched/sched.h"
#include "trace.h"
#include <physical.h> /* tests of what the boot loader says have one of their own */

static inline uint64_t arch_cycles(void)
{
    uint64_t low, high;
    __asm__ volatile("rdtsc\n\tshlq $32, %%rdx\n\torq %%rdx, %%rax" : "=a"(low), "=d"(high));
    return low;
}

static inline void cpu_load_space(uint64_t physical)
{
    measure_space();
    __asm__ volatile("mov %0, %%cr3" : : "r"(physical) : "memory");
}

/* Make `next` the current thread: processor time, segment bases, address space, vector state.
 * The kernel never changes fs and gs, so a thread's bases are in the processor while it is
 * current. `last` may be NULL. */
static inline void arch_switch(struct tcb *last, struct tcb *next)
{
    uint64_t now = arch_cycles(), space = next->vspace.extra;
    if (last) {
        last->cycles += now;
        __asm__ volatile("rdfsbase %0" : "=r"(last->regs.fs_base));
        __asm__ volatile("rdgsbase %0" : "=r"(last->regs.gs_base));
    }
    next->cycles -= now;
    core.current = next;
    __asm__ volatile("wrfsbase %0" : : "r"(next->regs.fs_base));
    __asm__ volatile("wrgsbase %0" : : "r"(next->regs.gs_base));
    if (__builtin_expect(!space, 0))
        space = KERNEL_SPACE;
    trace_switch(last, next, space);
    if (space != core.space) {
        core.space = space;
        cpu_load_space(space);
    }
    /* cpu_vector_switch(next), so that no register is lost and the compiler sees no call */
    if (__builtin_expect(!next->no_vector && core.vector_owner != next, 0))
        __asm__ volatile("call vector_switch" : : "D"(next) : "memory", "cc");
}

/* The ends of the fast path do not return; they have a result because the host's do. This one: to
 * user space as core.current, with all registers from its TCB. */
static inline bool arch_leave(void)
{
    __asm__ volatile("jmp leave" : : : "memory");
    __builtin_unreachable();
}

/* To user space as `next`, with AR_OK, these registers, words 1 to 3 as
 * they are in the processor and the others as its TCB has them. */
static inline bool arch_leave_fast(struct tcb *next, uint64_t badge, uint64_t info, uint64_t word0,
                                   uint64_t principal)
{
    __asm__ volatile("jmp leave_fast"
                     :
                     : "c"(next), "D"(badge), "S"(info), "d"(word0), "b"(principal)
                     : "memory");
    __builtin_unreachable();
}

#endif
