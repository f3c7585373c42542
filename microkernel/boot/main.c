/*
 * The kernel's main: bring up the processor, make init, run it. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/paging.h"
#include "boot/boot.h"
#include "sched/sched.h"

void kernel_main(uint64_t start_info);
_Noreturn void leave(void); /* entry.asm */

static struct boot_facts facts;

void kernel_main(uint64_t start_info)
{
    log_init();
    cpu_init();
    interrupts_init();
    boot_read_pvh(start_info, &facts);
    boot_memory_init(&facts);
    uint64_t top = 0;
    for (unsigned i = 0; i < facts.memory_count; i++)
        if (facts.memory[i].end > top)
            top = facts.memory[i].end;
    paging_init(top, boot_allocate_page);
    pic_init();
    timer_init();
    boot_start_init(&facts);
    log_printf("%lu MiB of memory, bundle %lu KiB, TSC %lu MHz", top >> 20,
               (facts.bundle_end - facts.bundle_start) >> 10, arch_tsc_per_us());
    arch_timer_arm(arch_clock_ns() + SCHED_SLICE_NS);
    sched_pick();
    leave();
}
