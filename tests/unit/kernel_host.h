/*
 * The portable kernel in a host process: a machine of memory, threads that are only registers.
 * SPDX-License-Identifier: MIT
 *
 * A test makes threads, sets one as current and "executes" a system call by filling registers;
 * whoever the scheduler picks is then current. Physical memory is one arena; page tables are real
 * ones inside it, and the kernel reaches a thread's memory through them (kernel_host_pages.c). A
 * thread without an address space reaches the host's own memory, so that a test can pass arrays.
 */
#ifndef KERNEL_HOST_H
#define KERNEL_HOST_H

#include "object/derivation.h"
#include "sched/sched.h"
#include <stdio.h>

/* ---- the machine that the unit tests use ------------------------------------------------------- */

/* A fresh machine: one Untyped of 8 MiB in slot 1 of a capability space of 1,024 slots, which
 * all threads share, an idle thread, and thread `host_main` (priority 32), current. */
void host_machine_start(void);
void host_machine_stop(void);
extern struct tcb *host_main;

/* A thread with an IPC buffer, in the shared capability space, its TCB capability in `slot`;
 * ready. */
struct tcb *host_thread(ar_cap slot, unsigned priority);

/* An Untyped of memory with contents of its own (CAP_DEVICE), in `slot`. */
void host_device(ar_cap slot, unsigned size_bits);

/* Execute a system call as `tcb` (made current first), again and again while the kernel does it in
 * pieces. Returns the status when it did not block, -1 when it did. */
int host_syscall(struct tcb *tcb, enum ar_syscall number, uint64_t target, uint64_t info,
                 const uint64_t words[4], ar_cap reply, uint64_t deadline);
int host_invoke(struct tcb *tcb, ar_cap target, enum ar_invocation label, uint64_t w0, uint64_t w1,
                uint64_t w2, uint64_t w3);
struct cap *host_slot(ar_cap slot);
/* In how many pieces the last host_syscall was done. Between two of them host_between, if it is
 * set, is called with the thread and how many there were: what others and interrupts do then. */
extern unsigned host_pieces;
extern void (*host_between)(struct tcb *caller, unsigned pieces);
/* All memory of the machine: every object, slot and frame. From then on what is nobody's is not
 * poisoned any more, since the test will read it. */
void *host_memory(uint64_t *bytes);
extern uint64_t host_clock;
/* What counts as user memory; all of the process unless a test says otherwise. */
extern uint64_t host_user_low, host_user_high;

/* ---- parts, for other machines ------------------------------------------------------------------ */

/* Physical memory. What lies below `boot_end` was taken at boot and is nobody's to give back. */
struct host_arena {
    uint8_t *base;
    uint64_t bytes, boot_used;
};
extern struct host_arena host_arena;

/* An arena of `bytes` and a kernel that has not run yet. */
void host_memory_start(uint64_t bytes);
void host_memory_stop(void);
/* Cleared memory that the kernel owns from the beginning. */
void *host_take(uint64_t bytes, uint64_t alignment);
/* The same for an array of slots, which the invariant checker has to look into. */
struct cap *host_take_slots(unsigned count);
/* Memory for an Untyped capability: not readable before it is retyped. */
uint64_t host_take_untyped(unsigned size_bits);
/* What an earlier owner left in memory that is nobody's now. */
void host_scribble(void *memory, int value, uint64_t bytes);
/* A thread that no capability names; not ready. */
struct tcb *host_take_thread(unsigned priority);

enum { HOST_HOLDERS = 16, HOST_POOLS = 16 };
struct host_boot {
    struct { struct cap *slots; unsigned count; } holders[HOST_HOLDERS];
    struct { uint64_t start; unsigned size_bits; } pools[HOST_POOLS];
    struct tcb *threads[HOST_HOLDERS];
    unsigned holder_count, pool_count, thread_count;
};
extern struct host_boot host_boot;

/* Interrupt lines that are not masked, bit by bit. */
extern unsigned host_irq_enabled;

/* Where the system log goes; NULL: nowhere. */
extern FILE *host_log;
/* What the current thread's `syscall` instruction does (entry.asm): its registers are set. */
void host_enter(void);
/* The processor halts in the idle loop: called to make something happen. NULL: abort. */
extern void (*host_on_halt)(void);

/* Address spaces: kernel_host_pages.c. */
enum { HOST_SPACES = 9, HOST_CACHED = 512, HOST_NO_SPACE = 1 /* core.space: the kernel's own */ };
extern void *host_spaces[HOST_SPACES]; /* by ASID */
/* The translations that the processor remembers of the space in use: everything that was present
 * at the end of the last step and has not been flushed. */
struct host_cached {
    uint64_t address, entry;
};
extern struct host_cached host_cached[HOST_CACHED];
extern unsigned host_cached_count;
void host_pages_start(void);

/* The checker remembers the last step: forget it. */
void host_check_start(void);
/* Everything that must hold between two steps (kernel_check.c says what): aborts with a message
 * when something does not. */
void host_check_invariants(void);
/* What must hold between one step and the next too (no close message lost, no message of the
 * kernel's forged): for a machine that is checked after every step. */
extern bool host_check_history;
/* How many capabilities the last check found. */
unsigned host_check_size(void);

#endif
