/*
 * The derivation list. SPDX-License-Identifier: MIT
 *
 * One walk along each list proves that objects do not overlap, that each lies below the watermark
 * of the Untyped it was made from, and that descendants are contiguous behind their ancestor: an
 * Untyped gives out its memory upwards and puts each new capability right behind its own, so that
 * in the list the objects of one Untyped follow each other downwards in memory, with what was made
 * from each of them in between. Something out of place is above its predecessor.
 */
#include "kernel_check.h"

enum { DEPTH = 64 };

static struct {
    const struct cap *untyped;
    uint64_t limit; /* the next object inside ends here or lower */
} stack[DEPTH];
static unsigned depth;
static uint64_t root_limit;

static struct check_object *object_of(const struct cap *cap)
{
    return check_find((void *)cap->object, cap->type);
}

static bool same_object(const struct cap *a, const struct cap *b)
{
    return a->type == b->type && a->object == b->object && a->type != AR_UNTYPED;
}

static bool inside(const struct cap *untyped, uint64_t start, uint64_t end)
{
    return start >= untyped->object && end <= untyped->object + (1ull << untyped->size_bits);
}

static bool copyable(const struct cap *cap)
{
    return cap->type != AR_REPLY && cap->type != AR_TABLE;
}

/* Another capability to the object of `first`, directly behind it. */
static void copy_check(const struct cap *first, const struct cap *copy)
{
    CHECK(copyable(copy), copy);
    CHECK(!(copy->flags & CAP_ORIGINAL), copy); /* one original, and it comes first */
    CHECK((copy->rights & ~first->rights) == 0 || !(first->flags & CAP_ORIGINAL), copy);
    CHECK((copy->flags & CAP_DEVICE) == (first->flags & CAP_DEVICE), copy);
    CHECK(copy->type != AR_VSPACE || copy->asid == first->asid, copy);
}

/* An object outside every live Untyped: boot made it, or its Untyped's capability was deleted. */
static void root_check(const struct cap *cap, uint64_t start, uint64_t end)
{
    CHECK(end <= (uint64_t)host_arena.base + host_arena.boot_used, cap);
    for (unsigned i = 0; i < host_boot.pool_count; i++) {
        uint64_t pool = host_boot.pools[i].start, size = 1ull << host_boot.pools[i].size_bits;
        if (start >= pool && start < pool + size)
            CHECK(end <= pool + size, cap);
    }
}

static void place_check(const struct cap *cap)
{
    uint64_t start = cap->object, end = start + check_bytes(cap);
    while (depth && !inside(stack[depth - 1].untyped, start, end))
        depth--;
    uint64_t *limit = depth ? &stack[depth - 1].limit : &root_limit;
    CHECK(end <= *limit, cap); /* overlaps the one before, or is not among its ancestor's */
    *limit = start;
    if (depth) {
        const struct cap *untyped = stack[depth - 1].untyped;
        CHECK(end <= untyped->object + untyped->extra, cap); /* below the watermark */
        CHECK((cap->flags & CAP_DEVICE) == (untyped->flags & CAP_DEVICE), cap);
    } else {
        root_check(cap, start, end);
    }
    if (cap->type != AR_UNTYPED)
        return;
    CHECK(cap->flags & CAP_ORIGINAL, cap);
    CHECK(cap->extra <= 1ull << cap->size_bits, cap);
    CHECK(depth < DEPTH, cap);
    stack[depth].untyped = cap;
    stack[depth++].limit = end;
}

/* Capabilities without memory: what they descend from says what they may be. */
static void device_check(const struct cap *head, const struct cap *cap)
{
    if (cap->type == AR_IRQ) {
        CHECK(head->type == AR_IRQ_CONTROL || head->type == AR_IRQ, cap);
        CHECK(cap->object < 16 && cap->object != 2 && cap->object != 3, cap);
    } else if (cap->type == AR_PORT) {
        CHECK(head->type == AR_PORT, cap);
        CHECK((cap->object & 0xffff) <= cap->object >> 16 && cap->object >> 16 <= 0xffff, cap);
        CHECK((cap->object & 0xffff) >= (head->object & 0xffff) || !(head->flags & CAP_ORIGINAL), cap);
    } else {
        CHECK(cap->type == AR_IRQ_CONTROL || cap->type == AR_LOG, cap);
    }
}

static unsigned list_walk(struct cap *head)
{
    unsigned walked = 0;
    struct cap *first = NULL;
    depth = 0;
    root_limit = UINT64_MAX;
    for (struct cap *cap = head; cap; cap = cap_next(cap), walked++) {
        CHECK(walked <= check.cap_count, cap); /* a ring */
        if (!check_bytes(cap)) {
            device_check(head, cap);
        } else if (first && same_object(first, cap)) {
            copy_check(first, cap);
        } else {
            first = cap;
            if (cap->type != AR_UNTYPED) {
                struct check_object *object = object_of(cap);
                CHECK(!object->first, cap); /* all capabilities to an object are neighbours */
                object->first = cap;
            }
            place_check(cap);
        }
    }
    return walked;
}

void check_derivation(void)
{
    unsigned walked = 0;
    for (unsigned i = 0; i < check.cap_count; i++)
        if (!check.caps[i]->prev)
            walked += list_walk(check.caps[i]);
    CHECK(walked == check.cap_count, NULL); /* else some of them are a ring */
    for (unsigned i = 0; i < check.object_count; i++) {
        const struct check_object *object = &check.objects[i];
        CHECK(object->originals <= 1, object->first);
        CHECK(object->caps || object->boot || object->dying, object->first);
    }
}
