/*
 * One armed wake-up, for session.c and for the checker of tests/fuzz. Nobody else looks inside.
 * SPDX-License-Identifier: MIT
 *
 * A waiter is on two lists at once: its object's (circular, oldest first, so that wake-ups go
 * out in the order of arming) and its session's (so that the end of a session finds them all).
 * It exists exactly while it is on both.
 */
#ifndef IPC_WAITER_H
#define IPC_WAITER_H

#include <ipc/session.h>

struct waiter {
    struct waiters *object;
    struct session *session;
    struct waiter *object_next, *object_previous;   /* circular */
    struct waiter *session_next, *session_previous; /* ends in NULL */
    uint32_t events;
    bool exclusive, granted; /* granted: woken for an event that the next one may want */
    uint16_t answer;         /* not 0: the number of the question that the wake-up may answer */
    union {
        uint64_t tag;   /* exclusive */
        uint32_t asked; /* with `answer`: the events that the question is about */
    };
};

#endif
