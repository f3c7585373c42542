/*
 * AR_SYS_INVOKE: find the object, check every word against the table, then act.
 * SPDX-License-Identifier: MIT
 *
 * The order is part of the interface (docs/kernel-api.md): the target's slot, the label, the
 * number of words, the target's rights, the words from the first to the last; then the act
 * function looks at the state of the objects, and changes something only when nothing can fail
 * any more. A failure says which word is wrong, what was expected and what was found.
 */
#include "object/decode.h"
#include "arch/arch.h"
#include "ipc/ipc.h"

enum ar_error invocation_fail(struct invocation *call, enum ar_error error, unsigned word,
                              uint64_t expected, uint64_t found)
{
    call->words[0] = word;
    call->words[1] = expected;
    call->words[2] = found;
    call->result_words = 3;
    return error;
}

/* ---- what is wrong, out of the way of what is right ------------------------------------------ */

static enum ar_error no_slot(struct invocation *call, const struct cap *root, unsigned word,
                             uint64_t number)
{
    return invocation_fail(call, AR_ERR_SLOT, word, root->extra << AR_LEAF_BITS, number);
}

enum ar_error invocation_slot(struct invocation *call, const struct cap *root, unsigned word,
                              uint64_t number, struct cap **slot)
{
    *slot = cnode_slot(root, number);
    return *slot ? AR_OK : no_slot(call, root, word, number);
}

static enum ar_error cap_fail(struct invocation *call, const struct decode_word *spec,
                              uint64_t value)
{
    struct cap *slot;
    enum ar_error error = invocation_slot(call, &call->caller->cspace, spec->word, value, &slot);
    if (error)
        return error;
    if (slot->type != spec->type)
        return invocation_fail(call, slot->type == AR_NULL ? AR_ERR_EMPTY : AR_ERR_TYPE, spec->word,
                               spec->type, slot->type);
    if (spec->rights & ~slot->rights)
        return invocation_fail(call, AR_ERR_RIGHTS, spec->word, spec->rights, slot->rights);
    if (spec->bits && slot->size_bits != spec->bits)
        return invocation_fail(call, AR_ERR_SIZE, spec->word, spec->bits, slot->size_bits);
    return invocation_fail(call, AR_ERR_DEVICE, spec->word, 0, 1);
}

static enum ar_error slot_fail(struct invocation *call, const struct decode_word *spec,
                               const struct cap *root, uint64_t value)
{
    struct cap *slot;
    enum ar_error error = invocation_slot(call, root, spec->word, value, &slot);
    if (error)
        return error;
    if (spec->kind == DECODE_HELD)
        return invocation_fail(call, AR_ERR_EMPTY, spec->word, AR_NULL, AR_NULL);
    if (value == AR_CAP_SELF)
        return no_slot(call, root, spec->word, value);
    return invocation_fail(call, AR_ERR_OCCUPIED, spec->word, AR_NULL, slot->type);
}

static enum ar_error number_fail(struct invocation *call, const struct decode_word *spec,
                                 uint64_t value)
{
    enum ar_error error = spec->kind == DECODE_ADDRESS ? AR_ERR_ADDRESS : AR_ERR_RANGE;
    if (value > spec->high)
        return invocation_fail(call, error, spec->word, spec->high, value);
    if (value < spec->low)
        return invocation_fail(call, error, spec->word, spec->low, value);
    return invocation_fail(call, AR_ERR_ALIGNMENT, spec->word, 1ull << spec->bits, value);
}

static enum ar_error mask_fail(struct invocation *call, const struct decode_word *spec,
                               uint64_t value)
{
    if (value & ~spec->high)
        return invocation_fail(call, AR_ERR_MASK, spec->word, spec->high, value);
    return invocation_fail(call, AR_ERR_RIGHTS, spec->word, spec->low, value);
}

static enum ar_error length_fail(struct invocation *call, unsigned needed)
{
    return invocation_fail(call, AR_ERR_LENGTH, call->word_count, needed, call->word_count);
}

/* ---- one word -------------------------------------------------------------------------------- */

static inline bool cap_right(struct invocation *call, const struct decode_word *spec,
                             uint64_t value)
{
    struct cap *slot = NULL;
    if (value || !spec->optional) {
        slot = cnode_slot(&call->caller->cspace, value);
        if (!slot || slot->type != spec->type || (spec->rights & ~slot->rights) ||
            (spec->bits && slot->size_bits != spec->bits) ||
            (spec->memory && (slot->flags & CAP_DEVICE)))
            return false;
    }
    call->caps[spec->word] = slot;
    return true;
}

static inline bool slot_right(struct invocation *call, const struct decode_word *spec,
                              const struct cap *root, uint64_t value)
{
    struct cap *slot = cnode_slot(root, value);
    call->caps[spec->word] = slot;
    if (!slot)
        return false;
    if (spec->kind == DECODE_EMPTY)
        return slot->type == AR_NULL && value != AR_CAP_SELF;
    return spec->kind == DECODE_SLOT || slot->type != AR_NULL;
}

static inline unsigned data_words(const struct decode_word *spec, uint64_t value)
{
    return value ? 4 + (unsigned)(((value << spec->bits) + 7) / 8) : 0;
}

