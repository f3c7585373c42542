/*
 * What procd's core asks of the machine. In the guest it is kernel invocations
 * (machine_kernel.c), in tests a fake. SPDX-License-Identifier: MIT
 *
 * Handles are small numbers that the machine makes; 0 is none. Nothing here blocks. A create
 * that answers 0 and an operation that answers false had no effect: memory or capability slots
 * are out. The rest cannot fail on right arguments.
 */
#ifndef PROCD_MACHINE_H
#define PROCD_MACHINE_H

#include <aramid/abi.h>
#include <aramid/trace.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE 4096ull

/* Everything that starts a thread. */
struct machine_thread_setup {
    uint32_t space, slots;     /* address space, capability space */
    uint32_t ipc_frame;        /* frame of the IPC buffer, mapped by the caller */
    uint64_t ipc_address;
    /* thread area: its notification goes into POSIX_THREAD_SLOT(area, 0) */
    unsigned area;
    uint64_t principal;
    uint64_t foreign_entry, native_low, native_high;
    char name[16];
    struct ar_regs regs;
};

struct machine_counts {
    uint64_t frames, tables, nodes, threads, slots; /* in use */
    uint64_t memory_total, memory_free;             /* in pages */
};

struct procd_machine_ops {
    /* Frames. Fresh ones hold old bytes: clear, copy or write before a process sees them. */
    uint32_t (*frame_create)(void *machine);
    void (*frame_destroy)(void *machine, uint32_t frame); /* no mapping of it is left */
    void (*frame_clear)(void *machine, uint32_t frame);
    void (*frame_copy)(void *machine, uint32_t to, uint32_t from);
    /* `offset` and `length` in bytes, multiples of 8, inside the page. */
    void (*frame_write)(void *machine, uint32_t frame, size_t offset, const void *data,
                        size_t length);
    void (*frame_read)(void *machine, uint32_t frame, size_t offset, void *data, size_t length);

    /* Address spaces. `rights` are AR_READ, AR_WRITE, AR_EXEC. page_map answers the mapping's
     * handle. */
    uint32_t (*space_create)(void *machine);
    void (*space_destroy)(void *machine, uint32_t space); /* every page unmapped before */
    uint32_t (*page_map)(void *machine, uint32_t space, uint64_t address, uint32_t frame,
                         unsigned rights);
    void (*page_protect)(void *machine, uint32_t space, uint64_t address, uint32_t mapping,
                         unsigned rights);
    void (*page_unmap)(void *machine, uint32_t frame, uint32_t mapping);

    /* Capability spaces of processes: a root with leaves 0, 1 and those asked for. */
    uint32_t (*slots_create)(void *machine);
    void (*slots_destroy)(void *machine, uint32_t slots); /* every capability in it is deleted */
    /* the leaf that holds `slot` */
    bool (*slots_grow)(void *machine, uint32_t slots, uint32_t slot);
    /* Copy slots first .. first + count - 1, empty ones passed over; the leaves are made as
     * needed. */
    bool (*slots_copy)(void *machine, uint32_t to, uint32_t from, uint32_t first, uint32_t count);
    /* Our gate `badge` and the other servers' root gates, into the well-known slots. */
    bool (*slots_place_gates)(void *machine, uint32_t slots, uint64_t badge);
    /* Capability `own` of our own leaves us for `slot`. */
    bool (*slots_move_in)(void *machine, uint32_t slots, uint32_t slot, uint64_t own);
    void (*slots_empty)(void *machine, uint32_t slots, uint32_t first, uint32_t count);
    bool (*slots_used)(void *machine, uint32_t slots, uint32_t slot);

    /* Threads: made suspended. */
    uint32_t (*thread_create)(void *machine, const struct machine_thread_setup *setup);
    void (*thread_destroy)(void *machine, uint32_t thread);
    void (*thread_resume)(void *machine, uint32_t thread);
    void (*thread_suspend)(void *machine, uint32_t thread);
    void (*thread_read)(void *machine, uint32_t thread, struct ar_regs *regs);
    void (*thread_write)(void *machine, uint32_t thread, const struct ar_regs *regs);
    void (*thread_info)(void *machine, uint32_t thread, enum ar_thread_state *state,
                        uint64_t *cpu_ns);
    void (*thread_signal)(void *machine, uint32_t thread); /* its notification: POSIX_WAKE_SIGNAL */
    void (*thread_set_principal)(void *machine, uint32_t thread, uint64_t principal);
    /* for the kernel's log */
    void (*thread_set_name)(void *machine, uint32_t thread, const char name[16]);

    /* NULL: nobody records. What enum ar_trace says of the five words. */
    void (*trace)(void *machine, enum ar_trace what, const uint64_t words[5]);

    uint64_t (*now_ns)(void *machine);
    void (*log)(void *machine, const char *line); /* without a newline */
    void (*counts)(void *machine, struct machine_counts *counts);
};

#endif
