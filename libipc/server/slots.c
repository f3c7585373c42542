/*
 * Which slots of our capability space are free, and objects made into them.
 * SPDX-License-Identifier: MIT
 *
 * A bit per slot, and above it a bit per word of those that says "all used", so that finding a
 * free slot looks at a few words even with a million slots.
 */
#include "runtime.h"

#include <ipc/kernel.h>

struct runtime_slots runtime_slots;

static unsigned words, full_words;
static int reserved;

static void bit_set(uint64_t *map, unsigned bit)
{
    map[bit / 64] |= 1ull << bit % 64;
}

void runtime_slots_init(const struct server_info *info)
{
    struct runtime_slots *slots = &runtime_slots;
    slots->count = (unsigned)info->slot_count;
    words = (slots->count + 63) / 64;
    full_words = (words + 63) / 64;
    slots->used = runtime_alloc(words * sizeof(*slots->used));
    slots->full = runtime_alloc(full_words * sizeof(*slots->full));
    if (!slots->used || !slots->full)
        server_panic("the heap is too small for the map of %u slots", slots->count);
    /* The well-known slots and what lies past the end are never given out. */
    for (unsigned word = 0; word < SERVER_SLOT_FREE / 64; word++) {
        slots->used[word] = ~0ull;
        bit_set(slots->full, word);
    }
    for (unsigned slot = slots->count; slot < words * 64; slot++)
        bit_set(slots->used, slot);
    for (unsigned word = words; word < full_words * 64; word++)
        bit_set(slots->full, word);
}

bool runtime_slots_find(void)
{
    struct runtime_slots *slots = &runtime_slots;
    for (unsigned i = slots->lowest / 64; i < full_words; i++)
        if (slots->full[i] != ~0ull) {
            slots->lowest = i * 64 + (unsigned)__builtin_ctzll(~slots->full[i]);
            return true;
        }
    return false;
}

void runtime_slots_full(unsigned word, bool is)
{
    uint64_t bit = 1ull << word % 64;
    if (is)
        runtime_slots.full[word / 64] |= bit;
    else
        runtime_slots.full[word / 64] &= ~bit;
}

void runtime_slot_wrong(ar_cap slot)
{
    server_panic("slot %u is freed but was not given out", slot);
}

ar_cap server_slot_alloc(void)
{
    return runtime_slot_take();
}

void server_slot_free(ar_cap slot)
{
    runtime_slot_give(slot);
}

void server_slot_delete(ar_cap slot)
{
    enum ar_error error = ar_cap_delete(slot);
    if (error)
        server_panic("slot %u cannot be deleted: error %d", slot, error);
    server_slot_free(slot);
}

unsigned server_slots_in_use(void)
{
    return runtime_slots.in_use - (unsigned)reserved;
}

void runtime_slots_reserve(int change)
{
    reserved += change;
}

/* Untyped number `index` of ours: the main one, then the extra ones. */
static ar_cap untyped_slot(unsigned index)
{
    return index == 0 ? SERVER_SLOT_UNTYPED : SERVER_SLOT_UNTYPED_EXTRA + index - 1;
}

ar_cap server_retype(enum ar_type type, unsigned size_bits)
{
    static unsigned current; /* the Untyped that last had room */
    unsigned count = 1 + (unsigned)server_info()->untyped_count;
    ar_cap slot = server_slot_alloc();
    if (!slot)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned index = (current + i) % count;
        if (ar_retype(untyped_slot(index), type, size_bits, slot, 1) == AR_OK) {
            current = index;
            return slot;
        }
    }
    server_slot_free(slot);
    return 0;
}
