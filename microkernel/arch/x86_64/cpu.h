/*
 * The processor: features, descriptor tables, special instructions. SPDX-License-Identifier: MIT
 */
#ifndef X86_64_CPU_H
#define X86_64_CPU_H

#include "arch_inline.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    SEL_KERNEL_CODE = 0x08, SEL_KERNEL_DATA = 0x10, SEL_USER_DATA = 0x1b, SEL_USER_CODE = 0x23,
    SEL_TSS = 0x28
};

struct cpu_features {
    bool smap, xsave, xsaveopt;
    uint32_t vector_size; /* bytes of the save area in use */
    uint64_t vector_mask; /* XCR0 */
};
extern struct cpu_features cpu_features;

/* Descriptor tables, control registers (each bit gated on CPUID), system call registers. */
void cpu_init(void);

/* interrupts.c */
void interrupts_init(void);
/* timer.c: calibrates against the PIT, about 5 ms. */
void timer_init(void);
void timer_acknowledge(void);
/* pic.c */
void pic_init(void);
void pic_acknowledge(unsigned line);
/* log.c */
void log_init(void);
/* With each timer interrupt: input is looked at, a piece of what there is to print is printed. */
void log_tick(void);

static inline uint64_t cpu_read_msr(uint32_t msr)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void cpu_write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static inline void cpu_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t cpu_in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void cpu_id(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(subleaf));
}

#endif
