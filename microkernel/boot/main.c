/*
 * The kernel's main: bring up the processor, make init, run it. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/cpu_features.h"
#include "arch/x86_64/paging.h"
#include "boot/boot.h"
#include "sched/sched.h"
#include "trace.h"

void kernel_main(uint64_t loader, uint64_t information);
_Noreturn void leave(void); /* entry.asm */

static struct boot_facts facts;

/* `loader`: BOOT_PVH, or what a Multiboot2 loader has in eax. */
static void read_facts(uint64_t loader, uint64_t information)
{
    if (loader == BOOT_MULTIBOOT2)
        boot_read_multiboot2(information, &facts);
    else if (loader == BOOT_PVH)
        boot_read_pvh(information, &facts);
    else
        kernel_stop("the boot loader speaks neither PVH nor Multiboot2: eax is %lx, expected %x",
                    loader, (unsigned)BOOT_MULTIBOOT2);
}

void kernel_main(uint64_t loader, uint64_t information)
{
    log_init();
    features_check();
    cpu_init();
    interrupts_init();
    read_facts(loader, information);
    uint64_t top = 0, usable = 0;
    for (unsigned i = 0; i < facts.memory_count; i++) {
        top = facts.memory[i].end;
        usable += facts.memory[i].end - facts.memory[i].start;
    }
    boot_memory_init(&facts);
    trace_boot(&facts);
    paging_init(top, boot_allocate_page);
    pic_init();
    timer_init();
    trace_start();
    boot_start_init(&facts);
    log_printf("%lu MiB of memory, bundle %lu KiB, TSC %lu MHz", usable >> 20,
               (facts.bundle_end - facts.bundle_start) >> 10, arch_tsc_per_us());
    log_flush();
    arch_timer_arm(arch_clock_ns() + SCHED_SLICE_NS);
    sched_pick();
    leave();
}
