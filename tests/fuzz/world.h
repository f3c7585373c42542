/*
 * The world that the fuzzer plays in: two hostile parties, two victims, a keeper.
 * SPDX-License-Identifier: MIT
 *
 * A party is a capability space, an address space, an Untyped of its own and two threads, with
 * gates to the other party's endpoint and to the victims'. Bytes of the input say what its threads
 * do. The victims (victims.c) call each other and check what they get. The keeper is init: it
 * made everything, runs when nobody else can, and then makes a party anew or lets time pass.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include "fuzz.h"
#include "kernel_host.h"

enum { PARTIES = 2, PARTY_THREADS = 2, PARTY_SLOTS = 48 };

/* Slots of a party's space. */
enum {
    P_ROOT = 1, P_SPACE, P_UNTYPED, P_TCB, P_TCB2, P_ENDPOINT, P_GATE, P_GATE2, P_REPLY, P_REPLY2,
    P_NOTIFICATION, P_BUFFER, P_BUFFER2, P_FRAME, P_FRAME2, P_TABLE, P_TABLE2, P_TABLE3, P_LEAF,
    P_OTHER_GATE, P_OTHER_NOTIFICATION, P_OTHER_TCB, P_SHARED_FRAME, P_VICTIM_GATE,
    P_VICTIM_NOTIFICATION, P_VICTIM_FRAME, P_DEVICE, P_DEVICE2, P_LARGE, P_TOP_TABLE, P_TOP_TABLE2,
    P_SPARE_TABLE, P_SPARE_TABLE2, P_TREE
};

#define USER_BUFFERS 0x10000000ull
#define USER_FRAMES 0x400000ull
#define USER_TOP 0x7fffffe00000ull /* the last 2 MiB of user space, not whole */
#define USER_RIP 0x400002ull /* behind the system call instruction */

extern struct tcb *world_keeper;
/* Kept for world_report. */
void world_trace(const char *what, uint64_t a, uint64_t b);

/* The keeper deletes what a party has and makes it anew. */
void world_party(unsigned party);
/* The current thread's registers are set: enter the kernel, then check everything. */
void world_enter(void);
/* The kernel was entered otherwise: check everything. */
void world_entered(void);
/* The keeper invokes. */
int keeper_invoke(uint64_t target, uint32_t label, uint64_t w0, uint64_t w1, uint64_t w2,
                  uint64_t w3);
/* Slots of the keeper. */
enum {
    K_POOL = 1 /* by party */, K_VICTIM_POOL = 3, K_LARGE, K_DEVICE, K_IRQ, K_PORT, K_LOG,
    K_NOTIFICATION, K_VICTIMS = 16, K_PARTY = 96, K_PARTY_SLOTS = 64
};

/* victims.c */
void victims_make(void);
/* The current thread is a victim: it does the next thing of its program. False: it is none. */
bool victims_step(void);
void victims_check(void);

#endif
