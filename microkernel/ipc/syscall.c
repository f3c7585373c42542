/*
 * The way in: which system call.
 * SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "ipc/ipc.h"
#include "sched/sched.h"
#include "sched/work.h"

enum { SYSCALL_BYTES = 2 }; /* the length of the instruction */

void syscall_again(struct tcb *caller)
{
    trace_again(caller);
    caller->regs.rip -= SYSCALL_BYTES;
}

void syscall_handle(void)
{
    struct tcb *caller = core.current;
    work_start();
    switch (caller->regs.rax) {
    case AR_SYS_CALL:
        ipc_call(caller, AR_NO_DEADLINE);
        break;
    case AR_SYS_CALL_UNTIL:
        ipc_call(caller, caller->regs.r13);
        break;
    case AR_SYS_REPLY_RECV:
        ipc_reply_receive(caller);
        break;
    case AR_SYS_RECV:
        ipc_receive(caller);
        break;
    case AR_SYS_REPLY:
        ipc_reply(caller);
        break;
    case AR_SYS_SIGNAL:
        ipc_signal(caller);
        break;
    case AR_SYS_WAIT:
        ipc_wait(caller);
        break;
    case AR_SYS_YIELD:
        ipc_return(caller, AR_OK);
        sched_yield();
        break;
    case AR_SYS_INVOKE:
        invocation_handle(caller);
        break;
    case AR_SYS_DATA_READ:
        ipc_data(caller, false);
        break;
    case AR_SYS_DATA_WRITE:
        ipc_data(caller, true);
        break;
    case AR_SYS_CLOCK:
        caller->regs.rdx = arch_clock_ns();
        caller->regs.r10 = arch_tsc_per_us();
        ipc_return(caller, AR_OK);
        break;
    default:
        ipc_return(caller, AR_ERR_SYSCALL);
        break;
    }
    sched_pick();
}
