/*
 * Interest sets of epoll instances. They live here, in the process; sockd gives each instance
 * its identity, so that the descriptor can be copied, inherited and passed like any other. A
 * process that gets one from elsewhere starts with an empty set. SPDX-License-Identifier: MIT
 *
 * An interest is a descriptor number together with the description it named when it was added
 * (epoll(7)). It is asked through `via`, some descriptor of that description: when the number is
 * closed and a copy is still open, the interest goes on reporting; when none is left, it goes.
 *
 * Everything here is guarded by epoll_lock, which is taken before process.lock.
 */
#ifndef LIBPOSIX_EPOLL_H
#define LIBPOSIX_EPOLL_H

#include "files.h"

struct epoll_item {
    struct epoll_item *next;
    struct fd_identity target;
    int fd, via;
    uint32_t events;       /* with the behaviour bits */
    bool nested;           /* the target is an epoll instance */
    bool spent;            /* EPOLLONESHOT has reported: nothing until EPOLL_CTL_MOD */
    bool fresh;            /* EPOLLET has not reported yet since ADD or MOD */
    uint32_t reported;     /* EPOLLET: what was ready last time */
    uint64_t sequence;     /* EPOLLET: the description's count of arrivals then */
    uint64_t data;
};

struct epoll_set {
    struct epoll_set *next;
    struct fd_identity self;
    /* some open descriptor of the instance; when the last is closed the set goes */
    int via;
    struct epoll_item *first, *last;
    /* Threads that wait on the set, one bit an area: a change of the set makes them ask again. A
     * bit that a thread left behind costs a needless wake-up of its successor. */
    uint64_t waiting[(POSIX_AREAS_MAX + 63) / 64];
};

/* How deep sets may be nested, as on Linux. */
#define EPOLL_NESTS_MAX 5

extern struct posix_lock epoll_lock;

/* All with the lock held. */
struct epoll_set *epoll_set_find(const struct fd_identity *self);
/* Made empty when there is none yet, for the instance behind descriptor `via`; NULL: no memory. */
struct epoll_set *epoll_set_get(const struct fd_identity *self, int via);
struct epoll_item *epoll_item_find(const struct epoll_set *set, int fd,
                                   const struct fd_identity *target);
/* NULL: no memory. */
struct epoll_item *epoll_item_add(struct epoll_set *set, int fd, const struct fd_identity *target);
void epoll_item_remove(struct epoll_set *set, struct epoll_item *item);
/* To the end, so that the next scan begins with another. */
void epoll_item_rotate(struct epoll_set *set, struct epoll_item *item);
/* Would `inner` in `outer` make a loop, or too deep a nest? */
bool epoll_set_loops(const struct epoll_set *outer, const struct epoll_set *inner);
void epoll_set_wake(struct epoll_set *set);

/* Ask for up to `most` events; `arm`: be woken when there are none yet. How many were written to
 * `events`. */
unsigned epoll_set_collect(struct epoll_set *set, struct linux_epoll_event *events, unsigned most,
                           bool arm);
/* Is anything ready? Reports nothing. `depth` counts nesting. */
bool epoll_set_ready(struct epoll_set *set, bool arm, unsigned depth);

#endif
