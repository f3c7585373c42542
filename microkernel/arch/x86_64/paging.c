/*
 * The kernel's own page tables, and ASIDs. SPDX-License-Identifier: MIT
 */
#include "arch/x86_64/paging.h"
#include "arch/arch.h"
#include "arch/x86_64/cpu.h"
#include "sched/sched.h"

/* Of the upper half, a top table has two entries: the physical map's and the image's. */
enum { ASID_COUNT = 8192, ENTRIES = 512, TOP_PHYSMAP = 256, TOP_IMAGE = 511 };

extern const char kernel_text[], kernel_text_end[], kernel_rodata_end[], kernel_end[];

uint64_t pte_no_execute;
uint64_t kernel_top[ENTRIES] __attribute__((aligned(4096)));
static uint64_t kernel_directory_pointers[ENTRIES] __attribute__((aligned(4096)));
static uint64_t kernel_directory[ENTRIES] __attribute__((aligned(4096)));
static uint64_t kernel_table[ENTRIES] __attribute__((aligned(4096)));

/*
 * Each ASID's top table, or, when it is free, the next free one: odd values, the number doubled.
 * The free ones are a queue, so that one is handed out again as late as possible. ASID 0 is
 * nobody's, and ends the queue.
 */
static uint64_t asid_table[ASID_COUNT];
static uint32_t asid_first, asid_last, asid_free;

bool arch_space_available(uint64_t count)
{
    return count <= asid_free;
}

uint32_t arch_space_init(void *table)
{
    uint64_t *top = table;
    uint32_t asid = asid_first;
    top[TOP_PHYSMAP] = kernel_top[TOP_PHYSMAP];
    top[TOP_IMAGE] = kernel_top[TOP_IMAGE];
    asid_first = (uint32_t)(asid_table[asid] >> 1);
    asid_free--;
    asid_table[asid] = (uint64_t)table;
    return asid;
}

static void asid_release(uint32_t asid)
{
    asid_table[asid] = 1;
    if (asid_free++)
        asid_table[asid_last] = (uint64_t)asid << 1 | 1;
    else
        asid_first = asid;
    asid_last = asid;
}

void *space_of_asid(uint32_t asid)
{
    uint64_t entry = asid < ASID_COUNT ? asid_table[asid] : 1;
    return entry & 1 ? NULL : (void *)entry;
}

void space_release(uint32_t asid, void *top)
{
    asid_release(asid);
    if (core.space == arch_physical(top)) {
        core.space = KERNEL_SPACE;
        cpu_load_space(KERNEL_SPACE);
    }
}

void space_flush(void *top)
{
    if (top && core.space == arch_physical(top))
        cpu_load_space(core.space);
}

void space_flush_page(void *top, uint64_t address)
{
    if (top && core.space == arch_physical(top))
        __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

void *arch_user_page(const struct cap *vspace, uint64_t address, bool write)
{
    if (vspace->type != AR_VSPACE)
        return NULL;
    return space_user_page((void *)vspace->object, address, write);
}

static uint64_t image_flags(uint64_t address)
{
    if (address < (uint64_t)kernel_text)
        return 0; /* the boot code's place: not needed any more */
    if (address < (uint64_t)kernel_text_end)
        return PTE_PRESENT | PTE_GLOBAL;
    if (address < (uint64_t)kernel_rodata_end)
        return PTE_PRESENT | PTE_GLOBAL | pte_no_execute;
    if (address < (uint64_t)kernel_end)
        return PTE_PRESENT | PTE_GLOBAL | PTE_WRITE | pte_no_execute;
    return 0;
}

void paging_init(uint64_t top_physical, uint64_t (*allocate)(void))
{
    for (uint32_t asid = 1; asid < ASID_COUNT; asid++)
        asid_release(asid);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        uint64_t flags = image_flags(KERNEL_BASE + i * 4096);
        kernel_table[i] = flags ? i * 4096 | flags : 0;
    }
    kernel_directory[0] = arch_physical(kernel_table) | PTE_PRESENT | PTE_WRITE;
    kernel_directory_pointers[510] = arch_physical(kernel_directory) | PTE_PRESENT | PTE_WRITE;
    kernel_top[TOP_IMAGE] = arch_physical(kernel_directory_pointers) | PTE_PRESENT | PTE_WRITE;

    /* The physical map, at least the first 4 GiB: the local APIC is at their end. */
    uint64_t gigabytes = (top_physical + (1ull << 30) - 1) >> 30;
    if (gigabytes < 4)
        gigabytes = 4;
    if (gigabytes > ENTRIES)
        gigabytes = ENTRIES;
    uint64_t pointers = allocate();
    kernel_top[TOP_PHYSMAP] = pointers | PTE_PRESENT | PTE_WRITE;
    for (uint64_t g = 0; g < gigabytes; g++) {
        uint64_t directory = allocate(), *entry = arch_pointer(directory);
        ((uint64_t *)arch_pointer(pointers))[g] = directory | PTE_PRESENT | PTE_WRITE;
        for (uint64_t i = 0; i < ENTRIES; i++) {
            uint64_t physical = g << 30 | i << 21;
            bool device =
                physical >= 0xc0000000 && physical < 0x100000000 && physical >= top_physical;
            entry[i] = physical | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_GLOBAL |
                       pte_no_execute | (device || physical == 0xfee00000 ? PTE_UNCACHED : 0);
        }
    }
    core.space = KERNEL_SPACE;
    cpu_load_space(KERNEL_SPACE);
}
