/*
 * The portable kernel in a host process: a machine of memory, threads that are only registers.
 * SPDX-License-Identifier: MIT
 *
 * A test makes threads, sets one as current and "executes" a system call by filling registers;
 * whoever the scheduler picks is then current.
 */
#ifndef KERNEL_HOST_H
#define KERNEL_HOST_H

#include "object/object.h"
#include "sched/sched.h"

/* A fresh machine: one Untyped of 8 MiB in slot 1 of a capability space of 1,024 slots, which
 * all threads share, an idle thread, and thread `host_main` (priority 32), current. */
void host_machine_start(void);
void host_machine_stop(void);
extern struct tcb *host_main;

/* A thread with an IPC buffer, in the shared capability space, its TCB capability in `slot`;
 * ready. */
struct tcb *host_thread(ar_cap slot, unsigned priority);

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
/* All memory of the machine: every object, slot and frame. */
void *host_memory(uint64_t *bytes);
extern uint64_t host_clock;
/* What counts as user memory; all of the process unless a test says otherwise. */
extern uint64_t host_user_low, host_user_high;

/* Derivation list, ready queues, gate counts: aborts with a message when something is not
 * consistent. */
void host_check_invariants(void);

#endif
