/*
 * The ring of records: one producer, this kernel, and one consumer, the host that reads the guest's
 * memory. SPDX-License-Identifier: MIT
 *
 * It is filled in chunks. At the end of each the kernel looks once whether the host has read the
 * next one; if not, records are dropped and counted until it has. So recording never waits, and
 * as long as nothing is dropped the kernel does the same instructions however late the host is.
 */
#ifndef TRACE_RING_H
#define TRACE_RING_H

#include <stdint.h>

enum { TRACE_CHUNK = 1 << 16 };

struct trace_ring {
    /* entry.asm uses these two (trace.inc) */
    uint64_t next;    /* kernel address of the next record: all before it is complete */
    uint64_t limit;   /* end of the chunk that `next` is in, or of the one before when it is full */
    uint64_t wanted;  /* trace_make_room: bytes of the event that finds no room */
    uint64_t base, size;
    uint64_t written; /* bytes in all chunks before the one that ends at `limit`, and in that one */
    uint64_t dropped; /* records */
    uint64_t told;    /* of these, in a TRACE_LOST record */
    /* the host's: bytes that it has read, of all laps */
    volatile uint64_t tail;
};
extern struct trace_ring trace_ring;

#endif
