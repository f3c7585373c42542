/*
 * init's untyped memory, its slots, and the objects it makes. SPDX-License-Identifier: MIT
 *
 * Objects are taken from the smallest Untyped that still has room, so small things fill the
 * fragments and the large pieces stay whole for procd.
 */
#include "init.h"

#include <ipc/kernel.h>

#define POOL_MAX 192u
#define REST_LEAST_BITS 16u /* smaller leftovers than 64 KiB stay with init */

struct pool {
    ar_cap slot;
    uint64_t physical;
    unsigned bits;
    /* a single object of 1 << room_bits bytes or more is known not to fit any more */
    unsigned room_bits;
};

static struct pool pools[POOL_MAX]; /* ascending size */
static unsigned pool_count;
static ar_cap next_slot = AR_INIT_FREE_SLOT;
static uint64_t total_bytes;

void memory_init(const struct ar_boot_info *boot)
{
    init_step("init", "taking stock of memory");
    for (unsigned i = 0; i < boot->untyped_count && i < POOL_MAX; i++) {
        const struct ar_untyped_info *info = &boot->untyped[i];
        if (info->device)
            continue;
        unsigned at = pool_count++;
        for (; at > 0 && pools[at - 1].bits > info->size_bits; at--)
            pools[at] = pools[at - 1];
        pools[at] = (struct pool){.slot = AR_INIT_UNTYPED + i,
                                  .physical = info->physical,
                                  .bits = info->size_bits,
                                  .room_bits = info->size_bits + 1};
        total_bytes += 1ull << info->size_bits;
    }
    init_log("%u pieces of memory, %lu MiB", pool_count, total_bytes >> 20);
}

uint64_t memory_total(void)
{
    return total_bytes;
}

ar_cap slots_take(unsigned count)
{
    if (next_slot + count > AR_INIT_SLOTS)
        init_fail("init's capability space is full");
    ar_cap first = next_slot;
    next_slot += count;
    return first;
}

/* Size of one object, as a power of two that it fits in. */
static unsigned object_bits(enum ar_type type, unsigned size_bits)
{
    switch (type) {
    case AR_UNTYPED:
    case AR_FRAME:
        return size_bits;
    case AR_CNODE:
        return size_bits + 5; /* AR_SLOT_SIZE */
    case AR_TCB:
        return AR_TCB_BITS;
    case AR_VSPACE:
    case AR_TABLE:
        return AR_TABLE_BITS;
    case AR_ENDPOINT:
        return AR_ENDPOINT_BITS;
    default:
        return AR_GATE_BITS;
    }
}

static bool object_try(enum ar_type type, unsigned size_bits, ar_cap first, unsigned count)
{
    unsigned bits = object_bits(type, size_bits);
    for (unsigned i = 0; i < pool_count; i++) {
        if (pools[i].room_bits <= bits)
            continue;
        enum ar_error error = ar_retype(pools[i].slot, type, size_bits, first, count);
        if (error == AR_OK)
            return true;
        if (error != AR_ERR_NO_MEMORY)
            init_check(error, "make an object");
        if (count == 1)
            pools[i].room_bits = bits;
    }
    return false;
}

void object_make_at(enum ar_type type, unsigned size_bits, ar_cap first, unsigned count)
{
    while (count) {
        unsigned batch = count < AR_RETYPE_MAX ? count : AR_RETYPE_MAX;
        /* no piece holds them all: halves may still fit */
        while (!object_try(type, size_bits, first, batch)) {
            if (batch == 1)
                init_fail("out of memory: no room for %s of %lu KiB (give the machine more, or the "
                          "manifest less)",
                          type_name(type), (1ul << object_bits(type, size_bits)) >> 10);
            batch = (batch + 1) / 2;
        }
        first += batch;
        count -= batch;
    }
}

ar_cap object_make(enum ar_type type, unsigned size_bits, unsigned count)
{
    ar_cap first = slots_take(count);
    object_make_at(type, size_bits, first, count);
    return first;
}

