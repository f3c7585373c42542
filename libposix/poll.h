/* What poll.c and poll_plain.c know of each other. SPDX-License-Identifier: MIT */
#ifndef LIBPOSIX_POLL_H
#define LIBPOSIX_POLL_H

#include "files.h"

#include <ipc/answer.h>

/* ---- questions ---- */

/* A wake-up of sockd's may bring the answer (ipc/answer.h) to this thread's last question that had a
 * number. files_private[1] of the thread is the next number, so that none ever means two questions:
 *   0  at first: ask without a number, which ends whatever question sockd knows from before
 *   1  that was done: throw away the answers that may be on their way, then begin with ANSWER_LEAST
 * and behind ANSWER_MOST comes 0. */
static inline uint64_t *question_next(void)
{
    return &thread_self()->files_private[1];
}

uint32_t question_first(void); /* poll.c: question_number of a next number below ANSWER_LEAST */

static inline uint32_t question_number(void)
{
    uint64_t next = *question_next();
    return next >= ANSWER_LEAST ? (uint32_t)next : question_first();
}

/* Nothing was ready, and sockd has the question. */
static inline void question_asked(void)
{
    uint64_t *next = question_next();
    *next = *next < ANSWER_MOST ? *next + 1 : 0;
}

/* ---- poll.c ---- */
/* poll(2) with the entries read already: `count` of them stand at `user`, too. */
long poll_entries(uint64_t user, const struct linux_pollfd *fds, uint32_t count,
                  uint64_t deadline);
/* poll(2). */
long poll_run(uint64_t user, uint32_t count, uint64_t deadline);

/* ---- poll_plain.c: up to SOCK_POLL_FEW_MOST ---- */
long poll_plain(uint64_t user, uint32_t count, uint64_t deadline);

/* ---- poll_batch.c ---- */
/* The handle of a descriptor in the process's poll set; above 0xffff: it has none. */
uint32_t poll_batch_handle(int fd);

#define SLOT_POLL_SET (POSIX_SLOT_SCRATCH + 1) /* not copied by fork: a child makes its own */

#endif
