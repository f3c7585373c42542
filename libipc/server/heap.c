/* The heap of heap.h. SPDX-License-Identifier: MIT */
#include "heap.h"

#include <stdbool.h>

#define USED ((size_t)1)

struct heap_block {
    size_t size;          /* whole block in bytes, a multiple of 16; bit 0: handed out */
    size_t previous_size; /* of the block that lies before; 0 at the start */
    /* a free block only: */
    struct heap_block *next, *previous; /* on its list */
};

#define HEADER offsetof(struct heap_block, next)
#define BLOCK_LEAST sizeof(struct heap_block)

static size_t block_size(const struct heap_block *block)
{
    return block->size & ~USED;
}

static bool block_used(const struct heap_block *block)
{
    return block->size & USED;
}

static struct heap_block *block_after(const struct heap_block *block)
{
    return (struct heap_block *)((char *)block + block_size(block));
}

static struct heap_block *block_before(const struct heap_block *block)
{
    return (struct heap_block *)((char *)block - block->previous_size);
}

static struct heap_block *block_of(const void *memory)
{
    return (struct heap_block *)((char *)memory - HEADER);
}

/* The list for a block of this size: the power of two below it, then the next HEAP_SPLITS_LOG
 * bits. */
static unsigned list_of(size_t size)
{
    unsigned power = 63u - (unsigned)__builtin_clzll(size);
    unsigned split = (unsigned)(size >> (power - HEAP_SPLITS_LOG)) & ((1u << HEAP_SPLITS_LOG) - 1);
    unsigned list = power << HEAP_SPLITS_LOG | split;
    return list < HEAP_LISTS ? list : HEAP_LISTS - 1;
}

static void list_add(struct heap *heap, struct heap_block *block)
{
    unsigned list = list_of(block->size);
    block->previous = NULL;
    block->next = heap->lists[list];
    if (block->next)
        block->next->previous = block;
    heap->lists[list] = block;
    heap->filled[list / 64] |= 1ull << list % 64;
}

static void list_remove(struct heap *heap, struct heap_block *block)
{
    unsigned list = list_of(block->size);
    if (block->next)
        block->next->previous = block->previous;
    if (block->previous)
        block->previous->next = block->next;
    else
        heap->lists[list] = block->next;
    if (!heap->lists[list])
        heap->filled[list / 64] &= ~(1ull << list % 64);
}

/* The first filled list from `list` on, or HEAP_LISTS. */
static unsigned list_search(const struct heap *heap, unsigned list)
{
    uint64_t mask = ~0ull << list % 64;
    for (unsigned word = list / 64; word < HEAP_LISTS / 64; word++, mask = ~0ull)
        if (heap->filled[word] & mask)
            return word * 64 + (unsigned)__builtin_ctzll(heap->filled[word] & mask);
    return HEAP_LISTS;
}

/* Block size for a request, or 0 when the sum overflows. */
static size_t size_for(size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return 0;
    size_t size = (bytes + HEADER + HEAP_ALIGNMENT - 1) & ~(size_t)(HEAP_ALIGNMENT - 1);
    return size < BLOCK_LEAST ? BLOCK_LEAST : size;
}

/* Cut a used block down to `size` when the rest makes a block; the rest merges with a free block
 * after it. */
static void block_trim(struct heap *heap, struct heap_block *block, size_t size)
{
    size_t rest_size = block_size(block) - size;
    if (rest_size < BLOCK_LEAST)
        return;
    block->size = size | USED;
    struct heap_block *rest = block_after(block);
    rest->previous_size = size;
    rest->size = rest_size;
    struct heap_block *after = block_after(rest);
    if (!block_used(after)) {
        list_remove(heap, after);
        rest->size += block_size(after);
        after = block_after(rest);
    }
    after->previous_size = rest->size;
    list_add(heap, rest);
    heap->in_use -= rest_size;
}

void heap_init(struct heap *heap, void *memory, size_t bytes)
{
    *heap = (struct heap){.first = memory};
    bytes &= ~(size_t)(HEAP_ALIGNMENT - 1);
    struct heap_block *all = memory;
    all->size = bytes - HEADER;
    all->previous_size = 0;
    struct heap_block *end = block_after(all);
    end->size = 0 | USED;
    end->previous_size = all->size;
    list_add(heap, all);
}

/* ---- bins: their blocks are marked as handed out, but do not count as that -------------------- */

static struct heap_bin *bin_for(struct heap *heap, size_t size)
{
    size_t bin = size / HEAP_ALIGNMENT - 1;
    return bin < HEAP_BINS ? &heap->bins[bin] : NULL;
}

static struct heap_block *bin_take(struct heap *heap, size_t size)
{
    struct heap_bin *bin = bin_for(heap, size);
    struct heap_block *block = bin ? bin->first : NULL;
    if (!block)
        return NULL;
    bin->first = block->next;
    bin->count--;
    return block;
}

static bool bin_put(struct heap *heap, struct heap_block *block)
{
    struct heap_bin *bin = bin_for(heap, block_size(block));
    if (!bin || bin->count == HEAP_BIN_MOST)
        return false;
    block->next = bin->first;
    bin->first = block;
    bin->count++;
    return true;
}

