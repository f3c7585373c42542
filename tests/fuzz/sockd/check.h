/*
 * What check.c counts anew, by the address of an object, an account, a set of rights …
 * SPDX-License-Identifier: MIT
 */
#ifndef FUZZ_SOCKD_CHECK_H
#define FUZZ_SOCKD_CHECK_H

#include "world.h"

/* A number for each thing that a structure says of itself and that can be counted from outside. */
struct tally {
    const void *key;
    uint64_t generation;
    uint64_t refs;      /* who points at it */
    uint64_t in_flight; /* object: rights that name it; account, user: descriptors */
    uint64_t staged;    /* user: descriptors on its sessions' stages */
    uint64_t charged;   /* socket: its messages in other queues, or that wait; account, user: bytes queued */
    uint64_t objects;   /* account, user */
    uint64_t peers;     /* socket: those whose peer it is */
    uint64_t watchers;  /* object: interests in it */
    uint64_t ready;     /* epoll: its interests on the ready list */
    uint64_t interests; /* account, user */
    uint64_t messages;  /* account */
    uint64_t waiters;   /* session: waiters found on objects */
    bool live;          /* object: on the list of all; rights: counted already */
    bool dead;          /* object: released, and seen already */
    enum { OTHER, ACCOUNT, ADDRESS, CREDENTIALS } what;
};

/* A released socket is only memory for those who point at it: found by one of them. */
void dead_found(const struct socket *socket);
/* One queued message, or page of a pipe, that this account pays for. */
void charge_found(const struct account *account, uint64_t bytes);
/* What a socket owns beside its queues, dead or alive. */
void belongings_found(const struct socket *socket);

struct tally *tally_of(const void *key);
struct tally *account_of(const struct account *account);
void tallies_clear(void);

/* check_queues.c: one live socket's queues, peer and names. */
void socket_check(const struct sockd *sockd, const struct socket *socket);
void rights_check(const struct sockd *sockd, const struct rights *rights, bool doomed);
void registry_check(const struct sockd *sockd);
/* check_epoll.c */
void epoll_check(const struct epoll *epoll);
void draining_check(const struct sockd *sockd);
void watchers_check(const struct object *object); /* when all interests are counted */
/* What is ready of `events`, as object_poll says, but nothing changes by it. Of a set: what is
 * level-triggered. */
uint32_t ready_now(const struct object *object, uint32_t events, unsigned depth);
/* check_waits.c */
void waiters_check(const struct sockd *sockd, const struct waiters *list);
void sessions_check(const struct sockd *sockd);
/* The core owns this slot, and nobody said so before in this check. */
void slot_claim(uint64_t slot, enum slot_use use);

/* What the pass over everything found. */
struct totals {
    uint64_t objects, sockets, orphans, queued, messages, in_flight, interests, slots;
    uint64_t abstract; /* sockets that say they are in the registry */
};
extern struct totals totals;

#endif
