/*
 * Walking a space's page tables, which lie in physical memory: also compiled on the host.
 * SPDX-License-Identifier: MIT
 */
#include "arch/x86_64/paging.h"
#include "arch/arch.h"

enum { ENTRIES = 512 };

uint64_t *space_entry(void *top, uint64_t address, unsigned level)
{
    uint64_t *table = top;
    if (!table)
        return NULL;
    for (unsigned at = 3; at > level; at--) {
        uint64_t entry = table[address >> (12 + 9 * at) & (ENTRIES - 1)];
        if (!(entry & PTE_PRESENT) || (at < 3 && (entry & PTE_LARGE)))
            return NULL;
        table = arch_pointer(entry & PTE_ADDRESS);
    }
    return &table[address >> (12 + 9 * level) & (ENTRIES - 1)];
}

void *space_user_page(void *top, uint64_t address, bool write)
{
    uint64_t need = PTE_PRESENT | PTE_USER | (write ? PTE_WRITE : 0);
    if (address >= ARCH_USER_END)
        return NULL;
    uint64_t *entry = space_entry(top, address, 0);
    if (entry && (*entry & need) == need)
        return arch_pointer((*entry & PTE_ADDRESS) + (address & 0xfff));
    entry = space_entry(top, address, 1);
    if (entry && (*entry & PTE_LARGE) && (*entry & need) == need)
        return arch_pointer((*entry & PTE_ADDRESS & ~0x1fffffull) + (address & 0x1fffff));
    return NULL;
}
