/*
 * The kernel's objects and the capabilities that name them. SPDX-License-Identifier: MIT
 *
 * All of them live in memory that user space retyped from an Untyped capability; the kernel has
 * no heap. The structures are the whole state of the kernel besides `struct core` (sched.h):
 * nothing else has to be saved to save the system.
 */
#ifndef OBJECT_OBJECT_H
#define OBJECT_OBJECT_H

#include <aramid/abi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- capabilities ---------------------------------------------------------------------------- */

/*
 * One slot of a capability space, empty when type is AR_NULL. The slots that hold something form
 * one list in which all capabilities to an object are neighbours and descendants follow their
 * ancestor (derivation.c says who descends from whom). The links are slot addresses in units of
 * the slot size, in the physical map, so that a slot is 32 bytes.
 */
struct __attribute__((aligned(32))) cap {
    union {
        struct {
            uint8_t type;
            /* CNode: slots; Untyped, Frame: bytes; Table: the level it is mapped at (1..3), else 0 */
            uint8_t size_bits;
            uint8_t rights, flags; /* enum cap_flags */
        };
        uint32_t head;             /* all four at once */
    };
    union {
        uint32_t asid; /* VSpace: its own; Table, Frame: of the space it is mapped in */
        /* Untyped: the bytes behind those used are clear up to this 4 KiB page from its start */
        uint32_t clear_pages;
    };
    uint64_t object;   /* kernel address; IRQ: line; Port: first port | last port << 16 */
    /* Untyped: bytes used; Table, Frame: address it is mapped at; CNode: number of slots (an empty
     * slot has 0 of them); VSpace: physical address of the top table */
    uint64_t extra;
    union {
        struct {
            uint32_t prev, next;
        };
        uint64_t links;
    };
};
_Static_assert(sizeof(struct cap) == AR_SLOT_SIZE, "ABI");

enum cap_flags {
    CAP_ORIGINAL = 1, /* made by retype: ancestor of every copy; a gate's original is not counted */
    CAP_MAPPED = 2,
    CAP_DEVICE = 4,   /* Untyped, Frame: memory with contents of its own, never cleared */
    /* Frame: the slot is tcb.ipc_frame, and goes only with the kernel's use of the frame */
    CAP_BUFFER = 8,
};

/* The head of the gates that clients have: a copy, which may send and nothing else. */
#define CAP_GATE_COPY (AR_GATE | AR_SEND << 16)
_Static_assert(offsetof(struct cap, rights) == 2, "in CAP_GATE_COPY");

/* What slot 0 of a dying CNode becomes (dying.c); on no list of capabilities, and empty for who
 * looks at its type. */
struct cnode_dying {
    uint8_t type;                  /* AR_NULL */
    uint8_t size_bits, inner_bits; /* of the CNode itself, and of `inner` */
    uint32_t done;                 /* the slots below this one are empty */
    struct cnode *inner;           /* slot 0 held the last capability to it: dies next */
    uint64_t link;
    uint64_t reserved;             /* the links of a slot */
};
_Static_assert(sizeof(struct cnode_dying) == AR_SLOT_SIZE, "takes the place of a slot");

struct cnode {
    union {
        struct cap slots[1]; /* 1 << size_bits of them */
        struct cnode_dying dying;
    };
};

/* ---- threads and what they wait on ----------------------------------------------------------- */

struct tcb;

/* Intrusive queue of threads, linked through tcb.link. */
struct tcb_queue {
    struct tcb *head, *tail;
};

/*
 * A rendezvous. Either receivers wait or senders do, never both. Gates whose last copy went are
 * queued in `closed` until a receive takes them; they come before waiting senders.
 */
struct endpoint {
    struct tcb_queue senders, receivers;
    struct gate *gates;       /* all gates bound to this endpoint */
    struct gate *closed_head, *closed_tail;
    uint64_t issuer;
    struct tcb *server;       /* who received last; for the log only, may be gone */
    uint64_t dying;           /* dying.c: 0 while it lives */
    uint64_t closing;         /* dying.c: not 0 while receivers still have to be told of closed gates */
    uint64_t reserved[5];
};
_Static_assert(sizeof(struct endpoint) == 1 << AR_ENDPOINT_BITS, "object size");

