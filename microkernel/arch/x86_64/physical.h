/* Between physical addresses and the kernel's pointers. SPDX-License-Identifier: MIT */
#ifndef X86_64_PHYSICAL_H
#define X86_64_PHYSICAL_H

#include "arch/x86_64/paging.h"

static inline uint64_t arch_physical(const void *pointer)
{
    uint64_t address = (uint64_t)pointer;
    return address >= KERNEL_BASE ? address - KERNEL_BASE : address - PHYSMAP;
}

static inline void *arch_pointer(uint64_t physical)
{
    return (void *)(physical + PHYSMAP);
}

/* What arch_pointer makes a slot of again, in units of the slot size; NULL: 0. */
static inline uint32_t arch_slot_link(const void *slot)
{
    return (uint32_t)((uint64_t)slot >> 5);
}
_Static_assert((uint32_t)(PHYSMAP >> 5) == 0, "its bits are not in a link");

#endif
