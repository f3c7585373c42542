/*
 * The host backend: run a server's core in this process, for unit tests.
 * SPDX-License-Identifier: MIT
 *
 * Three levels. `host_call_*` builds one struct ipc_call by hand and looks at what the core left
 * in it: slots are plain numbers that mean nothing. The *world* (`host_*` below) has capability
 * slots with gates and notifications in them, counts copies, delivers closed messages and
 * carries the generated client stubs: ipc_client_call works on it. ipc/host_kernel.h has many
 * such spaces and the kernel's system calls, for the simulator (tests/sim). Everything is
 * deterministic and single-threaded; effects are carried out after the reply, as in the guest.
 */
#ifndef IPC_HOST_H
#define IPC_HOST_H

#include <ipc/client.h>
#include <ipc/message.h>

/* ---- one call by hand ------------------------------------------------------------------------ */

struct host_call {
    struct ipc_call call;       /* hand &call to the core; status and reply are read from it */
    struct ipc_effects effects; /* what the core asked for */
    const void *in;             /* the caller's memory; borrowed */
    void *out;
    size_t in_size, out_size, in_limit, out_limit; /* bytes; an access beyond a limit is a fault */
};

/* Start afresh: no words, capabilities or memory. */
void host_call_begin(struct host_call *host, uint32_t label, uint64_t badge, uint64_t principal);
void host_call_word(struct host_call *host, uint64_t word);
/* A capability that comes with the request: in a slot of the server's, or a gate of the server
 * itself. */
void host_call_slot(struct host_call *host, uint64_t slot, enum ar_type type, uint64_t issuer);
void host_call_badge(struct host_call *host, uint64_t badge);
/* Declare the caller's memory; NULL with 0. */
void host_call_memory(struct host_call *host, const void *in, size_t in_size, void *out,
                      size_t out_size);
/* Pages of the caller that are not there: reads beyond `in` bytes and writes beyond `out` bytes
 * answer ST_FAULT. */
void host_call_fault_at(struct host_call *host, size_t in, size_t out);
/* How many effects of this kind with this value. */
unsigned host_call_effects(const struct host_call *host, enum ipc_effect_kind kind, uint64_t value);

/* ---- the world ------------------------------------------------------------------------------- */

#define HOST_SLOTS 4096u /* so many at most */

struct host_space; /* ipc/host_kernel.h */
struct host_core {
    void *state;
    void (*handle)(void *state, struct ipc_call *call);
    void (*closed)(void *state, uint64_t badge, struct ipc_effects *effects);
    uint64_t issuer; /* enum ipc_issuer */
    struct host_space *space; /* where arriving capabilities go; NULL: among the slots below */
};

/* Empty every slot, without closed messages, and forget everything. */
void host_reset(void);
/* The principal of the following calls. */
void host_principal_set(uint64_t principal);

/* An empty slot's number (to receive into), or a new slot with a copy of a gate of `core`, which
 * must outlive the world; or with a new notification; or with a copy of what `slot` holds. */
ar_cap host_slot(void);
ar_cap host_gate(const struct host_core *core, uint64_t badge);
ar_cap host_notification(void);
ar_cap host_copy(ar_cap slot);
/* Empty a slot; a core may get its closed message. */
void host_delete(ar_cap slot);

/* How often the notification in `slot` was signalled since the last time this was asked. */
unsigned host_signals(ar_cap slot);
/* The badge of the gate in `slot`; 0 when it holds none. */
uint64_t host_badge(ar_cap slot);
/* Slots that hold something: compare before and after. */
unsigned host_slots_used(void);

#endif