/* A badge as an object: what a server's clients hold copies of. A call that waits in the
 * endpoint's queue counts as a copy: the gate closes when both are gone. */
struct gate {
    struct endpoint *endpoint; /* NULL: not bound, or the endpoint is gone */
    uint64_t badge;
    uint32_t copies;           /* capabilities to this gate except the original */
    uint32_t closed;           /* on the endpoint's closed queue */
    struct gate *next, *prev;  /* endpoint.gates */
    union {
        struct gate *closed_next;
        uint64_t dying;        /* dying.c: a gate that dies is not closed */
    };
    struct gate *closed_prev;
    struct tcb *senders;       /* threads queued on the endpoint through us: tcb.gate_next */
};
_Static_assert(sizeof(struct gate) == 1 << AR_GATE_BITS, "object size");

/* Where a call through the gate goes; NULL: it is not bound, or the endpoint is gone. */
static inline struct endpoint *gate_endpoint(const struct gate *gate)
{
    struct endpoint *endpoint = gate->endpoint;
    return endpoint && !endpoint->dying ? endpoint : NULL;
}

struct notification {
    uint64_t bits;
    struct tcb_queue waiters;
    struct tcb *bound; /* whose receive also takes our bits */
    uint64_t dying;    /* dying.c */
    uint64_t reserved[3];
};
_Static_assert(sizeof(struct notification) == 1 << AR_NOTIFICATION_BITS, "object size");

/* Holds one caller between a receive and the reply. */
struct reply {
    struct tcb *caller;   /* in state BLOCKED_REPLY or BLOCKED_FAULT */
    struct tcb *receiver; /* who waits in a receive that will fill us */
    struct tcb *server;   /* who received the caller; for the log only, may be gone */
    uint64_t reserved[5];
};
_Static_assert(sizeof(struct reply) == 1 << AR_REPLY_BITS, "object size");

enum { FAULT_WORDS = 6 };

struct tcb {
    /* first: entry.asm stores here. fs_base and gs_base are right only while not running */
    struct ar_regs regs;
    /* read by entry.asm; offsets are asserted in arch.h */
    uint64_t native_low, native_length; /* `syscall` is native when rip - low < length */
    uint64_t foreign_entry;
    /* kernel address; never NULL: a thread without one shares a dummy */
    struct ar_ipc_buffer *buffer;
    /* One word for the fast path: a thread it can switch to has nothing but a state in it. */
    union {
        struct {
            uint8_t state;        /* enum ar_thread_state */
            uint8_t suspended;
            uint8_t full_restore; /* leave the kernel by iret: every register counts */
            uint8_t no_vector;    /* promises not to touch vector registers: they are another's */
        };
        uint32_t status;
    };

    /* scheduling */
    uint8_t priority, queued;
    struct tcb *link_next, *link_prev;
    struct tcb *all_next, *all_prev; /* every thread, for AR_LOG_THREADS */
    /* Processor time had, in TSC ticks; while running less the time when that began: sched_cycles */
    uint64_t cycles;

    /* deadline heap: deadline.c */
    uint64_t deadline; /* ns; AR_NO_DEADLINE: not in the heap */
    struct tcb *heap_left, *heap_right, *heap_parent;
    uint8_t heap_rank;

    /* IPC */
    uint64_t principal;
    uint64_t badge;              /* with which a blocked call was sent */
    /* BLOCKED_CALL, BLOCKED_RECV, BLOCKED_FAULT before it is received */
    struct endpoint *waiting_on;
    /* on a queue of senders: the gate that was called (NULL: the endpoint itself), its others */
    struct gate *gate;
    struct tcb *gate_next, *gate_prev;
    struct notification *waiting_for;
    /* BLOCKED_REPLY/FAULT: who holds us; BLOCKED_RECV: what our caller goes into */
    struct reply *reply;
    struct notification *bound;
    uint64_t fault[FAULT_WORDS];

    /* capabilities a thread holds itself; deleted with it */
    struct cap cspace, vspace, ipc_frame, fault_gate;
    uint64_t dying; /* dying.c */
    char name[16];
};

