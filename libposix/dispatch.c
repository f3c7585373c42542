/*
 * From a bounced system call to its handler, and what happens on the way back to the program:
 * restarts and signals. SPDX-License-Identifier: MIT
 */
#include "private.h"

struct posix_process process;

/* One bit a number: said once in the log. */
static uint64_t reported[(LINUX_CALLS + 63) / 64 + 1];

long call_unknown(const uint64_t a[6])
{
    (void)a;
    uint32_t number = (uint32_t)thread_self()->frame.rax;
    uint32_t index = number < LINUX_CALLS ? number : LINUX_CALLS;
    uint64_t bit = 1ull << (index % 64);
    const char *name = number < LINUX_CALLS ? linux_table[number].name : NULL;
    if (!(__atomic_fetch_or(&reported[index / 64], bit, __ATOMIC_RELAXED) & bit))
        posix_log("unknown system call %d (%s) by %s", (int)number, name ? name : "no such number",
                  process.name);
    return -LINUX_ENOSYS;
}

/* A call that was interrupted: EINTR or once more, signal(7). With a handler about to run,
 * `flags` are its sa_flags. */
static void restart_decide(struct posix_thread *thread, bool handler, uint64_t flags)
{
    struct posix_frame *f = &thread->frame;
    long result = (long)f->rax;
    if (thread->system_call == UINT64_MAX || !restarts(result))
        return;
    if (handler && (result == -POSIX_RESTART_NOHAND || !(flags & LINUX_SA_RESTART))) {
        result = -LINUX_EINTR;
        f->rax = (uint64_t)result;
    } else {
        f->rax = thread->system_call;
        f->rip -= 2; /* back onto the syscall instruction */
    }
    if (process.traced)
        trace_result(thread->system_call, result);
    thread->system_call = UINT64_MAX;
}

static void leave_slowly(struct posix_thread *thread)
{
    for (;;) {
        /* A temporary mask lasts until the handler that ended the call has its frame. */
        if (thread->mask_saved && !thread->taken.signal) {
            thread->mask = thread->saved_mask;
            thread->mask_saved = false;
        }
        if (!signal_fetch())
            break;
        const struct posix_action *action = &process.actions[thread->taken.signal];
        if (action->handler <= LINUX_SIG_IGN) { /* changed by another thread meanwhile */
            thread->taken.signal = 0;
            continue;
        }
        restart_decide(thread, true, action->flags);
        signal_deliver();
    }
    restart_decide(thread, false, 0);
}

void posix_leave(void)
{
    struct posix_thread *thread = thread_self();
    leave_slowly(thread);
    thread->frame_replaced = false;
    thread->system_call = UINT64_MAX;
}

/* Most calls leave nothing to do: no signal, no mask or frame to put back, no restart. Upcalls that are
 * pending the way out sees by itself (entry.asm). */
static bool nothing_left(const struct posix_thread *thread, long result)
{
    return !thread->leaves_slowly && !thread->taken.signal &&
           !(process.pending_blocked & ~thread->mask) && !restarts(result);
}

static inline enum posix_way_out finish(struct posix_thread *thread, long result)
{
    if (!nothing_left(thread, result))
        return WAY_OUT_SLOW;
    thread->system_call = UINT64_MAX;
    return WAY_OUT_PLAIN;
}

static __attribute__((noinline)) enum posix_way_out dispatch_traced(struct posix_thread *thread, uint32_t number,
                                                      posix_handler handler)
{
    long result = trace_call(number, handler, thread->frame.arguments);
    thread->frame.rax = (uint64_t)result;
    return finish(thread, result);
}

enum posix_way_out posix_dispatch(void)
{
    struct posix_thread *thread = thread_self();
    uint32_t number = (uint32_t)thread->frame.rax; /* Linux looks at eax alone */
    posix_handler handler = number < LINUX_CALLS ? linux_table[number].handler : call_unknown;
    if (process.traced)
        return dispatch_traced(thread, number, handler);
    long result = handler(thread->frame.arguments);
    thread->frame.rax = (uint64_t)result;
    return finish(thread, result);
}
