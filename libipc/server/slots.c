/*
 * Which slots of our capability space are free, and objects made into them.
 * SPDX-License-Identifier: MIT
 *
 * A bit per slot, and above it a bit per word of those that says "all used", so that finding a
 * free slot looks at a few words even with a million slots.
 */
#include "runtime.h"

#include <ipc/kernel.h>

static uint64_t *used, *full;
static unsigned slot_count, words, full_words, in_use;
static unsigned lowest; /* words of `used` below this one have no slot left */
static int reserved;

static void bit_set(uint64_t *map, unsigned bit)
{
    map[bit / 64] |= 1ull << bit % 64;
}

static void bit_clear(uint64_t *map, unsigned bit)
{
    map[bit / 64] &= ~(1ull << bit % 64);
}

void runtime_slots_init(const struct server_info *info)
{
    slot_count = (unsigned)info->slot_count;
    words = (slot_count + 63) / 64;
    full_words = (words + 63) / 64;
    used = runtime_alloc(words * sizeof(*used));
    full = runtime_alloc(full_words * sizeof(*full));
    if (!used || !full)
        server_panic("the heap is too small for the map of %u slots", slot_count);
    /* The well-known slots and what lies past the end are never given out. */
    for (unsigned word = 0; word < SERVER_SLOT_FREE / 64; word++) {
        used[word] = ~0ull;
        bit_set(full, word);
    }
    for (unsigned slot = slot_count; slot < words * 64; slot++)
        bit_set(used, slot);
    for (unsigned word = words; word < full_words * 64; word++)
        bit_set(full, word);
}

/* `lowest` to a word with a free slot; false: there is none. */
static __attribute__((noinline)) bool lowest_find(void)
{
    for (unsigned i = lowest / 64; i < full_words; i++)
        if (full[i] != ~0ull) {
            lowest = i * 64 + (unsigned)__builtin_ctzll(~full[i]);
            return true;
        }
    return false;
}

ar_cap server_slot_alloc(void)
{
    if (used[lowest] == ~0ull && !lowest_find())
        return 0;
    uint64_t word = used[lowest];
    ar_cap slot = lowest * 64 + (ar_cap)__builtin_ctzll(~word);
    used[lowest] = word |= word + 1;
    if (word == ~0ull)
        bit_set(full, lowest);
    in_use++;
    return slot;
}

void server_slot_free(ar_cap slot)
{
    unsigned word = slot / 64;
    if (slot < SERVER_SLOT_FREE || slot >= slot_count || !(used[word] >> slot % 64 & 1))
        server_panic("slot %u is freed but was not given out", slot);
    if (used[word] == ~0ull)
        bit_clear(full, word);
    used[word] ^= 1ull << slot % 64;
    if (word < lowest)
        lowest = word;
    in_use--;
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
    return in_use - (unsigned)reserved;
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
