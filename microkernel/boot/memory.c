/*
 * The few pages that the kernel takes for itself at boot, wherever there is room for them: a boot
 * loader may put the bundle right behind the kernel. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "boot/boot.h"

#define REACH (4ull << 30) /* the boot tables map no more */

extern const char kernel_end[];
static struct boot_facts *from;

void boot_memory_init(struct boot_facts *facts)
{
    uint64_t image_end = arch_physical(kernel_end);
    if (facts->bundle_end > facts->bundle_start && facts->bundle_start < image_end)
        kernel_stop("the boot loader put the bundle at %lx, over the kernel that ends at %lx",
                    facts->bundle_start, image_end);
    /* What is below the kernel is the firmware's, free or not. */
    boot_memory_remove(facts, 0, image_end);
    boot_memory_remove(facts, facts->bundle_start, facts->bundle_end - facts->bundle_start);
    if (!facts->memory_count)
        kernel_stop("the boot loader's memory map has nothing usable above %lx", image_end);
    from = facts;
}

uint64_t boot_allocate(uint64_t bytes)
{
    bytes = (bytes + 4095) & ~4095ull;
    for (unsigned i = 0; i < from->memory_count; i++) {
        uint64_t start = from->memory[i].start;
        if (from->memory[i].end - start < bytes || start + bytes > REACH)
            continue;
        boot_memory_remove(from, start, bytes);
        memory_clear(arch_pointer(start), bytes);
        return start;
    }
    kernel_stop("out of memory at boot: no %lu KiB in one piece below 4 GiB", bytes >> 10);
}

uint64_t boot_allocate_page(void)
{
    return boot_allocate(4096);
}
