/* Handing out what the manifest says. SPDX-License-Identifier: MIT */
#include "init.h"

#include <ipc/kernel.h>
#include <ipc/server.h>

#define EXTRA_UNTYPED_MAX 64u

ar_cap gate_make(ar_cap endpoint, uint64_t badge)
{
    ar_cap gate = object_make(AR_GATE, 0, 1);
    init_check(ar_invoke4(gate, AR_GATE_BIND, endpoint, badge, 0, 0), "bind a gate");
    return gate;
}

static void give(const struct server_state *server, ar_cap slot, ar_cap source, unsigned rights)
{
    init_check(ar_cap_copy(server->root, slot, AR_CAP_SELF, source, rights), "grant a capability");
}

static void hand_over(const struct server_state *server, ar_cap slot, ar_cap source)
{
    init_check(ar_cap_move(server->root, slot, AR_CAP_SELF, source), "hand over a capability");
}

static void grant_devices(const struct server_state *server)
{
    const struct manifest_server *manifest = server->manifest;
    if (manifest->irq != MANIFEST_NO_IRQ) {
        ar_cap slot = slots_take(1);
        init_check(ar_invoke4(AR_INIT_IRQ_CONTROL, AR_IRQ_CONTROL_GET, manifest->irq, slot, 0, 0),
                   "take the interrupt line");
        hand_over(server, SERVER_SLOT_IRQ, slot);
    }
    if (manifest->port_first <= manifest->port_last) {
        ar_cap slot = slots_take(1);
        init_check(ar_invoke4(AR_INIT_PORT, AR_PORT_MINT, slot, manifest->port_first,
                              manifest->port_last, 0),
                   "take the I/O ports");
        hand_over(server, SERVER_SLOT_PORT, slot);
    }
}

static void grant_listed(const struct server_state *server, const struct manifest_grant *grant)
{
    const struct server_state *other = &servers[grant->server];
    switch (grant->kind) {
    case MANIFEST_ROOT_GATE:
        give(server, grant->slot, gate_make(other->endpoint, grant->badge), AR_SEND);
        break;
    case MANIFEST_SIGNAL:
        give(server, grant->slot, other->notification, AR_SEND);
        break;
    default:
        init_fail("the manifest grants something of unknown kind %u", grant->kind);
    }
}

void server_grant(struct server_state *server)
{
    const struct manifest_server *manifest = server->manifest;
    init_step(manifest->name, "granting its capabilities");
    give(server, SERVER_SLOT_TCB, server->tcb, AR_ALL);
    give(server, SERVER_SLOT_CNODE, server->root, AR_ALL);
    give(server, SERVER_SLOT_VSPACE, server->vspace, AR_ALL);
    give(server, SERVER_SLOT_ENDPOINT, server->endpoint, AR_ALL);
    give(server, SERVER_SLOT_NOTIFICATION, server->notification, AR_ALL);
    hand_over(server, SERVER_SLOT_REPLY, object_make(AR_REPLY, 0, 1));
    if (manifest->log)
        give(server, SERVER_SLOT_LOG, AR_INIT_LOG, AR_ALL);
    grant_devices(server);
    for (unsigned i = 0; i < manifest->grant_count; i++)
        grant_listed(server, &manifest->grants[i]);
    if (manifest->untyped != MANIFEST_UNTYPED_REST)
        hand_over(server, SERVER_SLOT_UNTYPED,
                  object_make(AR_UNTYPED, server_untyped_bits(manifest), 1));
}

void server_grant_rest(struct server_state *server)
{
    ar_cap slots[1 + EXTRA_UNTYPED_MAX];
    if (server->manifest->untyped != MANIFEST_UNTYPED_REST)
        return;
    init_step(server->manifest->name, "granting it the rest of the memory");
    unsigned count = memory_take_rest(slots, 1 + EXTRA_UNTYPED_MAX);
    if (count == 0)
        init_fail("no memory is left");
    hand_over(server, SERVER_SLOT_UNTYPED, slots[0]);
    for (unsigned i = 1; i < count; i++)
        hand_over(server, SERVER_SLOT_UNTYPED_EXTRA + i - 1, slots[i]);
    server->untyped_count = count - 1;
}

void servers_dump_caps(void)
{
    for (unsigned i = 0; i < server_count; i++) {
        const struct server_state *server = &servers[i];
        for (ar_cap slot = 1; slot < server->manifest->slots; slot++) {
            struct ar_message m;
            enum ar_error error = ar_invoke(server->root, AR_CNODE_INSPECT, slot, 0, 0, 0, 1, &m);
            if (error == AR_ERR_EMPTY || (error == AR_OK && m.words[0] == AR_NULL))
                continue;
            init_check(error, "inspect a slot");
            init_line("aramid-cap: %s %u %s %lu %lx %lu", server->manifest->name, slot,
                      type_name(m.words[0]), m.words[1], m.words[2], m.words[3]);
        }
    }
}
