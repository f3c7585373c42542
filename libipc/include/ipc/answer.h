/*
 * A wake-up that says what was found. SPDX-License-Identifier: MIT
 *
 * io.poll with an `arm` from ANSWER_LEAST on is a question with a number: whoever wakes the thread
 * may put into the notification's word that number and the events that are ready, and then the
 * thread need not ask again. Words are ORed when several wake it, so the number stands there twice,
 * once inverted: of two different numbers neither can be read. Bit 0 is every wake-up's.
 */
#ifndef IPC_ANSWER_H
#define IPC_ANSWER_H

#include <stdint.h>

#define ANSWER_LEAST 2u /* 1 arms without a number */
#define ANSWER_MOST 0xffffu

/* Number and events as a core leaves them for its shell; never 0. */
static inline uint32_t answer_pack(uint32_t number, uint32_t ready)
{
    return number << 16 | (ready & 0xffff);
}

/* The bits to signal: with `answer` 0 there is nothing to say but "ask". */
static inline uint64_t answer_bits(uint32_t answer)
{
    uint64_t number = answer >> 16, ready = answer & 0xffff;
    return answer ? 1 | ready << 1 | number << 20 | (~number & 0xffff) << 40 : 1;
}

/* The events that the bits give as the answer to question `number`, or 0. */
static inline uint32_t answer_ready(uint64_t bits, uint32_t number)
{
    if ((bits >> 20 & 0xffff) != number || (bits >> 40 & 0xffff) != (~number & 0xffff))
        return 0;
    return bits >> 1 & 0xffff;
}

#endif
