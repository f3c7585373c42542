/*
 * Threads. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "ipc/ipc.h"
#include "object/acts.h"
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
    trace_state(tcb, AR_THREAD_INACTIVE, 0, NULL, NULL);
    tcb->state = AR_THREAD_INACTIVE;
    sched_unready(tcb);
    if (core.current == tcb)
        core.current = NULL;
    if (core.vector_owner == tcb)
        core.vector_owner = NULL;
    if (tcb->bound)
        tcb->bound->bound = NULL;
    if (core.listed == tcb)
        core.listed = tcb->all_next;
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

/* ---- invocations ----------------------------------------------------------------------------- */

static struct tcb *target_tcb(const struct invocation *call)
{
    return (struct tcb *)call->target->object;
}

enum ar_error tcb_configure(struct invocation *call)
{
    struct tcb *tcb = target_tcb(call);
    struct cap *frame = call->caps[2], *gate = call->caps[4];
    if (tcb == call->caller || tcb->state == AR_THREAD_READY)
        return invocation_fail(call, AR_ERR_BUSY, AR_ARG_TARGET, 0, 0);

    replace(&tcb->cspace, call->caps[0]);
    replace(&tcb->vspace, call->caps[1]);
    replace(&tcb->ipc_frame, frame);
    tcb->ipc_frame.flags |= CAP_BUFFER;
    cap_delete(&tcb->fault_gate);
    if (gate)
        cap_copy(&tcb->fault_gate, gate, AR_SEND);
    tcb->buffer = (struct ar_ipc_buffer *)frame->object;
    tcb->buffer->self = call->words[3];
    return AR_OK;
}

enum ar_error tcb_set_priority(struct invocation *call)
{
    struct tcb *tcb = target_tcb(call);
    if (call->words[0] > call->caller->priority)
        return invocation_fail(call, AR_ERR_RIGHTS, 0, call->caller->priority, call->words[0]);

    sched_unready(tcb);
    tcb->priority = (uint8_t)call->words[0];
    sched_ready(tcb);
    return AR_OK;
}

enum ar_error tcb_set_principal(struct invocation *call)
{
    target_tcb(call)->principal = call->words[0];
    trace_principal(target_tcb(call));
    return AR_OK;
}

/* Only who is trusted not to touch another's registers can have a thread trusted. */
enum ar_error tcb_set_vector(struct invocation *call)
{
    if (target_tcb(call) == call->caller)
        return invocation_fail(call, AR_ERR_BUSY, AR_ARG_TARGET, 0, 0);
    if (!call->words[0] && !call->caller->no_vector)
        return invocation_fail(call, AR_ERR_RIGHTS, 0, 1, 0);

    target_tcb(call)->no_vector = !call->words[0];
    return AR_OK;
}

enum ar_error tcb_set_foreign(struct invocation *call)
{
    struct tcb *tcb = target_tcb(call);
    uint64_t entry = call->words[0], low = call->words[1], high = call->words[2];
    if (high < low)
        return invocation_fail(call, AR_ERR_RANGE, 2, low, high);

    tcb->foreign_entry = entry;
    tcb->native_low = entry ? low : 0;
    tcb->native_length = entry ? high - low : UINT64_MAX;
    return AR_OK;
}

enum ar_error tcb_bind_notification(struct invocation *call)
{
    struct tcb *tcb = target_tcb(call);
    struct cap *slot = call->caps[0];
    struct notification *notification = slot ? (struct notification *)slot->object : NULL;
    if (notification && notification->bound)
        return invocation_fail(call, AR_ERR_EXISTS, 0, 0, call->words[0]);

    if (tcb->bound)
        tcb->bound->bound = NULL;
    tcb->bound = notification;
    if (notification) {
        notification->bound = tcb;
        notification_signal(notification, 0); /* bits that are there already end its receive */
    }
    return AR_OK;
}

enum ar_error tcb_read_regs(struct invocation *call)
{
    struct tcb *tcb = target_tcb(call);
    const uint64_t *regs = (const uint64_t *)&tcb->regs;
    if (tcb == call->caller)
        return invocation_fail(call, AR_ERR_BUSY, AR_ARG_TARGET, 0, 0);

    for (unsigned i = 0; i < AR_REGS_WORDS; i++)
        invocation_set_word(call, i, regs[i]);
    call->result_words = AR_REGS_WORDS;
    return AR_OK;
}

enum ar_error tcb_write_regs(struct invocation *call)
{
    struct tcb *tcb = target_tcb(call);
    uint64_t *regs = (uint64_t *)&tcb->regs;
    if (tcb == call->caller)
        return invocation_fail(call, AR_ERR_BUSY, AR_ARG_TARGET, 0, 0);

    for (unsigned i = 0; i < AR_REGS_WORDS; i++)
        regs[i] = invocation_word(call, i);
    tcb->regs.rflags = (tcb->regs.rflags & ARCH_USER_FLAGS_SETTABLE) | ARCH_USER_FLAGS;
    tcb->full_restore = 1;
    return AR_OK;
}

enum ar_error tcb_resume(struct invocation *call)
{
    struct tcb *tcb = target_tcb(call);
    if (tcb->cspace.type != AR_CNODE)
        return invocation_fail(call, AR_ERR_INCOMPLETE, AR_ARG_TARGET, AR_CNODE, AR_NULL);
    if (tcb->vspace.type != AR_VSPACE)
        return invocation_fail(call, AR_ERR_INCOMPLETE, AR_ARG_TARGET, AR_VSPACE, AR_NULL);

    tcb->suspended = 0;
    trace_suspended(tcb, false);
    if (tcb->state == AR_THREAD_INACTIVE)
        tcb->state = AR_THREAD_READY;
    sched_ready(tcb);
    return AR_OK;
}

enum ar_error tcb_suspend(struct invocation *call)
{
    struct tcb *tcb = target_tcb(call);
    tcb->suspended = 1;
    trace_suspended(tcb, true);
    sched_unready(tcb);
    return AR_OK;
}

enum ar_error tcb_set_name(struct invocation *call)
{
    struct tcb *tcb = target_tcb(call);
    memory_copy(tcb->name, call->words, sizeof(tcb->name));
    tcb->name[sizeof(tcb->name) - 1] = 0;
    trace_name(tcb);
    return AR_OK;
}

enum ar_error tcb_info(struct invocation *call)
{
    const struct tcb *tcb = target_tcb(call);
    call->words[0] = tcb->state;
    call->words[1] = arch_cycles_to_ns(sched_cycles(tcb));
    call->words[2] = tcb->regs.rip;
    call->words[3] = tcb->suspended;
    call->result_words = 4;
    return AR_OK;
}

enum ar_error tcb_cancel(struct invocation *call)
{
    call->words[0] = ipc_interrupt(target_tcb(call));
    call->result_words = 1;
    return AR_OK;
}
