/*
 * Notifications: a word of bits that threads wait for. SPDX-License-Identifier: MIT
 */
#include "arch/arch.h"
#include "ipc/ipc.h"
#include "sched/work.h"

static void wake_waiter(struct notification *notification)
{
    struct tcb *waiter = notification->waiters.head;
    queue_remove(&notification->waiters, waiter);
    deadline_remove(waiter);
    waiter->regs.rdx = notification->bits;
    waiter->waiting_for = NULL;
    notification->bits = 0;
    waiter->state = AR_THREAD_READY;
    ipc_return(waiter, AR_OK);
    sched_ready(waiter);
}

void notification_signal(struct notification *notification, uint64_t bits)
{
    struct tcb *bound = notification->bound;
    trace_signal(notification, bits,
                 bound && bound->state == AR_THREAD_BLOCKED_RECV ? bound
                                                                 : notification->waiters.head);
    notification->bits |= bits;
    if (!notification->bits)
        return;
    if (bound && bound->state == AR_THREAD_BLOCKED_RECV) {
        bits = notification->bits;
        notification->bits = 0;
        ipc_deliver_bits(bound, bits);
    } else if (notification->waiters.head) {
        wake_waiter(notification);
    }
}

void ipc_signal(struct tcb *caller)
{
    struct cap *slot;
    enum ar_error error =
        tcb_lookup_type(caller, caller->regs.rdi, AR_NOTIFICATION, AR_SEND, &slot);
    ipc_return(caller, error);
    if (!error)
        notification_signal((struct notification *)slot->object, caller->regs.rdx);
}

void ipc_wait(struct tcb *caller)
{
    struct cap *slot;
    enum ar_error error =
        tcb_lookup_type(caller, caller->regs.rdi, AR_NOTIFICATION, AR_RECV, &slot);
    struct notification *notification = error ? NULL : (struct notification *)slot->object;
    if (!error && !notification->bits && caller->regs.r13 != AR_NO_DEADLINE &&
        caller->regs.r13 <= arch_clock_ns())
        error = AR_ERR_TIMEOUT;
    ipc_return(caller, error);
    if (error)
        return;
    if (notification->bits) {
        caller->regs.rdx = notification->bits;
        notification->bits = 0;
        return;
    }
    caller->state = AR_THREAD_BLOCKED_WAIT;
    caller->waiting_for = notification;
    trace_state(caller, AR_THREAD_BLOCKED_WAIT, 0, notification, NULL);
    sched_unready(caller);
    queue_append(&notification->waiters, caller);
    deadline_add(caller, caller->regs.r13);
}

void notification_destroy(struct notification *notification)
{
    if (notification->bound)
        notification->bound->bound = NULL;
    work_spend(WORK_LOOK);
    irq_forget(notification);
    if (notification->waiters.head)
        dying_add(AR_NOTIFICATION, notification);
}

bool notification_dissolve(struct notification *notification)
{
    if (!notification->waiters.head)
        return true;
    work_spend(WORK_CANCEL);
    ipc_cancel(notification->waiters.head, AR_ERR_GONE);
    return false;
}
