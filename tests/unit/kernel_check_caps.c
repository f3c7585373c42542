/*
 * Finding every capability and every object. SPDX-License-Identifier: MIT
 *
 * Capabilities are found in slots that exist (boot's, those of CNodes and TCBs that a capability
 * names), and along the derivation list, which also leads to a CNode that only itself holds.
 * In the end the two must agree: no capability lies outside a live object, none is unlinked.
 */
#include "arch/arch.h"
#include "kernel_check.h"
#include <stdlib.h>
#include <string.h>

enum { GRANULE = 64 };

static uint32_t *listed, *held; /* generation, by slot of the arena */
static struct { uint32_t generation, index; } *object_at; /* by granule of the arena */
static uint64_t arena_bytes;

struct check_object *check_find_any(const void *address, enum ar_type type)
{
    uint64_t offset = (uint64_t)address - (uint64_t)host_arena.base;
    if (offset >= host_arena.bytes || offset % GRANULE ||
        object_at[offset / GRANULE].generation != check.generation)
        return NULL;
    struct check_object *object = &check.objects[object_at[offset / GRANULE].index];
    return object->type == type ? object : NULL;
}

struct check_object *check_find(const void *address, enum ar_type type)
{
    struct check_object *object = check_find_any(address, type);
    return object && !object->dying ? object : NULL;
}

uint64_t check_bytes(const struct cap *cap)
{
    static const uint8_t bits[AR_TYPE_COUNT] = {
        [AR_ENDPOINT] = AR_ENDPOINT_BITS, [AR_GATE] = AR_GATE_BITS,
        [AR_NOTIFICATION] = AR_NOTIFICATION_BITS, [AR_REPLY] = AR_REPLY_BITS,
        [AR_TCB] = AR_TCB_BITS, [AR_VSPACE] = AR_TABLE_BITS, [AR_TABLE] = AR_TABLE_BITS};
    if (cap->type == AR_UNTYPED || cap->type == AR_FRAME)
        return 1ull << (cap->size_bits & 63);
    if (cap->type == AR_CNODE)
        return (uint64_t)AR_SLOT_SIZE << (cap->size_bits & 31);
    return cap->type < AR_TYPE_COUNT && bits[cap->type] ? 1ull << bits[cap->type] : 0;
}

static bool size_valid(const struct cap *cap)
{
    switch (cap->type) {
    case AR_UNTYPED:
        return cap->size_bits >= 12 && cap->size_bits < 48;
    case AR_CNODE:
        return cap->size_bits <= 12;
    case AR_FRAME:
        return cap->size_bits == 12 || cap->size_bits == 21;
    case AR_TABLE:
        return cap->size_bits <= 3;
    default:
        return cap->size_bits == 0;
    }
}

static struct check_object *object_add(uint64_t address, uint64_t bytes, unsigned type)
{
    uint64_t granule = (address - (uint64_t)host_arena.base) / GRANULE;
    struct check_object *object = &check.objects[check.object_count];
    CHECK(check.object_count < CHECK_OBJECTS, NULL);
    object_at[granule].generation = check.generation;
    object_at[granule].index = check.object_count++;
    *object = (struct check_object){.address = address, .bytes = bytes, .type = (uint8_t)type};
    return object;
}

