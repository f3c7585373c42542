/* Where a thread finds itself, in the guest. The host's simulator has a file of the same name in the
 * place of this one. Included by internal.h alone. SPDX-License-Identifier: MIT */
#ifndef LIBPOSIX_MACHINE_H
#define LIBPOSIX_MACHINE_H

static inline struct posix_thread *thread_self(void)
{
    struct posix_thread *self;
    __asm__("movq %%gs:0, %0" : "=r"(self));
    return self;
}

static inline struct posix_thread *area_thread(uint64_t area)
{
    return (struct posix_thread *)(POSIX_AREA(area) + POSIX_AREA_THREAD);
}

static inline struct ar_ipc_buffer *area_ipc(uint64_t area)
{
    return (struct ar_ipc_buffer *)(POSIX_AREA(area) + POSIX_AREA_IPC);
}

/* struct fd_entry[POSIX_FD_MAX], lazily backed */
#define PRIVATE_FD_TABLE POSIX_PRIVATE

#endif
