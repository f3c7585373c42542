/*
 * Vector registers are a thread's own, from its first instruction on: one that has never used any
 * sees clean ones by XSAVE, and what it loads by XRSTOR nobody else sees. QEMU and old processors
 * let these two instructions, or speculation, through CR0.TS. SPDX-License-Identifier: MIT
 */
#include "native.h"

#include <string.h>

enum { PRIORITY = 63, STATE_BYTES = 4096, XMM_OFFSET = 160, XMM_BYTES = 256, SECRET = 0xa5 };

static _Alignas(64) uint8_t seen[STATE_BYTES], spoiled[STATE_BYTES];
static _Alignas(16) uint8_t secret[16], kept[16];
static volatile uint64_t steps; /* how far both are */

static bool processor_has_xsave(void)
{
    uint32_t a = 1, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c & 1u << 27;
}

/* x87 and SSE. */
static void state_save(void *area)
{
    if (processor_has_xsave())
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(3), "d"(0) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static void state_load(const void *area)
{
    if (processor_has_xsave())
        __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(3), "d"(0) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

/* Loads a secret, lets the other one look and spoil, and looks whether it is still there. */
static void victim(uint64_t unused)
{
    (void)unused;
    memset(secret, SECRET, sizeof(secret));
    __asm__ volatile("movaps %0, %%xmm3" : : "m"(secret));
    steps = 1;
    while (steps < 2)
        ar_yield();
    __asm__ volatile("movaps %%xmm3, %0" : "=m"(kept));
    steps = 3;
}

static void spy(uint64_t unused)
{
    (void)unused;
    while (steps < 1)
        ar_yield();
    state_save(seen);
    memcpy(spoiled, seen, sizeof(spoiled));
    memset(spoiled + XMM_OFFSET, 0x5a, XMM_BYTES);
    spoiled[512] |= 2; /* XSTATE_BV: SSE is not in its initial state */
    state_load(spoiled);
    steps = 2;
}

static void registers_are_ones_own(void)
{
    native_thread_start(victim, 0, PRIORITY, 0);
    native_thread_start(spy, 0, PRIORITY, 0);
    uint64_t deadline = ar_clock_ns() + NATIVE_PATIENCE_NS;
    while (steps < 3) {
        native_check(ar_clock_ns() < deadline, "still at step %lu of 3", steps);
        ar_yield();
    }
    for (unsigned i = 0; i < XMM_BYTES; i++)
        native_check(seen[XMM_OFFSET + i] == 0, "the spy sees %x at byte %u", seen[XMM_OFFSET + i], i);
    for (unsigned i = 0; i < sizeof(kept); i++)
        native_check(kept[i] == SECRET, "the victim's register has %x at byte %u", kept[i], i);
}

/* Who has vector registers cannot make a thread that looks at another's. */
static volatile uint64_t refused;

static void ambitious(uint64_t other)
{
    refused = 1 + ar_invoke4(other, AR_TCB_SET_VECTOR, 0, 0, 0, 0);
}

static void trust_is_inherited(void)
{
    struct native_thread other = native_thread_make(&(struct native_thread_plan){0});
    native_thread_start(ambitious, other.tcb, PRIORITY, 0);
    uint64_t deadline = ar_clock_ns() + NATIVE_PATIENCE_NS;
    while (!refused && ar_clock_ns() < deadline)
        ar_yield();
    native_equal("taking vector registers", refused, 1 + AR_ERR_RIGHTS);
    native_ok("init may", ar_invoke4(other.tcb, AR_TCB_SET_VECTOR, 0, 0, 0, 0));
    native_ok("and give them back", ar_invoke4(other.tcb, AR_TCB_SET_VECTOR, 1, 0, 0, 0));
    native_equal("its own", ar_invoke4(AR_INIT_TCB, AR_TCB_SET_VECTOR, 1, 0, 0, 0), AR_ERR_BUSY);
}

void native_main(const struct ar_boot_info *boot)
{
    (void)boot;
    registers_are_ones_own();
    trust_is_inherited();
    native_pass();
}
