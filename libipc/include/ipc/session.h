/*
 * Sessions and wake-ups, shared by every server core. SPDX-License-Identifier: MIT
 *
 * A thread opens one session per server (session protocol, op open), handing over its
 * notification. The session is named by the thread half of the principal, which nobody can
 * forge, and is held open by a session gate in the thread's capability space: its closed message
 * ends the session.
 *
 * An operation that would block arms a one-shot wake-up: it puts (object, session, events) on
 * the object's waiter list and answers ST_WAIT. When the object changes, `waiters_wake` signals
 * every waiter whose events are touched and unlinks it. A waiter that gave up meanwhile gets a
 * wake-up it does not need, which is harmless: everyone asks again. Arming twice for the same
 * object and session keeps one entry.
 *
 * An *exclusive* waiter is one of those of whom an event can serve only one: it wakes the first of
 * them. If others wait behind it, the event is its *grant* until its next request, or its end; the
 * core then looks whether there is still something, and wakes the next (session_grant_take).
 */
#ifndef IPC_SESSION_H
#define IPC_SESSION_H

#include <ipc/message.h>

struct waiter;

/* Head of an object's waiter list; zero-initialised is empty. */
struct waiters {
    struct waiter *first;
};

struct session {
    uint32_t thread;       /* key; PRINCIPAL_THREAD */
    uint64_t notification; /* slot; owned */
    uint64_t badge;        /* of the session gate */
    struct waiter *armed;  /* every waiter of this session */
    unsigned armed_count;
    struct waiter *granted; /* one of `armed`, or NULL */
    struct waiter *answered; /* the one of `armed` that has a question's number, or NULL */
    struct session_table *table; /* that it stands in */
    uint32_t woken_at; /* where its last wake-up stands in the effects, if these are still those */
};

/* Bounds the memory that one thread can pin in a server by arming wake-ups. */
#define SESSION_ARMED_MAX 32768u

struct session_table {
    struct session **slots; /* open addressing by thread, power-of-two size */
    unsigned capacity, count, granted; /* granted: sessions that have a grant */
    unsigned armed;     /* waiters of all sessions */
    unsigned armed_max; /* 0, or: a session may have as many as it leaves for all others of these */
};

/* NULL when this thread has no session. */
struct session *session_find(const struct session_table *table, uint64_t principal);

/* Open (or re-open: the old notification is dropped) the caller's session. `badge` is the
 * session gate's. ST_NOMEM leaves everything as it was. (Named so because session_open() is the
 * client's stub of the protocol.) */
enum status session_begin(struct session_table *table, uint64_t principal,
                          uint64_t notification_slot, uint64_t badge, struct ipc_effects *effects);

/* End the session: unlink its waiters, drop its notification. */
void session_close(struct session_table *table, struct session *session,
                   struct ipc_effects *effects);

/* `events` are poll(2) bits. ST_OK; ST_SESSION when session is NULL; ST_NOMEM: out of memory, or
 * the session has its share. */
enum status waiters_arm(struct waiters *list, struct session *session, uint32_t events);

/* As waiters_arm. waiters_wake_answering may answer question `number` (ipc/answer.h; 0: none), which
 * is about `events`. A session has one question at a time: an earlier one is answered no more. */
enum status waiters_arm_question(struct waiters *list, struct session *session, uint32_t events,
                                 uint16_t number);

/* As waiters_arm, exclusively; `tag` is the core's, to find the object again. */
enum status waiters_arm_exclusive(struct waiters *list, struct session *session, uint32_t events,
                                  uint64_t tag);
/* Does the session wait there exclusively for any of `events`? */
bool waiters_has_exclusive(const struct waiters *list, const struct session *session,
                           uint32_t events);

/* The session's thread has come, or ends: its grant is over. false: it had none. */
bool session_grant_take(struct session *session, uint64_t *tag, uint32_t *events);
/* It gave up waiting. */
void session_disarm_exclusive(struct session *session);

/* Signal and unlink every waiter with an event in common, but of the exclusive ones only the first;
 * with WAITERS_EVERY, which is no poll bit, of those as well every one. */
#define WAITERS_EVERY (1u << 31)
void waiters_wake(struct waiters *list, uint32_t events, struct ipc_effects *effects);

/* The same where `ready` tells what of some events is ready now, and has the last word: to be used
 * where the object has changed completely. */
typedef uint32_t waiters_ready(void *context, uint32_t events);
void waiters_wake_answering(struct waiters *list, uint32_t events, struct ipc_effects *effects,
                            waiters_ready *ready, void *context);

/* The object goes: everyone wakes. */
void waiters_destroy(struct waiters *list, struct ipc_effects *effects);

#endif
