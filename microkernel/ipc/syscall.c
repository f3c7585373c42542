/*
 * The way in: which system call, and which object an invocation is for.
 * SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "ipc/ipc.h"
#include "ipc/syscall.h"
#include "sched/sched.h"
#include "sched/work.h"

enum { SYSCALL_BYTES = 2 }; /* the length of the instruction */

uint64_t invocation_word(const struct invocation *call, unsigned index)
{
    if (index >= call->word_count)
        return 0;
    return index < 4 ? call->words[index] : call->caller->buffer->words[index];
}

void invocation_set_word(struct invocation *call, unsigned index, uint64_t value)
{
    if (index < 4)
        call->words[index] = value;
    else
        call->caller->buffer->words[index] = value;
}

static enum ar_error dispatch(struct invocation *call)
{
    if (!call->target)
        return cnode_invoke(call);
    switch (call->target->type) {
    case AR_UNTYPED:
        return untyped_invoke(call);
    case AR_CNODE:
        return cnode_invoke(call);
    case AR_ENDPOINT:
        return endpoint_invoke(call);
    case AR_GATE:
        return gate_invoke(call);
    case AR_TCB:
        return tcb_invoke(call);
    case AR_VSPACE:
        return vspace_invoke(call);
    case AR_FRAME:
        return frame_invoke(call);
    case AR_IRQ_CONTROL:
        return irq_control_invoke(call);
    case AR_IRQ:
        return irq_invoke(call);
    case AR_PORT:
        return port_invoke(call);
    case AR_LOG:
        return log_invoke(call);
    case AR_NULL:
        return AR_ERR_EMPTY;
    default:
        return AR_ERR_LABEL;
    }
}

void syscall_again(struct tcb *caller)
{
    caller->regs.rip -= SYSCALL_BYTES;
}

static void words_return(struct ar_regs *regs, const struct invocation *call)
{
    regs->rdx = call->words[0];
    regs->r10 = call->words[1];
    regs->r8 = call->words[2];
    regs->r9 = call->words[3];
}

static void invoke(struct tcb *caller)
{
    struct ar_regs *regs = &caller->regs;
    struct invocation call = {.caller = caller,
                              .label = AR_INFO_LABEL(regs->rsi),
                              .word_count = (unsigned)AR_INFO_WORDS(regs->rsi),
                              .words = {regs->rdx, regs->r10, regs->r8, regs->r9}};
    enum ar_error error = call.word_count > AR_MSG_WORDS ? AR_ERR_ARGUMENT : AR_OK;
    work_start();
    for (unsigned i = call.word_count; i < 4; i++)
        call.words[i] = 0;
    if (!error && regs->rdi != AR_CAP_SELF)
        error = tcb_lookup(caller, regs->rdi, &call.target);
    if (!error)
        error = dispatch(&call);
    if (error == KERNEL_AGAIN) {
        if (call.word_count < 4) /* the words that were left out and count as 0 may not be 0 now */
            regs->rsi = AR_INFO(call.label, 4, 0, 0, 0);
        words_return(regs, &call);
        syscall_again(caller);
        return;
    }
    regs->rax = error;
    regs->rsi = AR_INFO(0, error ? 0 : call.result_words, 0, 0, 0);
    if (!error)
        words_return(regs, &call);
}

void syscall_handle(void)
{
    struct tcb *caller = core.current;
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
        invoke(caller);
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
