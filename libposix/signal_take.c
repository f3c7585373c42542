/*
 * Signals arriving: taken from procd one at a time, default actions done at once, those with a
 * handler left in thread->taken for the way out. SPDX-License-Identifier: MIT
 *
 * procd keeps what is pending; ipc->upcall_pending says that something may be there. We clear it
 * before asking, so one that comes after our question sets it again.
 */
#include "private.h"

#define BIT(n) LINUX_SIGNAL_BIT(LINUX_SIG##n)
#define FAULTS (BIT(SEGV) | BIT(BUS) | BIT(ILL) | BIT(FPE) | BIT(TRAP))
#define DEFAULT_IGNORED (BIT(CHLD) | BIT(CONT) | BIT(URG) | BIT(WINCH))
#define DEFAULT_STOPS (BIT(STOP) | BIT(TSTP) | BIT(TTIN) | BIT(TTOU))
#define DEFAULT_CORE (BIT(QUIT) | BIT(ILL) | BIT(TRAP) | BIT(ABRT) | BIT(BUS) | BIT(FPE) | BIT(SEGV) | BIT(XCPU) |\
                      BIT(XFSZ) | BIT(SYS))

_Noreturn static void end_by_signal(unsigned signal)
{
    process_exit(0, signal, (DEFAULT_CORE & LINUX_SIGNAL_BIT(signal)) != 0);
}

static void stop_by_signal(unsigned signal)
{
    for (;;) {
        enum status status = proc_stop(POSIX_SLOT_PROCD, signal);
        if (status == ST_SESSION && session_open_with(ISSUER_PROCD) == 0)
            continue;
        if (status != ST_WAIT)
            return;
        wait_uninterrupted();
    }
}

/* One signal, out of procd's hands. true: it has a handler. */
static bool signal_decide(const struct proc_signal_take_reply *reply)
{
    struct posix_thread *thread = thread_self();
    unsigned signal = (unsigned)reply->signal;
    uint64_t bit = LINUX_SIGNAL_BIT(signal);
    uint64_t handler = process.actions[signal].handler;
    bool forced = reply->code > 0 && (FAULTS & bit);

    if (forced && (handler == LINUX_SIG_IGN || (thread->mask & bit)))
        end_by_signal(signal); /* the instruction would fault again for ever */
    if (handler == LINUX_SIG_IGN || (handler == LINUX_SIG_DFL && (DEFAULT_IGNORED & bit)))
        return false;
    if (handler == LINUX_SIG_DFL) {
        if (!(DEFAULT_STOPS & bit))
            end_by_signal(signal);
        stop_by_signal(signal);
        return false;
    }
    thread->taken = (struct posix_siginfo){
        .signal = (int32_t)signal, .code = (int32_t)reply->code, .pid = (uint32_t)reply->pid,
        .uid = (uint32_t)reply->uid, .value = reply->value, .status = reply->status,
    };
    return true;
}

static bool take_one(uint64_t blocked, bool *handler)
{
    struct proc_signal_take_reply reply;
    *handler = false;
    if (proc_signal_take(POSIX_SLOT_PROCD, blocked, 0, &reply) || reply.signal > LINUX_SIGNALS)
        return false;
    if (reply.signal == 0) {
        process.pending_blocked = reply.pending & blocked;
        return false;
    }
    /* there may be more: ask again until the answer is none */
    thread_self()->ipc->upcall_pending = 1;
    *handler = signal_decide(&reply);
    return true;
}

bool signal_fetch(void)
{
    struct posix_thread *thread = thread_self();
    bool handler = false;
    while (!thread->taken.signal) {
        if (!thread->ipc->upcall_pending && !(process.pending_blocked & ~thread->mask))
            return false;
        thread->ipc->upcall_pending = 0;
        if (!take_one(thread->mask, &handler) && !thread->ipc->upcall_pending)
            return false;
    }
    return true;
}

bool signal_due(void)
{
    struct posix_thread *thread = thread_self();
    if (thread->taken.signal)
        return true;
    if (!thread->ipc->upcall_pending && !(process.pending_blocked & ~thread->mask))
        return false;
    return signal_fetch();
}

/* An upcall into program code may be a fault of this thread's own: that one cannot wait for the
 * mask to change. */
void posix_async(void)
{
    struct posix_thread *thread = thread_self();
    bool handler;
    if (thread->mask & FAULTS)
        take_one(~FAULTS, &handler);
}

/* ---- sending to ourselves -------------------------------------------------------------------- */

void signal_raise(int signal)
{
    proc_kill(POSIX_SLOT_PROCD, process.pid, thread_self()->tid, (uint64_t)signal, LINUX_SI_USER,
              0);
    thread_self()->ipc->upcall_pending = 1;
}

void signal_mask_push(uint64_t mask)
{
    struct posix_thread *thread = thread_self();
    if (!thread->mask_saved) {
        thread->saved_mask = thread->mask;
        thread->mask_saved = true;
    }
    thread->mask = mask & ~(BIT(KILL) | BIT(STOP));
}

long signal_mask_read(uint64_t *mask, const void *user, size_t size)
{
    return size != 8 ? -LINUX_EINVAL : user_read(mask, user, 8);
}

/* ---- what procd has to know ------------------------------------------------------------------ */

void signal_policy_update(void)
{
    const struct posix_action *child = &process.actions[LINUX_SIGCHLD];
    proc_signal_policy(POSIX_SLOT_PROCD,
                       child->handler == LINUX_SIG_IGN || (child->flags & LINUX_SA_NOCLDWAIT) != 0,
                       (child->flags & LINUX_SA_NOCLDSTOP) != 0);
}

/* execve(2): handlers go, ignored signals stay ignored, the mask stays. */
void signal_reset_for_exec(void)
{
    for (unsigned n = 1; n <= LINUX_SIGNALS; n++) {
        bool ignored = process.actions[n].handler == LINUX_SIG_IGN;
        process.actions[n] =
            (struct posix_action){.handler = ignored ? LINUX_SIG_IGN : LINUX_SIG_DFL};
    }
    thread_self()->altstack = (struct linux_stack){.flags = LINUX_SS_DISABLE};
    thread_self()->mask_saved = false;
    thread_self()->taken.signal = 0;
    signal_policy_update();
}
