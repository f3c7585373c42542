/*
 * What the tracing kernel records: 64 bytes an event, in a ring that the host reads.
 * SPDX-License-Identifier: MIT
 *
 * tools/lib/aramid_tools/trace_records.py reads the two enums from here; docs/trace-format.md says
 * how the ring is handed over. An object is its kernel address; where two share a word, each is
 * its address / 32 in 32 bits; a thread is its address / 4096 in 32 bits, 0 for none.
 */
#ifndef TRACE_RECORDS_H
#define TRACE_RECORDS_H

#include <stdint.h>

/* Word 0 is the time in TSC ticks; word 1 the type, 24 bits `extra` and the thread. */
enum { TRACE_RECORD = 64, TRACE_WORDS = 8, TRACE_EXTRA_SHIFT = 8, TRACE_THREAD_SHIFT = 32 };

enum trace_type {
    TRACE_PAD = 0,       /* nothing: up to the end of a chunk */
    TRACE_START = 1,     /* 2: offsets in a TCB, 16 bits each: cspace, vspace, ipc_frame, fault_gate; 3: ticks a us */
    TRACE_LOST = 2,      /* 2: records dropped so far */
    TRACE_SYSCALL = 3,   /* extra: rax; 2..7: rdi, rsi, rdx, r10, r8, r9; AR_SYS_TRACE: then the text's bytes, up to a
                            multiple of 64 */
    TRACE_RESULT = 4,    /* the same, on the way back */
    TRACE_LINUX = 5,     /* the same, of a foreign call */
    TRACE_AGAIN = 6,     /* the system call begins again */
    TRACE_MESSAGE = 7,   /* 2: receiver, slot; 3: endpoint, gate; 4: badge; 5: principal; 6: info; 7: word 0 */
    TRACE_REPLY = 8,     /* extra 1: to a fault; 2: receiver; 3: reply object; 6: info; 7: word 0 */
    TRACE_WORDS_MORE = 9, /* no time: words 0, 2..7 are the message's next seven */
    TRACE_CAP = 10,      /* of the message before; extra: enum trace_cap; 2: from slot; 3: to slot; 4: object; 5: type, rights */
    TRACE_KERNEL_MESSAGE = 11, /* thread: the receiver; 2: badge; 3: label; 4: word 0 */
    TRACE_SWITCH = 12,   /* thread: the last; 2: next; 3: its space */
    TRACE_IDLE = 13,     /* extra 1: begins, 0: ends */
    TRACE_STATE = 14,    /* extra: state, error << 8; 2: endpoint or notification, gate */
    TRACE_SIGNAL = 15,   /* 2: notification; 3: bits; 4: thread woken */
    TRACE_FAULT = 16,    /* 2: vector; 3: error code; 4: address; 5: rip; 6: rsp */
    TRACE_INTERRUPT = 17, /* extra: vector */
    TRACE_NAME = 18,     /* 2, 3: the name */
    TRACE_PRINCIPAL = 19, /* 2: the principal */
    TRACE_CAP_NEW = 20,  /* 2: slot; 3: object; 4: type, rights, flags, size_bits, asid << 32; 5: the slot it came from; 6: extra */
    TRACE_CAP_MOVE = 21, /* 2: to slot; 3: from slot */
    TRACE_CAP_GONE = 22, /* 2: slot */
    TRACE_BIND = 23,     /* 2: gate; 3: endpoint; 4: badge */
    TRACE_ISSUER = 24,   /* 2: endpoint; 3: issuer */
    TRACE_MAP = 25,      /* extra: rights, log2(bytes) << 8; 2: asid; 3: address; 4: frame or table */
    TRACE_UNMAP = 26,    /* 2: asid; 3: address; 4: frame or table */
};

enum trace_cap { TRACE_CAP_COPIED = 0, TRACE_CAP_MOVED = 1, TRACE_CAP_UNWRAPPED = 2 /* with MOVED: and deleted */ };

/* TRACE_STATE: those of enum ar_thread_state, and two more. */
enum trace_state { TRACE_SUSPENDED = 16, TRACE_RESUMED = 17 };

#endif
