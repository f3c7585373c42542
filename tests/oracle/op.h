/*
 * A program of the oracle is data: operations, one at a time, each for one worker.
 * SPDX-License-Identifier: MIT
 *
 * A worker is a thread of one of the program's processes. Worker 0 is the first process's first
 * thread; OP_FORK and OP_THREAD make others. Every member is an int32_t, so that a program can be
 * written as text (text.c), shortened by a script, and read again.
 */
#ifndef ORACLE_OP_H
#define ORACLE_OP_H

#include <stdint.h>

enum {
    WORKERS_MAX = 6,
    FDS_MAX = 4,      /* further descriptors of one operation: passed, polled, the target of dup2 */
    OUT_MAX = 64,
    DATA_MAX = 327680 /* bytes of one buffer */
};

#define OP_KINDS(X) \
    X(SOCKET) X(SOCKETPAIR) X(BIND) X(LISTEN) X(CONNECT) X(ACCEPT) X(SHUTDOWN) X(CLOSE) \
    X(GETSOCKNAME) X(GETPEERNAME) X(GETSOCKOPT) X(SETSOCKOPT) \
    X(WRITE) X(WRITEV) X(SENDTO) X(SENDMSG) X(SENDMMSG) \
    X(READ) X(READV) X(RECVFROM) X(RECVMSG) X(RECVMMSG) \
    X(POLL) X(SELECT) X(EPOLL_CREATE) X(EPOLL_CTL) X(EPOLL_WAIT) \
    X(DUP) X(DUP2) X(DUP3) X(FCNTL) X(IOCTL) X(PIPE) X(EVENTFD) X(PIDFD) X(TIMERFD) X(OPEN) X(LSEEK) \
    X(STAT) X(CHMOD) X(UNLINK) X(RENAME) X(LINK) X(FSTAT) X(FCHMOD) X(UMASK) \
    X(SETRESUID) X(SETRLIMIT) X(SENDFILE) X(SPLICE) X(TEE) \
    X(FORK) X(THREAD) X(EXIT) X(WAIT)

enum op_kind {
#define X(name) OP_##name,
    OP_KINDS(X)
#undef X
    OP_COUNT
};

/* What `address` names: address.c has the bytes. */
enum {
    A_NONE,         /* no address: NULL and 0 */
    A_PATH,         /* eight names in the program's own directory */
    A_ABSTRACT = A_PATH + 8,
    A_KNOWN = A_ABSTRACT + 8, /* eight names that autobind gave, in the order they were first seen */
    A_FAMILY = A_KNOWN + 8,   /* the family alone: bind chooses */
    A_UNSPEC,
    A_INET,
    A_LONG,         /* 108 bytes without a terminator */
    A_LONG_ABSTRACT,
    A_DIRECTORY,
    A_FILE,
    A_DANGLING,     /* a symbolic link to nothing */
    A_LOOP,
    A_MISSING,      /* in a directory that is not there */
    A_NOT_DIRECTORY,
    A_DENIED,       /* in a directory of root's, mode 0700 */
    A_LINK,         /* a symbolic link to the first path */
    A_EMPTY,        /* one NUL */
    A_POINTER,      /* an address that is not mapped */
    A_COUNT
};

/* `control`: what a sent message carries besides data. */
enum { C_RIGHTS = 1, C_CREDENTIALS = 2, C_BROKEN = 4 };
enum {
    BROKEN_ZERO = 1, /* cmsg_len 0 */
    BROKEN_LONG,     /* cmsg_len beyond the buffer */
    BROKEN_TYPE,     /* a type that is not there */
    BROKEN_LEVEL,    /* of another protocol: ignored */
    BROKEN_ODD,      /* SCM_RIGHTS of 6 bytes */
    BROKEN_SHORT,    /* SCM_CREDENTIALS of 8 bytes */
    BROKEN_HEADER,   /* fewer bytes than a header */
    BROKEN_POINTER,
    BROKEN_COUNT
};

/* OP_TIMERFD: `value`. TIMER_LATER ends in a WAIT, which then is longer than TIMER_SECONDS. */
enum { TIMER_OFF, TIMER_OVER, TIMER_LATER, TIMER_SECONDS = 20 };

enum { PID_SELF = -1, PID_DEAD = -2, UNSET = -1 };

/* A descriptor is a number, and where it came from: result `index` of operation `op`. When a program
 * is shortened the numbers change; the origins do not. */
#define OP_FIELDS(X) \
    X(id) X(kind) X(worker) X(fd) X(fd_from) X(flags) X(value) X(value2) \
    X(length0) X(length1) X(good) X(address) X(address_length) X(address2) \
    X(control) X(control_length) X(broken) X(repeat) X(pid) X(uid) X(gid) X(timeout_ms) X(count) \
    X(fd0) X(fd1) X(fd2) X(fd3) X(from0) X(from1) X(from2) X(from3) \
    X(mask0) X(mask1) X(mask2) X(mask3)

struct op {
#define X(name) int32_t name;
    OP_FIELDS(X)
#undef X
};

/* `ret` is what the kernel answered (-errno), then everything else that can be seen, as numbers. */
struct result {
    int32_t ret, count;
    int32_t out[OUT_MAX];
};

struct event {
    int32_t worker;
    struct result result;
};

enum { SIGNALS = 100, EVENTS_MAX = 2 * WORKERS_MAX };

/* What happened from one operation to the next: which calls ended, by the number of the worker; then
 * which processes got signals, as worker SIGNALS + process, ret SIGPIPEs and one number: SIGURGs. */
struct step {
    int32_t events;
    struct event event[EVENTS_MAX];
};

extern const char *const op_names[OP_COUNT];

static inline int32_t op_from(int32_t op, int32_t index)
{
    return op * 256 + index;
}

#endif
