/*
 * Time: the TSC tells it, the local APIC's timer rings. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/paging.h"
#include "sched/sched.h"

enum {
    APIC_SPURIOUS = 0xf0, APIC_EOI = 0xb0, APIC_TIMER = 0x320, APIC_COUNT = 0x380,
    APIC_CURRENT = 0x390,
    APIC_DIVIDE = 0x3e0, APIC_LINT0 = 0x350, TIMER_VECTOR = 48, MSR_APIC_BASE = 0x1b
};
enum { PIT_HZ = 1193182, CALIBRATION_TICKS = 5966 /* 5 ms */ };

static volatile uint32_t *apic;
static uint64_t tsc_start, tsc_per_us, ns_per_tsc_32; /* 32.32 fixed point */
static uint64_t apic_per_ns_32;

static uint32_t apic_read(unsigned reg)
{
    return apic[reg / 4];
}

static void apic_write(unsigned reg, uint32_t value)
{
    apic[reg / 4] = value;
}

uint64_t arch_cycles_to_ns(uint64_t cycles)
{
    return (uint64_t)((unsigned __int128)cycles * ns_per_tsc_32 >> 32);
}

uint64_t arch_clock_ns(void)
{
    return arch_cycles_to_ns(arch_cycles() - tsc_start);
}

uint64_t arch_tsc_per_us(void)
{
    return tsc_per_us;
}

void arch_timer_arm(uint64_t ns)
{
    uint64_t now = arch_clock_ns(), delay = ns > now ? ns - now : 1;
    core.timer_ns = ns;
    if (delay > 1000000000)
        delay = 1000000000; /* rings early, finds nothing due, and is armed again */
    uint64_t count = (uint64_t)((unsigned __int128)delay * apic_per_ns_32 >> 32);
    apic_write(APIC_COUNT, count ? (uint32_t)count : 1);
}

void timer_acknowledge(void)
{
    apic_write(APIC_EOI, 0);
}

/* Count the TSC and the APIC timer against 5 ms of the PIT's channel 2. */
static void calibrate(uint64_t *tsc_ticks, uint64_t *apic_ticks)
{
    cpu_out8(0x61, (cpu_in8(0x61) & ~2) | 1);
    cpu_out8(0x43, 0xb0);
    cpu_out8(0x42, CALIBRATION_TICKS & 0xff);
    cpu_out8(0x42, CALIBRATION_TICKS >> 8);
    uint64_t start = arch_cycles();
    apic_write(APIC_COUNT, 0xffffffff);
    uint64_t tries = 0;
    while (!(cpu_in8(0x61) & 0x20))
        if (++tries > 100000000)
            kernel_stop("the PIT does not count: no clock");
    *tsc_ticks = arch_cycles() - start;
    *apic_ticks = 0xffffffff - apic_read(APIC_CURRENT);
}

void timer_init(void)
{
    uint64_t base = cpu_read_msr(MSR_APIC_BASE), tsc_ticks, apic_ticks;
    cpu_write_msr(MSR_APIC_BASE, base | 1u << 11);
    apic = arch_pointer(base & PTE_ADDRESS);
    apic_write(APIC_SPURIOUS, 0x100 | 0x3f);
    apic_write(APIC_LINT0, 0x700); /* the 8259's interrupts come through */
    apic_write(APIC_DIVIDE, 3);    /* by 16 */
    apic_write(APIC_TIMER, TIMER_VECTOR | 1u << 16);
    calibrate(&tsc_ticks, &apic_ticks);
    apic_write(APIC_TIMER, TIMER_VECTOR);
    uint64_t period_ns = (uint64_t)CALIBRATION_TICKS * 1000000000 / PIT_HZ;
    ns_per_tsc_32 = (period_ns << 32) / tsc_ticks;
    apic_per_ns_32 = (apic_ticks << 32) / period_ns;
    tsc_per_us = tsc_ticks * 1000 / period_ns;
    tsc_start = arch_cycles();
}
