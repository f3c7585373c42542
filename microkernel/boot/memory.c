/*
 * The few pages that the kernel takes for itself at boot, right behind its image.
 * SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "boot/boot.h"

extern const char kernel_end[];
static uint64_t next, limit;

void boot_memory_init(const struct boot_facts *facts)
{
    next = arch_physical(kernel_end);
    for (unsigned i = 0; i < facts->memory_count; i++)
        if (next >= facts->memory[i].start && next < facts->memory[i].end)
            limit = facts->memory[i].end;
    if (facts->bundle_start >= next && facts->bundle_start < limit)
        limit = facts->bundle_start;
    if (!limit)
        kernel_stop("the kernel at %lx is not inside usable memory", next);
}

uint64_t boot_allocate(uint64_t bytes, uint64_t alignment)
{
    uint64_t start = (next + alignment - 1) & ~(alignment - 1);
    next = start + ((bytes + 4095) & ~4095ull);
    if (next > limit)
        kernel_stop("out of memory at boot: %lx needed, usable up to %lx", next, limit);
    memory_clear(arch_pointer(start), next - start);
    return start;
}

uint64_t boot_allocate_page(void)
{
    return boot_allocate(4096, 4096);
}

uint64_t boot_memory_used_end(void)
{
    return next;
}
