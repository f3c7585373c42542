/*
 * The kernel shell that every server shares: start-up, slots, gates, the receive loop. Guest only.
 * SPDX-License-Identifier: MIT
 */
#ifndef IPC_SERVER_H
#define IPC_SERVER_H

#include <ipc/message.h>

/* Well-known slots of every server; init fills them from the manifest (a slot the manifest does
 * not grant is empty). */
enum server_slot {
    SERVER_SLOT_TCB = 1, SERVER_SLOT_CNODE, SERVER_SLOT_VSPACE, SERVER_SLOT_ENDPOINT /* own, all rights */,
    SERVER_SLOT_UNTYPED, SERVER_SLOT_LOG, SERVER_SLOT_NOTIFICATION /* own, bound to the TCB */, SERVER_SLOT_REPLY,
    SERVER_SLOT_IRQ, SERVER_SLOT_PORT,
    SERVER_SLOT_ROOT_PROCD = 16, SERVER_SLOT_ROOT_FILED, SERVER_SLOT_ROOT_SOCKD,
    SERVER_SLOT_ROOT_CONSOLED,
    SERVER_SLOT_SIGNAL = 24, /* consoled, sockd: procd's notification, send only */
    /* more Untyped: server_info.untyped_count of them, at most 64, largest first */
    SERVER_SLOT_UNTYPED_EXTRA = 128,
    SERVER_SLOT_FREE = 256       /* from here on: the server's own */
};

/* Where init maps things in every server. */
/* struct server_info, read-only; also rdi at start */
#define SERVER_INFO_ADDRESS 0x1000000000ull
#define SERVER_IPC_ADDRESS 0x1000010000ull      /* struct ar_ipc_buffer */
#define SERVER_STACK_TOP 0x1000200000ull        /* 256 KiB below */
#define SERVER_HEAP_ADDRESS 0x2000000000ull
/* the blob the manifest names (rootfs for filed, libposix for procd) starts here or up to 2 MiB
 * above: server_info.blob_address */
#define SERVER_BLOB_ADDRESS 0x4000000000ull

struct server_info {
    char name[16];
    /* bytes, bytes, slots present in the capability space */
    uint64_t heap_size, blob_size, slot_count;
    /* real time at boot, seconds since the epoch (from the RTC) */
    uint64_t boot_seconds;
    uint64_t tsc_per_us;
    char command_line[512];
    uint64_t blob_address;  /* where the blob starts, page-aligned; 0 without a blob */
    uint64_t untyped_count; /* Untyped capabilities from SERVER_SLOT_UNTYPED_EXTRA on */
};

struct server {
    void *state;
    /* A request: fill the reply. */
    void (*handle)(void *state, struct ipc_call *call);
    /* The last copy of this server's gate `badge` is gone. */
    void (*closed)(void *state, uint64_t badge, struct ipc_effects *effects);
    /* Bits of the bound notification. May be NULL. */
    void (*notified)(void *state, uint64_t bits, struct ipc_effects *effects);
    /* Absolute deadline of the next receive, in ns; NULL: none. When it passes, `expired` is
     * called. `timed`, if not NULL: while that is false, there is none. */
    uint64_t (*deadline)(void *state);
    const bool *timed;
    void (*expired)(void *state, uint64_t now_ns, struct ipc_effects *effects);
    /* AR_LABEL_FAULT messages (procd). May be NULL. true: resume the thread. false: it is
     * destroyed or suspended. */
    bool (*fault)(void *state, uint64_t principal, const uint64_t words[6],
                  struct ipc_effects *effects);
    /* A request of `principal` took so many ticks of the processor's counter, reply and effects
     * included as far as this server executes them. NULL unless somebody measures. */
    void (*served)(void *state, uint64_t principal, uint64_t ticks);
};

/* Each server's shell defines it; it sets up the core and ends in server_run. */
_Noreturn void server_main(const struct server_info *info);

/* Receive and serve for ever. */
_Noreturn void server_run(const struct server *server);

/* Slots: a free slot of our own capability space, or 0 when full. */
ar_cap server_slot_alloc(void);
void server_slot_free(ar_cap slot);            /* the slot must be empty */
void server_slot_delete(ar_cap slot);          /* delete the capability, then free the slot */
unsigned server_slots_in_use(void);

/* Make one object from our Untyped; the slot, or 0 when memory or slots are out. */
ar_cap server_retype(enum ar_type type, unsigned size_bits);

/* The original of our gate with this badge, made on first use; 0 when out of memory. Gates are
 * kept for re-use. */
ar_cap server_gate(uint64_t badge);
unsigned server_gates_open(void); /* gates whose copies are held by somebody */

/* One line for the system log, printf-style (%s %d %u %x %lx %lu %c %p), prefixed with the
 * server's name. */
void server_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void server_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

const struct server_info *server_info(void);
uint64_t server_clock_ns(void);

#endif
