/*
 * Capability spaces: a root CNode of leaves, leaves of 256 capabilities.
 * SPDX-License-Identifier: MIT
 */
#include "object/acts.h"
#include "object/derivation.h"
#include "sched/work.h"

enum ar_error tcb_lookup(const struct tcb *tcb, uint64_t slot, struct cap **out)
{
    *out = cnode_slot(&tcb->cspace, slot);
    return *out ? AR_OK : AR_ERR_SLOT;
}

enum ar_error tcb_lookup_type(const struct tcb *tcb, uint64_t slot, enum ar_type type, unsigned rights,
                              struct cap **out)
{
    enum ar_error error = tcb_lookup(tcb, slot, out);
    if (error)
        return error;
    if ((*out)->type != type)
        return (*out)->type == AR_NULL ? AR_ERR_EMPTY : AR_ERR_TYPE;
    return ((*out)->rights & rights) == rights ? AR_OK : AR_ERR_RIGHTS;
}

enum ar_error tcb_lookup_empty(const struct tcb *tcb, uint64_t slot, struct cap **out)
{
    enum ar_error error = slot == AR_CAP_SELF ? AR_ERR_SLOT : tcb_lookup(tcb, slot, out);
    if (error)
        return error;
    return (*out)->type == AR_NULL ? AR_OK : AR_ERR_OCCUPIED;
}

enum ar_error tcb_lookup_run(const struct tcb *tcb, uint64_t first, unsigned count,
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
    enum { LOOK_AT = 8 }; /* empty slots: what WORK_DISSOLVE pays for */
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

/* ---- invocations ----------------------------------------------------------------------------- */

enum ar_error cnode_copy(struct invocation *call)
{
    struct cap *to = call->caps[0], *from = call->caps[2];
    if (!cap_copyable(from))
        return invocation_fail(call, AR_ERR_TYPE, 2, AR_NULL, from->type);

    cap_copy(to, from, (unsigned)call->words[3]);
    return AR_OK;
}

enum ar_error cnode_move(struct invocation *call)
{
    cap_move(call->caps[0], call->caps[2]);
    return AR_OK;
}

/* Progress is in the words: both firsts go up, the count goes down, and what is copied counts in
 * the upper half of word 3. */
enum ar_error cnode_copy_range(struct invocation *call)
{
    uint32_t count = (uint32_t)call->words[3], copied = (uint32_t)(call->words[3] >> 32);
    if (count > AR_LEAF_SLOTS || copied > AR_LEAF_SLOTS)
        return invocation_fail(call, AR_ERR_RANGE, 3, AR_LEAF_SLOTS, call->words[3]);

    for (; count && work_left(); count--) {
        uint64_t number = call->words[0]++;
        struct cap *to = cnode_slot(call->target, number);
        struct cap *from = cnode_slot(call->caps[1], call->words[2]++);
        work_spend(WORK_LOOK);
        if (!from || !cap_copyable(from) || number == AR_CAP_SELF || !to || to->type != AR_NULL)
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

enum ar_error cnode_inspect(struct invocation *call)
{
    const struct cap *slot = call->caps[0];
    uint64_t word = slot->object, issuer = 0;
    if (slot->type == AR_GATE) {
        const struct gate *gate = (const struct gate *)slot->object;
        word = gate->badge;
        issuer = gate->endpoint ? gate->endpoint->issuer : 0;
    } else if (slot->type == AR_ENDPOINT) {
        word = 0;
        issuer = ((const struct endpoint *)slot->object)->issuer;
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

enum ar_error cnode_set_leaf(struct invocation *call)
{
    struct cap *root = call->target, *leaf = call->caps[1];
    uint64_t number = call->words[0];
    if (number >= root->extra)
        return invocation_fail(call, AR_ERR_RANGE, 0, root->extra - 1, number);
    if (leaf->object == root->object)
        return invocation_fail(call, AR_ERR_BUSY, 1, 0, 0);
    struct cap *entry = &((struct cnode *)root->object)->slots[number];
    if (entry->type != AR_NULL)
        return invocation_fail(call, AR_ERR_OCCUPIED, 0, AR_NULL, entry->type);

    cap_move(entry, leaf);
    return AR_OK;
}

/* Word 1 remembers that the slot is empty by now: when the rest takes several pieces, somebody may
 * have put a new capability there, or the slot itself may be gone. */
enum ar_error cnode_delete(struct invocation *call)
{
    if (!call->words[1]) {
        struct cap *slot;
        enum ar_error error = invocation_slot(call, call->target, 0, call->words[0], &slot);
        if (error)
            return error;
        cap_delete(slot);
        call->words[1] = 1;
    }
    return dying_work() ? AR_OK : KERNEL_AGAIN;
}

enum ar_error cnode_revoke(struct invocation *call)
{
    return cap_revoke(call->caps[0]) ? AR_OK : KERNEL_AGAIN;
}
