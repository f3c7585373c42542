/*
 * Address spaces, page tables and frames. SPDX-License-Identifier: MIT
 *
 * A frame capability remembers the one place it is mapped at (ASID and address), a table
 * capability likewise. An ASID leads to the space's top table while the space lives; unmapping
 * checks that the entry still points at this frame or table, so a stale memory of a dead space
 * does no harm.
 */
#include "arch/arch.h"
#include "arch/x86_64/paging.h"
#include "sched/work.h"

void vspace_destroy(const struct cap *cap)
{
    space_release(cap->asid, (void *)cap->object);
}

void table_unmap(struct cap *cap)
{
    uint64_t *entry;
    if (!(cap->flags & CAP_MAPPED))
        return;
    entry = space_entry(space_of_asid(cap->asid), cap->extra, cap->size_bits);
    if (entry && (*entry & PTE_PRESENT) &&
        (*entry & PTE_ADDRESS) == arch_physical((void *)cap->object)) {
        *entry = 0;
        space_flush(space_of_asid(cap->asid));
    }
}

static uint64_t *frame_entry(const struct cap *cap)
{
    if (!(cap->flags & CAP_MAPPED))
        return NULL;
    uint64_t *entry =
        space_entry(space_of_asid(cap->asid), cap->extra, cap->size_bits == 21 ? 1 : 0);
    if (!entry || !(*entry & PTE_PRESENT) ||
        (*entry & PTE_ADDRESS) != arch_physical((void *)cap->object))
        return NULL;
    return entry;
}

void frame_unmap(struct cap *cap)
{
    uint64_t *entry = frame_entry(cap);
    if (entry) {
        *entry = 0;
        space_flush_page(space_of_asid(cap->asid), cap->extra);
    }
    cap->flags &= (uint8_t)~CAP_MAPPED;
    cap->asid = 0;
    cap->extra = 0;
}

enum ar_error vspace_invoke(struct invocation *call)
{
    struct cap *table;
    uint64_t address = call->words[1];
    if (call->label != AR_VSPACE_MAP_TABLE)
        return AR_ERR_LABEL;
    enum ar_error error = tcb_lookup_type(call->caller, call->words[0], AR_TABLE, 0, &table);
    if (error)
        return error;
    if (address >= ARCH_USER_END)
        return AR_ERR_ARGUMENT;
    if (table->flags & CAP_MAPPED) {
        uint64_t *old = space_entry(space_of_asid(table->asid), table->extra, table->size_bits);
        if (old && (*old & PTE_PRESENT) &&
            (*old & PTE_ADDRESS) == arch_physical((void *)table->object))
            return AR_ERR_EXISTS;
    }
    for (unsigned level = 3; level >= 1; level--) {
        uint64_t *entry = space_entry((void *)call->target->object, address, level);
        if (!entry)
            return AR_ERR_EXISTS; /* a large frame is in the way */
        if (*entry & PTE_PRESENT)
            continue;
        memory_clear((void *)table->object, 4096);
        *entry = arch_physical((void *)table->object) | PTE_PRESENT | PTE_WRITE | PTE_USER;
        table->flags |= CAP_MAPPED;
        table->size_bits = (uint8_t)level;
        table->asid = call->target->asid;
        table->extra = address & ~((1ull << (12 + 9 * level)) - 1);
        call->words[0] = level;
        call->result_words = 1;
        return AR_OK;
    }
    return AR_ERR_EXISTS;
}

static enum ar_error frame_map(struct invocation *call)
{
    struct cap *frame = call->target, *vspace;
    uint64_t address = call->words[1], rights = call->words[2] & frame->rights & AR_ALL;
    enum ar_error error = tcb_lookup_type(call->caller, call->words[0], AR_VSPACE, 0, &vspace);
    if (error)
        return error;
    if (address >= ARCH_USER_END || (address & ((1ull << frame->size_bits) - 1)) ||
        !(rights & AR_READ))
        return AR_ERR_ARGUMENT;
    uint64_t *old = frame_entry(frame);
    if (old && (frame->asid != vspace->asid || frame->extra != address))
        return AR_ERR_EXISTS;
    unsigned level = frame->size_bits == 21 ? 1 : 0;
    uint64_t *entry = space_entry((void *)vspace->object, address, level);
    if (!entry)
        return AR_ERR_NO_TABLE;
    if ((*entry & PTE_PRESENT) && entry != old)
        return AR_ERR_EXISTS;
    *entry = arch_physical((void *)frame->object) | PTE_PRESENT | PTE_USER | (rights & AR_WRITE ? PTE_WRITE : 0) |
             (level ? PTE_LARGE : 0) | (rights & AR_EXEC ? 0 : pte_no_execute);
    frame->flags |= CAP_MAPPED;
    frame->asid = vspace->asid;
    frame->extra = address;
    if (old)
        space_flush_page((void *)vspace->object, address);
    return AR_OK;
}

/* Word 0, the first byte, goes up with each piece. */
static enum ar_error frame_clear(struct invocation *call)
{
    struct cap *frame = call->target;
    uint64_t first = call->words[0], bytes = 1ull << frame->size_bits;
    if (!(frame->rights & AR_WRITE))
        return AR_ERR_RIGHTS;
    if ((first & 7) || first > bytes)
        return AR_ERR_ARGUMENT;
    uint64_t piece = bytes - first < WORK_PIECE ? bytes - first : WORK_PIECE;
    memory_clear((void *)(frame->object + first), piece);
    call->words[0] = first + piece;
    return first + piece == bytes ? AR_OK : KERNEL_AGAIN;
}

/* FRAME_READ and FRAME_WRITE: a few words between the frame and the message. */
static enum ar_error frame_words(struct invocation *call)
{
    struct cap *frame = call->target;
    uint64_t offset = call->words[0], count = call->words[1], bytes = 1ull << frame->size_bits;
    bool write = call->label == AR_FRAME_WRITE;
    if (!(frame->rights & (write ? AR_WRITE : AR_READ)))
        return AR_ERR_RIGHTS;
    if ((offset & 7) || count > 56 || offset > bytes || count * 8 > bytes - offset)
        return AR_ERR_ARGUMENT;
    uint64_t *memory = (uint64_t *)(frame->object + offset);
    for (unsigned i = 0; i < count; i++) {
        if (write)
            memory[i] = invocation_word(call, 4 + i);
        else
            invocation_set_word(call, 4 + i, memory[i]);
    }
    call->result_words = write ? 0 : 4 + (unsigned)count;
    return AR_OK;
}

enum ar_error frame_invoke(struct invocation *call)
{
    struct cap *frame = call->target, *source;
    enum ar_error error;
    switch (call->label) {
    case AR_FRAME_MAP:
        return frame_map(call);
    case AR_FRAME_UNMAP:
        frame_unmap(frame);
        return AR_OK;
    case AR_FRAME_COPY:
        error = tcb_lookup_type(call->caller, call->words[0], AR_FRAME, AR_READ, &source);
        if (error)
            return error;
        if (!(frame->rights & AR_WRITE))
            return AR_ERR_RIGHTS;
        memory_copy((void *)frame->object, (void *)source->object, 4096);
        return AR_OK;
    case AR_FRAME_CLEAR:
        return frame_clear(call);
    case AR_FRAME_READ:
    case AR_FRAME_WRITE:
        return frame_words(call);
    case AR_FRAME_INFO:
        call->words[0] = arch_physical((void *)frame->object);
        call->words[1] = frame->size_bits;
        call->result_words = 2;
        return AR_OK;
    default:
        return AR_ERR_LABEL;
    }
}