ar_cap cap_copy(ar_cap source, unsigned rights)
{
    ar_cap slot = slots_take(1);
    init_check(ar_cap_copy(AR_CAP_SELF, slot, AR_CAP_SELF, source, rights), "copy a capability");
    return slot;
}

static enum ar_error frame_try_map(ar_cap vspace, ar_cap frame, uint64_t address, unsigned rights)
{
    for (;;) {
        enum ar_error error = ar_invoke4(frame, AR_FRAME_MAP, vspace, address, rights, 0);
        if (error != AR_ERR_NO_TABLE)
            return error;
        ar_cap table = object_make(AR_TABLE, 0, 1);
        init_check(ar_invoke4(vspace, AR_VSPACE_MAP_TABLE, table, address, 0, 0),
                   "map a page table");
    }
}

void frame_map(ar_cap vspace, ar_cap frame, uint64_t address, unsigned rights)
{
    enum ar_error error = frame_try_map(vspace, frame, address, rights);
    if (error)
        init_fail("cannot map a frame at %lx: %s (%u)", address, ar_error_text(error), error);
}

void frame_map_shared(ar_cap vspace, ar_cap frame, uint64_t address, unsigned rights)
{
    if (frame_try_map(vspace, frame, address, rights) != AR_OK)
        frame_map(vspace, cap_copy(frame, AR_ALL), address, rights);
}

void *window_open(ar_cap frame)
{
    frame_map(AR_INIT_VSPACE, frame, INIT_WINDOW, AR_READ | AR_WRITE);
    return (void *)INIT_WINDOW;
}

void window_close(ar_cap frame)
{
    init_check(ar_invoke4(frame, AR_FRAME_UNMAP, 0, 0, 0, 0), "close the window on a frame");
}

struct rest {
    ar_cap slot;
    unsigned bits;
};

/* Insert by size, largest first; beyond `most` the smallest falls off, and stays with init. */
static unsigned rest_insert(struct rest *list, unsigned count, unsigned most, struct rest rest)
{
    unsigned at = count;
    for (; at > 0 && list[at - 1].bits < rest.bits; at--)
        if (at < most)
            list[at] = list[at - 1];
    if (at < most)
        list[at] = rest;
    return count < most ? count + 1 : most;
}

/*
 * The kernel allocates upward inside an Untyped, aligning as it goes; so the free part is taken
 * from its start, each time the largest block that needs no gap before it. That leaves nothing
 * out but what precedes the first 64 KiB boundary.
 */
unsigned memory_take_rest(ar_cap *slots, unsigned most)
{
    static struct rest list[POOL_MAX];
    unsigned count = 0;
    ar_cap reserve = object_make(AR_UNTYPED, REST_LEAST_BITS, 1); /* what init itself still needs */
    if (most > POOL_MAX)
        most = POOL_MAX;
    for (unsigned i = pool_count; i-- > 0;) {
        struct ar_message m;
        init_check(ar_invoke(pools[i].slot, AR_UNTYPED_INFO, 0, 0, 0, 0, 0, &m),
                   "look at an Untyped");
        uint64_t end = pools[i].physical + (1ull << pools[i].bits),
                 mask = (1ull << REST_LEAST_BITS) - 1;
        uint64_t at = (pools[i].physical + m.words[2] + mask) & ~mask;
        while (at < end && end - at > mask) {
            unsigned bits = at ? (unsigned)__builtin_ctzll(at) : pools[i].bits;
            while (bits > pools[i].bits || at + (1ull << bits) > end)
                bits--;
            struct rest rest = {slots_take(1), bits};
            if (ar_retype(pools[i].slot, AR_UNTYPED, bits, rest.slot, 1) != AR_OK)
                break;
            count = rest_insert(list, count, most, rest);
            at += 1ull << bits;
        }
    }
    for (unsigned i = 0; i < count; i++)
        slots[i] = list[i].slot;
    pools[0] =
        (struct pool){.slot = reserve, .bits = REST_LEAST_BITS, .room_bits = REST_LEAST_BITS + 1};
    pool_count = 1;
    return count;
}
