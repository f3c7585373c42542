/* Signals: who gets them, how a running thread is told, stop and continue.
 * SPDX-License-Identifier: MIT */
#include "procd.h"
#include <string.h>

/* On Linux a process that another one kills ends when it next runs, so what the killer does
 * right after the call still finds it: a shell that says `kill -9 $pid; wait $pid` reaps it in
 * the wait, and prints "Killed". */
#define KILL_DELAY_NS 2000000u

#define IPC_FIELD(thread, field) \
    (POSIX_AREA((thread)->area) + POSIX_AREA_IPC + offsetof(struct ar_ipc_buffer, field))

void regs_make_safe(struct ar_regs *regs, unsigned area)
{
    if (regs->rsp >= USER_END)
        regs->rsp = 0;
    if (regs->fs_base >= USER_END)
        regs->fs_base = 0;
    if (regs->gs_base >= USER_END)
        regs->gs_base = POSIX_AREA(area) + POSIX_AREA_THREAD;
}

void thread_write_regs(struct procd *procd, struct thread *thread, struct ar_regs *regs)
{
    regs_make_safe(regs, thread->area);
    procd->machine->thread_write(procd->context, thread->handle, regs);
}

/* Steps 1 to 3 of posix_abi.h. `faulted`: the thread waits for our answer to its fault, in
 * program code, so its rip may be changed as if it were running. */
void thread_upcall(struct procd *procd, struct thread *thread, bool faulted)
{
    const struct posix_header *posix = &procd->image.header;
    struct space *space = &thread->process->space;
    const uint64_t one = 1;
    thread->upcall = true;
    /* libposix clears it itself too */
    space_write_words(space, IPC_FIELD(thread, upcall_pending), &one, sizeof(one));
    procd->machine->thread_signal(procd->context, thread->handle);
    struct ar_regs regs;
    procd->machine->thread_read(procd->context, thread->handle, &regs);
    if (regs.rip >= posix->native_low && regs.rip < posix->native_high) {
        if (regs.rip >= posix->exit_low && regs.rip < posix->exit_high) {
            regs.rip = posix->exit_redo;
            thread_write_regs(procd, thread, &regs);
        }
        return;
    }
    enum ar_thread_state state = AR_THREAD_READY;
    uint64_t cpu_ns, async_rip = 1;
    procd->machine->thread_info(procd->context, thread->handle, &state, &cpu_ns);
    if (state == AR_THREAD_BLOCKED_FAULT && !faulted)
        return; /* its fault is in our queue; answering it comes back here */
    if (!space_read_words(space, IPC_FIELD(thread, async_rip), &async_rip, sizeof(async_rip)) ||
        async_rip != 0)
        return;
    const uint64_t at[2] = {regs.rip, regs.rflags};
    space_write_words(space, IPC_FIELD(thread, async_rip), at, sizeof(at));
    regs.rip = posix->async_entry;
    thread_write_regs(procd, thread, &regs);
}

void process_stop(struct procd *procd, struct process *process, unsigned signal)
{
    if (process->state != PROCESS_RUNNING)
        return;
    process->state = PROCESS_STOPPED;
    process->report_stop = signal;
    process->report_continue = false;
    for (struct thread *thread = process->threads; thread; thread = thread->next)
        procd->machine->thread_suspend(procd->context, thread->handle);
    if (process->parent) {
        waiters_wake(&process->parent->wait_waiters, ~0u, procd->effects);
        if (!process->parent->nocldstop)
            signal_child(procd, process, CODE_STOPPED, signal);
    }
}

void process_continue(struct procd *procd, struct process *process)
{
    if (process->state != PROCESS_STOPPED)
        return;
    process->state = PROCESS_RUNNING;
    process->report_stop = 0;
    process->report_continue = true;
    for (struct thread *thread = process->threads; thread; thread = thread->next)
        procd->machine->thread_resume(procd->context, thread->handle);
    if (process->parent) {
        waiters_wake(&process->parent->wait_waiters, ~0u, procd->effects);
        if (!process->parent->nocldstop)
            signal_child(procd, process, CODE_CONTINUED, SIG_CONT);
    }
}

