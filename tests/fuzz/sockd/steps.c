/*
 * What eight bytes of the input do. SPDX-License-Identifier: MIT
 *
 * byte 0  the operation, by the weights in operations.c; or of operations_more.c
 * byte 1  who asks (bits 0 to 2), and what goes wrong (bits 3 to 7: enum trick, mostly nothing)
 * byte 2  the gate it goes to, among those of the right kind
 * byte 3  another object, a name or an address
 * byte 4 to 6  arguments
 * byte 7  where the thing goes wrong
 */
#include "steps.h"
#include <string.h>

/* ---- choosing -------------------------------------------------------------------------------- */

uint64_t choose(unsigned kinds, uint8_t which)
{
    uint64_t found[BADGES], end = BADGE_OBJECTS + world.core->handle_capacity;
    unsigned count = 0;
    for (uint64_t badge = BADGE_OBJECTS; badge < end && badge < BADGES; badge++) {
        if (!world.copies[badge])
            continue;
        const struct object *object = object_find(world.core, badge);
        if (object && (kinds & KIND(object->kind)))
            found[count++] = badge;
    }
    if (count == 0)
        return BADGE_OBJECTS + which % 128; /* stale, or nobody's yet */
    return found[which % count];
}

struct socket *chosen_socket(uint64_t badge)
{
    struct object *object = object_find(world.core, badge);
    return object && object->kind == OBJECT_SOCKET ? (struct socket *)object : NULL;
}

uint64_t length_of(uint8_t byte)
{
    static const uint64_t edges[] = {0,     0,      4095,   4096,       4097,      65536,   3776,
                                     3777,  9000,   16064,  36544,      36545,     73088,   100000,
                                     212960, 212961, 250000, INT32_MAX, UINT32_MAX, 1ull << 63,
                                     UINT64_MAX};
    if (byte < 192)
        return byte % 96;
    if (byte < 224)
        return (byte - 191u) * 64;
    return edges[(byte - 224u) % (sizeof(edges) / sizeof(edges[0]))];
}

uint64_t edge_of(uint8_t byte)
{
    static const uint64_t edges[] = {0,          1,
                                     2,          3,
                                     7,          8,
                                     9,          110,
                                     111,        127,
                                     128,        129,
                                     252,        253,
                                     254,        255,
                                     4096,       65536,
                                     INT32_MAX,  (uint64_t)INT32_MIN,
                                     UINT32_MAX, 1ull << 32,
                                     INT64_MAX,  1ull << 63,
                                     UINT64_MAX, UINT64_MAX - 1};
    return byte < 128 ? edges[byte % (sizeof(edges) / sizeof(edges[0]))] : byte - 128u;
}

/* ---- a request ------------------------------------------------------------------------------- */

void ask_begin(struct request *request, const uint8_t *bytes, uint32_t label, uint64_t badge,
               unsigned words)
{
    memset(request, 0, __builtin_offsetof(struct request, call));
    request->thread = &world.threads[(bytes[1] & 7) % THREADS];
    request->label = label;
    request->badge = badge;
    request->word_count = words;
    request->in_bad = request->out_bad = UINT64_MAX;
}

/* Most steps are right, so that states are reached; the others are wrong in one way. */
enum trick {
    TRICK_FAULT_IN = 20, TRICK_FAULT_OUT, TRICK_SHORT, TRICK_NO_MEMORY, TRICK_NO_MEMORY2,
    TRICK_LOST_REPLY, TRICK_WORD, TRICK_WORD_COUNT, TRICK_BADGE, TRICK_FOREIGN, TRICK_OWN,
    TRICK_EFFECTS
};

static void trick_caps(struct request *request, uint8_t where)
{
    static const enum ar_type types[] = {AR_GATE, AR_NOTIFICATION, AR_FRAME, AR_GATE};
    unsigned count = where % 9;
    while (request->cap_count < count)
        request_cap_foreign(request, types[where >> 6], (where >> 3) % 6);
}

static void trick_play(struct request *request, enum trick trick, uint8_t where)
{
    switch (trick) {
    case TRICK_FAULT_IN: request->in_bad = length_of(where); break;
    case TRICK_FAULT_OUT: request->out_bad = length_of(where); break;
    case TRICK_SHORT: request->in_size = request->out_size = where; break;
    case TRICK_NO_MEMORY: request->fail_at = 1; break;
    case TRICK_NO_MEMORY2: request->fail_at = 2 + where % 4; break;
    case TRICK_LOST_REPLY: request->lost = true; break;
    case TRICK_WORD:
        request->words[where % 10] = edge_of((uint8_t)(request->words[(where + 1) % 10] ^ where));
        break;
    case TRICK_WORD_COUNT: request->word_count = where % (AR_MSG_WORDS + 1); break;
    case TRICK_BADGE: request->badge = where < 200 ? where : edge_of(where); break;
    case TRICK_FOREIGN: trick_caps(request, where); break;
    case TRICK_OWN:
        request->cap_count = 0;
        request_cap_own(request, where < 128 ? choose(KIND_ANY, where) : edge_of(where - 100));
        break;
    case TRICK_EFFECTS: request->effects_before = 480 + where % 64; break;
    }
}

enum status ask_end(struct request *request, const uint8_t *bytes)
{
    enum trick trick = (enum trick)(bytes[1] >> 3);
    trick_play(request, trick, bytes[7]);
    if (trick == TRICK_WORD || trick == TRICK_BADGE)
        bytes_unknown(request);
    return world_ask(request);
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* Puts it at the start of the input memory. Few names, so that they meet. */
uint64_t address_put(uint8_t which)
{
    memset(world_in, 0, 128);
    world_in[0] = LX_AF_UNIX;
    if (which < 160) { /* abstract */
        world_in[3] = (uint8_t)('a' + which % 6);
        return 4;
    }
    if (which < 224) { /* a pathname */
        world_in[2] = '/';
        world_in[3] = (uint8_t)('p' + which % 4);
        return 4 + which % 2;
    }
    if (which < 232) { /* one that autobind gives */
        memcpy(&world_in[3], "0000", 4);
        world_in[7] = (uint8_t)('0' + which % 8);
        return 8;
    }
    if (which < 240) { /* as long as it can be */
        memset(&world_in[2], which % 2 ? 'x' : 0, 108);
        return 110 - which % 3;
    }
    world_in[0] = (uint8_t)(which % 3);
    return which - 240u; /* too short, or of no family */
}

bool address_is_path(uint8_t which)
{
    return which >= 160 && which < 224;
}

/* ---- the step -------------------------------------------------------------------------------- */

void step_plain(uint8_t bytes[STEP_BYTES])
{
    if (more_is(bytes)) {
        bytes[0] = more_byte(bytes[0]);
        bytes[1] = (uint8_t)(MORE_FIRST << 3 | (bytes[1] & 7));
        return;
    }
    bytes[0] = operation_byte(bytes[0]);
    if (bytes[1] >> 3 < TRICK_FAULT_IN)
        bytes[1] &= 7;
}

void step_run(const uint8_t bytes[STEP_BYTES])
{
    if (more_is(bytes))
        more_run(bytes);
    else
        operation_run(bytes);
}
