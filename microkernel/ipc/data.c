/*
 * Bulk data: a server copies to or from the memory that its blocked caller declared.
 * SPDX-License-Identifier: MIT
 *
 * The caller is blocked until the reply, and its segments are read from its own IPC buffer at
 * each copy: whatever its other threads do to them, only memory of its own address space is ever
 * reached, with its own rights.
 */
#include "arch/arch.h"
#include "ipc/ipc.h"

/* Copy one run inside one page of the caller. */
static bool copy_run(struct tcb *caller, uint64_t address, uint64_t here, uint64_t length,
                     bool write)
{
    void *there = arch_user_page(&caller->vspace, address, write);
    if (!there)
        return false;
    if (write)
        return arch_copy_from_user(there, here, length);
    return arch_copy_to_user(here, there, length);
}

void ipc_data(struct tcb *server, bool write)
{
    struct cap *slot;
    uint64_t offset = server->regs.rdx, here = server->regs.r10, left = server->regs.r8, done = 0;
    enum ar_error error = tcb_lookup_type(server, server->regs.rdi, AR_REPLY, 0, &slot);
    struct tcb *caller = error ? NULL : ((struct reply *)slot->object)->caller;
    if (!error && !caller)
        error = AR_ERR_GONE;
    if (!error && caller->state != AR_THREAD_BLOCKED_REPLY)
        error = AR_ERR_ARGUMENT;
    if (error) {
        ipc_return(server, error);
        return;
    }
    const struct ar_segment *segments = write ? caller->buffer->out : caller->buffer->in;
    unsigned count =
        (unsigned)(write ? AR_INFO_OUT(caller->regs.rsi) : AR_INFO_IN(caller->regs.rsi));
    for (unsigned i = 0; i < count && left; i++) {
        uint64_t start = segments[i].address, length = segments[i].length;
        if (offset >= length) {
            offset -= length;
            continue;
        }
        start += offset;
        length -= offset;
        offset = 0;
        if (length > left)
            length = left;
        while (length) {
            uint64_t run = 4096 - (start & 4095);
            if (run > length)
                run = length;
            if (!copy_run(caller, start, here, run, write)) {
                error = AR_ERR_FAULT;
                goto out;
            }
            start += run;
            here += run;
            length -= run;
            left -= run;
            done += run;
        }
    }
    if (left)
        error = AR_ERR_FAULT;
out:
    server->regs.rdx = done;
    ipc_return(server, error);
}
