/* Where a thread finds itself, in the host's simulator (tests/sim): see libposix/guest/machine.h.
 * SPDX-License-Identifier: MIT */
#ifndef LIBPOSIX_MACHINE_H
#define LIBPOSIX_MACHINE_H

/* The running fiber's, and the thread of an area of the process that runs. */
extern struct posix_thread *posix_host_thread;
struct posix_thread *posix_host_area(uint64_t area);

static inline struct posix_thread *thread_self(void)
{
    return posix_host_thread;
}

static inline struct posix_thread *area_thread(uint64_t area)
{
    return posix_host_area(area);
}

struct ar_ipc_buffer *area_ipc(uint64_t area);

/* Of random_fill. */
extern uint64_t posix_host_random;

extern uint8_t posix_host_fd_table[];
#define PRIVATE_FD_TABLE ((uint64_t)posix_host_fd_table)

#endif
