/*
 * Page tables. SPDX-License-Identifier: MIT
 */
#ifndef X86_64_PAGING_H
#define X86_64_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#define PTE_PRESENT 1ull
#define PTE_WRITE 2ull
#define PTE_USER 4ull
#define PTE_UNCACHED 0x18ull
#define PTE_LARGE 0x80ull
#define PTE_GLOBAL 0x100ull
#define PTE_ADDRESS 0x000ffffffffff000ull
#define PTE_NO_EXECUTE (1ull << 63)

#define PHYSMAP 0xffff800000000000ull      /* all physical memory, read-write, never executable */
#define KERNEL_BASE 0xffffffff80000000ull  /* the kernel's image: physical 0 */

/* PTE_NO_EXECUTE when the processor has it, else 0. */
extern uint64_t pte_no_execute;

/* The top table of a live space, or NULL. */
void *space_of_asid(uint32_t asid);
void space_release(uint32_t asid, void *top);
/* The entry for `address` at `level` (0: page, 1: 2 MiB, 2, 3), or NULL when a table above it is
 * missing or a large page is in the way. `top` NULL gives NULL. */
uint64_t *space_entry(void *top, uint64_t address, unsigned level);
/* Where the kernel sees the user's `address`; NULL when it is not mapped for user access (for
 * writing when `write`). */
void *space_user_page(void *top, uint64_t address, bool write);
/* The top table with the kernel's part alone, for a thread whose space is gone: its first
 * instruction faults. */
extern uint64_t kernel_top[];
#define KERNEL_SPACE ((uint64_t)kernel_top - KERNEL_BASE)
/* Forget cached translations, if the space is in use now. */
void space_flush(void *top);
void space_flush_page(void *top, uint64_t address);

/* Boot: replace the boot tables by the kernel's own: image W^X, physical map up to
 * `top_physical`. `allocate` gives cleared physical pages. */
void paging_init(uint64_t top_physical, uint64_t (*allocate)(void));

#endif
