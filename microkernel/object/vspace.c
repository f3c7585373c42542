/*
 * Address spaces and their page tables. SPDX-License-Identifier: MIT
 *
 * A table capability, like a frame's, remembers the one place it is mapped at (ASID and address).
 * An ASID leads to the space's top table while the space lives; unmapping checks that the entry
 * still points at this frame or table, so a stale memory of a dead space does no harm.
 */
#include "arch/arch.h"
#include "arch/x86_64/paging.h"
#include "object/acts.h"
#include "trace.h"

void vspace_destroy(const struct cap *cap)
{
    space_release(cap->asid, (void *)cap->object);
}

uint64_t *mapped_entry(const struct cap *cap, unsigned level)
{
    if (!(cap->flags & CAP_MAPPED))
        return NULL;
    uint64_t *entry = space_entry(space_of_asid(cap->asid), cap->extra, level);
    if (!entry || !(*entry & PTE_PRESENT) ||
        (*entry & PTE_ADDRESS) != arch_physical((void *)cap->object))
        return NULL;
    return entry;
}

void table_unmap(struct cap *cap)
{
    uint64_t *entry = mapped_entry(cap, cap->size_bits);
    if (!entry)
        return;
    trace_unmap(cap);
    *entry = 0;
    space_flush(space_of_asid(cap->asid));
}

/* ---- invocations ----------------------------------------------------------------------------- */

/* The entry on the way to `address` that the highest missing table goes into, or NULL: none is
 * missing, or a large frame is in the way. */
static uint64_t *missing_table(void *top, uint64_t address, unsigned *level)
{
    for (*level = 3; *level >= 1; --*level) {
        uint64_t *entry = space_entry(top, address, *level);
        if (!entry || !(*entry & PTE_PRESENT))
            return entry;
    }
    return NULL;
}

enum ar_error vspace_map_table(struct invocation *call)
{
    struct cap *table = call->caps[0];
    uint64_t address = call->words[1];
    unsigned level;
    if (mapped_entry(table, table->size_bits))
        return invocation_fail(call, AR_ERR_EXISTS, 0, 0, table->extra);
    uint64_t *entry = missing_table((void *)call->target->object, address, &level);
    if (!entry)
        return invocation_fail(call, AR_ERR_EXISTS, 1, 0, address);

    memory_clear((void *)table->object, 4096);
    *entry = arch_physical((void *)table->object) | PTE_PRESENT | PTE_WRITE | PTE_USER;
    table->flags |= CAP_MAPPED;
    table->size_bits = (uint8_t)level;
    table->asid = call->target->asid;
    table->extra = address & ~((1ull << (12 + 9 * level)) - 1);
    trace_map(table, AR_ALL, 12 + 9 * level);
    call->words[0] = level;
    call->result_words = 1;
    return AR_OK;
}
