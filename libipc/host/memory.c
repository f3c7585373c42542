/* The allocator on the host: malloc, counted, with a failure on demand.
 * SPDX-License-Identifier: MIT */
#include <ipc/memory.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Before each block. */
union header {
    size_t bytes;
    max_align_t alignment;
};

static size_t in_use;
static unsigned countdown; /* allocations until the one that fails; 0: none will */

static bool (*fails_hook)(void);
static size_t bytes_limit, blocks;

/* More, by so many bytes. */
static bool fails_now(size_t bytes)
{
    if (bytes_limit && (bytes > bytes_limit || in_use > bytes_limit - bytes))
        return true;
    return (countdown != 0 && --countdown == 0) || (fails_hook && fails_hook());
}

void mem_fail_when(bool (*fails)(void), size_t limit)
{
    fails_hook = fails;
    bytes_limit = limit;
}

size_t mem_blocks(void)
{
    return blocks;
}

void mem_fail_at(unsigned n)
{
    countdown = n;
}

void *mem_alloc(size_t bytes)
{
    if (fails_now(bytes))
        return NULL;
    union header *header = calloc(1, sizeof(*header) + bytes);
    if (!header)
        return NULL;
    header->bytes = bytes;
    in_use += bytes;
    blocks++;
    return header + 1;
}

void *mem_alloc_unset(size_t bytes)
{
    void *memory = mem_alloc(bytes);
    return memory ? memset(memory, 0xa5, bytes) : NULL;
}

void *mem_resize(void *memory, size_t bytes)
{
    if (!memory)
        return mem_alloc(bytes);
    union header *old = (union header *)memory - 1;
    size_t old_bytes = old->bytes;
    if (fails_now(bytes > old_bytes ? bytes - old_bytes : 0))
        return NULL;
    union header *header = realloc(old, sizeof(*header) + bytes);
    if (!header)
        return NULL;
    header->bytes = bytes;
    in_use += bytes - old_bytes;
    return header + 1;
}

void mem_free(void *memory)
{
    if (!memory)
        return;
    union header *header = (union header *)memory - 1;
    in_use -= header->bytes;
    blocks--;
    free(header);
}

size_t mem_in_use(void)
{
    return in_use;
}

size_t mem_taken(void)
{
    return in_use;
}
