/*
 * Attackers beside victims: what the three files share. SPDX-License-Identifier: MIT
 *
 * attack.c is the parent (init): it builds the attackers' world, handles their faults, takes
 * everything from them again, generation after generation. attack_threads.c runs in the attackers'
 * two spaces, attack_victims.c in the victims' two.
 */
#ifndef ATTACK_H
#define ATTACK_H

#include "native.h"

enum { ATTACK_SPACES = 2, ATTACK_EACH = 4, ATTACK_THREADS = ATTACK_SPACES * ATTACK_EACH };
enum { VICTIM_BADGE = 0x71c, ATTACKER_BADGE = 0xbad };

/* The upper half of every word that is the victims' own. No attacker's word ever has it. */
#define SECRET_HIGH 0x5ec2e75eull
#define SECRET(low) (SECRET_HIGH << 32 | (uint32_t)(low))

/* Slots of an attacker's capability space. */
enum attack_slot {
    SLOT_TCBS = 1, /* its own space's threads, then the other's */
    SLOT_SPACES = SLOT_TCBS + ATTACK_THREADS,
    SLOT_ROOTS = SLOT_SPACES + ATTACK_SPACES,
    SLOT_LEAF = SLOT_ROOTS + ATTACK_SPACES,
    SLOT_CNODE,
    SLOT_ENDPOINTS, /* three without MINT, one with all rights */
    SLOT_GATES = SLOT_ENDPOINTS + 4, /* one each */
    SLOT_VICTIM_GATE = SLOT_GATES + 4,
    SLOT_FREE_GATE, /* an original */
    SLOT_NOTIFICATIONS,
    SLOT_REPLIES = SLOT_NOTIFICATIONS + 4,
    SLOT_UNTYPED = SLOT_REPLIES + 8, /* 64 KiB, then 4 KiB */
    SLOT_FRAMES = SLOT_UNTYPED + 2,  /* four, and one for reading */
    SLOT_TABLE = SLOT_FRAMES + 5,
    SLOT_PORT,
    SLOT_IRQ,
    SLOT_FREE /* and up to 255: empty */
};

/* Pages of an attacker's space. Shared with the parent: */
#define ATTACK_SHARED NATIVE_FREE
#define ATTACK_CODE (NATIVE_FREE + 0x10000)     /* writable and executable */
#define ATTACK_SCRATCH (NATIVE_FREE + 0x200000) /* where it maps frames; its table is there */
#define ATTACK_LAST_PAGE 0x7fffffffe000ull      /* ends in `syscall` */

struct attack_shared {
    uint64_t random[ATTACK_THREADS], calls[ATTACK_THREADS], budget;
    uint64_t instructions; /* hostile ones tried */
    uint64_t outcomes[64]; /* how often each error came back */
    uint64_t received, fresh_frames;
    uint64_t seen, seen_where, seen_call; /* a secret */
};

/* Begins anywhere: what a thread knows is in the shared page. Ends in int3, again and again. */
void attack_main(uint64_t index);

struct victims {
    struct native_thread server, client;
    ar_cap endpoint, gate; /* gate: an original, for the attackers' copies */
    volatile uint64_t *rounds, *strangers; /* exchanged; attackers' calls served */
};
struct victims victims_start(unsigned priority);

#endif
