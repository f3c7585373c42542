/* Bytes by their place, many at a time: see operations_data.c. SPDX-License-Identifier: MIT */
#include "steps.h"

/* In one direction after another, so that a compiler makes them sixteen at a time. */
static void run_fill(uint8_t *to, uint64_t count, uint8_t first, uint8_t step)
{
    for (uint64_t i = 0; i < count; i++)
        to[i] = (uint8_t)(first + (uint8_t)i * step);
}

static bool run_is(const uint8_t *from, uint64_t count, uint8_t first, uint8_t step)
{
    uint8_t differs = 0;
    for (uint64_t i = 0; i < count; i++)
        differs |= from[i] ^ (uint8_t)(first + (uint8_t)i * step);
    return !differs;
}

/* Up to where the high part of the position changes. */
static uint64_t run_length(uint64_t position, uint64_t left)
{
    uint64_t run = 256 - position % 256;
    return run < left ? run : left;
}

void stream_fill(uint8_t *to, uint64_t count, const struct stream *stream, uint64_t position)
{
    for (uint64_t done = 0, run; done < count; done += run) {
        run = run_length(position + done, count - done);
        run_fill(to + done, run, stream_byte(stream, position + done), STREAM_STEP);
    }
}

bool stream_is(const uint8_t *from, uint64_t count, const struct stream *stream, uint64_t position)
{
    bool right = true;
    for (uint64_t done = 0, run; done < count; done += run) {
        run = run_length(position + done, count - done);
        right &= run_is(from + done, run, stream_byte(stream, position + done), STREAM_STEP);
    }
    return right;
}

enum { DATAGRAM_STEP = 17 };

static uint8_t datagram_byte(const uint32_t header[2], uint64_t position)
{
    return (uint8_t)(header[0] * 13 + header[1] * 5 + position * DATAGRAM_STEP);
}

void datagram_fill(uint8_t *to, uint64_t from, uint64_t end, const uint32_t header[2])
{
    if (from < end)
        run_fill(to + from, end - from, datagram_byte(header, from), DATAGRAM_STEP);
}

bool datagram_is(const uint8_t *bytes, uint64_t from, uint64_t end, const uint32_t header[2])
{
    return from >= end ||
           run_is(bytes + from, end - from, datagram_byte(header, from), DATAGRAM_STEP);
}
