/* Handlers on the host: ordinary functions, called on the fiber's own stack on the way out of a
 * system call. In the place of signal_frame.c. SPDX-License-Identifier: MIT */
#include "private.h"

void signal_deliver(void)
{
    struct posix_thread *thread = thread_self();
    unsigned signal = (unsigned)thread->taken.signal;
    struct posix_action action = process.actions[signal];
    const struct posix_frame frame = thread->frame;
    const uint64_t mask = thread->mask_saved ? thread->saved_mask : thread->mask;
    const uint64_t forbidden =
        LINUX_SIGNAL_BIT(LINUX_SIGKILL) | LINUX_SIGNAL_BIT(LINUX_SIGSTOP);

    thread->taken.signal = 0;
    thread->mask_saved = false;
    thread->mask |= action.mask;
    if (!(action.flags & LINUX_SA_NODEFER))
        thread->mask |= LINUX_SIGNAL_BIT(signal);
    thread->mask &= ~forbidden;
    if (action.flags & LINUX_SA_RESETHAND)
        process.actions[signal].handler = LINUX_SIG_DFL;
    thread->system_call = UINT64_MAX;
    ((void (*)(int))action.handler)((int)signal);
    thread->frame = frame;
    thread->mask = mask;
}

long sys_rt_sigreturn(const uint64_t a[6])
{
    (void)a;
    return -LINUX_ENOSYS;
}
