/*
 * Our gates by badge. SPDX-License-Identifier: MIT
 *
 * A gate is *out* from the moment that server_gate gives it to somebody who will copy it, until
 * its closed message; only then is its object free to be bound to another badge. Gate objects go
 * back to a pool, not to the Untyped: that would take memory back only when its last object is
 * gone.
 */
#include "runtime.h"

#include <ipc/kernel.h>
#include <ipc/memory.h>
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(bytes) runtime_alloc(bytes)
#define uthash_free(memory, bytes) runtime_free(memory)
#define uthash_bzero(memory, bytes) __builtin_memset(memory, 0, bytes)
#include <uthash.h>

struct gate {
    uint64_t badge;
    ar_cap slot;
    struct gate *next; /* in the pool */
    UT_hash_handle hh; /* when out */
};

static struct gate *out, *pool;

static struct gate *gate_new(void)
{
    struct gate *gate = pool;
    if (gate) {
        pool = gate->next;
        runtime_slots_reserve(-1);
        return gate;
    }
    gate = runtime_alloc(sizeof(*gate));
    if (!gate)
        return NULL;
    gate->slot = server_retype(AR_GATE, 0);
    if (gate->slot)
        return gate;
    runtime_free(gate);
    return NULL;
}

static void gate_pool(struct gate *gate)
{
    gate->next = pool;
    pool = gate;
    runtime_slots_reserve(+1);
}

static struct gate *gate_find(uint64_t badge)
{
    struct gate *gate;
    HASH_FIND(hh, out, &badge, sizeof(badge), gate);
    return gate;
}

ar_cap server_gate(uint64_t badge)
{
    struct gate *gate = gate_find(badge);
    if (gate)
        return gate->slot;
    gate = gate_new();
    if (!gate)
        return 0;
    enum ar_error error = ar_invoke4(gate->slot, AR_GATE_BIND, SERVER_SLOT_ENDPOINT, badge, 0, 0);
    if (error) /* our own books are wrong: the object is free, as far as they say */
        server_panic("gate in slot %u cannot be bound to badge %lu: error %d", gate->slot, badge,
                     error);
    gate->badge = badge;
    HASH_ADD(hh, out, badge, sizeof(gate->badge), gate);
    if (!gate->hh.tbl) { /* no memory for the table */
        gate_pool(gate);
        return 0;
    }
    return gate->slot;
}

unsigned server_gates_open(void)
{
    return HASH_COUNT(out);
}

bool runtime_gate_closed(uint64_t badge)
{
    struct gate *gate = gate_find(badge);
    if (!gate)
        return false;
    HASH_DELETE(hh, out, gate);
    gate_pool(gate);
    return true;
}

bool runtime_gate_unclaimed(uint64_t badge)
{
    struct gate *gate = gate_find(badge);
    struct ar_message m;
    return gate && ar_invoke(gate->slot, AR_GATE_INFO, 0, 0, 0, 0, 0, &m) == AR_OK &&
           m.words[1] == 0;
}
