/*
 * The bytes of a file. SPDX-License-Identifier: MIT
 *
 * A file of the archive is read where it lies, in one piece. The first write into a chunk of
 * FILED_CHUNK bytes copies that chunk to the heap; what was never written is zeros and takes no
 * memory.
 */
#include "filed.h"
#include <string.h>

#define CAPACITY_LEAST 256u

const uint8_t filed_zeros[FILED_ZEROS];

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Position of the first chunk with this index or a higher one. */
static uint32_t chunk_position(const struct content *content, uint64_t index)
{
    uint32_t low = 0, high = content->chunk_count;
    if (high > 0 && content->chunks[high - 1].index < index)
        return high; /* appending */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (content->chunks[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const uint8_t *content_span(const struct content *content, uint64_t offset, uint64_t *length)
{
    uint64_t index = offset / FILED_CHUNK, within = offset % FILED_CHUNK, end = content->size;
    uint32_t position = chunk_position(content, index);
    const uint8_t *bytes = NULL;
    if (position < content->chunk_count) {
        const struct chunk *chunk = &content->chunks[position];
        if (chunk->index == index) {
            if (within < chunk->capacity) {
                bytes = chunk->memory + within;
                end = least(end, index * FILED_CHUNK + chunk->capacity);
            } else {
                end = least(end, (index + 1) * FILED_CHUNK);
            }
            goto found;
        }
        end = least(end, chunk->index * FILED_CHUNK);
    }
    if (offset < content->archive_size) {
        bytes = content->archive + offset;
        end = least(end, content->archive_size);
    }
found:
    *length = end - offset;
    if (!bytes) {
        bytes = filed_zeros;
        *length = least(*length, FILED_ZEROS);
    }
    return bytes;
}

/* Put an empty chunk at this position. */
static struct chunk *chunk_insert(struct content *content, uint32_t position, uint64_t index)
{
    if (content->chunk_count == content->chunk_room) {
        uint32_t room = content->chunk_room ? content->chunk_room * 2 : 1;
        struct chunk *chunks = mem_resize(content->chunks, room * sizeof(*chunks));
        if (!chunks)
            return NULL;
        content->chunks = chunks;
        content->chunk_room = room;
    }
    struct chunk *chunk = &content->chunks[position];
    memmove(chunk + 1, chunk, (content->chunk_count - position) * sizeof(*chunk));
    *chunk = (struct chunk){.index = index};
    content->chunk_count++;
    return chunk;
}

static void chunk_remove(struct content *content, uint32_t position)
{
    struct chunk *chunk = &content->chunks[position];
    mem_free(chunk->memory);
    content->chunk_count--;
    memmove(chunk, chunk + 1, (content->chunk_count - position) * sizeof(*chunk));
}

static bool chunk_grow(struct chunk *chunk, uint64_t need)
{
    uint32_t capacity = CAPACITY_LEAST;
    while (capacity < need)
        capacity *= 2;
    if (capacity <= chunk->capacity)
        return true;
    uint8_t *memory = mem_resize(chunk->memory, capacity);
    if (!memory)
        return false;
    memset(memory + chunk->capacity, 0, capacity - chunk->capacity);
    chunk->memory = memory;
    chunk->capacity = capacity;
    return true;
}

/* The bits of the pages that `length` bytes from `within` lie in. */
static uint32_t pages_of(uint64_t within, uint64_t length)
{
    uint32_t first = (uint32_t)(within / FILED_PAGE),
             end = (uint32_t)((within + length + FILED_PAGE - 1) / FILED_PAGE);
    return (uint32_t)((1ull << end) - (1ull << first));
}

uint8_t *content_reserve(struct content *content, uint64_t offset, uint64_t *length)
{
    uint64_t index = offset / FILED_CHUNK, within = offset % FILED_CHUNK,
             base = index * FILED_CHUNK;
    *length = least(*length, FILED_CHUNK - within);
    uint32_t position = chunk_position(content, index);
    struct chunk *chunk = position < content->chunk_count ? &content->chunks[position] : NULL;
    if (chunk && chunk->index == index) {
        if (!chunk_grow(chunk, within + *length))
            return NULL;
        chunk->pages |= pages_of(within, *length);
        return chunk->memory + within;
    }

    uint64_t copy =
        base < content->archive_size ? least(content->archive_size - base, FILED_CHUNK) : 0;
    chunk = chunk_insert(content, position, index);
    if (!chunk)
        return NULL;
    if (!chunk_grow(chunk, copy > within + *length ? copy : within + *length)) {
        chunk_remove(content, position);
        return NULL;
    }
    chunk->pages = pages_of(within, *length) | pages_of(0, copy);
    if (copy)
        memcpy(chunk->memory, content->archive + base, copy);
    return chunk->memory + within;
}

void content_trim(struct content *content)
{
    uint64_t size = content->size;
    while (content->chunk_count > 0
           && content->chunks[content->chunk_count - 1].index * FILED_CHUNK >= size)
        chunk_remove(content, content->chunk_count - 1);
    if (content->chunk_count == 0) {
        mem_free(content->chunks);
        content->chunks = NULL;
        content->chunk_room = 0;
        return;
    }
    struct chunk *last = &content->chunks[content->chunk_count - 1];
    uint64_t end = size - last->index * FILED_CHUNK;
    if (end < FILED_CHUNK)
        last->pages &= pages_of(0, end);
    if (end < last->capacity)
        memset(last->memory + end, 0, last->capacity - end);
}

void content_truncate(struct content *content, uint64_t size)
{
    bool shorter = size < content->size;
    content->size = size;
    content->archive_size = least(content->archive_size, size);
    if (shorter || size == 0)
        content_trim(content);
}

bool filed_has_room(const struct filed *filed, uint64_t length)
{
    uint64_t heap = filed->config.heap_size;
    return mem_in_use() + least(length, FILED_CHUNK) <= heap - FILED_RESERVE(heap);
}

/* Pages of 4 KiB, as tmpfs counts: those of the archive that no chunk replaces, and those of the
 * chunks. */
uint64_t content_blocks(const struct content *content)
{
    uint64_t pages = (content->archive_size + 4095) / 4096;
    for (uint32_t i = 0; i < content->chunk_count; i++) {
        const struct chunk *chunk = &content->chunks[i];
        uint64_t base = chunk->index * FILED_CHUNK;
        if (base < content->archive_size)
            pages -= (least(content->archive_size - base, FILED_CHUNK) + 4095) / 4096;
        for (uint32_t left = chunk->pages; left; left &= left - 1)
            pages++;
    }
    return pages * 8;
}
