/* mem_*: the server's allocator, over the heap that init mapped. SPDX-License-Identifier: MIT */
#include "runtime.h"

#include "heap.h"

#include <ipc/memory.h>
#include <string.h>

static struct heap heap;
static size_t runtime_bytes; /* part of heap.in_use that is the runtime's own */

void runtime_memory_init(const struct server_info *info)
{
    heap_init(&heap, (void *)SERVER_HEAP_ADDRESS, info->heap_size);
}

void *runtime_alloc(size_t bytes)
{
    size_t before = heap.in_use;
    void *memory = mem_alloc(bytes);
    runtime_bytes += heap.in_use - before;
    return memory;
}

void runtime_free(void *memory)
{
    size_t before = heap.in_use;
    mem_free(memory);
    runtime_bytes -= before - heap.in_use;
}

void *mem_alloc(size_t bytes)
{
    void *memory = heap_alloc(&heap, bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

void *mem_alloc_unset(size_t bytes)
{
    return heap_alloc(&heap, bytes);
}

void *mem_resize(void *memory, size_t bytes)
{
    if (!memory)
        return mem_alloc(bytes);
    if (heap_resize(&heap, memory, bytes))
        return memory;
    void *larger = heap_alloc(&heap, bytes);
    if (!larger)
        return NULL;
    /* it did not fit in place, so the new one is larger */
    memcpy(larger, memory, heap_usable(memory));
    heap_free(&heap, memory);
    return larger;
}

void mem_free(void *memory)
{
    if (memory)
        heap_free(&heap, memory);
}

size_t mem_taken(void)
{
    return heap.in_use;
}

size_t mem_in_use(void)
{
    return heap.in_use - runtime_bytes;
}
