/* Making threads. SPDX-License-Identifier: MIT */
#ifndef LIBPOSIX_THREAD_H
#define LIBPOSIX_THREAD_H

#include <stdint.h>

/* What clone(2) and clone3(2) come down to. Addresses are the program's; `stack` is the initial
 * rsp, 0: the caller's. */
struct clone_request {
    uint64_t flags, exit_signal, stack, parent_tid, child_tid, tls, fs_base;
};

/* CLONE_THREAD: the new thread's id or -errno. */
long thread_clone(const struct clone_request *request);
/* After fork: the other threads, and so their queue entries, are not here. */
void futex_forget_all(void);

#endif
