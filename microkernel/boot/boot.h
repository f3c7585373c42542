/*
 * From power-on to the first thread. SPDX-License-Identifier: MIT
 */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <aramid/abi.h>
#include <stddef.h>

enum { BOOT_RANGES_MAX = 64 };

/* What the boot loader told us, in one form for every boot protocol. Physical addresses. */
struct boot_facts {
    struct {
        uint64_t start, end;
    } memory[BOOT_RANGES_MAX]; /* usable */
    unsigned memory_count;
    uint64_t bundle_start, bundle_end;
    char command_line[512];
};

/* pvh.c */
void boot_read_pvh(uint64_t start_info, struct boot_facts *facts);

/* memory.c: pages taken before user space gets the rest. Cleared, never given back. */
void boot_memory_init(const struct boot_facts *facts);
uint64_t boot_allocate_page(void);
/* `bytes` contiguous bytes aligned to the power of two `alignment`. */
uint64_t boot_allocate(uint64_t bytes, uint64_t alignment);

/* init.c: make the first thread and give it everything. */
void boot_start_init(const struct boot_facts *facts);

/* Physical end of what the kernel keeps for itself. */
uint64_t boot_memory_used_end(void);

#endif
