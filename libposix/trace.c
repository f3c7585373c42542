/*
 * For the tracing kernel: what each call returned, and what a program's pointers point to, so that
 * tools/trace and tools/run --strace can print paths and bytes. Nothing here runs unless the kernel
 * records; what does is to cost little, so it is one system call for a text or a result, and the
 * kernel copies the text itself. SPDX-License-Identifier: MIT
 */
#include "private.h"
#include "files.h"

/* Which argument points to something, and how much of it is said: of as many bytes as argument
 * `source` or one of these says, `limit` at most; limit 0: nothing. */
struct text_code {
    uint8_t argument, source;
    uint16_t limit;
};
enum { SOURCE_RESULT = 6, SOURCE_LIMIT = 7, SOURCE_STRING = 8 };
struct call_texts {
    struct text_code before[2], after;
};
#include "linux_calls.h" /* call_texts, and texts_of: which of them a call has, 0 for none */

enum { LONGEST = 256 }; /* any limit */

static inline uint64_t text_length(struct text_code code, const uint64_t a[6], long result)
{
    uint64_t length = code.source < 6 ? a[code.source] :
        code.source == SOURCE_RESULT  ? (uint64_t)result : code.limit;
    return length < code.limit ? length : code.limit;
}

static inline bool ours(uint64_t user)
{
    return user - POSIX_BASE < POSIX_END - POSIX_BASE;
}

/* What the registers hold is taken out of the program's memory and recorded by one routine in
 * assembly, if it lies in one page: beyond the length too, but not where nothing is. */
static inline bool piece_say(enum ar_trace what, unsigned argument, uint64_t result, uint64_t user,
                             uint64_t length)
{
    return length <= AR_TRACE_PIECE_BYTES && user % PAGE_SIZE <= PAGE_SIZE - AR_TRACE_PIECE_BYTES &&
           !trace_piece(AR_TRACE_PIECE_HEAD(what, argument, length), result, user);
}

/* Longer ones the kernel copies, as far as they are mapped. What is not may still come (a page of a
 * file, not read yet), and a copy of our own makes it; of memory that does not exist nothing is
 * said. A string may end just before such: there the NUL is looked for. */
static __attribute__((noinline)) void text_say(unsigned argument, uint64_t user, uint64_t length,
                                               bool string)
{
    uint8_t copy[LONGEST];
    if (!string || user % PAGE_SIZE <= PAGE_SIZE - LONGEST) {
        if (ar_trace_text(AR_TRACE_TEXT, argument, 0, 0, 0, user, (uint32_t)length) == AR_OK ||
            user_read(copy, (const void *)user, length))
            return;
    } else {
        long found = user_read_string((char *)copy, (const void *)user, LONGEST);
        length = found == -LINUX_ENAMETOOLONG ? LONGEST : found < 0 ? 0 : (uint64_t)found;
    }
    if (length)
        ar_trace_text(AR_TRACE_TEXT, argument, 0, 0, 0, (uint64_t)copy, (uint32_t)length);
}

void trace_result(uint64_t number, long result)
{
    ar_trace(AR_TRACE_LINUX_RESULT, number, (uint64_t)result, 0, 0, 0);
}

static __attribute__((noinline)) long trace_call_texts(uint32_t number, posix_handler handler,
                                                       const uint64_t a[6])
{
    const struct call_texts *texts = &call_texts[texts_of[number]];
    for (unsigned i = 0; i < 2 && texts->before[i].limit; i++) {
        struct text_code code = texts->before[i];
        uint64_t user = a[code.argument], length = text_length(code, a, 0);
        if (length && !ours(user) && !piece_say(AR_TRACE_PIECE, code.argument, 0, user, length))
            text_say(code.argument, user, length, code.source == SOURCE_STRING);
    }
    long result = handler(a);
    if (restarts(result))
        return result;
    struct text_code code = texts->after;
    if (code.limit && result >= 0) {
        uint64_t user = a[code.argument], length = text_length(code, a, result);
        if (length && !ours(user)) {
            if (piece_say(AR_TRACE_LINUX_FILLED, code.argument, (uint64_t)result, user, length))
                return result;
            text_say(code.argument, user, length, false);
        }
    }
    trace_result(number, result);
    return result;
}

long trace_call(uint32_t number, posix_handler handler, const uint64_t a[6])
{
    if (number < LINUX_CALLS && texts_of[number])
        return trace_call_texts(number, handler, a);
    long result = handler(a);
    if (!restarts(result))
        trace_result(number, result);
    return result;
}
