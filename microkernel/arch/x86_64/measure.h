/*
 * The instrumented kernel's counters; in the other there is nothing of it. SPDX-License-Identifier: MIT
 */
#ifndef X86_64_MEASURE_H
#define X86_64_MEASURE_H

#ifdef ARAMID_MEASURE

#include <stdint.h>

extern uint64_t measure_spaces;

/* A stretch with interrupts off ends: what goes on is user space, or nothing until an interrupt. */
void measure_stop(void);

static inline void measure_space(void)
{
    __asm__ volatile("incq %0" : "+m"(measure_spaces) : : "cc");
}

#else

static inline void measure_stop(void)
{
}

static inline void measure_space(void)
{
}

#endif

#endif
