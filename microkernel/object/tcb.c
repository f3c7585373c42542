/*
 * Threads. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "ipc/ipc.h"
#include "sched/work.h"

/* What a thread without an IPC buffer reads and writes: nobody's data. */
static struct ar_ipc_buffer no_buffer;

void tcb_init(struct tcb *tcb)
{
    tcb->deadline = AR_NO_DEADLINE;
    tcb->buffer = &no_buffer;
    tcb->native_length = UINT64_MAX;
    tcb->full_restore = 1;
    tcb->suspended = 1;
    tcb->regs.rflags = ARCH_USER_FLAGS;
    arch_vector_init(tcb);
    tcb->all_next = core.all_threads;
    if (tcb->all_next)
        tcb->all_next->all_prev = tcb;
    core.all_threads = tcb;
}

void tcb_buffer_gone(struct cap *ipc_frame)
{
    struct tcb *tcb = (struct tcb *)((uint8_t *)ipc_frame - offsetof(struct tcb, ipc_frame));
    tcb->buffer = &no_buffer;
}

void tcb_destroy(struct tcb *tcb)
{
    ipc_cancel(tcb, AR_ERR_GONE);
    tcb->suspended = 1;
    tcb->state = AR_THREAD_INACTIVE;
    sched_unready(tcb);
    if (core.current == tcb)
        core.current = NULL;
    if (core.vector_owner == tcb)
        core.vector_owner = NULL;
    if (tcb->bound)
        tcb->bound->bound = NULL;
    if (tcb->all_prev)
        tcb->all_prev->all_next = tcb->all_next;
    else
        core.all_threads = tcb->all_next;
    if (tcb->all_next)
        tcb->all_next->all_prev = tcb->all_prev;
    work_spend(WORK_CANCEL);
    dying_add(AR_TCB, tcb);
}

/* Its own capabilities. */
bool tcb_dissolve(struct tcb *tcb)
{
    struct cap *own[] = {&tcb->fault_gate, &tcb->ipc_frame, &tcb->vspace, &tcb->cspace};
    for (unsigned i = 0; i < 4; i++)
        if (own[i]->type != AR_NULL) {
            cap_delete(own[i]);
            return false;
        }
    return true;
}

static void replace(struct cap *own, struct cap *source)
{
    cap_delete(own);
    cap_copy(own, source, AR_ALL);
}

static enum ar_error tcb_configure(struct invocation *call, struct tcb *tcb)
{
    struct cap *cspace, *vspace, *frame, *gate = NULL;
    uint64_t buffer = call->words[3], gate_slot = invocation_word(call, 4);
    if (tcb == call->caller || tcb->state == AR_THREAD_READY)
        return AR_ERR_BUSY;
    enum ar_error error = tcb_lookup_type(call->caller, call->words[0], AR_CNODE, 0, &cspace);
    if (!error)
        error = tcb_lookup_type(call->caller, call->words[1], AR_VSPACE, 0, &vspace);
    if (!error)
        error = tcb_lookup_type(call->caller, call->words[2], AR_FRAME, AR_READ | AR_WRITE, &frame);
    if (!error && gate_slot)
        error = tcb_lookup_type(call->caller, gate_slot, AR_GATE, AR_SEND, &gate);
    if (error)
        return error;
    if ((buffer & 4095) || buffer >= ARCH_USER_END || frame->size_bits != 12 ||
        (frame->flags & CAP_DEVICE))
        return AR_ERR_ARGUMENT;
    replace(&tcb->cspace, cspace);
    replace(&tcb->vspace, vspace);
    replace(&tcb->ipc_frame, frame);
    tcb->ipc_frame.flags |= CAP_BUFFER;
    cap_delete(&tcb->fault_gate);
    if (gate)
        cap_copy(&tcb->fault_gate, gate, AR_SEND);
    tcb->buffer = (struct ar_ipc_buffer *)frame->object;
    tcb->buffer->self = buffer;
    return AR_OK;
}

static enum ar_error tcb_set_foreign(struct invocation *call, struct tcb *tcb)
{
    uint64_t entry = call->words[0], low = call->words[1], high = call->words[2];
    if (entry >= ARCH_USER_END || low > high || high > ARCH_USER_END)
        return AR_ERR_ARGUMENT;
    tcb->foreign_entry = entry;
    tcb->native_low = entry ? low : 0;
    tcb->native_length = entry ? high - low : UINT64_MAX;
    return AR_OK;
}

