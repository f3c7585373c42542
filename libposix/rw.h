/* What rw.c and rw_plain.c know of each other. SPDX-License-Identifier: MIT */
#ifndef LIBPOSIX_RW_H
#define LIBPOSIX_RW_H

#include "files.h"

enum direction { READING, WRITING };

/* ---- rw.c: for every descriptor ---- */
/* One buffer of the program's: a count or -errno. */
long move_buffer(int fd, uint64_t user, uint64_t length, int64_t offset, enum direction direction);
/* The same for a checked segment, of which `done` bytes were written already. */
long move_single(int fd, struct fd_info *info, const struct ar_segment *segment, uint64_t done,
                 int64_t offset, uint64_t flags, enum direction direction);
/* A write had EPIPE after `done` bytes: SIGPIPE when it is due. */
void pipe_signal(int fd, struct fd_info *info, uint64_t done, bool waited);
static inline uint64_t io_again(const struct posix_retry *retry)
{
    return retry->waited ? IO_AGAIN : 0;
}

/* ---- rw_plain.c: one buffer, where the description is, on sockd's sockets, pipes and event
 * counters ---- */
long read_plain(int fd, struct fd_info *info, const struct ar_segment *segment);
long write_plain(int fd, struct fd_info *info, const struct ar_segment *segment);

#endif
