/*
 * What user space may put into the trace: rdi of AR_SYS_TRACE and what the other registers are then.
 * SPDX-License-Identifier: MIT
 *
 * tools/lib/aramid_tools/trace_tables.py reads the enums from here.
 */
#ifndef ARAMID_TRACE_H
#define ARAMID_TRACE_H

#include <stdint.h>

enum ar_trace {
    AR_TRACE_ASK = 0,         /* nothing: AR_OK when the kernel traces */
    AR_TRACE_LINUX_RESULT = 1, /* rsi number, rdx result */
    AR_TRACE_PROCESS = 2,     /* rsi pid, rdx its index in principals, r10 its parent's pid, r8, r9 name */
    AR_TRACE_PROCESS_END = 3, /* rsi pid */
    AR_TRACE_SOCKET = 4,      /* rsi ino | enum ar_trace_socket << 32, rdx badge, r10, r8, r9 as that says */
    AR_TRACE_TEXT = 5,        /* rsi bytes left from here on | what << 32, rdx, r10, r8, r9: up to 32 bytes of text that
                                 belong to the record after; what 0: of a socket, n: of argument n - 1 of a Linux call */
    AR_TRACE_OBJECT = 6,      /* what sockd has besides sockets: rsi ino | enum ar_trace_object << 32, the rest as of sockets */
};

/* r10, r8, r9; sockets are named by ino. */
enum ar_trace_socket {
    AR_TRACE_SOCKET_CREATED = 0,   /* type (SOCK_*) */
    AR_TRACE_SOCKET_BOUND = 1,     /* text: the address */
    AR_TRACE_SOCKET_LISTENING = 2, /* backlog */
    AR_TRACE_SOCKET_CONNECTING = 3, /* listener: it waits for room in its accept queue */
    AR_TRACE_SOCKET_CONNECTED = 4, /* peer; 0: disconnected */
    AR_TRACE_SOCKET_ACCEPTED = 5,  /* listener */
    AR_TRACE_SOCKET_SHUTDOWN = 6,  /* bits: 1 receive, 2 send */
    AR_TRACE_SOCKET_CLOSED = 7,
    AR_TRACE_SOCKET_QUEUED = 8,    /* bytes | descriptors << 32, unread bytes after, from; text: the first 4,096 bytes */
    AR_TRACE_SOCKET_TAKEN = 9,     /* bytes | descriptors << 32, unread bytes after, from */
};

/* r10, r8, r9. Both ends of a pipe have one ino. */
enum ar_trace_object {
    AR_TRACE_PIPE_CREATED = 0,
    AR_TRACE_PIPE_QUEUED = 1,      /* bytes, unread bytes after */
    AR_TRACE_PIPE_TAKEN = 2,       /* bytes, unread bytes after */
    AR_TRACE_PIPE_CLOSED = 3,      /* the end: 0 reads, 1 writes */
    AR_TRACE_EVENTFD_CREATED = 4,  /* value */
    AR_TRACE_EVENTFD_ADDED = 5,    /* how much, value after */
    AR_TRACE_EVENTFD_TAKEN = 6,    /* how much, value after */
    AR_TRACE_EVENTFD_CLOSED = 7,
    AR_TRACE_EPOLL_CREATED = 8,
    AR_TRACE_EPOLL_ADDED = 9,      /* descriptor, ino of what it is (0: another server's), events */
    AR_TRACE_EPOLL_CHANGED = 10,   /* the same */
    AR_TRACE_EPOLL_REMOVED = 11,   /* the same */
    AR_TRACE_EPOLL_READY = 12,     /* the same: it will be looked at */
    AR_TRACE_EPOLL_CLOSED = 13,
};

#endif
