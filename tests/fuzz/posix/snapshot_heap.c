/*
 * The simulator's malloc, for worlds that are put back: see snapshot.h.
 * SPDX-License-Identifier: MIT
 *
 * Blocks follow one another and none is used again in the same run, so that one that was freed
 * stays forbidden until the run ends. Between them are bytes that nobody may touch.
 */
#include "snapshot.h"
#include <sanitizer/asan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 16, BEFORE = 64, FRESH = 0xbe };
#define HEAP_BYTES (64ull << 30) /* of addresses */
/* Of what runs add; the host's memory for more is given back after a run, and large blocks of it when
 * they are freed. */
#define HEAP_KEPT (64ull << 20)
enum { LARGE = 64 << 10 };
#define FREED_MAX 65536u

/* At the end of the forbidden bytes before a block. */
struct block {
    uint64_t state; /* LIVE or DEAD */
    size_t bytes;
};
enum { LIVE = 0x6c697665, DEAD = 0x64656164 };

static char *heap, *top, *mark;
static struct {
    void *memory;
    size_t bytes;
} freed[FREED_MAX]; /* of the snapshot's, in this run */
static unsigned freed_count;

/* redefined by run: what the simulator knows by these names without the prefix */
void *world_malloc(size_t bytes);
void *world_calloc(size_t count, size_t bytes);
void *world_realloc(void *memory, size_t bytes);
void world_free(void *memory);

static _Noreturn void heap_failed(const char *text, const void *memory)
{
    fprintf(stderr, "heap: %s: %p\n", text, memory);
    abort();
}

static size_t room_of(size_t bytes)
{
    size_t after = bytes < 4096 ? 32 : 512;
    return (bytes + after + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* The header is forbidden to all others. */
__attribute__((no_sanitize("address"))) static void block_write(void *memory, uint64_t state,
                                                               size_t bytes)
{
    struct block *block = (struct block *)memory - 1;
    block->state = state;
    block->bytes = bytes;
}

__attribute__((no_sanitize("address"))) static size_t block_bytes(void *memory)
{
    const struct block *block = (struct block *)memory - 1;
    if ((char *)memory < heap || (char *)memory >= top || (uintptr_t)memory % ALIGNMENT ||
        block->state != LIVE)
        heap_failed("this is no block, or no more", memory);
    return block->bytes;
}

static void memory_return(char *from, char *to)
{
    uintptr_t first = ((uintptr_t)from + 4095) & ~4095ull, last = (uintptr_t)to & ~4095ull;
    if (first < last)
        madvise((void *)first, last - first, MADV_DONTNEED);
}

static void heap_make(void)
{
    heap = mmap(NULL, HEAP_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (heap == MAP_FAILED)
        heap_failed("no memory", NULL);
    top = heap;
}

static void *allocate(size_t bytes, int fill)
{
    if (!heap)
        heap_make();
    if (bytes > HEAP_BYTES / 4)
        return NULL;
    char *memory = top + BEFORE;
    char *end = memory + room_of(bytes);
    if (end > heap + HEAP_BYTES)
        heap_failed("all of it is used", NULL);
    __asan_poison_memory_region(top, (size_t)(end - top));
    __asan_unpoison_memory_region(memory, bytes);
    top = end;
    block_write(memory, LIVE, bytes);
    return memset(memory, fill, bytes);
}

void *world_malloc(size_t bytes)
{
    return allocate(bytes, FRESH);
}

void *world_calloc(size_t count, size_t bytes)
{
    size_t all;
    return __builtin_mul_overflow(count, bytes, &all) ? NULL : allocate(all, 0);
}

void world_free(void *memory)
{
    if (!memory)
        return;
    size_t bytes = block_bytes(memory);
    block_write(memory, DEAD, bytes);
    __asan_poison_memory_region(memory, bytes);
    if ((char *)memory >= mark) {
        if (bytes >= LARGE && (char *)memory >= mark + HEAP_KEPT)
            memory_return(memory, (char *)memory + bytes);
        return;
    }
    if (freed_count == FREED_MAX)
        heap_failed("more was freed than the snapshot had", memory);
    freed[freed_count].memory = memory;
    freed[freed_count++].bytes = bytes;
}

void *world_realloc(void *memory, size_t bytes)
{
    char *other = world_malloc(bytes);
    if (!memory || !other)
        return other;
    size_t old = block_bytes(memory);
    memcpy(other, memory, old < bytes ? old : bytes);
    world_free(memory);
    return other;
}

void heap_extent(char **from, char **to)
{
    *from = heap;
    *to = top;
}

void heap_mark(void)
{
    mark = top;
    freed_count = 0;
}

void heap_restore(void)
{
    __asan_poison_memory_region(mark, (size_t)(top - mark));
    memory_return(mark + HEAP_KEPT, top);
    top = mark;
    while (freed_count > 0) {
        freed_count--;
        __asan_unpoison_memory_region(freed[freed_count].memory, freed[freed_count].bytes);
    }
}
