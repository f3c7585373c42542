/* Waiting on the thread's notification, and the process's locks. SPDX-License-Identifier: MIT */
#include "private.h"

/* Lost wake-ups: a wake-up is a bit in the notification and stays there until we look, and procd
 * sets upcall_pending before it signals. So looking at signals first and waiting after that
 * misses nothing. Who is woken and has a signal, too, looks first whether it has what it waited for,
 * as in Linux; if not, its next wait is interrupted at once. A signal that nobody handles wakes
 * nobody on Linux: a send that looked again because of it might find room for which it would have
 * had to wait. One that is blocked may be what a signalfd tells. */
enum wait_result posix_wait_bits(uint64_t deadline_ns, uint64_t *bits)
{
    for (;;) {
        if (signal_due())
            return WAIT_INTERRUPTED;
        enum ar_error error = ar_wait(thread_slot(POSIX_TS_NOTIFICATION), deadline_ns, bits);
        bool ignored = !error && *bits == POSIX_WAKE_SIGNAL;
        bool woken = !error && !ignored;
        if (!ignored)
            wakeups_taken();
        if (!woken && signal_due())
            return WAIT_INTERRUPTED;
        if (!ignored || process.pending_blocked)
            return error == AR_ERR_TIMEOUT ? WAIT_TIMED_OUT : WAIT_WOKEN;
    }
}

enum wait_result posix_wait(uint64_t deadline_ns)
{
    uint64_t bits;
    return posix_wait_bits(deadline_ns, &bits);
}

void wait_forget(void)
{
    uint64_t bits;
    ar_wait(thread_slot(POSIX_TS_NOTIFICATION), 0, &bits);
    wakeups_taken();
}

void wait_uninterrupted(void)
{
    uint64_t bits;
    ar_wait(thread_slot(POSIX_TS_NOTIFICATION), AR_NO_DEADLINE, &bits);
    wakeups_taken();
}

void thread_wake(struct posix_thread *thread)
{
    ar_signal(POSIX_THREAD_SLOT(thread->area, POSIX_TS_NOTIFICATION), 1);
}

void lock_wait(struct posix_lock *lock)
{
    do
        ar_yield();
    while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE));
}

void locks_take_all(void)
{
    files_fork_lock();
    lock_take(&process.lock);
    lock_take(&process.signal_lock);
    lock_take(&process.memory_lock);
    lock_take(&process.futex_lock);
    lock_take(&private_lock);
}

void locks_release_all(void)
{
    lock_release(&private_lock);
    lock_release(&process.futex_lock);
    lock_release(&process.memory_lock);
    lock_release(&process.signal_lock);
    lock_release(&process.lock);
    files_fork_unlock();
}
