/*
 * The program's side of a message's tail (ipc/message.h): few bytes that travel in the message
 * itself. SPDX-License-Identifier: MIT
 */
#ifndef LIBPOSIX_TAIL_H
#define LIBPOSIX_TAIL_H

#include "files.h"

/* Up to IPC_TAIL_BYTES come in the reply itself, and are then no longer with the server: so it may
 * do that only when they can be written where they are to go. */
static inline bool tail_fits(const struct ar_segment *segment)
{
    uint64_t length = segment->length < IPC_TAIL_BYTES ? segment->length : IPC_TAIL_BYTES;
    uint64_t last = segment->address + length - 1;
    return length && !touch_write((void *)last) &&
           (last % 4096 >= length - 1 || !touch_write((void *)segment->address));
}

/* The reply had a tail: its first `count` bytes. 0, -EFAULT, -EIO. */
static inline long tail_put(const struct ar_segment *segment, unsigned tail_words, uint64_t count)
{
    if (count > 8 * tail_words)
        return ERR(IO);
    /* Not there after all: another thread unmapped it meanwhile. */
    return copy_bytes((void *)segment->address, ipc_tail(), count) ? ERR(FAULT) : 0;
}

/* The words of a tail for what is to be sent. 0: it is too much, or not there, and is declared only:
 * whether that matters is the server's to say, which may have another error first. */
static inline unsigned tail_get(const struct ar_segment *segment)
{
    uint64_t length = segment->length, *tail = ipc_tail();
    if (length - 1 >= IPC_TAIL_BYTES)
        return 0;
    tail[(length - 1) / 8] = 0;
    return copy_bytes(tail, (const void *)segment->address, length) ? 0 : (unsigned)(length + 7) / 8;
}

#endif