/* The object that a capability names: in the arena, aligned, and of one type only. */
static void object_note(struct cap *cap)
{
    uint64_t bytes = check_bytes(cap), offset = cap->object - (uint64_t)host_arena.base;
    CHECK(cap->type < AR_TYPE_COUNT, cap);
    CHECK(size_valid(cap), cap);
    CHECK((cap->rights & ~AR_ALL) == 0, cap);
    if (!bytes)
        return;
    CHECK(offset < host_arena.bytes && bytes <= host_arena.bytes - offset, cap);
    CHECK(offset % (cap->type == AR_CNODE ? GRANULE : bytes) == 0, cap);
    if (cap->type == AR_UNTYPED)
        return;
    struct check_object *object = NULL;
    if (object_at[offset / GRANULE].generation == check.generation)
        object = &check.objects[object_at[offset / GRANULE].index];
    if (!object) {
        object = object_add(cap->object, bytes, cap->type);
        object->size_bits = cap->size_bits;
    }
    CHECK(object->type == cap->type, cap);                      /* one object, one type */
    CHECK(object->bytes == bytes, cap);
    CHECK(!object->dying, cap); /* what is taken apart has no name any more */
    CHECK(cap->type != AR_CNODE || cap->extra == 1ull << cap->size_bits, cap);
    CHECK(cap->type != AR_GATE || (!cap->asid && !cap->extra), cap);
    CHECK(cap->type != AR_VSPACE || cap->extra == arch_physical((void *)cap->object), cap);
    object->caps++;
    object->originals += cap->flags & CAP_ORIGINAL;
}

static void slot_list(struct cap *slot)
{
    uint64_t index = ((uint64_t)slot - (uint64_t)host_arena.base) / AR_SLOT_SIZE;
    if (listed[index] == check.generation)
        return;
    listed[index] = check.generation;
    CHECK(check.cap_count < CHECK_CAPS, NULL);
    check.caps[check.cap_count++] = slot;
    object_note(slot);
}

static void slots_scan(struct cap *slots, unsigned count)
{
    uint64_t index = ((uint64_t)slots - (uint64_t)host_arena.base) / AR_SLOT_SIZE;
    for (unsigned i = 0; i < count; i++) {
        if (slots[i].type == AR_NULL) {
            CHECK(!slots[i].links, &slots[i]); /* an empty slot is clear, but for cnode_dying */
            CHECK(!i || (!slots[i].head && !slots[i].asid && !slots[i].object && !slots[i].extra),
                  &slots[i]);
            continue;
        }
        held[index + i] = check.generation;
        slot_list(&slots[i]);
    }
}

/* What a TCB holds itself has its type, and the kernel's own frame its mark. */
static void tcb_scan(struct tcb *tcb)
{
    _Static_assert(offsetof(struct tcb, fault_gate) == offsetof(struct tcb, cspace) + 96, "slots");
    CHECK(tcb->cspace.type == AR_NULL || tcb->cspace.type == AR_CNODE, tcb);
    CHECK(tcb->vspace.type == AR_NULL || tcb->vspace.type == AR_VSPACE, tcb);
    CHECK(tcb->ipc_frame.type == AR_NULL || tcb->ipc_frame.type == AR_FRAME, tcb);
    CHECK(tcb->fault_gate.type == AR_NULL || tcb->fault_gate.type == AR_GATE, tcb);
    CHECK(tcb->ipc_frame.type == AR_NULL || tcb->ipc_frame.flags & CAP_BUFFER, tcb);
    slots_scan(&tcb->cspace, 4);
}

static struct cap *neighbour(const struct cap *slot, uint32_t link)
{
    uint64_t address = (uint64_t)arch_pointer((uint64_t)link * AR_SLOT_SIZE);
    if (!link)
        return NULL;
    CHECK(address - (uint64_t)host_arena.base < host_arena.bytes, slot);
    CHECK(((struct cap *)address)->type != AR_NULL, slot);
    return (struct cap *)address;
}

/* Both neighbours are capabilities and point back. */
static void links_follow(struct cap *slot)
{
    uint32_t link = (uint32_t)(arch_physical(slot) / AR_SLOT_SIZE);
    struct cap *next = neighbour(slot, slot->next), *prev = neighbour(slot, slot->prev);
    if (next) {
        CHECK(next->prev == link, slot);
        slot_list(next);
    }
    if (prev) {
        CHECK(prev->next == link, slot);
        slot_list(prev);
    }
}

