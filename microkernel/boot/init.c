/*
 * The first thread: its capability space, address space and all the memory there is.
 * SPDX-License-Identifier: MIT
 */
#include "object/derivation.h"
#include "arch/x86_64/paging.h"
#include "boot/boot.h"
#include "sched/sched.h"
#include "trace.h"

enum {
    INIT_LEAVES = AR_INIT_SLOTS / AR_LEAF_SLOTS,
    INIT_ROOT_BITS = 8,
    INIT_STACK_PAGES = 16,
    INIT_PRIORITY = AR_PRIORITY_MAX
};
#define INIT_STACK_TOP (AR_BOOT_INFO + 0x100000)

struct elf_header {
    unsigned char ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t size, program_header_size, program_header_count;
};
struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, alignment;
};

static struct cap *root_slots, *space_slot;

static struct cap *init_slot(unsigned slot)
{
    struct cnode *leaf = (struct cnode *)root_slots[slot >> AR_LEAF_BITS].object;
    return &leaf->slots[slot & (AR_LEAF_SLOTS - 1)];
}

static void give(unsigned slot, struct cap cap)
{
    cap.rights = AR_ALL;
    cap.flags |= CAP_ORIGINAL;
    cap_insert(init_slot(slot), &cap, NULL);
}

static uint64_t *page_entry(uint64_t address)
{
    uint64_t *top = (uint64_t *)space_slot->object;
    for (unsigned level = 3; level >= 1; level--) {
        uint64_t *entry = space_entry(top, address, level);
        if (!(*entry & PTE_PRESENT))
            *entry = boot_allocate_page() | PTE_PRESENT | PTE_WRITE | PTE_USER;
    }
    return space_entry(top, address, 0);
}

static uint64_t map_page(uint64_t address, bool write, bool execute)
{
    uint64_t *entry = page_entry(address);
    if (!(*entry & PTE_PRESENT))
        *entry = boot_allocate_page() | PTE_PRESENT | PTE_USER | pte_no_execute;
    if (write)
        *entry |= PTE_WRITE;
    if (execute)
        *entry &= ~PTE_NO_EXECUTE;
    return *entry & PTE_ADDRESS;
}

static void load_segment(const uint8_t *image, uint64_t size,
                         const struct elf_program_header *segment)
{
    if (segment->offset > size || segment->file_size > size - segment->offset ||
        segment->file_size > segment->memory_size || segment->address >= ARCH_USER_END ||
        segment->memory_size > ARCH_USER_END - segment->address)
        kernel_stop("init's ELF has a segment outside the file or user space");
    uint64_t end = segment->address + segment->memory_size;
    for (uint64_t page = segment->address & ~4095ull; page < end; page += 4096) {
        uint8_t *memory = arch_pointer(map_page(page, segment->flags & 2, segment->flags & 1));
        uint64_t from = page > segment->address ? page : segment->address;
        uint64_t to = segment->address + segment->file_size;
        if (to > page + 4096)
            to = page + 4096;
        if (to > from)
            memory_copy(memory + (from - page), image + segment->offset + (from - segment->address),
                        to - from);
    }
}

static bool name_is_init(const char *name)
{
    return name[0] == 'i' && name[1] == 'n' && name[2] == 'i' && name[3] == 't' && !name[4];
}

