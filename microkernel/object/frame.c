/*
 * Frames: memory for user space. SPDX-License-Identifier: MIT
 *
 * A capability maps its frame in one place, which it remembers; vspace.c says how.
 */
#include "arch/arch.h"
#include "arch/x86_64/paging.h"
#include "object/acts.h"
#include "sched/work.h"
#include "trace.h"

static uint64_t *frame_entry(const struct cap *cap)
{
    return mapped_entry(cap, cap->size_bits == 21 ? 1 : 0);
}

void frame_unmap(struct cap *cap)
{
    uint64_t *entry = frame_entry(cap);
    if (entry) {
        trace_unmap(cap);
        *entry = 0;
        space_flush_page(space_of_asid(cap->asid), cap->extra);
    }
    cap->flags &= (uint8_t)~CAP_MAPPED;
    cap->asid = 0;
    cap->extra = 0;
}

/* ---- invocations ----------------------------------------------------------------------------- */

enum ar_error frame_map(struct invocation *call)
{
    struct cap *frame = call->target, *vspace = call->caps[0];
    uint64_t address = call->words[1], bytes = 1ull << frame->size_bits;
    uint64_t rights = call->words[2] & frame->rights;
    unsigned level = frame->size_bits == 21 ? 1 : 0;
    if (address & (bytes - 1))
        return invocation_fail(call, AR_ERR_ALIGNMENT, 1, bytes, address);
    if (address > AR_USER_END - bytes)
        return invocation_fail(call, AR_ERR_ADDRESS, 1, (AR_USER_END - bytes) & -bytes, address);
    uint64_t *old = frame_entry(frame);
    if (old && (frame->asid != vspace->asid || frame->extra != address))
        return invocation_fail(call, AR_ERR_EXISTS, AR_ARG_TARGET, 0, frame->extra);
    uint64_t *entry = space_entry((void *)vspace->object, address, level);
    if (!entry)
        return invocation_fail(call, AR_ERR_NO_TABLE, 1, 0, address);
    if ((*entry & PTE_PRESENT) && entry != old)
        return invocation_fail(call, AR_ERR_EXISTS, 1, 0, address);

    *entry = arch_physical((void *)frame->object) | PTE_PRESENT | PTE_USER |
             (rights & AR_WRITE ? PTE_WRITE : 0) | (level ? PTE_LARGE : 0) |
             (rights & AR_EXEC ? 0 : pte_no_execute);
    frame->flags |= CAP_MAPPED;
    frame->asid = vspace->asid;
    frame->extra = address;
    trace_map(frame, (unsigned)rights, frame->size_bits);
    if (old)
        space_flush_page((void *)vspace->object, address);
    return AR_OK;
}

enum ar_error frame_unmap_invoked(struct invocation *call)
{
    frame_unmap(call->target);
    return AR_OK;
}

enum ar_error frame_copy(struct invocation *call)
{
    memory_copy((void *)call->target->object, (void *)call->caps[0]->object, 4096);
    return AR_OK;
}

/* Word 0, the first byte, goes up with each piece. */
enum ar_error frame_clear(struct invocation *call)
{
    const struct cap *frame = call->target;
    uint64_t first = call->words[0], bytes = 1ull << frame->size_bits;
    if (first > bytes)
        return invocation_fail(call, AR_ERR_RANGE, 0, bytes, first);

    uint64_t piece = bytes - first < WORK_PIECE ? bytes - first : WORK_PIECE;
    memory_clear((void *)(frame->object + first), piece);
    call->words[0] = first + piece;
    return first + piece == bytes ? AR_OK : KERNEL_AGAIN;
}

/* The words of the frame that word 0 (offset) and word 1 (count) name; NULL: beyond its end. */
static uint64_t *frame_words(struct invocation *call, enum ar_error *error)
{
    uint64_t offset = call->words[0], count = call->words[1];
    uint64_t bytes = 1ull << call->target->size_bits;
    *error = AR_OK;
    if (offset >= bytes)
        *error = invocation_fail(call, AR_ERR_RANGE, 0, bytes - 8, offset);
    else if (count > (bytes - offset) / 8)
        *error = invocation_fail(call, AR_ERR_RANGE, 1, (bytes - offset) / 8, count);
    return (uint64_t *)(call->target->object + offset);
}

enum ar_error frame_read(struct invocation *call)
{
    enum ar_error error;
    unsigned count = (unsigned)call->words[1];
    const uint64_t *words = frame_words(call, &error);
    if (error)
        return error;

    for (unsigned i = 0; i < count; i++)
        invocation_set_word(call, 4 + i, words[i]);
    call->result_words = 4 + count;
    return AR_OK;
}

enum ar_error frame_write(struct invocation *call)
{
    enum ar_error error;
    unsigned count = (unsigned)call->words[1];
    uint64_t *words = frame_words(call, &error);
    if (error)
        return error;

    for (unsigned i = 0; i < count; i++)
        words[i] = invocation_word(call, 4 + i);
    return AR_OK;
}

enum ar_error frame_info(struct invocation *call)
{
    call->words[0] = arch_physical((void *)call->target->object);
    call->words[1] = call->target->size_bits;
    call->result_words = 2;
    return AR_OK;
}
