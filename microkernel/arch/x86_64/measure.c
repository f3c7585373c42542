/*
 * How long interrupts are off, and how often the address space changes: only in
 * aramid-measure.elf. SPDX-License-Identifier: MIT
 *
 * In TSC ticks, which under QEMU's -icount are instructions. A stretch is from an entry into the
 * kernel to the return to user space, or to the halt of the idle loop; a foreign system call that
 * goes back to its own handler is none. Printing about it is not counted.
 */
#include "arch/x86_64/measure.h"
#include "arch/arch.h"

/* The instructions before entry.asm looks at the clock, and those after measure_stop does. */
enum { ENDS = 40 };
#define TRAP ((uint64_t)1 << 63)

struct measure {
    uint64_t start; /* 0: no stretch */
    uint64_t what;  /* the system call, or TRAP | vector */
    uint64_t info;  /* rsi */
    uint64_t rax, rdx;
};
_Static_assert(offsetof(struct measure, start) == 0 && offsetof(struct measure, what) == 8 &&
                   offsetof(struct measure, info) == 16 && offsetof(struct measure, rax) == 24 &&
                   offsetof(struct measure, rdx) == 32,
               "measure.inc");
struct measure measure;
uint64_t measure_spaces;
static uint64_t longest, entries;

void measure_stop(void)
{
    uint64_t ticks = arch_cycles() - measure.start + ENDS;
    if (!measure.start)
        return;
    measure.start = 0;
    entries++;
    if (ticks <= longest)
        return;
    longest = ticks;
    bool trap = measure.what & TRAP, invoke = measure.what == AR_SYS_INVOKE;
    log_printf("measure: interrupts off for %lu instructions: %s 0x%lx", ticks,
               trap ? "vector" : invoke ? "invocation" : "system call",
               invoke ? AR_INFO_LABEL(measure.info) : measure.what & ~TRAP);
    log_flush();
}

bool arch_measures(uint64_t words[3])
{
    words[0] = longest;
    words[1] = measure_spaces;
    words[2] = entries;
    longest = 0;
    return true;
}
