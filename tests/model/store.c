/*
 * Contents of the parts of the state, each kept once. SPDX-License-Identifier: MIT
 */
#include "machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One part of the state: where it lives, and every content it has had. */
struct part {
    uint8_t *memory;
    size_t bytes;
    uint8_t **contents; /* by number */
    uint32_t count, room;
    uint32_t *table; /* hash -> number + 1 */
    uint32_t table_mask;
    uint32_t loaded; /* number of what is in `memory`; UINT32_MAX: unknown */
};
static struct part parts[PARTS];
struct model_state model_state;

static void *get(size_t bytes)
{
    static uint8_t *block;
    static size_t left;
    enum { BLOCK = 1 << 22 };
    if (left < bytes) {
        block = malloc(BLOCK);
        left = BLOCK;
        if (!block) {
            fprintf(stderr, "model: no memory\n");
            exit(2);
        }
    }
    left -= bytes;
    return block + left;
}

void store_part(unsigned part, void *memory, size_t bytes)
{
    if (bytes & 7) {
        fprintf(stderr, "model: a part is not of whole words\n");
        exit(2);
    }
    enum { FIRST_ROOM = 1 << 10 };
    parts[part] = (struct part){.memory = memory,
                                .bytes = bytes,
                                .contents = malloc(FIRST_ROOM * sizeof(uint8_t *)),
                                .room = FIRST_ROOM,
                                .table = calloc(4 * FIRST_ROOM, sizeof(uint32_t)),
                                .table_mask = 4 * FIRST_ROOM - 1,
                                .loaded = UINT32_MAX};
}

static uint64_t hash(const uint8_t *memory, size_t bytes)
{
    uint64_t sum = bytes;
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word;
        memcpy(&word, memory + i, 8);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15ull;
        sum ^= sum >> 29;
    }
    return sum;
}

static void grow(struct part *part)
{
    part->room *= 2;
    part->contents = realloc(part->contents, part->room * sizeof(uint8_t *));
    free(part->table);
    part->table_mask = part->room * 4 - 1;
    part->table = calloc(part->room * 4, sizeof(uint32_t));
    for (uint32_t i = 0; i < part->count; i++) {
        uint64_t at = hash(part->contents[i], part->bytes);
        while (part->table[at & part->table_mask])
            at++;
        part->table[at & part->table_mask] = i + 1;
    }
}

static uint32_t number_of(struct part *part)
{
    if (part->loaded != UINT32_MAX &&
        !memcmp(part->memory, part->contents[part->loaded], part->bytes))
        return part->loaded;
    if (part->count == part->room)
        grow(part);
    uint64_t at = hash(part->memory, part->bytes);
    uint32_t found;
    while ((found = part->table[at & part->table_mask])) {
        if (!memcmp(part->memory, part->contents[found - 1], part->bytes))
            return found - 1;
        at++;
    }
    uint8_t *copy = get(part->bytes);
    memcpy(copy, part->memory, part->bytes);
    part->contents[part->count++] = copy;
    part->table[at & part->table_mask] = part->count;
    return part->count - 1;
}

void store_save(void)
{
    for (unsigned i = 0; i < PARTS; i++)
        model_state.part[i] = parts[i].loaded = number_of(&parts[i]);
    model_state.may = scene_allows();
}

void store_load(void)
{
    for (unsigned i = 0; i < PARTS; i++) {
        struct part *part = &parts[i];
        uint32_t wanted = model_state.part[i];
        if (part->loaded != UINT32_MAX && part->loaded == wanted)
            continue;
        memcpy(part->memory, part->contents[wanted], part->bytes);
        part->loaded = wanted;
    }
}

void store_forget(void)
{
    for (unsigned i = 0; i < PARTS; i++)
        parts[i].loaded = UINT32_MAX;
}
