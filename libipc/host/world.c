/*
 * One space of slots, for a test and the cores that it tries: see ipc/host.h.
 * SPDX-License-Identifier: MIT
 *
 * Cores without a space of their own take their slots from 256 on in the same one, so what
 * host_slot gives out lies elsewhere.
 */
#include <assert.h>
#include <ipc/host_kernel.h>
#include <string.h>

#define FIRST 32768u

static bool taken[HOST_SLOTS]; /* given out by host_slot, perhaps still empty */
static struct host_caller caller;

static struct host_space *world_space(void)
{
    if (!host_shared_space)
        host_shared_space = host_space_new();
    caller.space = host_shared_space;
    return host_shared_space;
}

void host_reset(void)
{
    if (host_shared_space)
        host_space_forget(host_shared_space);
    host_shared_space = NULL;
    memset(taken, 0, sizeof(taken));
    caller.principal = 0;
}

void host_principal_set(uint64_t principal)
{
    caller.principal = principal;
}

ar_cap host_slot(void)
{
    for (ar_cap i = 1; i < HOST_SLOTS; i++)
        if (!taken[i]) {
            taken[i] = true;
            bool there = host_space_grow(world_space(), FIRST + i);
            assert(there);
            return FIRST + i;
        }
    assert(!"the host's slots are used up");
    return 0;
}

static ar_cap slot_with(struct host_object *object)
{
    ar_cap slot = host_slot();
    assert(object);
    host_space_put(world_space(), slot, object);
    return slot;
}

ar_cap host_gate(const struct host_core *core, uint64_t badge)
{
    return slot_with(host_gate_object(core, badge));
}

ar_cap host_notification(void)
{
    return slot_with(host_notification_object());
}

ar_cap host_copy(ar_cap slot)
{
    return slot_with(host_space_get(world_space(), slot));
}

void host_delete(ar_cap slot)
{
    host_space_clear(world_space(), slot);
    if (slot - FIRST < HOST_SLOTS)
        taken[slot - FIRST] = false;
    host_closed_deliver();
}

unsigned host_signals(ar_cap slot)
{
    struct host_object *object = host_space_get(world_space(), slot);
    assert(object && object->type == AR_NOTIFICATION);
    unsigned signals = object->signals;
    object->signals = 0;
    return signals;
}

uint64_t host_badge(ar_cap slot)
{
    const struct host_object *object = host_space_get(world_space(), slot);
    return object && object->type == AR_GATE ? object->badge : 0;
}

unsigned host_slots_used(void)
{
    return host_space_used(world_space());
}

enum status ipc_client_call(struct ipc_request *request)
{
    enum ar_error error;
    world_space();
    return host_request(&caller, request, &error);
}
