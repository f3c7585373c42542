/*
 * Inside the invariant checker. SPDX-License-Identifier: MIT
 *
 * After each step the checker finds every capability there is, from the slots that exist and
 * along the derivation list, and from the capabilities every object. It follows no pointer that
 * it has not looked up first, and it is compiled without sanitizers: memory of no object is
 * poisoned for the kernel, and speed decides how many steps are tried.
 */
#ifndef KERNEL_CHECK_H
#define KERNEL_CHECK_H

#include "kernel_host.h"

enum { CHECK_CAPS = 1 << 18, CHECK_OBJECTS = 1 << 18 };

struct check_object {
    uint64_t address, bytes;
    struct cap *first;    /* of its run in the derivation list */
    unsigned caps, originals;
    uint8_t type, size_bits;
    bool boot;            /* exists without a capability */
    bool created;         /* not there at the last check */
    bool dying;           /* no capability names it, the kernel takes it apart (dying.c) */
    /* TCB: how many queues it is on, current included. Gate: how often endpoints list it. Table:
     * how often it is mapped. */
    unsigned places;
};

struct check {
    uint32_t generation;
    unsigned cap_count, object_count;
    struct cap *caps[CHECK_CAPS];
    struct check_object objects[CHECK_OBJECTS]; /* all but Untypeds, which nothing points to */
};
extern struct check check;

/* Abort with a message. */
_Noreturn void check_broken(const char *what, const void *where);
#define CHECK(condition, where)                                                                    \
    do {                                                                                           \
        if (!(condition))                                                                          \
            check_broken(#condition, where);                                                       \
    } while (0)

/* The live object of that type at that address; NULL for anything else. */
struct check_object *check_find(const void *address, enum ar_type type);
/* The same, or a dying one. */
struct check_object *check_find_any(const void *address, enum ar_type type);
/* Bytes of memory that the capability's object takes; 0: none. */
uint64_t check_bytes(const struct cap *cap);

/* The parts, in this order. */
void check_capabilities(void); /* kernel_check_caps.c */
void check_derivation(void);   /* kernel_check_tree.c */
void check_spaces(void);       /* kernel_check_space.c */
void check_messages(void);     /* kernel_check_ipc.c */
void check_threads(void);      /* kernel_check_sched.c */
/* Compare with the last step, then remember this one and poison what is nobody's. */
void check_changes(void);      /* kernel_check.c */

/* For the kernel, memory is not there (kernel_host.c: sanitized). */
void host_poison(uint64_t address, uint64_t bytes, bool poison);

#endif