/* SIGCHLD, or what clone asked for, to the parent. */
void signal_child(struct procd *procd, struct process *child, int code, uint32_t status)
{
    bool ended = code == CODE_EXITED || code == CODE_KILLED || code == CODE_DUMPED;
    const struct signal_info info = {
        .signal = ended ? child->exit_signal : SIG_CHLD, .code = code, .pid = child->pid,
        .uid = child->credentials.ruid, .status = status,
    };
    if (child->parent && info.signal)
        signal_send(procd, child->parent, NULL, &info);
}

/* SIGKILL from another process. */
static void process_kill(struct procd *procd, struct process *process)
{
    if (process->state == PROCESS_ZOMBIE || process->kill_ns)
        return;
    process->kill_ns = procd->machine->now_ns(procd->context) + KILL_DELAY_NS;
    for (struct thread *thread = process->threads; thread; thread = thread->next)
        procd->machine->thread_suspend(procd->context, thread->handle);
}

static enum status kill_send(struct procd *procd, const struct process *from,
                             struct process *process, struct thread *thread,
                             const struct signal_info *info)
{
    if (info->signal != SIG_KILL || process == from)
        return signal_send(procd, process, thread, info);
    process_kill(procd, process);
    return ST_OK;
}

enum status signal_send(struct procd *procd, struct process *process, struct thread *thread,
                        const struct signal_info *info)
{
    if (process->state == PROCESS_ZOMBIE || process->kill_ns)
        return ST_OK;
    if (info->signal == SIG_KILL) {
        process_exit(procd, process, 0, SIG_KILL, false);
        return ST_OK;
    }
    if (info->signal == SIG_STOP) {
        process_stop(procd, process, SIG_STOP);
        return ST_OK;
    }
    if (info->signal == SIG_CONT) {
        signals_remove(&process->signals, SIGNALS_STOP);
        for (struct thread *each = process->threads; each; each = each->next)
            signals_remove(&each->signals, SIGNALS_STOP);
        process_continue(procd, process);
    } else if (SIGNALS_STOP & SIGNAL_BIT(info->signal)) {
        signals_remove(&process->signals, SIGNAL_BIT(SIG_CONT));
    }
    enum status status = signals_add(thread ? &thread->signals : &process->signals, info);
    if (status)
        return status;
    if (thread) {
        thread_upcall(procd, thread, false);
        return ST_OK;
    }
    for (struct thread *each = process->threads; each; each = each->next)
        thread_upcall(procd, each, false);
    return ST_OK;
}

void signal_send_group(struct procd *procd, uint32_t pgid, unsigned signal)
{
    const struct signal_info info = {.signal = signal, .code = CODE_KERNEL};
    for (unsigned i = 0; i < PROCESS_MAX; i++)
        if (procd->processes[i] && procd->processes[i]->pgid == pgid)
            signal_send(procd, procd->processes[i], NULL, &info);
}

/* Terminal signals from consoled: bit 0 SIGINT, 1 SIGQUIT, 2 SIGTSTP, 3 SIGHUP, 4 SIGWINCH. */
void procd_notified(void *state, uint64_t bits, struct ipc_effects *effects)
{
    static const uint8_t signals[] = {SIG_INT, SIG_QUIT, SIG_TSTP, SIG_HUP, SIG_WINCH};
    struct procd *procd = state;
    procd->effects = effects;
    for (unsigned i = 0; i < sizeof(signals); i++)
        if (bits & 1u << i && procd->foreground_pgid)
            signal_send_group(procd, procd->foreground_pgid, signals[i]);
}

/* kill(2): privileged, or the sender's real or effective user is the target's real or saved one;
 * SIGCONT may go to the own session. */
static bool kill_allowed(const struct process *from, const struct process *to, unsigned signal)
{
    const struct credentials *a = &from->credentials, *b = &to->credentials;
    return a->euid == 0 || a->euid == b->ruid || a->euid == b->suid || a->ruid == b->ruid ||
           a->ruid == b->suid || (signal == SIG_CONT && from->sid == to->sid);
}

