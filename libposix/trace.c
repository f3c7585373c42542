/*
 * For the tracing kernel: what a program's pointers point to, so that tools/trace and tools/run
 * --strace can print paths and bytes. Nothing here runs unless the kernel records.
 * SPDX-License-Identifier: MIT
 */
#include "private.h"
#include "files.h"

#include "linux_calls.h" /* pointers */

/* linux_calls.py's numbers; the bits above say which argument is the length. */
enum pointer_kind {
    POINTER_NONE, POINTER_PATH, POINTER_IN, POINTER_OUT, POINTER_OUT_RESULT, POINTER_ADDRESS,
    POINTER_FDS
};
#define POINTER_KIND(code) ((code) & 15)
#define POINTER_LENGTH(code) ((code) >> 4)

enum {
    PIECE = 32,      /* bytes in a record */
    SHOWN = PIECE,   /* of a buffer: strace shows no more */
    LONGEST = 256    /* of a path */
};

/* Up to `length` bytes; of a string no more than it has. Memory that is not there says nothing. */
static void text_record(unsigned argument, uint64_t user, uint64_t length, bool string)
{
    uint64_t left = length;
    while (left) {
        uint64_t piece[PIECE / 8] = {0};
        uint64_t count = left < PIECE ? left : PIECE;
        if (string && count > PAGE_SIZE - user % PAGE_SIZE)
            count = PAGE_SIZE - user % PAGE_SIZE; /* a string may end with its page */
        if (user_read(piece, (const void *)user, count))
            return;
        bool last = string && memchr(piece, 0, count);
        ar_trace(AR_TRACE_TEXT, (last ? count : left) | (uint64_t)(argument + 1) << 32, piece[0], piece[1],
                 piece[2], piece[3]);
        if (last)
            return;
        user += count;
        left -= count;
    }
}

static uint64_t shown(uint64_t length)
{
    return length < SHOWN ? length : SHOWN;
}

static bool has_pointers(uint64_t number)
{
    uint64_t codes;
    if (number >= LINUX_CALLS)
        return false;
    memcpy(&codes, pointers[number], sizeof(codes));
    return codes != 0;
}

void trace_arguments(uint32_t number, const uint64_t a[6])
{
    for (unsigned i = 0; has_pointers(number) && i < 6; i++) {
        unsigned code = pointers[number][i], length = POINTER_LENGTH(code);
        if (POINTER_KIND(code) == POINTER_PATH)
            text_record(i, a[i], LONGEST, true);
        else if (POINTER_KIND(code) == POINTER_IN)
            text_record(i, a[i], shown(a[length]), false);
        else if (POINTER_KIND(code) == POINTER_ADDRESS)
            text_record(i, a[i], a[length] < LX_SOCKADDR_MAX ? a[length] : 0, false);
    }
}

void trace_result(uint64_t number, const uint64_t a[6], long result)
{
    for (unsigned i = 0; a && result >= 0 && has_pointers(number) && i < 6; i++) {
        unsigned code = pointers[number][i];
        if (POINTER_KIND(code) == POINTER_FDS)
            text_record(i, a[i], 2 * sizeof(int), false);
        else if (POINTER_KIND(code) == POINTER_OUT)
            text_record(i, a[i], shown(a[POINTER_LENGTH(code)]), false);
        else if (POINTER_KIND(code) == POINTER_OUT_RESULT)
            text_record(i, a[i], shown((uint64_t)result), false);
    }
    ar_trace(AR_TRACE_LINUX_RESULT, number, (uint64_t)result, 0, 0, 0);
}
