/*
 * A program's system call on the host: what entry.asm does around posix_dispatch, without a
 * program's registers. SPDX-License-Identifier: MIT
 */
#include "private.h"
#include "host.h"

#define PLACE 0x1000ull /* stands for the address after the instruction */

long posix_host_call(long number, const uint64_t a[6])
{
    struct posix_thread *thread = thread_self();
    struct posix_frame *f = &thread->frame;
    do {
        *f = (struct posix_frame){.rax = (uint64_t)number, .rdi = a[0], .rsi = a[1], .rdx = a[2],
                                  .r10 = a[3], .r8 = a[4], .r9 = a[5], .rip = PLACE};
        thread->system_call = (uint64_t)number;
        if (posix_dispatch() == WAY_OUT_SLOW || thread->ipc->upcall_pending)
            posix_leave();
    } while (f->rip != PLACE); /* to be restarted */
    return (long)f->rax;
}

void posix_host_begin(uint64_t pid, uint64_t tid, uint64_t boot_seconds)
{
    const char *what;
    if (process_begin(pid, tid, boot_seconds, &what))
        process_exit(125, 0, false);
}

uint32_t posix_host_descriptors(void)
{
    return fd_slot_limit() - POSIX_SLOT_FD;
}

void posix_host_exit(unsigned status)
{
    process_exit(status, 0, false);
}