enum { TCB_VECTOR_OFFSET = 1024, TCB_VECTOR_SIZE = (1 << AR_TCB_BITS) - TCB_VECTOR_OFFSET };
_Static_assert(sizeof(struct tcb) <= TCB_VECTOR_OFFSET, "the vector save area follows");

/* The bits of tcb.status besides no_vector. */
#define TCB_STATUS_MASK 0xffffffu

static inline void *tcb_vector_area(struct tcb *tcb)
{
    return (uint8_t *)tcb + TCB_VECTOR_OFFSET;
}

/* ---- derivation.c ---------------------------------------------------------------------------- */

struct cap *cap_next(const struct cap *slot);
/* log2 of the bytes of an object whose type says them; 0: any other. */
unsigned object_size_bits(enum ar_type type);
bool cap_is_descendant(const struct cap *ancestor, const struct cap *slot);
/* No other capability names the same object. */
bool cap_is_final(const struct cap *slot);

/* ---- cap.c ----------------------------------------------------------------------------------- */

/* May this capability be copied (and sent)? Untyped, Reply and page tables may only be moved by
 * their holder. */
static inline bool cap_copyable(const struct cap *source)
{
    return source->type != AR_NULL && source->type != AR_UNTYPED && source->type != AR_REPLY &&
           source->type != AR_TABLE;
}
/* A copy with at most `rights` in the empty `to`. Cannot fail. */
void cap_copy(struct cap *to, struct cap *from, unsigned rights);
/* Empty the slot. The last capability to an object destroys it; what takes long of that is left
 * to dying_work. */
void cap_delete(struct cap *slot);
/* Delete every descendant of the slot's capability, and what dies with them. False: a piece of
 * it, the rest is for another time. */
bool cap_revoke(struct cap *slot);

/* ---- dying.c --------------------------------------------------------------------------------- */

/* No capability names `object` any more: take it apart in dying_work. */
void dying_add(enum ar_type type, void *object);
/* Receivers of the endpoint have to be told of closed gates: in dying_work as well. */
void dying_add_closing(struct endpoint *endpoint);
/* Take dying objects apart until there are none (true) or the work that one entry into the kernel
 * may do is done. Any capability and any thread may be gone afterwards, the caller's too; their
 * memory stays readable, since no retype happens before the list is empty. */
bool dying_work(void);

/* ---- slot lookup: cnode.c -------------------------------------------------------------------- */

/* The capability to the leaf with the slot of that number, or NULL. `root` holds a CNode, or nothing:
 * a thread without a capability space has one of 0 slots. */
static inline const struct cap *cnode_leaf(const struct cap *root, uint64_t slot)
{
    if (slot >> AR_LEAF_BITS >= root->extra)
        return NULL;
    const struct cap *leaf = &((struct cnode *)root->object)->slots[slot >> AR_LEAF_BITS];
    if (leaf->type != AR_CNODE || leaf->size_bits != AR_LEAF_BITS)
        return NULL;
    return leaf;
}

static inline struct cap *leaf_slot(const struct cap *leaf, uint64_t slot)
{
    return &((struct cnode *)leaf->object)->slots[slot & (AR_LEAF_SLOTS - 1)];
}

/* The slot of that number, or NULL. */
static inline struct cap *cnode_slot(const struct cap *root, uint64_t slot)
{
    const struct cap *leaf = cnode_leaf(root, slot);
    return leaf ? leaf_slot(leaf, slot) : NULL;
}
/* Slot of a thread's own space, holding a capability of `type` with `rights`. */
enum ar_error tcb_lookup(const struct tcb *tcb, uint64_t slot, struct cap **out);
enum ar_error tcb_lookup_type(const struct tcb *tcb, uint64_t slot, enum ar_type type, unsigned rights,
                              struct cap **out);
enum ar_error tcb_lookup_empty(const struct tcb *tcb, uint64_t slot, struct cap **out);

/* Neighbouring slots, of one leaf or of two. */
struct slot_run {
    struct cap *part[2];
    unsigned in_first;
};
/* `count` (1..AR_LEAF_SLOTS) empty slots from `first` on. */
enum ar_error tcb_lookup_run(const struct tcb *tcb, uint64_t first, unsigned count,
                             struct slot_run *run);
