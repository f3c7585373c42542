/*
 * From power-on to the first thread. SPDX-License-Identifier: MIT
 */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include <aramid/abi.h>
#include <stddef.h>

enum { BOOT_RANGES_MAX = 64, BOOT_COMMAND_LINE = 512 };
#define BOOT_MEMORY_END (512ull << 30) /* what the physical map can reach */

/* Who entered the kernel, as boot.asm passes it: zero, or the word that Multiboot2 puts in eax. */
enum { BOOT_PVH = 0, BOOT_MULTIBOOT2 = 0x36d76289 };

/* What the boot loader told us, in one form for every boot protocol. Physical addresses. */
struct boot_range {
    uint64_t start, end;
};
struct boot_facts {
    /* Usable memory in whole pages, ascending, no two touching (one more while it is worked on) */
    struct boot_range memory[BOOT_RANGES_MAX + 1];
    unsigned memory_count;
    uint64_t memory_lost; /* usable bytes that found no entry in `memory` */
    uint64_t bundle_start, bundle_end;
    char command_line[BOOT_COMMAND_LINE];
};

/* pvh.c, multiboot2.c: all of it is copied, the loader's own structures may be overwritten. */
void boot_read_pvh(uint64_t start_info, struct boot_facts *facts);
void boot_read_multiboot2(uint64_t information, struct boot_facts *facts);

/* ranges.c. A part of a page is not usable; where usable and not usable memory overlap, remove
 * comes last. More than BOOT_RANGES_MAX ranges: the smallest is forgotten. */
void boot_memory_add(struct boot_facts *facts, uint64_t start, uint64_t bytes);
void boot_memory_remove(struct boot_facts *facts, uint64_t start, uint64_t bytes);
/* Up to BOOT_COMMAND_LINE - 1 bytes of a NUL-ended string, or `most` if that is less. */
void boot_command_line(struct boot_facts *facts, const char *line, uint64_t most);

/* memory.c: pages taken out of `facts` before user space gets the rest. Cleared, never given
 * back. */
void boot_memory_init(struct boot_facts *facts);
uint64_t boot_allocate_page(void);
/* `bytes` contiguous bytes, from a page boundary on. */
uint64_t boot_allocate(uint64_t bytes);

/* init.c: make the first thread and give it everything. */
void boot_start_init(struct boot_facts *facts);

#endif
