/*
 * What recording needs of the processor: inline, and without a function call that the compiler
 * sees, since the fast path has the registers of a message in use. SPDX-License-Identifier: MIT
 */
#ifndef X86_64_TRACE_INLINE_H
#define X86_64_TRACE_INLINE_H

#include <stdint.h>

/* The time, as arch_cycles() has it; in two halves, as the processor gives it. */
static inline void arch_trace_stamp(uint32_t at[2])
{
    __asm__ volatile("rdtsc" : "=a"(at[0]), "=d"(at[1]));
}

/* trace_room(), preserving every register. */
static inline void arch_trace_make_room(void)
{
    __asm__ volatile("call trace_make_room" : : : "memory", "cc");
}

/* On the fast path: words 1 to 3 of the message, which are in the processor. */
static inline void arch_trace_words(uint64_t *word1, uint64_t *word2, uint64_t *word3)
{
    __asm__ volatile("movq %%r10, %0\n\tmovq %%r8, %1\n\tmovq %%r9, %2"
                     : "=m"(*word1), "=m"(*word2), "=m"(*word3));
}

#endif
