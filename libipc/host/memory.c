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

static bool fails_now(void)
{
    return countdown != 0 && --countdown == 0;
}

void mem_fail_at(unsigned n)
{
    countdown = n;
}

void *mem_alloc(size_t bytes)
{
    if (fails_now())
        return NULL;
    union header *header = calloc(1, sizeof(*header) + bytes);
    if (!header)
        return NULL;
    header->bytes = bytes;
    in_use += bytes;
    return header + 1;
}

void *mem_resize(void *memory, size_t bytes)
{
    if (!memory)
        return mem_alloc(bytes);
    if (fails_now())
        return NULL;
    union header *old = (union header *)memory - 1;
    size_t old_bytes = old->bytes;
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
    free(header);
}

size_t mem_in_use(void)
{
    return in_use;
}
