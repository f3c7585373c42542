/*
 * epoll instances: who watches what. SPDX-License-Identifier: MIT
 *
 * INTERESTS. One for each (descriptor number, description) of a set. It stands in the list of its
 * epoll's members and in the list of its target's watchers; neither holds the other: an epoll in
 * flight inside a socket that it watches is no cycle, a description that ends takes the interests
 * in it along, and an epoll that ends gives up its own, some of them at each entry (`draining`).
 *
 * READY. When a target changes (object_wake), each interest that asked for such an event goes to the
 * end of its epoll's ready list, unless it is on it, and the epoll itself has changed, for those who
 * wait on it and for sets that watch it. Being on the list says "look here", not "ready":
 * epoll_wait takes interests off from the front and asks the targets. Level-triggered ones that
 * were reported go back to the end. So the cost follows what happens, and the order is Linux's.
 *
 * FOREIGN interests are asked by the process that waits: those in other servers' descriptions, and
 * timerfd and signalfd, which are libposix's. A report puts them on the ready list.
 *
 * A POLL SET is an instance that no descriptor names: a process asks about many of its descriptions
 * with it in one request (poll_set.c). Its interests are POLLED: their number is a handle, their
 * events those for which a wake-up is armed, once. They are never on the ready list.
 *
 * Sets may be nested, EPOLL_NESTS_MAX deep and without loops, so recursion over sets is bounded.
 * What goes over a graph of sets visits each once: `walk`.
 */
#ifndef SOCKD_EPOLL_H
#define SOCKD_EPOLL_H

#include "core.h"
#include "ring.h"

#define EPOLL_NESTS_MAX 5u       /* sets from the outermost to the innermost, as on Linux */
#define EPOLL_FOREIGN_MAX 256u   /* foreign interests of one set */
#define EPOLL_WATCHERS_MAX 1024u /* interests in one description: each change tells them all */
#define EPOLL_WALK_MAX 4096u     /* sets that one request looks at */

enum interest_kind {
    INTEREST_PLAIN,
    INTEREST_NESTED,
    INTEREST_FOREIGN,
    INTEREST_POLLED,
    INTEREST_KINDS
};

struct interest {
    struct epoll *epoll;
    struct object *target; /* NULL: a description of another server */
    struct ring of_target, of_epoll, of_ready;
    uint64_t data;
    uint32_t events; /* with the behaviour bits; only these when EPOLLONESHOT is spent */
    int32_t fd;
    enum interest_kind kind;
};

struct foreign_interest {
    struct interest interest;
    uint64_t id, issuer, badge;
    uint64_t sequence; /* and `ready`: of the last report */
    uint32_t ready, owner_pid;
    bool fresh;    /* nothing was reported since ADD or MOD */
    uint32_t seen; /* `ready` of the last report by somebody who could look */
};

struct epoll {
    struct object object;
    struct ring *ready;
    struct ring *members[INTEREST_KINDS];
    unsigned foreign_count;
    unsigned depth; /* what the walk found: sets below or above, this one counted */
    uint64_t walk;  /* the last walk that came by */
    struct epoll *draining_next;
    struct polled *polled; /* a poll set's, by handle */
    uint32_t polled_capacity, polled_free;
};
/* NULL: the handle is free, `next_free` the next one, + 1. */
struct polled {
    struct interest *interest;
    uint32_t next_free;
};

/* Everybody who watches `object` hears of `events`. */
void watchers_notify(struct sockd *sockd, struct object *object, uint32_t events);
/* The description ends. */
void watchers_drop(struct sockd *sockd, struct object *object);
/* Readiness of the instance itself. */
uint32_t epoll_poll(struct sockd *sockd, struct epoll *epoll);
/* Does the set, or one in it, have foreign interests? */
bool epoll_has_foreign(struct sockd *sockd, struct epoll *epoll);
void epoll_release(struct sockd *sockd, struct epoll *epoll);
/* Give up some interests of epolls that ended. */
void epolls_drain(struct sockd *sockd);

/* poll_set.c: the handle of a polled interest is free again; the set ends. */
void polled_remove(struct interest *interest);
void polled_free(struct epoll *epoll);

/* epoll.c, for epoll_ctl.c: what `interest` has ready now, of what it asked for. */
uint32_t interest_poll(struct sockd *sockd, struct interest *interest);
/* To the ready list, and tell those who wait. */
void interest_push(struct sockd *sockd, struct interest *interest);
void interest_remove(struct sockd *sockd, struct interest *interest);
/* The instance that the request was sent to: ST_BADF, ST_INVAL. */
enum status epoll_of_call(const struct sockd *sockd, struct epoll **epoll);

/* Begin to go over a graph of sets; false: this one was visited, or there were too many. */
static inline void walk_begin(struct sockd *sockd)
{
    sockd->walk++;
    sockd->walk_left = EPOLL_WALK_MAX;
}
static inline bool walk_visit(struct sockd *sockd, struct epoll *epoll)
{
    if (epoll->walk == sockd->walk || sockd->walk_left == 0)
        return false;
    epoll->walk = sockd->walk;
    sockd->walk_left--;
    return true;
}

static inline struct interest *interest_of_ready(struct ring *node)
{
    return RING_OF(node, struct interest, of_ready);
}
static inline struct interest *interest_of_epoll(struct ring *node)
{
    return RING_OF(node, struct interest, of_epoll);
}
static inline struct interest *interest_of_target(struct ring *node)
{
    return RING_OF(node, struct interest, of_target);
}

/* Turns (object.c): a session whose turn it was has come for it or ended; wake the next if there is
 * still something. */
struct turn {
    uint64_t tag;
    uint32_t events;
};
bool turn_take(struct sockd *sockd, uint64_t principal, struct turn *turn);
void turn_pass(struct sockd *sockd, uint64_t principal, const struct turn *turn);

/* Operations: epoll_ctl.c, epoll.c, poll_set.c; object.c has cancel. */
SOCKD_OP(epoll_ctl, const struct sock_epoll_ctl_request *);
SOCKD_OP(epoll_wait, const struct sock_epoll_wait_request *, struct sock_epoll_wait_reply *);
SOCKD_OP(epoll_foreign, const struct sock_epoll_foreign_request *,
         struct sock_epoll_foreign_reply *);
SOCKD_OP(epoll_report, const struct sock_epoll_report_request *);
enum status op_poll_set(void *state, struct ipc_call *call);
enum status op_cancel(void *state, struct ipc_call *call);
SOCKD_OP(poll_add, struct sock_poll_add_reply *);
SOCKD_OP(poll_many, const struct sock_poll_many_request *, struct sock_poll_many_reply *);
SOCKD_OP(poll_few, const struct sock_poll_few_request *, struct sock_poll_few_reply *);

#endif
