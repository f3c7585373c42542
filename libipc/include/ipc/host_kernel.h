/*
 * The host's kernel: capability spaces, gates, notifications, and the system calls that libposix
 * makes, for many processes in one host process. SPDX-License-Identifier: MIT
 *
 * ipc/host.h is built on the same spaces. Single-threaded: fibers take turns.
 *
 * A *space* is slots in leaves of 256, as in the guest: a slot whose leaf is not there can hold
 * nothing. An *object* is a gate or a notification; `copies` counts the slots that hold it. A gate
 * whose last copy goes is put on the closed queue, and host_closed_deliver tells its core; a copy
 * made before that takes it off again.
 */
#ifndef IPC_HOST_KERNEL_H
#define IPC_HOST_KERNEL_H

#include <ipc/host.h>

struct host_object {
    enum ar_type type;
    unsigned copies;
    /* a gate */
    const struct host_core *core;
    uint64_t badge;
    bool closing;
    struct host_object *chain, *closing_next; /* by core and badge; the closed queue */
    /* a notification */
    uint64_t bits;
    unsigned signals; /* since host_signals asked */
    void *waiter;     /* the sim's */
};

struct host_space;

struct host_space *host_space_new(void); /* no leaves; never NULL */
void host_space_free(struct host_space *space);
/* The same without closed messages: the cores may be gone. */
void host_space_forget(struct host_space *space);
/* The leaf of `slot` is there afterwards, or the answer is false (host_hooks.slot_fails). */
bool host_space_grow(struct host_space *space, uint64_t slot);
bool host_space_reaches(const struct host_space *space, uint64_t slot);
struct host_object *host_space_get(const struct host_space *space, uint64_t slot); /* or NULL */
/* The slot must be empty and reachable. */
void host_space_put(struct host_space *space, uint64_t slot, struct host_object *object);
void host_space_clear(struct host_space *space, uint64_t slot); /* an empty one is fine */
/* A free slot from 256 on, as a server's own; 0: none. It is free again when cleared. */
ar_cap host_space_alloc(struct host_space *space);
unsigned host_space_used(const struct host_space *space);
/* Of cores that have none of their own: ipc/host.h's. */
extern struct host_space *host_shared_space;
struct host_space *host_core_space(const struct host_core *core);

/* The gate `badge` of a core, made when needed; NULL when it cannot be made. */
struct host_object *host_gate_object(const struct host_core *core, uint64_t badge);
struct host_object *host_notification_object(void);
/* The object is held by no slot: it goes, and its core hears of it. */
void host_object_settle(struct host_object *object);
unsigned host_objects(enum ar_type type); /* how many there are */
void host_signal_object(struct host_object *object, uint64_t bits);
void host_effects_run(const struct host_core *core, const struct ipc_effects *effects);
/* Closed messages until there are none. Not from inside a core. */
void host_closed_deliver(void);

/* ---- calls ----------------------------------------------------------------------------------- */

struct host_caller {
    struct host_space *space;
    uint64_t principal;
    struct ar_ipc_buffer *buffer; /* for ar_syscall */
};
/* Carry a request to the core behind its target. ST_OK in *error when it was delivered: then the
 * server's status is the answer. */
enum status host_request(const struct host_caller *caller, struct ipc_request *request,
                         enum ar_error *error);

/* What a request was and became; `request` has the words of the reply by now. */
struct host_traced {
    const struct host_core *core;
    uint64_t badge, principal;
    uint32_t label;
    unsigned word_count, cap_count, reply_word_count, reply_cap_count;
    const uint64_t *words, *reply_words;
    enum status status;
};

/* What surrounds the kernel. Any may be NULL. */
struct host_hooks {
    bool (*slot_fails)(void);   /* a slot, leaf or gate is wanted */
    bool (*copy)(void *to, const void *from, size_t length); /* false: a fault; NULL: memcpy */
    /* the server has served the request: may the reply go to the caller? false: it is dead */
    bool (*reply_arrives)(void);
    void (*traced)(const struct host_traced *traced);
    /* what the caller is to see of the reply may be changed: a server that is not ours */
    void (*replied)(const struct host_core *core, struct ipc_request *request,
                    enum status *status);
    /* after the server: the caller may not come back from here */
    void (*served)(void);
    /* ar_syscall: before each; a message is about to go: AR_OK, or what the caller gets */
    void (*step)(enum ar_syscall number);
    enum ar_error (*call_fails)(const struct ipc_request *request);
    /* Wait until the object has bits (AR_OK) or the deadline passes (AR_ERR_TIMEOUT). */
    enum ar_error (*wait)(struct host_object *notification, uint64_t deadline);
    void (*yield)(void);
    uint64_t (*clock_ns)(void);
    void (*signalled)(struct host_object *notification);
};
extern struct host_hooks host_hooks;
extern const struct host_caller *host_current; /* whose system calls ar_syscall makes */

#endif
