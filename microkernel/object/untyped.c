/*
 * Untyped memory and the one operation that makes objects. SPDX-License-Identifier: MIT
 *
 * An Untyped gives out its memory from the front; `extra` counts the bytes given. When its last
 * descendant is gone the next retype starts from the front again.
 *
 * Memory is cleared before it becomes an object, piece by piece and in whole pages; `clear_pages`
 * remembers how far, behind the bytes given, so that nothing is cleared twice. No capability leads
 * there, so it stays clear.
 */
#include "object/acts.h"
#include "object/derivation.h"
#include "sched/work.h"

static uint64_t between(uint64_t least, uint64_t number, uint64_t most)
{
    return number < least ? least : number > most ? most : number;
}

/* log2 of the object's size in bytes; 0: no object of this type is made of an Untyped. Where the
 * caller may choose the size and `size_bits` is no good, it is set to the nearest that is. */
static unsigned chosen_size_bits(uint64_t type, uint64_t *size_bits)
{
    uint64_t given = *size_bits;
    switch (type) {
    case AR_UNTYPED:
        *size_bits = between(12, given, 47);
        return (unsigned)*size_bits;
    case AR_CNODE:
        *size_bits = between(1, given, 12);
        return (unsigned)*size_bits + 5;
    case AR_FRAME:
        *size_bits = given <= 12 ? 12 : 21;
        return (unsigned)*size_bits;
    default:
        return type < AR_TYPE_COUNT ? object_size_bits((enum ar_type)type) : 0;
    }
}

/* The object's memory is clear; give it what it must have to be consistent. */
static void object_init(struct cap *cap)
{
    if (cap->type == AR_TCB)
        tcb_init((struct tcb *)cap->object);
    else if (cap->type == AR_VSPACE) {
        cap->asid = arch_space_init((void *)cap->object);
        cap->extra = arch_physical((void *)cap->object);
    }
}

static bool has_children(const struct cap *untyped)
{
    const struct cap *next = cap_next(untyped);
    return next && cap_is_descendant(untyped, next);
}

/* Clear what is not clear yet of the bytes from those used up to `end`. The gap before an aligned
 * object too: that is less than the object, and what is clear stays in one piece. False: not all
 * of it. */
static bool clear_to(struct cap *untyped, uint64_t end)
{
    uint64_t from = untyped->clear_pages * 4096ull, stop = (end + 4095) & ~4095ull;
    if (from < untyped->extra)
        from = untyped->extra;
    if (from >= stop)
        return true;
    if (stop - from > WORK_PIECE)
        stop = (from + WORK_PIECE) & ~4095ull;
    memory_clear((void *)(untyped->object + from), stop - from);
    work_spend((unsigned)((stop - from) / WORK_BYTES));
    untyped->clear_pages = (uint32_t)(stop / 4096);
    return stop >= end;
}

static void objects_make(struct invocation *call, const struct slot_run *run, unsigned bits,
                         uint64_t start)
{
    struct cap *untyped = call->target;
    uint64_t type = call->words[0];
    for (unsigned i = 0; i < call->words[3]; i++) {
        struct cap cap = {.type = (uint8_t)type,
                          .rights = AR_ALL,
                          .flags = CAP_ORIGINAL | (untyped->flags & CAP_DEVICE),
                          .object = untyped->object + start + ((uint64_t)i << bits)};
        if (type == AR_UNTYPED || type == AR_FRAME)
            cap.size_bits = (uint8_t)bits;
        else if (type == AR_CNODE) {
            cap.size_bits = (uint8_t)call->words[1];
            cap.extra = 1ull << cap.size_bits;
        }
        object_init(&cap);
        cap_insert(slot_run_at(run, i), &cap, untyped);
    }
    untyped->extra = start + (call->words[3] << bits);
}

/* What type, size and count ask for, and where in the Untyped it would lie. */
static enum ar_error retype_plan(struct invocation *call, unsigned *bits, uint64_t *used,
                                 uint64_t *start)
{
    const struct cap *untyped = call->target;
    uint64_t type = call->words[0], size_bits = call->words[1], count = call->words[3];
    *bits = chosen_size_bits(type, &size_bits);
    if (!*bits)
        return invocation_fail(call, AR_ERR_TYPE, 0, AR_NULL, type);
    if (size_bits != call->words[1])
        return invocation_fail(call, AR_ERR_SIZE, 1, size_bits, call->words[1]);
    if ((untyped->flags & CAP_DEVICE) && type != AR_FRAME && type != AR_UNTYPED)
        return invocation_fail(call, AR_ERR_DEVICE, 0, 0, 1);
    if (type == AR_VSPACE && !arch_space_available(count))
        return invocation_fail(call, AR_ERR_NO_MEMORY, 3, count, 0);
    *used = has_children(untyped) ? untyped->extra : 0;
    *start = (*used + (1ull << *bits) - 1) & ~((1ull << *bits) - 1);
    uint64_t bytes = 1ull << untyped->size_bits, room = *start < bytes ? bytes - *start : 0;
    if (count > room >> *bits)
        return invocation_fail(call, AR_ERR_NO_MEMORY, 3, count << *bits, room);
    return AR_OK;
}

/* Which of the slots it was that tcb_lookup_run found not to be there or not to be empty. */
static enum ar_error slots_fail(struct invocation *call)
{
    const struct cap *space = &call->caller->cspace;
    for (uint64_t i = 0;; i++) {
        uint64_t number = call->words[2] + i;
        const struct cap *slot = cnode_slot(space, number);
        if (number == AR_CAP_SELF || !slot)
            return invocation_fail(call, AR_ERR_SLOT, 2, 1ull << (space->size_bits + AR_LEAF_BITS),
                                   number);
        if (slot->type != AR_NULL)
            return invocation_fail(call, AR_ERR_OCCUPIED, 2, AR_NULL, slot->type);
    }
}

enum ar_error untyped_retype(struct invocation *call)
{
    struct cap *untyped = call->target;
    uint64_t type = call->words[0], count = call->words[3], used = 0, start = 0;
    unsigned bits = 0;
    struct slot_run run;
    if (core.dying) {
        dying_work(); /* this memory may be a dying object's; and now look everything up again */
        return KERNEL_AGAIN;
    }
    enum ar_error error = retype_plan(call, &bits, &used, &start);
    if (error)
        return error;
    if (tcb_lookup_run(call->caller, call->words[2], (unsigned)count, &run))
        return slots_fail(call);

    /* From here on nothing fails; what is cleared can be seen by nobody. */
    if (untyped->extra != used) {
        untyped->extra = used;
        untyped->clear_pages = 0;
    }
    if (!(untyped->flags & CAP_DEVICE) && type != AR_UNTYPED &&
        !clear_to(untyped, start + (count << bits)))
        return KERNEL_AGAIN;
    if (!work_fits((unsigned)count * WORK_COPY))
        return KERNEL_AGAIN;
    objects_make(call, &run, bits, start);
    return AR_OK;
}

enum ar_error untyped_info(struct invocation *call)
{
    const struct cap *untyped = call->target;
    call->words[0] = arch_physical((void *)untyped->object);
    call->words[1] = untyped->size_bits;
    call->words[2] = has_children(untyped) ? untyped->extra : 0;
    call->words[3] = !!(untyped->flags & CAP_DEVICE);
    call->result_words = 4;
    return AR_OK;
}