static enum ar_error tcb_bind(struct invocation *call, struct tcb *tcb)
{
    struct cap *slot = NULL;
    if (call->words[0]) {
        enum ar_error error =
            tcb_lookup_type(call->caller, call->words[0], AR_NOTIFICATION, AR_RECV, &slot);
        if (error)
            return error;
        if (((struct notification *)slot->object)->bound)
            return AR_ERR_EXISTS;
    }
    if (tcb->bound)
        tcb->bound->bound = NULL;
    tcb->bound = slot ? (struct notification *)slot->object : NULL;
    if (tcb->bound)
        tcb->bound->bound = tcb;
    return AR_OK;
}

static enum ar_error tcb_read_regs(struct invocation *call, struct tcb *tcb)
{
    const uint64_t *regs = (const uint64_t *)&tcb->regs;
    if (tcb == call->caller)
        return AR_ERR_ARGUMENT;
    for (unsigned i = 0; i < AR_REGS_WORDS; i++)
        invocation_set_word(call, i, regs[i]);
    call->result_words = AR_REGS_WORDS;
    return AR_OK;
}

static enum ar_error tcb_write_regs(struct invocation *call, struct tcb *tcb)
{
    struct ar_regs regs;
    uint64_t *word = (uint64_t *)&regs;
    if (tcb == call->caller)
        return AR_ERR_ARGUMENT;
    if (call->word_count < AR_REGS_WORDS)
        return AR_ERR_ARGUMENT;
    for (unsigned i = 0; i < AR_REGS_WORDS; i++)
        word[i] = invocation_word(call, i);
    if (regs.rip >= ARCH_USER_END || regs.fs_base >= ARCH_USER_END ||
        regs.gs_base >= ARCH_USER_END || regs.rsp > ARCH_USER_END)
        return AR_ERR_ARGUMENT;
    regs.rflags = (regs.rflags & ARCH_USER_FLAGS_SETTABLE) | ARCH_USER_FLAGS;
    tcb->regs = regs;
    tcb->full_restore = 1;
    return AR_OK;
}

static enum ar_error tcb_set_run(struct invocation *call, struct tcb *tcb)
{
    if (call->label == AR_TCB_SUSPEND) {
        tcb->suspended = 1;
        sched_unready(tcb);
        return AR_OK;
    }
    if (tcb->vspace.type != AR_VSPACE || tcb->cspace.type != AR_CNODE)
        return AR_ERR_ARGUMENT;
    tcb->suspended = 0;
    if (tcb->state == AR_THREAD_INACTIVE)
        tcb->state = AR_THREAD_READY;
    sched_ready(tcb);
    return AR_OK;
}

static enum ar_error tcb_info(struct invocation *call, struct tcb *tcb)
{
    call->words[0] = tcb->state;
    call->words[1] = arch_cycles_to_ns(sched_cycles(tcb));
    call->words[2] = tcb->regs.rip;
    call->words[3] = tcb->suspended;
    call->result_words = 4;
    return AR_OK;
}

static enum ar_error tcb_set_priority(struct invocation *call, struct tcb *tcb)
{
    if (call->words[0] > AR_PRIORITY_MAX)
        return AR_ERR_ARGUMENT;
    if (call->words[0] > call->caller->priority)
        return AR_ERR_RIGHTS;
    sched_unready(tcb);
    tcb->priority = (uint8_t)call->words[0];
    sched_ready(tcb);
    return AR_OK;
}

enum ar_error tcb_invoke(struct invocation *call)
{
    struct tcb *tcb = (struct tcb *)call->target->object;
    switch (call->label) {
    case AR_TCB_CONFIGURE:
        return tcb_configure(call, tcb);
    case AR_TCB_SET_PRIORITY:
        return tcb_set_priority(call, tcb);
    case AR_TCB_SET_PRINCIPAL:
        tcb->principal = call->words[0];
        return AR_OK;
    case AR_TCB_SET_FOREIGN:
        return tcb_set_foreign(call, tcb);
    case AR_TCB_BIND_NOTIFICATION:
        return tcb_bind(call, tcb);
    case AR_TCB_READ_REGS:
        return tcb_read_regs(call, tcb);
    case AR_TCB_WRITE_REGS:
        return tcb_write_regs(call, tcb);
    case AR_TCB_RESUME:
    case AR_TCB_SUSPEND:
        return tcb_set_run(call, tcb);
    case AR_TCB_SET_NAME:
        memory_copy(tcb->name, call->words, sizeof(tcb->name));
        tcb->name[sizeof(tcb->name) - 1] = 0;
        return AR_OK;
    case AR_TCB_INFO:
        return tcb_info(call, tcb);
    case AR_TCB_CANCEL:
        call->words[0] = ipc_interrupt(tcb);
        call->result_words = 1;
        return AR_OK;
    default:
        return AR_ERR_LABEL;
    }
}