static enum ar_error check_word(struct invocation *call, const struct decode_word *spec)
{
    uint64_t value = invocation_word(call, spec->word);
    const struct cap *root;
    switch (spec->kind) {
    case DECODE_ROOT:
        if (value == AR_CAP_SELF) {
            call->caps[spec->word] = &call->caller->cspace;
            return AR_OK;
        }
        /* fall through */
    case DECODE_CAP:
        return cap_right(call, spec, value) ? AR_OK : cap_fail(call, spec, value);
    case DECODE_EMPTY:
    case DECODE_SLOT:
    case DECODE_HELD:
        root = spec->space == DECODE_OWN      ? &call->caller->cspace
               : spec->space == DECODE_TARGET ? call->target
                                              : call->caps[1];
        return slot_right(call, spec, root, value) ? AR_OK : slot_fail(call, spec, root, value);
    case DECODE_MASK:
        return (value & ~spec->high) || (spec->low & ~value) ? mask_fail(call, spec, value) : AR_OK;
    case DECODE_DATA:
        if (value > spec->high)
            return number_fail(call, spec, value);
        return call->word_count < data_words(spec, value)
                   ? length_fail(call, data_words(spec, value))
                   : AR_OK;
    default:
        return value > spec->high || value < spec->low || (value & ((1ull << spec->bits) - 1))
                   ? number_fail(call, spec, value)
                   : AR_OK;
    }
}

/* ---- the target and the whole message -------------------------------------------------------- */

/* Whose invocation `label` is; AR_NULL: nobody's. For messages about errors. */
static enum ar_type label_type(uint32_t label)
{
    for (unsigned type = 1; type < AR_TYPE_COUNT; type++)
        if (label - decode_objects[type].first < decode_objects[type].count)
            return (enum ar_type)type;
    return AR_NULL;
}

static enum ar_error find_entry(struct invocation *call, uint64_t target,
                                const struct decode_entry **entry)
{
    call->target = &call->caller->cspace;
    if (target != AR_CAP_SELF) {
        call->target = cnode_slot(&call->caller->cspace, target);
        if (!call->target)
            return no_slot(call, &call->caller->cspace, AR_ARG_TARGET, target);
    }
    unsigned type = call->target->type;
    const struct decode_object *object = &decode_objects[type];
    uint32_t index = call->label - object->first;
    if (index >= object->count)
        return invocation_fail(call, type == AR_NULL ? AR_ERR_EMPTY : AR_ERR_LABEL, AR_ARG_TARGET,
                               label_type(call->label), type);
    *entry = &object->entries[index];
    if ((*entry)->not_self && target == AR_CAP_SELF)
        return no_slot(call, call->target, AR_ARG_TARGET, AR_CAP_SELF);
    return AR_OK;
}

static enum ar_error check_target(struct invocation *call, const struct decode_entry *entry)
{
    const struct cap *target = call->target;
    if (entry->rights & ~target->rights)
        return invocation_fail(call, AR_ERR_RIGHTS, AR_ARG_TARGET, entry->rights, target->rights);
    if (entry->original && !(target->flags & CAP_ORIGINAL))
        return invocation_fail(call, AR_ERR_RIGHTS, AR_ARG_TARGET, AR_ORIGINAL, target->rights);
    if (entry->bits && target->size_bits != entry->bits)
        return invocation_fail(call, AR_ERR_SIZE, AR_ARG_TARGET, entry->bits, target->size_bits);
    return AR_OK;
}

static enum ar_error run(struct invocation *call, uint64_t target)
{
    const struct decode_entry *entry;
    if (call->word_count > AR_MSG_WORDS)
        return invocation_fail(call, AR_ERR_LENGTH, AR_MSG_WORDS, AR_MSG_WORDS, call->word_count);
    enum ar_error error = find_entry(call, target, &entry);
    if (error)
        return error;
    if (call->word_count < entry->needed)
        return length_fail(call, entry->needed);
    error = check_target(call, entry);
    if (error)
        return error;
    for (const struct decode_word *word = entry->words; word != entry->end; word++) {
        error = check_word(call, word);
        if (error)
            return error;
    }
    return entry->act(call);
}

static void words_return(struct ar_regs *regs, const struct invocation *call)
{
    regs->rdx = call->words[0];
    regs->r10 = call->words[1];
    regs->r8 = call->words[2];
    regs->r9 = call->words[3];
}

void invocation_handle(struct tcb *caller)
{
    struct ar_regs *regs = &caller->regs;
    struct invocation call;
    call.caller = caller;
    call.label = AR_INFO_LABEL(regs->rsi);
    call.word_count = (unsigned)AR_INFO_WORDS(regs->rsi);
    call.result_words = 0;
    call.words[0] = regs->rdx;
    call.words[1] = regs->r10;
    call.words[2] = regs->r8;
    call.words[3] = regs->r9;
    for (unsigned i = call.word_count; i < 4; i++)
        call.words[i] = 0; /* words that may be left out count as 0 */
    enum ar_error error = run(&call, regs->rdi);
    if (error == KERNEL_AGAIN) {
        if (call.word_count < 4) /* those that were left out may not be 0 now */
            regs->rsi = AR_INFO(call.label, 4, 0, 0, 0);
        words_return(regs, &call);
        syscall_again(caller);
        return;
    }
    regs->rax = error;
    regs->rsi = AR_INFO(0, call.result_words, 0, 0, 0);
    if (call.result_words)
        words_return(regs, &call);
}
