/*
 * Our gates by badge. SPDX-License-Identifier: MIT
 *
 * A gate is *out* from the moment that server_gate gives it to somebody who will copy it, until
 * its closed message; then it is *idle*. It stays bound: servers use their badges again, the one
 * freed last first, so the next object most often finds a gate that needs nothing done. Only a
 * badge that has no gate takes an idle one of another and binds it anew. Gate objects do not go
 * back to the Untyped: that would take memory back only when its last object is gone.
 *
 * The table is open addressing with linear probing, 16 bytes an entry: a server may have a hundred
 * thousand gates out. The list of idle ones has room for every gate there is, so that nothing can
 * fail when one closes.
 */
#include "runtime.h"

#include <ipc/kernel.h>
#include <string.h>

struct gate {
    uint64_t badge;
    ar_cap slot;   /* 0: no entry */
    unsigned idle; /* its place in the list of idle ones + 1; 0: out */
};

#define LEAST 64u

static struct gate *table;
static unsigned capacity, count; /* of the table; capacity a power of two or 0 */
static uint64_t *idle; /* badges */
static unsigned idle_capacity, idle_count;

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
static bool idle_reserve(unsigned made)
{
    if (made <= idle_capacity)
        return true;
    unsigned wanted = idle_capacity ? idle_capacity * 2 : LEAST;
    uint64_t *bigger = runtime_alloc(wanted * sizeof(*bigger));
    if (!bigger)
        return false;
    if (idle_count)
        memcpy(bigger, idle, idle_count * sizeof(*bigger));
    runtime_free(idle);
    idle = bigger;
    idle_capacity = wanted;
    return true;
}

static void idle_add(struct gate *gate)
{
    idle[idle_count++] = gate->badge;
    gate->idle = idle_count;
    runtime_slots_reserve(+1);
}

/* The last one takes its place. */
static void idle_remove(struct gate *gate)
{
    uint64_t last = idle[--idle_count];
    if (last != gate->badge) {
        idle[gate->idle - 1] = last;
        gate_place(last)->idle = gate->idle;
    }
    gate->idle = 0;
    runtime_slots_reserve(-1);
}

/* An object for a badge that has none; 0: out of memory. */
static ar_cap gate_object_take(void)
{
    if (!idle_count)
        return idle_reserve(count + 1) ? server_retype(AR_GATE, 0) : 0;
    struct gate *gate = gate_place(idle[idle_count - 1]);
    ar_cap slot = gate->slot;
    idle_remove(gate);
    table_remove(gate);
    return slot;
}

static ar_cap gate_make(uint64_t badge)
{
    if (!table_reserve())
        return 0;
    ar_cap slot = gate_object_take();
    if (!slot)
        return 0;
    enum ar_error error = ar_invoke4(slot, AR_GATE_BIND, SERVER_SLOT_ENDPOINT, badge, 0, 0);
    if (error) /* our own books are wrong: the object is free, as far as they say */
        server_panic("gate in slot %u cannot be bound to badge %lu: error %d", slot, badge, error);
    *gate_place(badge) = (struct gate){badge, slot, 0};
    count++;
    return slot;
}

ar_cap server_gate(uint64_t badge)
{
    struct gate *gate = gate_find(badge);
    if (!gate)
        return gate_make(badge);
    if (gate->idle)
        idle_remove(gate);
    return gate->slot;
}

unsigned server_gates_open(void)
{
    return count - idle_count;
}

bool runtime_gate_closed(uint64_t badge)
{
    struct gate *gate = gate_find(badge);
    if (!gate || gate->idle)
        return false;
    idle_add(gate);
    return true;
}

bool runtime_gate_unclaimed(uint64_t badge)
{
    struct gate *gate = gate_find(badge);
    struct ar_message m;
    return gate && !gate->idle && ar_invoke(gate->slot, AR_GATE_INFO, 0, 0, 0, 0, 0, &m) == AR_OK &&
           m.words[1] == 0;
}
