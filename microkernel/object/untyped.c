/*
 * Untyped memory and the one operation that makes objects. SPDX-License-Identifier: MIT
 *
 * An Untyped gives out its memory from the front; `extra` counts the bytes given. When its last
 * descendant is gone the next retype starts from the front again.
 */
#include "object/object.h"
#include "arch/arch.h"

/* log2 of the object's size in bytes, or 0 when type or size_bits is no good. */
static unsigned object_size_bits(uint64_t type, uint64_t size_bits)
{
    switch (type) {
    case AR_UNTYPED:
        return size_bits >= 12 && size_bits < 48 ? (unsigned)size_bits : 0;
    case AR_CNODE:
        return size_bits >= 1 && size_bits <= 12 ? (unsigned)size_bits + 5 : 0;
    case AR_FRAME:
        return size_bits == 12 || size_bits == 21 ? (unsigned)size_bits : 0;
    case AR_ENDPOINT:
        return AR_ENDPOINT_BITS;
    case AR_GATE:
        return AR_GATE_BITS;
    case AR_NOTIFICATION:
        return AR_NOTIFICATION_BITS;
    case AR_REPLY:
        return AR_REPLY_BITS;
    case AR_TCB:
        return AR_TCB_BITS;
    case AR_VSPACE:
    case AR_TABLE:
        return AR_TABLE_BITS;
    default:
        return 0;
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

static enum ar_error untyped_retype(struct invocation *call)
{
    struct cap *untyped = call->target, *slot;
    uint64_t type = call->words[0], first = call->words[2], count = call->words[3];
    unsigned bits = object_size_bits(type, call->words[1]);
    bool device = untyped->flags & CAP_DEVICE;
    if (!bits || count == 0 || count > 4096 || (device && type != AR_FRAME && type != AR_UNTYPED))
        return AR_ERR_ARGUMENT;
    if (type == AR_VSPACE && !arch_space_available(count))
        return AR_ERR_NO_MEMORY;
    struct cap *next = cap_next(untyped);
    uint64_t used = next && cap_is_descendant(untyped, next) ? untyped->extra : 0;
    uint64_t start = (used + (1ull << bits) - 1) & ~((1ull << bits) - 1);
    uint64_t room = 1ull << untyped->size_bits;
    if (start > room || count > (room - start) >> bits)
        return AR_ERR_NO_MEMORY;
    for (uint64_t i = 0; i < count; i++) {
        enum ar_error error = tcb_lookup_empty(call->caller, first + i, &slot);
        if (error)
            return error;
    }

    /* From here on nothing fails. */
    uint64_t address = untyped->object + start;
    if (!device && type != AR_UNTYPED)
        memory_clear((void *)address, count << bits);
    for (uint64_t i = 0; i < count; i++) {
        struct cap cap = {.type = (uint8_t)type,
                          .rights = AR_ALL,
                          .flags = CAP_ORIGINAL | (untyped->flags & CAP_DEVICE),
                          .object = address + (i << bits)};
        if (type == AR_UNTYPED || type == AR_FRAME)
            cap.size_bits = (uint8_t)bits;
        else if (type == AR_CNODE) {
            cap.size_bits = (uint8_t)call->words[1];
            cap.extra = 1ull << cap.size_bits;
        }
        object_init(&cap);
        tcb_lookup_empty(call->caller, first + i, &slot);
        cap_insert(slot, &cap, untyped);
    }
    untyped->extra = start + (count << bits);
    return AR_OK;
}

enum ar_error untyped_invoke(struct invocation *call)
{
    struct cap *untyped = call->target;
    switch (call->label) {
    case AR_UNTYPED_RETYPE:
        return untyped_retype(call);
    case AR_UNTYPED_INFO: {
        struct cap *next = cap_next(untyped);
        call->words[0] = arch_physical((void *)untyped->object);
        call->words[1] = untyped->size_bits;
        call->words[2] = next && cap_is_descendant(untyped, next) ? untyped->extra : 0;
        call->words[3] = !!(untyped->flags & CAP_DEVICE);
        call->result_words = 4;
        return AR_OK;
    }
    default:
        return AR_ERR_LABEL;
    }
}
