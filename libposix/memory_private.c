/*
 * libposix's own memory: power-of-two blocks with a header, cut from chunks of anonymous memory
 * in POSIX_PRIVATE. Freed blocks go to their size's list and are used again.
 * SPDX-License-Identifier: MIT
 */
#include "private.h"

#define CLASS_LOW 5u   /* 32 bytes, header included */
#define CLASS_HIGH 23u /* 8 MiB */
#define HEADER 16u
#define CHUNK 0x40000ull

struct block {
    uint64_t class;
    struct block *next; /* while free */
};
_Static_assert(sizeof(struct block) == HEADER, "the header keeps blocks 16-byte aligned");

struct posix_lock private_lock;
static struct block *free_blocks[CLASS_HIGH + 1];
static uint64_t heap_next = PRIVATE_HEAP, heap_mapped = PRIVATE_HEAP;

/* With the lock. */
static struct block *block_cut(unsigned class)
{
    uint64_t size = 1ull << class, at = heap_next;
    if (at + size > PRIVATE_HEAP_END)
        return NULL;
    if (at + size > heap_mapped) {
        uint64_t length = at + size - heap_mapped, mapped;
        length = (length + CHUNK - 1) & ~(CHUNK - 1);
        if (memory_map(heap_mapped, length, LINUX_PROT_READ | LINUX_PROT_WRITE, PROC_MAP_FIXED,
                       &mapped))
            return NULL;
        heap_mapped += length;
    }
    heap_next = at + size;
    return (struct block *)at;
}

void *private_alloc(size_t bytes)
{
    unsigned class = CLASS_LOW;
    while (class <= CLASS_HIGH && (1ull << class) - HEADER < bytes)
        class++;
    if (class > CLASS_HIGH)
        return NULL;
    lock_take(&private_lock);
    struct block *block = free_blocks[class];
    if (block)
        free_blocks[class] = block->next;
    else
        block = block_cut(class);
    lock_release(&private_lock);
    if (!block)
        return NULL;
    *block = (struct block){.class = class};
    memset(block + 1, 0, bytes);
    return block + 1;
}

void private_free(void *memory)
{
    if (!memory)
        return;
    struct block *block = (struct block *)memory - 1;
    lock_take(&private_lock);
    block->next = free_blocks[block->class];
    free_blocks[block->class] = block;
    lock_release(&private_lock);
}
