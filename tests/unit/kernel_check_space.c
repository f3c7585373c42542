/*
 * Mappings: what a space's tables show is covered by live capabilities with at least those rights,
 * and the processor remembers nothing that is gone. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "arch/x86_64/paging.h"
#include "kernel_check.h"

enum { ENTRIES = 512 };

static uint64_t space_top;
static uint32_t space_asid;

/* The capability that says: mapped here. Tables: size_bits is the level. */
static const struct cap *mapping_find(const struct check_object *object, uint64_t address,
                                      unsigned rights)
{
    const struct cap *cap = object->first;
    for (unsigned i = 0; i < object->caps; i++, cap = cap_next(cap))
        if (cap->flags & CAP_MAPPED && cap->asid == space_asid && cap->extra == address &&
            (cap->rights & rights) == rights)
            return cap;
    return NULL;
}

static void leaf_check(uint64_t address, uint64_t entry, unsigned level)
{
    uint64_t size = level ? 1ull << 21 : 4096;
    const struct check_object *frame = check_find(arch_pointer(entry & PTE_ADDRESS), AR_FRAME);
    unsigned rights = AR_READ | (entry & PTE_WRITE ? AR_WRITE : 0u) |
                      (entry & PTE_NO_EXECUTE ? 0u : AR_EXEC);
    CHECK(entry & PTE_USER, (void *)address);
    CHECK(frame, (void *)address); /* freed memory is mapped */
    CHECK(frame->bytes == size, (void *)address);
    CHECK(address + size <= ARCH_USER_END, (void *)address);
    CHECK(mapping_find(frame, address, rights), (void *)address);
    if (core.space != arch_physical((void *)space_top))
        return;
    CHECK(host_cached_count < HOST_CACHED, (void *)address);
    host_cached[host_cached_count].address = address;
    host_cached[host_cached_count++].entry = entry;
}

static void table_check(const uint64_t *table, unsigned level, uint64_t address)
{
    unsigned count = level == 3 ? ENTRIES / 2 : ENTRIES;
    for (unsigned i = 0; i < count; i += 4) {
        if (!(table[i] | table[i + 1] | table[i + 2] | table[i + 3]))
            continue;
        for (unsigned at = i; at < i + 4; at++) {
            uint64_t entry = table[at], here = address | (uint64_t)at << (12 + 9 * level);
            if (!entry)
                continue;
            CHECK(entry & PTE_PRESENT, table);
            if (level == 0 || entry & PTE_LARGE) {
                CHECK(level <= 1, table);
                leaf_check(here, entry, level);
                continue;
            }
            struct check_object *below = check_find(arch_pointer(entry & PTE_ADDRESS), AR_TABLE);
            CHECK(below, table); /* freed memory is used as a table */
            CHECK(entry & PTE_USER && entry & PTE_WRITE, table);
            CHECK(below->places == 0, table); /* mapped twice */
            below->places = 1;
            const struct cap *cap = mapping_find(below, here, 0);
            CHECK(cap && cap->size_bits == level, table);
            table_check((const uint64_t *)below->address, level - 1, here);
        }
    }
}

/* Each translation that the processor may still have is still true. */
static void cached_check(void)
{
    for (unsigned i = 0; i < host_cached_count; i++) {
        uint64_t old = host_cached[i].entry;
        uint64_t *entry =
            space_entry(arch_pointer(core.space), host_cached[i].address, old & PTE_LARGE ? 1 : 0);
        CHECK(entry, (void *)host_cached[i].address);
        CHECK((*entry & PTE_ADDRESS) == (old & PTE_ADDRESS), entry);
        CHECK((old & PTE_WRITE) <= (*entry & PTE_WRITE), entry);
        CHECK(*entry & PTE_PRESENT, entry);
        CHECK(old & PTE_NO_EXECUTE || !(*entry & PTE_NO_EXECUTE), entry);
    }
}

void check_spaces(void)
{
    unsigned spaces = 0;
    bool none = core.space == HOST_NO_SPACE;
    CHECK(none || check_find(arch_pointer(core.space), AR_VSPACE), (void *)core.space);
    if (!none)
        cached_check();
    host_cached_count = 0;
    for (unsigned asid = 0; asid < HOST_SPACES; asid++)
        spaces += host_spaces[asid] != NULL;
    for (unsigned i = 0; i < check.object_count; i++) {
        const struct check_object *object = &check.objects[i];
        if (object->type != AR_VSPACE)
            continue;
        space_top = object->address;
        space_asid = object->first->asid;
        CHECK(space_of_asid(space_asid) == (void *)space_top, object->first);
        spaces--;
        table_check((const uint64_t *)space_top, 3, 0);
    }
    CHECK(spaces == 0, host_spaces); /* an ASID leads to a space that is gone */
    if (core.current && core.current->state == AR_THREAD_READY)
        CHECK(core.space == core.current->vspace.extra || (none && !core.current->vspace.extra),
              core.current);
}
