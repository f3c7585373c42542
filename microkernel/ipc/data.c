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
#include "sched/work.h"

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

static enum ar_error find_caller(struct tcb *server, struct tcb **caller)
{
    struct cap *slot;
    enum ar_error error = tcb_lookup_type(server, server->regs.rdi, AR_REPLY, 0, &slot);
    if (error)
        return error;
    *caller = ((struct reply *)slot->object)->caller;
    if (!*caller)
        return AR_ERR_GONE;
    return (*caller)->state == AR_THREAD_BLOCKED_REPLY ? AR_OK : AR_ERR_ARGUMENT;
}

/* Copy the next run: what lies in one page and in one segment of the caller. False: there is no
 * such memory. */
static bool copy_next(struct tcb *caller, struct ar_regs *regs, bool write)
{
    const struct ar_segment *segments = write ? caller->buffer->out : caller->buffer->in;
    uint64_t info = caller->regs.rsi, offset = regs->rdx;
    unsigned count = (unsigned)(write ? AR_INFO_OUT(info) : AR_INFO_IN(info)), i = 0;
    for (; i < count && offset >= segments[i].length; i++)
        offset -= segments[i].length;
    if (i == count)
        return false;
    uint64_t start = segments[i].address + offset, run = 4096 - (start & 4095);
    if (run > segments[i].length - offset)
        run = segments[i].length - offset;
    if (run > regs->r8)
        run = regs->r8;
    work_spend(WORK_RUN + (unsigned)(run / WORK_BYTES));
    if (!copy_run(caller, start, regs->r10, run, write))
        return false;
    regs->rdx += run;
    regs->r10 += run;
    regs->r8 -= run;
    regs->r9 += run;
    return true;
}

/* The server's registers are the progress: offset and address go up, the length goes down, word 3
 * counts. */
void ipc_data(struct tcb *server, bool write)
{
    struct ar_regs *regs = &server->regs;
    struct tcb *caller;
    enum ar_error error = find_caller(server, &caller);
    while (!error && regs->r8) {
        if (!work_fits(WORK_RUN + 4096 / WORK_BYTES)) {
            syscall_again(server);
            return;
        }
        if (!copy_next(caller, regs, write))
            error = AR_ERR_FAULT;
    }
    regs->rdx = regs->r9;
    ipc_return(server, error);
}
