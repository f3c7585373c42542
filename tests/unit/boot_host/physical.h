/* In the place of microkernel/arch/x86_64/physical.h: physical addresses are addresses here.
 * SPDX-License-Identifier: MIT */
#ifndef BOOT_HOST_PHYSICAL_H
#define BOOT_HOST_PHYSICAL_H

#include "arch/x86_64/paging.h"

static inline void *arch_pointer(uint64_t physical)
{
    return (void *)physical;
}

#endif
