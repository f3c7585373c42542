/*
 * Capability spaces: a root CNode of leaves, leaves of 256 capabilities.
 * SPDX-License-Identifier: MIT
 */
#include "object/acts.h"
#include "arch/arch.h"
#include "sched/work.h"

enum ar_error cnode_lookup(const struct cap *root, uint64_t slot, struct cap **out)
{
    uint64_t leaf = slot >> AR_LEAF_BITS;
    if (root->type != AR_CNODE || leaf >= root->extra)
        return AR_ERR_SLOT;
    const struct cap *leaf_cap = &((struct cnode *)root->object)->slots[leaf];
    if (leaf_cap->type != AR_CNODE || leaf_cap->size_bits != AR_LEAF_BITS)
        return AR_ERR_SLOT;
    *out = &((struct cnode *)leaf_cap->object)->slots[slot & (AR_LEAF_SLOTS - 1)];
    return AR_OK;
}

enum ar_error tcb_lookup(struct tcb *tcb, uint64_t slot, struct cap **out)
{
    return cnode_lookup(&tcb->cspace, slot, out);
}

enum ar_error tcb_lookup_type(struct tcb *tcb, uint64_t slot, enum ar_type type, unsigned rights,
                              struct cap **out)
{
    enum ar_error error = tcb_lookup(tcb, slot, out);
    if (error)
        return error;
    if ((*out)->type != type)
        return (*out)->type == AR_NULL ? AR_ERR_EMPTY : AR_ERR_TYPE;
    return ((*out)->rights & rights) == rights ? AR_OK : AR_ERR_RIGHTS;
}

enum ar_error tcb_lookup_empty(struct tcb *tcb, uint64_t slot, struct cap **out)
{
    enum ar_error error = slot == AR_CAP_SELF ? AR_ERR_SLOT : tcb_lookup(tcb, slot, out);
    if (error)
        return error;
    return (*out)->type == AR_NULL ? AR_OK : AR_ERR_OCCUPIED;
}

enum ar_error tcb_lookup_run(struct tcb *tcb, uint64_t first, unsigned count,
                             struct slot_run *run)
{
    unsigned in_leaf = AR_LEAF_SLOTS - (unsigned)(first & (AR_LEAF_SLOTS - 1));
    enum ar_error error = first == AR_CAP_SELF ? AR_ERR_SLOT : tcb_lookup(tcb, first, &run->part[0]);
    if (!error && count > in_leaf)
        error = tcb_lookup(tcb, first + in_leaf, &run->part[1]);
    if (error)
        return error;
    run->in_first = in_leaf;
    for (unsigned i = 0; i < count; i++)
        if (slot_run_at(run, i)->type != AR_NULL)
            return AR_ERR_OCCUPIED;
    return AR_OK;
}

/*
 * A dead CNode keeps what dying.c needs in its own first slot, which must be emptied for that at
 * once. If it holds the last capability to another CNode, that one's first slot may do so too, and
 * so on without end; therefore it is only noted, and dies when this one is empty.
 */
void cnode_destroy(struct cnode *cnode, unsigned size_bits)
{
    struct cap *first = &cnode->slots[0];
    struct cnode_dying dying = {.size_bits = (uint8_t)size_bits, .done = 1};
    if (first->type == AR_CNODE && cap_is_final(first)) {
        dying.inner = (struct cnode *)first->object;
        dying.inner_bits = first->size_bits;
        cap_unlink(first);
    } else {
        cap_delete(first);
    }
    cnode->dying = dying;
    dying_add(AR_CNODE, cnode);
}

bool cnode_dissolve(struct cnode *cnode)
{
    enum { LOOK_AT = 16 }; /* empty slots that are passed over in a unit of work */
    struct cnode_dying *dying = &cnode->dying;
    uint32_t at = dying->done, end = 1u << dying->size_bits;
    uint32_t stop = end - at > LOOK_AT ? at + LOOK_AT : end;
    while (at < stop && cnode->slots[at].type == AR_NULL)
        at++;
    dying->done = at;
    if (at == stop)
        return at == end;
    cap_delete(&cnode->slots[at]);
    return false;
}

/* The root CNode capability that an argument names: a slot, or AR_CAP_SELF for the caller's own. */
static enum ar_error root_argument(struct tcb *caller, uint64_t slot, const struct cap **root)
{
    struct cap *found;
    if (slot == AR_CAP_SELF) {
        *root = &caller->cspace;
        return AR_OK;
    }
    enum ar_error error = tcb_lookup_type(caller, slot, AR_CNODE, 0, &found);
    if (!error)
        *root = found;
    return error;
}

static enum ar_error empty_slot(const struct cap *root, uint64_t slot, struct cap **out)
{
    if (slot == 0)
        return AR_ERR_SLOT;
    enum ar_error error = cnode_lookup(root, slot, out);
    if (error)
        return error;
    return (*out)->type == AR_NULL ? AR_OK : AR_ERR_OCCUPIED;
}

