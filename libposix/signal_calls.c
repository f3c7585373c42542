/* The system calls of signals: sigaction(2), sigprocmask(2), sigsuspend(2), sigwaitinfo(2),
 * sigaltstack(2), kill(2)… SPDX-License-Identifier: MIT */
#include "private.h"

#define UNBLOCKABLE (LINUX_SIGNAL_BIT(LINUX_SIGKILL) | LINUX_SIGNAL_BIT(LINUX_SIGSTOP))

long sys_rt_sigaction(const uint64_t a[6])
{
    unsigned n = (unsigned)a[0];
    struct linux_sigaction new, old;
    if (a[3] != 8 || n < 1 || n > LINUX_SIGNALS)
        return -LINUX_EINVAL;
    if (a[1]) {
        if (user_read(&new, (void *)a[1], sizeof(new)))
            return -LINUX_EFAULT;
        if (n == LINUX_SIGKILL || n == LINUX_SIGSTOP)
            return -LINUX_EINVAL;
    }
    lock_take(&process.signal_lock);
    struct posix_action was = process.actions[n];
    if (a[1])
        process.actions[n] =
            (struct posix_action){new.handler, new.flags, new.restorer, new.mask & ~UNBLOCKABLE};
    lock_release(&process.signal_lock);
    if (a[1] && n == LINUX_SIGCHLD)
        signal_policy_update();
    if (a[2]) {
        old = (struct linux_sigaction){was.handler, was.flags, was.restorer, was.mask};
        if (user_write((void *)a[2], &old, sizeof(old)))
            return -LINUX_EFAULT;
    }
    return 0;
}

long sys_rt_sigprocmask(const uint64_t a[6])
{
    struct posix_thread *thread = thread_self();
    uint64_t old = thread->mask, set;
    if (a[3] != 8)
        return -LINUX_EINVAL;
    if (a[1]) {
        if (user_read(&set, (void *)a[1], 8))
            return -LINUX_EFAULT;
        set &= ~UNBLOCKABLE;
        switch ((int)a[0]) {
        case LINUX_SIG_BLOCK:
            thread->mask = old | set;
            break;
        case LINUX_SIG_UNBLOCK:
            thread->mask = old & ~set;
            break;
        case LINUX_SIG_SETMASK:
            thread->mask = set;
            break;
        default:
            return -LINUX_EINVAL;
        }
    }
    return a[2] ? user_write((void *)a[2], &old, 8) : 0;
}

long sys_rt_sigpending(const uint64_t a[6])
{
    struct proc_signal_take_reply reply;
    uint64_t pending;
    if (a[1] > 8)
        return -LINUX_EINVAL;
    long error = PROC_CALL(proc_signal_take(POSIX_SLOT_PROCD, ~0ull, 1, &reply));
    if (error)
        return error;
    pending = reply.pending & thread_self()->mask;
    return user_write((void *)a[0], &pending, a[1]);
}

static long wait_for_signal(void)
{
    while (posix_wait(AR_NO_DEADLINE) != WAIT_INTERRUPTED)
        ;
    return -POSIX_RESTART_NOHAND;
}

long sys_rt_sigsuspend(const uint64_t a[6])
{
    uint64_t mask;
    long error = signal_mask_read(&mask, (void *)a[0], a[1]);
    if (error)
        return error;
    signal_mask_push(mask);
    return wait_for_signal();
}

long sys_pause(const uint64_t a[6])
{
    (void)a;
    return wait_for_signal();
}

static long info_write(void *user, const struct proc_signal_take_reply *reply)
{
    struct linux_siginfo info = {.signo = (int32_t)reply->signal, .code = (int32_t)reply->code};
    if (reply->signal == LINUX_SIGCHLD && reply->code > 0) {
        info.child.pid = (int32_t)reply->pid;
        info.child.uid = (uint32_t)reply->uid;
        info.child.status = (int32_t)reply->status;
    } else {
        info.rt.pid = (int32_t)reply->pid;
        info.rt.uid = (uint32_t)reply->uid;
        info.rt.value = reply->value;
    }
    return user_write(user, &info, sizeof(info));
}

