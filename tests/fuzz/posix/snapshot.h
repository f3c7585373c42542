/*
 * The world as it was when its processes had started: back to it, much faster than to make it anew.
 * SPDX-License-Identifier: MIT
 *
 * What a run may change is the variables of the cores, of libposix, of the simulator and of world.c
 * (one section, state.ld), the heap (snapshot_heap.c, in the place of malloc) and the stacks of the
 * fibers. A page of these is read-only until it is written to; from then on it is put back before
 * every run. So a run finds what the first one found, whatever was before it.
 *
 * snapshot.c, or snapshot_none.c: every world is made anew, on the allocator of AddressSanitizer,
 * which tells who allocated and who freed a block.
 */
#ifndef FUZZ_POSIX_SNAPSHOT_H
#define FUZZ_POSIX_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Outside of fibers. After the first time the world is as it was at snapshot_take. false: there is
 * none, make the world. */
bool snapshot_restore(void);
void snapshot_take(void);

/* ---- between snapshot.c and snapshot_heap.c -------------------------------------------------- */

/* The heap as far as it is in use. */
void heap_extent(char **from, char **to);
void heap_mark(void);    /* what is allocated now belongs to the snapshot */
void heap_restore(void); /* its memory is back already; what else there is, is no more */

#endif
