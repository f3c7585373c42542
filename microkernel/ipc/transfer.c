/*
 * One message from one thread to another. SPDX-License-Identifier: MIT
 */
#include "ipc/caps.h"
#include "ipc/ipc.h"

enum ar_error ipc_transfer(struct tcb *from, struct tcb *to, uint64_t badge,
                           struct endpoint *endpoint)
{
    struct cap_plan plan[AR_MSG_CAPS];
    uint64_t info = from->regs.rsi;
    unsigned words = AR_INFO_WORDS(info), caps = AR_INFO_CAPS(info);
    if (words > AR_MSG_WORDS || caps > AR_MSG_CAPS)
        return AR_ERR_ARGUMENT;
    if (endpoint && AR_INFO_LABEL(info) < AR_LABEL_USER)
        return AR_ERR_LABEL; /* the registers were written while the sender waited */
    if (caps) {
        enum ar_error error = caps_plan(from, to, caps, endpoint, false, plan);
        if (error)
            return error;
    }

    /* point of no return */
    trace_transfer(from, to, endpoint, badge);
    caps_trace(from, to, caps, plan);
    to->regs.rdx = from->regs.rdx;
    to->regs.r10 = from->regs.r10;
    to->regs.r8 = from->regs.r8;
    to->regs.r9 = from->regs.r9;
    for (unsigned i = 4; i < words; i++)
        to->buffer->words[i] = from->buffer->words[i];
    caps_go(to, caps, false, plan);
    to->regs.rsi = info;
    to->regs.rdi = badge;
    to->regs.rax = AR_OK;
    return AR_OK;
}