static uint64_t load_init(const struct boot_facts *facts)
{
    const struct ar_bundle *bundle = arch_pointer(facts->bundle_start);
    uint64_t size = facts->bundle_end - facts->bundle_start;
    if (size < sizeof(*bundle) || bundle->magic[0] != 'A' || bundle->magic[7] != 'N')
        kernel_stop(
            "no bundle: the boot loader passed %lu bytes of something else as the first module",
            size);
    for (uint64_t i = 0;
         i < bundle->count && (i + 1) * sizeof(bundle->entries[0]) + sizeof(*bundle) <= size; i++) {
        const struct ar_bundle_entry *entry = &bundle->entries[i];
        if (!name_is_init(entry->name))
            continue;
        if (entry->offset > size || entry->size > size - entry->offset ||
            entry->size < sizeof(struct elf_header))
            kernel_stop("the bundle's init is cut off");
        const uint8_t *image = (const uint8_t *)bundle + entry->offset;
        const struct elf_header *header = (const struct elf_header *)image;
        if (header->ident[0] != 0x7f || header->machine != 62 ||
            header->program_headers +
                    header->program_header_count * sizeof(struct elf_program_header) >
                entry->size)
            kernel_stop("the bundle's init is no x86_64 ELF");
        const struct elf_program_header *segments = (const void *)(image + header->program_headers);
        for (unsigned s = 0; s < header->program_header_count; s++)
            if (segments[s].type == 1)
                load_segment(image, entry->size, &segments[s]);
        return header->entry;
    }
    kernel_stop("the bundle has no entry named init");
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* In pieces that are powers of two and aligned to their size; what finds no entry is counted. */
static void give_untyped(struct ar_boot_info *info, struct boot_facts *facts,
                         struct boot_range range, bool device)
{
    const unsigned most = sizeof(info->untyped) / sizeof(info->untyped[0]);
    while (range.start < range.end && info->untyped_count < most) {
        unsigned bits = (unsigned)__builtin_ctzll(range.start);
        while (1ull << bits > range.end - range.start)
            bits--;
        give(AR_INIT_UNTYPED + (unsigned)info->untyped_count,
             (struct cap){.type = AR_UNTYPED,
                          .size_bits = (uint8_t)bits,
                          .flags = device ? CAP_DEVICE : 0,
                          .object = (uint64_t)arch_pointer(range.start)});
        info->untyped[info->untyped_count++] = (struct ar_untyped_info){
            .physical = range.start, .size_bits = bits, .device = device};
        range.start += 1ull << bits;
    }
    facts->memory_lost += range.end - range.start;
}

/* The bundle first, which must not be missing, then the largest ranges first. */
static void give_memory(struct ar_boot_info *info, struct boot_facts *facts)
{
    struct boot_range bundle = {facts->bundle_start & ~4095ull,
                                (facts->bundle_end + 4095) & ~4095ull};
    give_untyped(info, facts, bundle, true);
    for (unsigned left = facts->memory_count; left > 0; left--) {
        struct boot_range *largest = &facts->memory[0];
        for (unsigned i = 1; i < facts->memory_count; i++)
            if (facts->memory[i].end - facts->memory[i].start > largest->end - largest->start)
                largest = &facts->memory[i];
        give_untyped(info, facts, *largest, false);
        largest->start = largest->end;
    }
    if (facts->memory_lost)
        log_printf("%lu KiB of memory left out: in too many pieces", facts->memory_lost >> 10);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void make_spaces(void)
{
    root_slots = arch_pointer(boot_allocate(AR_SLOT_SIZE << INIT_ROOT_BITS));
    for (unsigned i = 0; i < INIT_LEAVES; i++) {
        struct cap leaf = {
            .type = AR_CNODE,
            .rights = AR_ALL,
            .flags = CAP_ORIGINAL,
            .size_bits = AR_LEAF_BITS,
            .extra = AR_LEAF_SLOTS,
            .object = (uint64_t)arch_pointer(boot_allocate(AR_LEAF_SLOTS * AR_SLOT_SIZE))};
        cap_insert(&root_slots[i], &leaf, NULL);
    }
    give(AR_INIT_CNODE, (struct cap){.type = AR_CNODE,
                                     .size_bits = INIT_ROOT_BITS,
                                     .extra = 1 << INIT_ROOT_BITS,
                                     .object = (uint64_t)root_slots});
    void *top = arch_pointer(boot_allocate_page());
    give(AR_INIT_VSPACE,
         (struct cap){.type = AR_VSPACE,
                      .asid = arch_space_init(top),
                      .object = (uint64_t)top,
                      .extra = arch_physical(top)});
    space_slot = init_slot(AR_INIT_VSPACE);
}

static void make_thread(uint64_t entry, uint64_t buffer)
{
    struct tcb *tcb = arch_pointer(boot_allocate_page());
    tcb_init(tcb);
    tcb->no_vector = 1;
    core.init = tcb;
    give(AR_INIT_TCB, (struct cap){.type = AR_TCB, .object = (uint64_t)tcb});
    cap_copy(&tcb->cspace, init_slot(AR_INIT_CNODE), AR_ALL);
    cap_copy(&tcb->vspace, space_slot, AR_ALL);
    cap_copy(&tcb->ipc_frame, init_slot(AR_INIT_IPC_FRAME), AR_ALL);
    tcb->ipc_frame.flags |= CAP_BUFFER;
    tcb->buffer = arch_pointer(buffer);
    tcb->buffer->self = AR_BOOT_INFO + 0x1000;
    tcb->priority = INIT_PRIORITY;
    memory_copy(tcb->name, "init", 5);
    trace_name(tcb);
    tcb->regs.rip = entry;
    tcb->regs.rsp = INIT_STACK_TOP - 8;
    tcb->regs.rdi = AR_BOOT_INFO;
    tcb->suspended = 0;
    tcb->state = AR_THREAD_READY;
    sched_ready(tcb);
}

void boot_start_init(struct boot_facts *facts)
{
    make_spaces();
    uint64_t entry = load_init(facts);
    struct ar_boot_info *info = arch_pointer(map_page(AR_BOOT_INFO, false, false));
    uint64_t buffer = map_page(AR_BOOT_INFO + 0x1000, true, false);
    for (unsigned i = 1; i <= INIT_STACK_PAGES; i++)
        map_page(INIT_STACK_TOP - i * 4096, true, false);
    give(AR_INIT_IPC_FRAME,
         (struct cap){.type = AR_FRAME, .size_bits = 12, .object = (uint64_t)arch_pointer(buffer)});
    give(AR_INIT_IRQ_CONTROL, (struct cap){.type = AR_IRQ_CONTROL});
    give(AR_INIT_PORT, (struct cap){.type = AR_PORT, .object = 0xffff0000ull});
    give(AR_INIT_LOG, (struct cap){.type = AR_LOG});
    make_thread(entry, buffer);
    info->magic = AR_BOOT_MAGIC;
    info->bundle_physical = facts->bundle_start;
    info->bundle_size = facts->bundle_end - facts->bundle_start;
    info->tsc_per_us = arch_tsc_per_us();
    memory_copy(info->command_line, facts->command_line, sizeof(info->command_line));
    give_memory(info, facts);
}
