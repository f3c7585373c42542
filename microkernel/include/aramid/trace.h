/*
 * What user space may put into the trace: rdi of AR_SYS_TRACE and what the other registers are then.
 * SPDX-License-Identifier: MIT
 *
 * In the upper half of rdi is the length of a text, up to AR_TRACE_TEXT_BYTES bytes of the caller's
 * memory at r9, which the kernel copies into the trace behind the record; 0: r9 is a word like the
 * others. AR_ERR_FAULT: some of it is not mapped, and nothing is recorded.
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
    AR_TRACE_TEXT = 5,        /* text: what argument rsi of the thread's Linux call points to; of a string up to the NUL */
    AR_TRACE_OBJECT = 6,      /* what sockd has besides sockets: rsi ino | enum ar_trace_object << 32, the rest as of sockets */
    AR_TRACE_PIECE = 7,       /* as AR_TRACE_TEXT, up to 32 bytes in rdx, r10, r8, r9: AR_TRACE_PIECE_HEAD is rdi */
    AR_TRACE_LINUX_FILLED = 8, /* rsi: the result of the thread's Linux call, with what it filled, as AR_TRACE_PIECE */
};

#define AR_TRACE_TEXT_BYTES 4096u
#define AR_TRACE_PIECE_BYTES 32u
#define AR_TRACE_PIECE_HEAD(what, argument, length)                                                \
    ((uint64_t)(what) | (uint64_t)(argument) << 8 | (uint64_t)(length) << 16)

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
    AR_TRACE_SOCKET_QUEUED = 8,    /* bytes | descriptors << 32, unread bytes after | from << 32; text: the first of
                                      them, or up to 8 are r9 */
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
