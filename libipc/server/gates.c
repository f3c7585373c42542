/*
 * Our gates by badge. SPDX-License-Identifier: MIT
 *
 * A gate is *out* from the moment that server_gate gives it to somebody who will copy it, until
 * its closed message; only then is its object free to be bound to another badge. Gate objects go
 * back to a pool, not to the Untyped: that would take memory back only when its last object is
 * gone.
 *
 * The table is open addressing with linear probing, 16 bytes an entry: a server may have a hundred
 * thousand gates out. The pool has room for every gate there is, so that nothing can fail when one
 * closes.
 */
#include "runtime.h"

#include <ipc/kernel.h>
#include <string.h>

struct gate {
    uint64_t badge;
    ar_cap slot; /* 0: no entry */
};

#define LEAST 64u

static struct gate *table;
static unsigned capacity, count; /* of the table; capacity a power of two or 0 */
static ar_cap *pool;
static unsigned pool_capacity, pooled;

static unsigned gate_home(uint64_t badge)
{
    return (unsigned)(badge * 0x9e3779b97f4a7c15ull >> 32) & (capacity - 1);
}

/* Where it is, or the empty entry where it would go. */
static struct gate *gate_place(uint64_t badge)
{
    unsigned at = gate_home(badge);
    while (table[at].slot && table[at].badge != badge)
        at = (at + 1) & (capacity - 1);
    return &table[at];
}

static struct gate *gate_find(uint64_t badge)
{
    struct gate *gate = capacity ? gate_place(badge) : NULL;
    return gate && gate->slot ? gate : NULL;
}

static bool table_reserve(void)
{
    if ((count + 1) * 4 <= capacity * 3)
        return true;
    struct gate *old = table;
    unsigned old_capacity = capacity, wanted = capacity ? capacity * 2 : LEAST;
    struct gate *bigger = runtime_alloc(wanted * sizeof(*bigger));
    if (!bigger)
        return false;
    table = bigger;
    capacity = wanted;
    for (unsigned i = 0; i < old_capacity; i++)
        if (old[i].slot)
            *gate_place(old[i].badge) = old[i];
    runtime_free(old);
    return true;
}

/* Close the gap: move back every later entry of the run that may stand there. */
static void table_remove(struct gate *gate)
{
    unsigned mask = capacity - 1, gap = (unsigned)(gate - table);
    for (unsigned at = (gap + 1) & mask; table[at].slot; at = (at + 1) & mask)
        if (((at - gate_home(table[at].badge)) & mask) >= ((at - gap) & mask)) {
            table[gap] = table[at];
            gap = at;
        }
    table[gap].slot = 0;
    count--;
}

/* With `made` gates in all. */
static bool pool_reserve(unsigned made)
{
    if (made <= pool_capacity)
        return true;
    unsigned wanted = pool_capacity ? pool_capacity * 2 : LEAST;
    ar_cap *bigger = runtime_alloc(wanted * sizeof(*bigger));
    if (!bigger)
        return false;
    if (pooled)
        memcpy(bigger, pool, pooled * sizeof(*bigger));
    runtime_free(pool);
    pool = bigger;
    pool_capacity = wanted;
    return true;
}

static ar_cap gate_object_take(void)
{
    if (pooled) {
        runtime_slots_reserve(-1);
        return pool[--pooled];
    }
    return pool_reserve(count + 1) ? server_retype(AR_GATE, 0) : 0;
}

static void gate_object_pool(ar_cap slot)
{
    pool[pooled++] = slot;
    runtime_slots_reserve(+1);
}

ar_cap server_gate(uint64_t badge)
{
    struct gate *gate = gate_find(badge);
    if (gate)
        return gate->slot;
    if (!table_reserve())
        return 0;
    ar_cap slot = gate_object_take();
    if (!slot)
        return 0;
    enum ar_error error = ar_invoke4(slot, AR_GATE_BIND, SERVER_SLOT_ENDPOINT, badge, 0, 0);
    if (error) /* our own books are wrong: the object is free, as far as they say */
        server_panic("gate in slot %u cannot be bound to badge %lu: error %d", slot, badge, error);
    *gate_place(badge) = (struct gate){badge, slot};
    count++;
    return slot;
}

unsigned server_gates_open(void)
{
    return count;
}

bool runtime_gate_closed(uint64_t badge)
{
    struct gate *gate = gate_find(badge);
    if (!gate)
        return false;
    gate_object_pool(gate->slot);
    table_remove(gate);
    return true;
}

bool runtime_gate_unclaimed(uint64_t badge)
{
    struct gate *gate = gate_find(badge);
    struct ar_message m;
    return gate && ar_invoke(gate->slot, AR_GATE_INFO, 0, 0, 0, 0, 0, &m) == AR_OK &&
           m.words[1] == 0;
}