static void block_free(struct heap *heap, struct heap_block *block);

static void bins_empty(struct heap *heap)
{
    for (unsigned i = 0; i < HEAP_BINS; i++)
        for (struct heap_block *block; (block = bin_take(heap, (i + 1) * HEAP_ALIGNMENT));)
            block_free(heap, block);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/*
 * Every block on a list above `list_of(size)` is large enough. On the list itself only some are,
 * so it is looked at last, and only its head: a bounded search that in a nearly full heap may
 * miss a fitting block, at worst one eighth larger.
 */
static struct heap_block *block_take(struct heap *heap, size_t size)
{
    unsigned own = list_of(size), list = list_search(heap, own + 1);
    struct heap_block *block = heap->lists[own];
    if (!block || block_size(block) < size) {
        if (list == HEAP_LISTS)
            return NULL;
        block = heap->lists[list];
    }
    list_remove(heap, block);
    block->size |= USED;
    return block;
}

static __attribute__((noinline)) void *heap_alloc_any(struct heap *heap, size_t bytes)
{
    size_t size = size_for(bytes);
    if (size == 0)
        return NULL;
    struct heap_block *block = block_take(heap, size);
    if (!block) {
        bins_empty(heap);
        block = block_take(heap, size);
    }
    if (!block)
        return NULL;
    heap->in_use += block_size(block);
    block_trim(heap, block, size);
    return (char *)block + HEADER;
}

void *heap_alloc(struct heap *heap, size_t bytes)
{
    _Static_assert(HEADER + 1 > BLOCK_LEAST - HEAP_ALIGNMENT, "no block of a bin is too small");
    if (bytes - 1 < HEAP_BINS * HEAP_ALIGNMENT - HEADER) { /* size_for, where it is a bin's */
        size_t size = (bytes + HEADER + HEAP_ALIGNMENT - 1) & ~(size_t)(HEAP_ALIGNMENT - 1);
        struct heap_block *block = bin_take(heap, size);
        if (block) {
            heap->in_use += size;
            return (char *)block + HEADER;
        }
    }
    return heap_alloc_any(heap, bytes);
}

/* Onto a list, merged with its neighbours. It does not count as handed out any more. */
static void block_free(struct heap *heap, struct heap_block *block)
{
    block->size &= ~USED;
    struct heap_block *after = block_after(block);
    if (!block_used(after)) {
        list_remove(heap, after);
        block->size += after->size;
    }
    if (block->previous_size && !block_used(block_before(block))) {
        struct heap_block *before = block_before(block);
        list_remove(heap, before);
        before->size += block->size;
        block = before;
    }
    block_after(block)->previous_size = block->size;
    list_add(heap, block);
}

void heap_free(struct heap *heap, void *memory)
{
    struct heap_block *block = block_of(memory);
    heap->in_use -= block_size(block);
    if (!bin_put(heap, block))
        block_free(heap, block);
}

size_t heap_usable(const void *memory)
{
    return block_size(block_of(memory)) - HEADER;
}

int heap_resize(struct heap *heap, void *memory, size_t bytes)
{
    struct heap_block *block = block_of(memory);
    size_t size = size_for(bytes);
    if (size == 0)
        return 0;
    struct heap_block *after = block_after(block);
    if (size > block_size(block)) {
        if (block_used(after) || block_size(block) + block_size(after) < size)
            return 0;
        list_remove(heap, after);
        heap->in_use += block_size(after);
        block->size += block_size(after);
        block_after(block)->previous_size = block_size(block);
    }
    block_trim(heap, block, size);
    return 1;
}

const char *heap_check(const struct heap *heap)
{
    size_t in_use = 0, previous_size = 0;
    unsigned free_blocks = 0, listed = 0;
    bool previous_free = false;
    const struct heap_block *block = heap->first;
    for (; block_size(block) != 0; block = block_after(block)) {
        if (block->previous_size != previous_size)
            return "a block's note of the block before it is wrong";
        if (!block_used(block) && previous_free)
            return "two free blocks side by side";
        in_use += block_used(block) ? block_size(block) : 0;
        free_blocks += !block_used(block);
        previous_free = !block_used(block);
        previous_size = block_size(block);
    }
    for (unsigned list = 0; list < HEAP_LISTS; list++) {
        if (!heap->lists[list] != !(heap->filled[list / 64] >> list % 64 & 1))
            return "the bitmap disagrees with a list";
        for (block = heap->lists[list]; block; block = block->next, listed++)
            if (block_used(block) || list_of(block->size) != list)
                return "a block is on the wrong list";
    }
    if (listed != free_blocks)
        return "a free block is on no list";
    for (unsigned bin = 0; bin < HEAP_BINS; bin++) {
        unsigned count = 0;
        for (block = heap->bins[bin].first; block; block = block->next, count++) {
            if (!block_used(block) || block_size(block) != (bin + 1) * HEAP_ALIGNMENT)
                return "a block is in the wrong bin";
            in_use -= block_size(block);
        }
        if (count != heap->bins[bin].count)
            return "a bin is miscounted";
    }
    return in_use == heap->in_use ? NULL : "the bytes in use are miscounted";
}
