/*
 * libFuzzer's mutations, in whole steps and mostly in short inputs. SPDX-License-Identifier: MIT
 *
 * What a run costs grows with its steps, and most mistakes need few. So half of the inputs have at
 * most a sixteenth of -max_len, a quarter an eighth of it, and so on; one in sixteen may have all
 * of it. None is shorter than STEPS_LEAST.
 */
#include "fuzz.h"
#include <stddef.h>
#include <string.h>

enum { STEPS_LEAST = 4, SHORTER = 4 };

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t max_size, unsigned int seed);

static uint64_t state;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 11;
}

static size_t below(size_t limit)
{
    return (size_t)(next() % limit);
}

/* In steps. */
static size_t length_limit(size_t most)
{
    size_t limit = most >> SHORTER;
    while (limit < most && next() % 2)
        limit *= 2;
    limit = limit < most ? limit : most;
    return limit > STEPS_LEAST ? limit : STEPS_LEAST;
}

static void steps_move(uint8_t *bytes, size_t to, size_t from, size_t count)
{
    memmove(bytes + to * STEP_BYTES, bytes + from * STEP_BYTES, count * STEP_BYTES);
}

/* Without some in a row. What came before them stays: it made the state that the others meet. */
static size_t steps_cut(uint8_t *bytes, size_t steps, size_t count)
{
    size_t at = below(steps - count + 1);
    steps_move(bytes, at, at + count, steps - count - at);
    return steps - count;
}

static size_t step_new(uint8_t *bytes, size_t steps)
{
    uint64_t word = next() << 32 ^ next();
    size_t at = below(steps + 1);
    steps_move(bytes, at + 1, at, steps - at);
    memcpy(bytes + at * STEP_BYTES, &word, sizeof(word));
    return steps + 1;
}

static size_t steps_repeat(uint8_t *bytes, size_t steps, size_t limit)
{
    size_t room = limit - steps < 8 ? limit - steps : 8;
    size_t count = 1 + below(room < steps ? room : steps);
    size_t from = below(steps - count + 1);
    uint8_t some[8 * STEP_BYTES];
    memcpy(some, bytes + from * STEP_BYTES, count * STEP_BYTES);
    size_t at = below(steps + 1);
    steps_move(bytes, at + count, at, steps - at);
    memcpy(bytes + at * STEP_BYTES, some, count * STEP_BYTES);
    return steps + count;
}

static size_t steps_change(uint8_t *bytes, size_t steps, size_t limit)
{
    switch (below(6)) {
    case 0:
        if (steps < limit)
            return step_new(bytes, steps);
        break;
    case 1:
        if (steps < limit)
            return steps_repeat(bytes, steps, limit);
        break;
    case 2:
        if (steps > STEPS_LEAST) {
            size_t spare = steps - STEPS_LEAST;
            return steps_cut(bytes, steps, 1 + below(spare < 4 ? spare : 4));
        }
        break;
    case 3: { /* two steps change places */
        uint8_t one[STEP_BYTES];
        uint8_t *a = bytes + below(steps) * STEP_BYTES, *b = bytes + below(steps) * STEP_BYTES;
        memcpy(one, a, STEP_BYTES);
        memmove(a, b, STEP_BYTES);
        memcpy(b, one, STEP_BYTES);
        return steps;
    }
    default: break;
    }
    bytes[below(steps) * STEP_BYTES + below(STEP_BYTES)] = (uint8_t)next();
    return steps;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t max_size, unsigned int seed)
{
    state = (seed + 1) * 0x9e3779b97f4a7c15ull | 1;
    size_t most = max_size / STEP_BYTES, limit = length_limit(most);
    if (next() % 4 == 0) /* a mutation of libFuzzer's own: two inputs become one, bytes move … */
        size = LLVMFuzzerMutate(bytes, size, max_size);
    size_t steps = size / STEP_BYTES;
    if (steps > limit)
        steps = steps_cut(bytes, steps, steps - limit);
    while (steps < STEPS_LEAST && steps < most)
        steps = step_new(bytes, steps);
    for (unsigned more = 1 + next() % 3; more > 0; more--)
        steps = steps_change(bytes, steps, limit);
    return steps * STEP_BYTES;
}