static inline struct cap *slot_run_at(const struct slot_run *run, unsigned index)
{
    return index < run->in_first ? &run->part[0][index] : &run->part[1][index - run->in_first];
}

/*
 * ---- destroying: one function per object file --------------------------------------------------
 *
 * NAME_destroy does what must be true at once (nobody can use the object any more) and takes a
 * bounded time; when more is left it calls dying_add. NAME_dissolve does a small piece of the rest
 * and returns true when nothing was left to do; between two pieces other threads run.
 */

void endpoint_destroy(struct endpoint *endpoint);
bool endpoint_dissolve(struct endpoint *endpoint);
/* Tell one receiver of one closed gate, with dissolve's result. */
bool endpoint_tell_closed(struct endpoint *endpoint);
void gate_destroy(struct gate *gate);
/* The gate leads nowhere from now on. */
void gate_unbind(struct gate *gate);
bool gate_dissolve(struct gate *gate);
void gate_copy_added(struct gate *gate);
void gate_copy_removed(struct gate *gate);
/* A call through the gate enters or leaves its endpoint's queue. */
void gate_sender_added(struct gate *gate, struct tcb *sender);
void gate_sender_removed(struct tcb *sender);
void notification_destroy(struct notification *notification);
bool notification_dissolve(struct notification *notification);
void notification_signal(struct notification *notification, uint64_t bits);
void reply_destroy(struct reply *reply);
void tcb_destroy(struct tcb *tcb);
bool tcb_dissolve(struct tcb *tcb);
void tcb_init(struct tcb *tcb);
/* The capability in tcb.ipc_frame is being deleted, with the thread or by a revoke. */
void tcb_buffer_gone(struct cap *ipc_frame);
void cnode_destroy(struct cnode *cnode, unsigned size_bits);
bool cnode_dissolve(struct cnode *cnode);
void vspace_destroy(const struct cap *cap);
void table_unmap(struct cap *cap);
/* The entry at `level` that leads to this table or frame, or NULL when it is not mapped. */
uint64_t *mapped_entry(const struct cap *cap, unsigned level);
void frame_unmap(struct cap *cap);
void irq_forget(struct notification *notification);
void irq_destroy(unsigned line);
/* Interrupt `line` came: mask it and signal whoever is bound to it. */
void irq_arrived(unsigned line);

/* ---- invocations: decode.c ------------------------------------------------------------------- */

/* An invocation whose words have been checked against the table. */
struct invocation {
    struct tcb *caller;
    struct cap *target; /* AR_CAP_SELF: the caller's cspace */
    uint32_t label;
    unsigned word_count;
    uint64_t words[4];   /* in; results out */
    struct cap *caps[5]; /* what the words that name slots lead to, by the word's number */
    unsigned result_words;
};

/*
 * What an invocation returns that has done a piece of its work: the caller executes the same
 * system call again (syscall_again), with `words` as they are now, which is where the progress
 * is. Everything is looked up and checked again. Not part of the ABI.
 */
#define KERNEL_AGAIN ((enum ar_error)(AR_ERR_COUNT + 1))

/* AR_SYS_INVOKE. The outcome is left in the caller's registers. */
void invocation_handle(struct tcb *caller);

/* The outcome of an act function that found something wrong: returns `error`, and tells the caller
 * the number of the word (AR_ARG_TARGET: the target), what was expected and what was found. */
enum ar_error invocation_fail(struct invocation *call, enum ar_error error, unsigned word,
                              uint64_t expected, uint64_t found);
/* The slot of that number in `root`'s space, or the failure that says that `word` is wrong. */
enum ar_error invocation_slot(struct invocation *call, const struct cap *root, unsigned word,
                              uint64_t number, struct cap **slot);

/* The bytes of a message from word 4 on. */
static inline const char *message_bytes(const struct invocation *call)
{
    return (const char *)&call->caller->buffer->words[4];
}

/* Word i of the message, wherever it travels. */
static inline uint64_t invocation_word(const struct invocation *call, unsigned index)
{
    return index < 4 ? call->words[index] : call->caller->buffer->words[index];
}

static inline void invocation_set_word(struct invocation *call, unsigned index, uint64_t value)
{
    if (index < 4)
        call->words[index] = value;
    else
        call->caller->buffer->words[index] = value;
}

#endif