static enum ar_error copy_or_move(struct invocation *call, const struct cap *root)
{
    struct cap *to, *from;
    const struct cap *source_root;
    enum ar_error error = root_argument(call->caller, call->words[1], &source_root);
    if (!error)
        error = cnode_lookup(source_root, call->words[2], &from);
    if (!error)
        error = empty_slot(root, call->words[0], &to);
    if (error)
        return error;
    if (from->type == AR_NULL)
        return AR_ERR_EMPTY;
    if (call->label == AR_CNODE_MOVE) {
        cap_move(to, from);
        return AR_OK;
    }
    if (!cap_copyable(from))
        return AR_ERR_TYPE;
    cap_copy(to, from, (unsigned)call->words[3] & AR_ALL);
    return AR_OK;
}

/* Progress is in the words: both firsts go up, the count goes down, and what is copied counts in
 * the upper half of word 3. */
static enum ar_error copy_range(struct invocation *call, const struct cap *root)
{
    const struct cap *source_root;
    enum ar_error error = root_argument(call->caller, call->words[1], &source_root);
    if (error)
        return error;
    uint32_t count = (uint32_t)call->words[3], copied = (uint32_t)(call->words[3] >> 32);
    if (count > AR_LEAF_SLOTS)
        return AR_ERR_ARGUMENT;
    for (; count && work_left(); count--) {
        struct cap *to, *from;
        uint64_t to_number = call->words[0]++, from_number = call->words[2]++;
        work_spend(WORK_LOOK);
        if (cnode_lookup(source_root, from_number, &from) || !cap_copyable(from) ||
            empty_slot(root, to_number, &to))
            continue;
        work_spend(WORK_COPY);
        cap_copy(to, from, AR_ALL);
        copied++;
    }
    call->words[3] = (uint64_t)copied << 32 | count;
    if (count)
        return KERNEL_AGAIN;
    call->words[0] = copied;
    call->result_words = 1;
    return AR_OK;
}

static enum ar_error inspect(struct invocation *call, const struct cap *root)
{
    struct cap *slot;
    enum ar_error error = cnode_lookup(root, call->words[0], &slot);
    if (error)
        return error;
    uint64_t word = slot->object, issuer = 0;
    if (slot->type == AR_GATE) {
        struct gate *gate = (struct gate *)slot->object;
        word = gate->badge;
        issuer = gate->endpoint ? gate->endpoint->issuer : 0;
    } else if (slot->type == AR_ENDPOINT) {
        word = 0;
        issuer = ((struct endpoint *)slot->object)->issuer;
    } else if (slot->type != AR_IRQ && slot->type != AR_PORT) {
        word = slot->size_bits; /* kernel addresses stay in the kernel */
    }
    call->words[0] = slot->type;
    call->words[1] = slot->rights;
    call->words[2] = word;
    call->words[3] = issuer;
    call->result_words = 4;
    return AR_OK;
}

static enum ar_error set_leaf(struct invocation *call, struct cap *target)
{
    struct cap *leaf;
    if (!target)
        return AR_ERR_ARGUMENT;
    if (call->words[0] >> target->size_bits)
        return AR_ERR_SLOT;
    enum ar_error error = tcb_lookup_type(call->caller, call->words[1], AR_CNODE, 0, &leaf);
    if (error)
        return error;
    if (leaf->size_bits != AR_LEAF_BITS || leaf == target || leaf->object == target->object)
        return AR_ERR_ARGUMENT;
    struct cap *entry = &((struct cnode *)target->object)->slots[call->words[0]];
    if (entry->type != AR_NULL)
        return AR_ERR_OCCUPIED;
    cap_move(entry, leaf);
    return AR_OK;
}

/* Word 1 remembers that the slot is empty by now: when the rest takes several pieces, somebody may
 * have put a new capability there. */
static enum ar_error delete(struct invocation *call, const struct cap *root)
{
    if (!call->words[1]) {
        struct cap *slot;
        enum ar_error error = cnode_lookup(root, call->words[0], &slot);
        if (error)
            return error;
        cap_delete(slot);
        call->words[1] = 1;
    }
    return dying_work() ? AR_OK : KERNEL_AGAIN;
}

enum ar_error cnode_invoke(struct invocation *call)
{
    const struct cap *root = call->target ? call->target : &call->caller->cspace;
    struct cap *slot;
    enum ar_error error;
    switch (call->label) {
    case AR_CNODE_COPY:
    case AR_CNODE_MOVE:
        return copy_or_move(call, root);
    case AR_CNODE_COPY_RANGE:
        return copy_range(call, root);
    case AR_CNODE_INSPECT:
        return inspect(call, root);
    case AR_CNODE_SET_LEAF:
        return set_leaf(call, call->target);
    case AR_CNODE_DELETE:
        return delete(call, root);
    case AR_CNODE_REVOKE:
        error = cnode_lookup(root, call->words[0], &slot);
        if (error)
            return error;
        return cap_revoke(slot) ? AR_OK : KERNEL_AGAIN;
    default:
        return AR_ERR_LABEL;
    }
}