/* The stack of core.dying: its encoding is dying.c's own. */
static void dying_find(void)
{
    enum { TYPE_BITS = 31, LINKED = 32 };
    for (uint64_t at = core.dying; at;) {
        uint64_t address = at & ~(uint64_t)(TYPE_BITS | LINKED), *link;
        unsigned type = at & TYPE_BITS, bits = 0;
        struct cnode *cnode = (struct cnode *)address;
        CHECK(address - (uint64_t)host_arena.base < host_arena.bytes, (void *)at);
        if (type == AR_NULL) { /* no dying object: an endpoint's closed gates wait to be told of */
            const struct endpoint *endpoint = (const struct endpoint *)address;
            CHECK(endpoint->closing & LINKED, endpoint);
            at = endpoint->closing & ~(uint64_t)LINKED;
            continue;
        }
        CHECK(!check_find_any((void *)address, type), cnode); /* twice */
        if (type == AR_CNODE) {
            bits = cnode->dying.size_bits;
            link = &cnode->dying.link;
            CHECK(cnode->dying.type == AR_NULL && cnode->dying.done <= 1u << bits, cnode);
            if (cnode->dying.inner) {
                struct check_object *inner =
                    object_add((uint64_t)cnode->dying.inner,
                               (uint64_t)AR_SLOT_SIZE << cnode->dying.inner_bits, AR_CNODE);
                inner->size_bits = cnode->dying.inner_bits;
                inner->dying = true;
            }
        } else {
            link = type == AR_ENDPOINT       ? &((struct endpoint *)address)->dying
                   : type == AR_GATE         ? &((struct gate *)address)->dying
                   : type == AR_NOTIFICATION ? &((struct notification *)address)->dying
                                             : &((struct tcb *)address)->dying;
            CHECK(type == AR_ENDPOINT || type == AR_GATE || type == AR_NOTIFICATION ||
                      type == AR_TCB, cnode);
        }
        struct cap cap = {.type = (uint8_t)type, .size_bits = (uint8_t)bits};
        struct check_object *object = object_add(address, check_bytes(&cap), type);
        object->size_bits = (uint8_t)bits;
        object->dying = true;
        CHECK(*link & LINKED, cnode);
        at = *link & ~(uint64_t)LINKED;
    }
}

static void arena_follow(void)
{
    if (arena_bytes == host_arena.bytes)
        return;
    free(listed);
    free(held);
    free(object_at);
    arena_bytes = host_arena.bytes;
    listed = calloc(arena_bytes / AR_SLOT_SIZE, sizeof(*listed));
    held = calloc(arena_bytes / AR_SLOT_SIZE, sizeof(*held));
    object_at = calloc(arena_bytes / GRANULE, sizeof(*object_at));
}

void check_capabilities(void)
{
    unsigned cap = 0, object = 0;
    arena_follow();
    check.generation++;
    check.cap_count = check.object_count = 0;
    for (unsigned i = 0; i < host_boot.thread_count; i++)
        object_add((uint64_t)host_boot.threads[i], 1 << AR_TCB_BITS, AR_TCB)->boot = true;
    dying_find();
    for (unsigned i = 0; i < host_boot.holder_count; i++)
        slots_scan(host_boot.holders[i].slots, host_boot.holders[i].count);
    while (cap < check.cap_count || object < check.object_count) {
        for (; cap < check.cap_count; cap++)
            links_follow(check.caps[cap]);
        for (; object < check.object_count; object++) {
            struct check_object *at = &check.objects[object];
            if (at->type == AR_CNODE)
                slots_scan((struct cap *)at->address, 1u << at->size_bits);
            else if (at->type == AR_TCB)
                tcb_scan((struct tcb *)at->address);
        }
    }
    for (cap = 0; cap < check.cap_count; cap++) {
        uint64_t offset = (uint64_t)check.caps[cap] - (uint64_t)host_arena.base;
        CHECK(held[offset / AR_SLOT_SIZE] == check.generation, check.caps[cap]);
    }
}