static enum status kill_group(struct procd *procd, struct process *from, int64_t pid,
                              const struct signal_info *info)
{
    uint32_t pgid = pid == 0 ? from->pgid : (uint32_t)-pid;
    struct process *self = NULL;
    enum status status = ST_SRCH;
    for (unsigned i = 0; i < PROCESS_MAX; i++) {
        struct process *process = procd->processes[i];
        if (!process || (pid == -1 ? process == from : process->pgid != pgid))
            continue;
        if (!kill_allowed(from, process, info->signal)) {
            if (status == ST_SRCH)
                status = ST_PERM;
            continue;
        }
        status = ST_OK;
        if (process == from)
            self = from; /* last: SIGKILL ends the sender too */
        else if (info->signal)
            kill_send(procd, from, process, NULL, info);
    }
    if (self && info->signal)
        signal_send(procd, self, NULL, info);
    return status;
}

enum status op_kill(void *state, struct ipc_call *call, const struct proc_kill_request *request)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    struct process *from = caller->process;
    const struct signal_info info = {.signal = (unsigned)request->signal,
                                     .code = request->code,
                                     .pid = from->pid,
                                     .uid = from->credentials.ruid,
                                     .value = request->value};
    if (request->pid < -(int64_t)ID_MAX)
        return ST_SRCH;
    if (request->pid <= 0 && request->tid == 0)
        return kill_group(procd, from, request->pid, &info);
    if (request->pid == ID_INIT)
        return from->credentials.euid == 0 ? ST_OK : ST_PERM;
    struct thread *thread = NULL;
    if (request->tid) {
        thread = request->tid <= ID_MAX ? procd->thread_of[request->tid] : NULL;
        if (!thread || (request->pid > 0 && thread->process->pid != request->pid))
            return ST_SRCH;
    }
    struct process *process =
        thread ? thread->process : process_find(procd, (uint64_t)request->pid);
    if (!process)
        return ST_SRCH;
    /* A code that the kernel gives may be forged only towards oneself (rt_sigqueueinfo(2)). */
    if (request->code >= 0 && request->code != 0 && process != from)
        return ST_PERM;
    if (!kill_allowed(from, process, info.signal))
        return ST_PERM;
    return info.signal ? kill_send(procd, from, process, thread, &info) : ST_OK;
}

enum status op_signal_take(void *state, struct ipc_call *call,
                           const struct proc_signal_take_request *request,
                           struct proc_signal_take_reply *reply)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    struct process *process = caller->process;
    struct signal_info info = {0};
    bool peek = request->peek;
    if (!signals_take(&caller->signals, request->blocked, peek, &info))
        signals_take(&process->signals, request->blocked, peek, &info);
    if (info.signal && !peek)
        caller->fault_signal = caller->fault_signal && caller->signals.pending;
    reply->signal = info.signal;
    reply->code = info.code;
    reply->pid = info.pid;
    reply->uid = info.uid;
    reply->value = info.value;
    reply->status = info.status;
    reply->pending = caller->signals.pending | process->signals.pending;
    if (!(reply->pending & ~request->blocked) && caller->upcall) {
        const uint64_t zero = 0;
        caller->upcall = false;
        space_write_words(&process->space, IPC_FIELD(caller, upcall_pending), &zero, sizeof(zero));
    }
    return ST_OK;
}

enum status op_signal_policy(void *state, struct ipc_call *call,
                             const struct proc_signal_policy_request *request)
{
    struct thread *caller = procd_caller(state, call);
    if (!caller)
        return ST_PERM;
    caller->process->nocldwait = request->nocldwait;
    caller->process->nocldstop = request->nocldstop;
    return ST_OK;
}

/* The threads are suspended before the answer goes out, so it is seen only after SIGCONT. */
enum status op_stop(void *state, struct ipc_call *call, const struct proc_stop_request *request)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    struct process *process = caller->process;
    if (process->signals.pending & SIGNAL_BIT(SIG_CONT))
        return ST_OK; /* SIGCONT came after the stop signal was taken */
    process_stop(procd, process, request->signal ? (unsigned)request->signal : SIG_STOP);
    return ST_OK;
}