/* sigwaitinfo(2), sigtimedwait(2): the signals waited for are unblocked only inside, so that no
 * handler takes them. The wake-up for one that is blocked is the same upcall, so the wait is on
 * the notification itself. */
long sys_rt_sigtimedwait(const uint64_t a[6])
{
    struct posix_thread *thread = thread_self();
    struct proc_signal_take_reply reply;
    uint64_t set, timeout = 0, deadline = AR_NO_DEADLINE, bits;
    long error = signal_mask_read(&set, (void *)a[0], a[3]);
    if (error)
        return error;
    set &= ~UNBLOCKABLE;
    if (a[2]) {
        error = timespec_read(&timeout, (void *)a[2]);
        if (error)
            return error;
        deadline = deadline_after(timeout);
    }
    for (;;) {
        thread->ipc->upcall_pending = 0;
        error = PROC_CALL(proc_signal_take(POSIX_SLOT_PROCD, ~set, 0, &reply));
        if (error)
            return error;
        process.pending_blocked = reply.pending;
        if (reply.signal && reply.signal <= LINUX_SIGNALS) {
            thread->ipc->upcall_pending = 1;
            return a[1] && info_write((void *)a[1], &reply) ? -LINUX_EFAULT : (long)reply.signal;
        }
        if (signal_due())
            return -LINUX_EINTR;
        if (a[2] && timeout == 0)
            return -LINUX_EAGAIN;
        enum ar_error error = ar_wait(thread_slot(POSIX_TS_NOTIFICATION), deadline, &bits);
        wakeups_taken();
        if (error == AR_ERR_TIMEOUT)
            timeout = 0; /* one last look */
    }
}

