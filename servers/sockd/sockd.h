/*
 * sockd's core, as its shell and the tests see it: one state, one entry for requests, one for gates
 * that closed. SPDX-License-Identifier: MIT
 *
 * Pure: it calls ipc/memory.h, ipc/session.h, the generated dispatchers and mem*, nothing else.
 * Single-threaded.
 */
#ifndef SOCKD_H
#define SOCKD_H

#include <aramid/trace.h>
#include <ipc/credentials.h>
#include <ipc/message.h>
#include <ipc/signal_ring.h>

/* What one sockd may hold. Everything a client can make grow counts against one of these. */
struct sockd_limits {
    unsigned objects;         /* descriptions, names and sessions, of everybody: ST_NFILE above */
    unsigned objects_of_user; /* of one real uid other than root: so that root can always go on */
    uint64_t queued; /* bytes of queued data as charged to senders, of everybody: ST_NOBUFS above */
    uint64_t queued_of_user; /* of one real uid other than root */
    uint64_t messages;       /* queued, of everybody; 0: one for every KiB of `queued` */
    uint64_t in_flight;      /* descriptors, of everybody; 0: as many as `objects` */
    uint64_t interests;      /* of epoll instances, of everybody; 0: four times `objects` */
};

struct sockd;

/* `credentials`: CREDENTIALS_MAX entries, indexed by PRINCIPAL_PROCESS; borrowed for ever. NULL
 * when out of memory. */
struct sockd *sockd_create(const struct credentials *credentials,
                           const struct sockd_limits *limits);

/* Say of each change of state what enum ar_trace_socket (`record` AR_TRACE_SOCKET) or
 * ar_trace_object (AR_TRACE_OBJECT) has, with three words; `text` (else NULL), the address or the
 * data, has `length` bytes. Nobody is told before this is called. */
typedef void sockd_trace(enum ar_trace record, unsigned what, uint64_t ino, uint64_t badge,
                         const uint64_t words[3], const uint8_t *text, unsigned length);
void sockd_set_trace(struct sockd *sockd, sockd_trace *trace);

/* Whoever sends SIGURG and SIGIO to processes; borrowed for the call. None are sent before this is
 * called. */
typedef void sockd_signal(const struct signal_request *request);
void sockd_set_signal(struct sockd *sockd, sockd_signal *signal);

/* Tests only: end every session and description as if their last copies went, and free everything.
 */
void sockd_destroy(struct sockd *sockd, struct ipc_effects *effects);

/* The entries of struct server (ipc/server.h); `state` is the struct sockd. */
void sockd_handle(void *state, struct ipc_call *call);
void sockd_closed(void *state, uint64_t badge, struct ipc_effects *effects);

/* Capabilities that still have to be dropped because one request's effects were full: 0 = poll
 * again, at once. */
uint64_t sockd_deadline(void *state);
const bool *sockd_timed(const void *state);
void sockd_expired(void *state, uint64_t now_ns, struct ipc_effects *effects);

#endif
