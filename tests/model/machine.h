/*
 * The kernel as spin sees it: three threads and what they share, in memory that can be saved and
 * put back. SPDX-License-Identifier: MIT
 *
 * kernel.pml decides what is done next, this machine does it with the kernel's own C: a step is
 * one way into the kernel (system call, fault, interrupt) until it has picked who runs.
 *
 * The state is `struct machine`, `struct core` and `struct history`, cut into parts. Spin does
 * not hold the bytes: a part's contents are kept once (store.c), and the state that spin matches
 * is the row of their numbers, `model_state`. Equal numbers are equal bytes, so nothing is
 * approximated.
 */
#ifndef MODEL_MACHINE_H
#define MODEL_MACHINE_H

#include "object/object.h"
#include "sched/sched.h"

enum { THREADS = 3, ENDPOINTS = 2, GATES = 3, REPLIES = 2, NOTHING = 255 };

/* The capability space that all threads share. */
enum model_slot {
    SLOT_ROOT = 1, /* what the threads' own copies come from */
    SLOT_SPACE,
    SLOT_THREAD,                               /* + thread */
    SLOT_ENDPOINT = SLOT_THREAD + THREADS,     /* + endpoint */
    SLOT_GATE = SLOT_ENDPOINT + ENDPOINTS,     /* + gate: the original */
    SLOT_COPY = SLOT_GATE + GATES,             /* + gate: what callers use */
    SLOT_REPLY = SLOT_COPY + GATES,            /* + reply object */
    SLOT_NOTIFICATION = SLOT_REPLY + REPLIES,
    SLOT_WINDOW,                               /* where a capability in a message arrives */
    SLOTS
};

struct machine {
    struct tcb thread[THREADS];
    struct endpoint endpoint[ENDPOINTS];
    struct gate gate[GATES]; /* 0 and 1 are bound to endpoint 0, 2 to endpoint 1 */
    struct reply reply[REPLIES];
    struct notification notification;
};
extern struct machine machine;
extern struct cap leaf[AR_LEAF_SLOTS]; /* the slots; none from SLOTS on is ever used */

/* What happened, by the rules of abi.h and not by the kernel's own variables; history.c writes it
 * from what goes in and comes out. */
struct thread_history {
    uint8_t doing; /* enum doing */
    uint8_t endpoint, gate, reply; /* of the operation; NOTHING */
    uint8_t received;      /* a call or fault: a server has it */
    uint8_t deadline;      /* the operation has one */
    uint8_t moving;        /* the call carries a capability, which may be gone when it is sent */
    uint8_t again;         /* the system call did a piece of its work, and is executed again */
};
enum doing { IDLE, CALLING, FAULTING, RECEIVING, WAITING };
struct history {
    struct thread_history thread[THREADS];
    uint8_t bits;          /* signalled and not yet received */
    uint8_t owed[GATES];   /* the last holder is gone and nobody was told */
    uint8_t spare[4];
};
_Static_assert(sizeof(struct history) % 8 == 0, "the store compares words");
extern struct history history;

/* One flag a property; README.md has them in words. Spin asserts them after each step. */
struct holds {
    bool no_crash, one_queue, no_dangling, no_lost_wakeup, no_lost_signal, exactly_once,
        closed_exact, closed_first, reply_both_ways, destroyed_wakes, outcome_true, ready_runs,
        deadline_exact;
};
extern struct holds holds;

/* What may happen next; follows from the rest of the state, and is in it because spin's guards
 * may not call functions. */
struct may {
    bool run[THREADS], go_on[THREADS], cancel[THREADS], suspend[THREADS], resume[THREADS];
    bool close[GATES], copy[GATES], original[GATES], take, bind, unbind, destroy[SLOTS], expire,
        interrupt;
};
enum { PARTS = THREADS + 6 };
struct model_state {
    uint32_t part[PARTS];
    struct may may;
};
extern struct model_state model_state;

/* ---- store.c --------------------------------------------------------------------------------- */

void store_part(unsigned part, void *memory, size_t bytes);
/* Bring the memory to what model_state says, and the other way round. */
void store_load(void);
void store_save(void);
/* After a crash the memory is anything. */
void store_forget(void);

/* ---- start.c --------------------------------------------------------------------------------- */

void model_start(void);

/* ---- machine.c: what kernel.pml calls -------------------------------------------------------- */

/* The thread could be executing user instructions now. */
bool model_runs(unsigned thread);

/* How much of the world there is: bounds of one exploration, chosen by MODEL_SCENE (scenes.c). */
struct scene {
    const char *name;
    bool deadlines, suspend, faults;
    bool moving; /* capabilities in messages */
    bool ladder; /* server over helper over client; else all have one priority and take turns */
    unsigned deaths; /* objects that may be destroyed, one after the other */
};
extern struct scene scene;
void scene_choose(void);

struct may scene_allows(void);

enum until { FOREVER, POLL, SOON, BETWEEN, LATE };
void model_call(unsigned thread, unsigned gate, enum until until, bool moving);
/* Whoever made a gate may call it without a copy. */
void model_call_original(unsigned thread, unsigned gate);
void model_receive(unsigned thread, unsigned endpoint, unsigned reply, enum until until);
void model_reply(unsigned thread, unsigned reply);
void model_reply_receive(unsigned thread, unsigned reply, unsigned endpoint, enum until until);
void model_signal(unsigned thread);
void model_wait(unsigned thread, enum until until);
void model_fault(unsigned thread);
/* Execute the system call again of which a piece is done. */
void model_go_on(unsigned thread);
void model_cancel(unsigned thread, unsigned other);
void model_suspend(unsigned thread, unsigned other);
void model_resume(unsigned thread, unsigned other);
void model_bind(unsigned thread, unsigned other, bool bind);
void model_delete(unsigned thread, unsigned slot);
void model_copy(unsigned thread, unsigned gate);
void model_take(unsigned thread); /* the capability in the window goes back to be a copy */
void model_expire(bool all);
void model_interrupt(void);

/* Signals and the watchdog for steps that do not end. */
void step_guard(void);

/* ---- normalise.c ----------------------------------------------------------------------------- */

enum { RIP = 0x1000 }; /* where every thread's `syscall` instruction ends */
/* Fill the memory of what died in this step. */
void step_poison(void);
void step_normalise(void);

/* ---- history.c, properties.c ----------------------------------------------------------------- */

enum event { OTHER, REPLYING, CANCELLING, EXPIRING };
/* The step that is being made, and what was so before it. */
struct step {
    enum event event;
    unsigned actor;  /* NOTHING: an interrupt */
    unsigned object; /* thread cancelled, reply object used */
    struct alive {
        bool thread[THREADS], endpoint[ENDPOINTS], gate[GATES], reply[REPLIES], notification;
    } there;
    unsigned holders[GATES];
    bool closed_waits[ENDPOINTS];
};
extern struct step step;
/* What a message is known by, in word 0 and as badge and principal. */
enum { CALL_WORD = 0x100, FAULT_WORD = 0x200, REPLY_WORD = 0x300, BADGE = 0x30, PRINCIPAL = 0x40 };

static inline unsigned home_of(unsigned gate) { return gate == 2; } /* its endpoint */
/* Objects that a capability names; those, and the dying ones that are not in pieces yet. */
struct alive objects_named(void);
struct alive objects_there(void);
/* Who keeps a gate open: copies in slots and threads, calls and faults in the queue. */
unsigned gate_holders(unsigned gate);
void history_before(void);
void history_after(void);
void properties_check(void);

#endif
