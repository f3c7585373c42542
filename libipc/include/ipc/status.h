/*
 * The one status enum that servers and libposix use inside. A value below 256 is the Linux errno
 * of that name, so that the edge of libposix is a negation; the rest never reach a program.
 * SPDX-License-Identifier: MIT
 */
#ifndef IPC_STATUS_H
#define IPC_STATUS_H

#define IPC_STATUS_LIST(X)                                                                         \
    X(PERM, 1) X(NOENT, 2) X(SRCH, 3) X(INTR, 4) X(IO, 5) X(NXIO, 6) X(TOOBIG, 7) X(NOEXEC, 8)     \
    X(BADF, 9) X(CHILD, 10) X(AGAIN, 11) X(NOMEM, 12) X(ACCES, 13) X(FAULT, 14) X(NOTBLK, 15)      \
    X(BUSY, 16) X(EXIST, 17) X(XDEV, 18) X(NODEV, 19) X(NOTDIR, 20) X(ISDIR, 21) X(INVAL, 22)      \
    X(NFILE, 23) X(MFILE, 24) X(NOTTY, 25) X(TXTBSY, 26) X(FBIG, 27) X(NOSPC, 28) X(SPIPE, 29)     \
    X(ROFS, 30) X(MLINK, 31) X(PIPE, 32) X(DOM, 33) X(RANGE, 34) X(DEADLK, 35)                     \
    X(NAMETOOLONG, 36) X(NOLCK, 37) X(NOSYS, 38) X(NOTEMPTY, 39) X(LOOP, 40) X(NODATA, 61)         \
    X(OVERFLOW, 75) X(NOTSOCK, 88) X(DESTADDRREQ, 89) X(MSGSIZE, 90) X(PROTOTYPE, 91)              \
    X(NOPROTOOPT, 92) X(PROTONOSUPPORT, 93) X(SOCKTNOSUPPORT, 94) X(OPNOTSUPP, 95)                 \
    X(AFNOSUPPORT, 97) X(ADDRINUSE, 98) X(ADDRNOTAVAIL, 99) X(CONNABORTED, 103)                    \
    X(CONNRESET, 104) X(NOBUFS, 105) X(ISCONN, 106) X(NOTCONN, 107) X(TOOMANYREFS, 109)            \
    X(TIMEDOUT, 110) X(CONNREFUSED, 111) X(ALREADY, 114) X(INPROGRESS, 115)                        \
    /* would block: a one-shot wake-up is armed for the session; wait, then ask again */           \
    X(WAIT, 256)                                                                                   \
    /* malformed request or reply: wrong length, value out of bounds, missing capability */        \
    X(MESSAGE, 257)                                                                                \
    /* the server is gone */                                                                       \
    X(CLOSED, 258)                                                                                 \
    /* filed: the path leaves this server; see the protocol for what came along */                 \
    X(REDIRECT, 259)                                                                               \
    /* the thread has no session here: open one and repeat */                                      \
    X(SESSION, 260)                                                                                \
    /* more receive slots are needed: grow the capability space and repeat */                      \
    X(SLOTS, 261)

enum status {
    ST_OK = 0,
#define X(name, value) ST_##name = value,
    IPC_STATUS_LIST(X)
#undef X
};

/* The status' name without "ST_", or "?" for a value that is none. Static storage. */
const char *status_name(enum status status);

#endif
