/*
 * Timer and signal descriptors: timerfd_create(2), signalfd(2). What they are
 * lives in the process and sockd gives them an identity (an event counter nobody counts on), so
 * that dup, fork and close are the ordinary ones. A fork's child has its own copy of the timer;
 * one sent to another process is only an event counter there. SPDX-License-Identifier: MIT
 */
#ifndef LIBPOSIX_VIRTUAL_H
#define LIBPOSIX_VIRTUAL_H

#include "files.h"

struct virtual {
    struct virtual *next;
    struct fd_identity self;
    int via;         /* some open descriptor of it */
    unsigned kind;   /* FILES_KIND_TIMER or FILES_KIND_SIGNAL */
    int clock;
    uint64_t expiry_ns, interval_ns; /* kernel's clock; expiry 0: disarmed */
    uint64_t signals;                /* the mask; bit n-1 is signal n */
    /* threads to wake when it changes, one bit an area */
    uint64_t waiting[(POSIX_AREAS_MAX + 63) / 64];
};

extern struct posix_lock virtual_lock; /* guards every struct virtual */

/* With the lock held: NULL when the descriptor is not of this kind. */
struct virtual *virtual_find(int fd, unsigned kind);
/* A new descriptor and its state, of which the caller fills the rest under the lock. The
 * descriptor or -errno. */
long virtual_make(unsigned kind, uint32_t flags, const struct virtual *initial);
/* Expirations until now, taken (timer); with the lock held. */
uint64_t timer_take(struct virtual *timer);
/* Put one pending signal of the mask into `info`; false: none. */
bool signal_descriptor_take(uint64_t signals, uint8_t info[128]);
bool signal_descriptor_ready(uint64_t signals);
void virtual_wake(struct virtual *object);

#endif