long sys_sigaltstack(const uint64_t a[6])
{
    struct posix_thread *thread = thread_self();
    struct linux_stack new, old = thread->altstack;
    bool inside = !(old.flags & LINUX_SS_DISABLE) && thread->frame.rsp - old.sp - 1 < old.size;
    if (inside)
        old.flags |= LINUX_SS_ONSTACK;
    if (a[0]) {
        if (user_read(&new, (void *)a[0], sizeof(new)))
            return -LINUX_EFAULT;
        if (inside)
            return -LINUX_EPERM;
        uint32_t mode = (uint32_t)new.flags & ~LINUX_SS_AUTODISARM;
        if (mode != LINUX_SS_DISABLE && mode != LINUX_SS_ONSTACK && mode != 0)
            return -LINUX_EINVAL;
        if (mode == LINUX_SS_DISABLE) {
            new.sp = new.size = 0;
        } else {
            if (new.size < LINUX_MINSIGSTKSZ)
                return -LINUX_ENOMEM;
            new.flags &= ~LINUX_SS_ONSTACK;
        }
        thread->altstack = new;
    }
    return a[1] ? user_write((void *)a[1], &old, sizeof(old)) : 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

static long send(int64_t pid, uint64_t tid, int64_t signal, int64_t code, uint64_t value)
{
    if (signal < 0 || signal > LINUX_SIGNALS)
        return -LINUX_EINVAL;
    return PROC_CALL(proc_kill(POSIX_SLOT_PROCD, pid, tid, (uint64_t)signal, code, value));
}

long sys_kill(const uint64_t a[6])
{
    return send((int)a[0], 0, (int)a[1], LINUX_SI_USER, 0);
}

long sys_tgkill(const uint64_t a[6])
{
    if ((int)a[0] <= 0 || (int)a[1] <= 0)
        return -LINUX_EINVAL;
    return send((int)a[0], (uint32_t)a[1], (int)a[2], LINUX_SI_TKILL, 0);
}

/* One of our own threads, else the first thread of another process. */
long sys_tkill(const uint64_t a[6])
{
    uint32_t tid = (uint32_t)a[0];
    if ((int)a[0] <= 0)
        return -LINUX_EINVAL;
    long error = send(process.pid, tid, (int)a[1], LINUX_SI_TKILL, 0);
    return error == -LINUX_ESRCH ? send(tid, tid, (int)a[1], LINUX_SI_TKILL, 0) : error;
}

static long queue_info(int64_t pid, uint64_t tid, int64_t signal, uint64_t user)
{
    struct linux_siginfo info;
    if (user_read(&info, (void *)user, sizeof(info)))
        return -LINUX_EFAULT;
    if ((info.code >= 0 || info.code == LINUX_SI_TKILL) && pid != process.pid)
        return -LINUX_EPERM;
    return send(pid, tid, signal, info.code, info.rt.value);
}

long sys_rt_sigqueueinfo(const uint64_t a[6])
{
    return queue_info((int)a[0], 0, (int)a[1], a[2]);
}

long sys_rt_tgsigqueueinfo(const uint64_t a[6])
{
    if ((int)a[0] <= 0 || (int)a[1] <= 0)
        return -LINUX_EINVAL;
    return queue_info((int)a[0], (uint32_t)a[1], (int)a[2], a[3]);
}

/* ---- timers ---------------------------------------------------------------------------------- */

static uint64_t timeval_ns(const struct linux_timeval *t)
{
    return (uint64_t)t->seconds * NS_PER_SECOND + (uint64_t)t->microseconds * 1000;
}

static struct linux_timeval ns_timeval(uint64_t ns)
{
    return (struct linux_timeval){(int64_t)(ns / NS_PER_SECOND),
                                  (int64_t)(ns % NS_PER_SECOND / 1000)};
}

static bool timeval_valid(const struct linux_timeval *t)
{
    return t->seconds >= 0 && t->microseconds >= 0 && t->microseconds < 1000000;
}

static long timer_answer(uint64_t user, const struct proc_timer_reply *reply)
{
    struct linux_itimerval old = {ns_timeval(reply->interval_ns), ns_timeval(reply->value_ns)};
    return user ? user_write((void *)user, &old, sizeof(old)) : 0;
}

/* ITIMER_VIRTUAL and ITIMER_PROF are not kept: setting one is EINVAL and says so. */
static long timer_kind(uint64_t which)
{
    if ((int)which == 0)
        return 0;
    if ((int)which == 1 || (int)which == 2)
        posix_log("setitimer: only ITIMER_REAL is there (asked for %d)", (int)which);
    return -LINUX_EINVAL;
}

long sys_setitimer(const uint64_t a[6])
{
    struct linux_itimerval new = {0};
    struct proc_timer_reply reply;
    long error = timer_kind(a[0]);
    if (error)
        return error;
    if (a[1] && user_read(&new, (void *)a[1], sizeof(new)))
        return -LINUX_EFAULT;
    if (!timeval_valid(&new.value) || !timeval_valid(&new.interval))
        return -LINUX_EINVAL;
    error = PROC_CALL(
        proc_timer(POSIX_SLOT_PROCD, 1, timeval_ns(&new.value), timeval_ns(&new.interval), &reply));
    return error ? error : timer_answer(a[2], &reply);
}

long sys_getitimer(const uint64_t a[6])
{
    struct proc_timer_reply reply;
    long error = timer_kind(a[0]);
    if (!error)
        error = PROC_CALL(proc_timer(POSIX_SLOT_PROCD, 0, 0, 0, &reply));
    return error ? error : timer_answer(a[1], &reply);
}

long sys_alarm(const uint64_t a[6])
{
    struct proc_timer_reply reply;
    uint64_t seconds = (uint32_t)a[0];
    if (PROC_CALL(proc_timer(POSIX_SLOT_PROCD, 1, seconds * NS_PER_SECOND, 0, &reply)))
        return 0;
    /* alarm(2) never says 0 when one was set */
    uint64_t left = (reply.value_ns + NS_PER_SECOND / 2) / NS_PER_SECOND;
    return left == 0 && reply.value_ns ? 1 : (long)left;
}
