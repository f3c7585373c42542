/*
 * A heap over one stretch of memory. Pure; the servers' mem_* functions sit on it.
 * SPDX-License-Identifier: MIT
 *
 * Blocks lie end to end. Each begins with a header that holds its size and the size of the block
 * before it, so a freed block finds both neighbours and merges with those that are free: there
 * are never two free blocks side by side. Free blocks hang on lists by size, eight lists to each
 * power of two, with a bitmap of the lists that hold any. So allocating and freeing take a
 * bounded number of steps whatever the heap looks like.
 *
 * Most blocks are small, live for a moment and are wanted again at once, in the same size: a few
 * of each small size stay in a bin when they are freed, unmerged, and are the first to be handed
 * out. When the lists have nothing large enough the bins are emptied, so no memory is lost.
 */
#ifndef IPC_SERVER_HEAP_H
#define IPC_SERVER_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define HEAP_ALIGNMENT 16u
#define HEAP_SPLITS_LOG 3u /* lists to a power of two, in bits */
#define HEAP_ROWS 40u      /* powers of two covered: blocks to 1 TiB */
#define HEAP_LISTS (HEAP_ROWS << HEAP_SPLITS_LOG)
#define HEAP_BINS 32u      /* block sizes 16, 32 … 512 */
#define HEAP_BIN_MOST 16u  /* blocks in a bin: what emptying all of them may cost */

struct heap_block;

struct heap {
    struct heap_block *first; /* of all blocks; the last is an empty used one that ends the heap */
    size_t in_use;            /* bytes of blocks handed out, headers included */
    uint64_t filled[HEAP_LISTS / 64];
    struct heap_block *lists[HEAP_LISTS];
    struct heap_bin {
        struct heap_block *first;
        unsigned count;
    } bins[HEAP_BINS];
};

/* `memory` stays with the heap for ever: 16-byte aligned, at least 64 bytes. */
void heap_init(struct heap *heap, void *memory, size_t bytes);
/* Not zeroed; NULL when no block is large enough. 0 bytes is a small block. */
void *heap_alloc(struct heap *heap, size_t bytes);
void heap_free(struct heap *heap, void *memory);
/* Usable bytes of an allocated block. */
size_t heap_usable(const void *memory);
/* Grow or shrink where it stands; 0 when that is not possible. */
int heap_resize(struct heap *heap, void *memory, size_t bytes);
/* Walk everything and compare it with itself; NULL when sound, else what is wrong. */
const char *heap_check(const struct heap *heap);

#endif
