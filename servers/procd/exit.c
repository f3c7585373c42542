/* How a process ends, and how its parent hears of it: exit, wait. SPDX-License-Identifier: MIT */
#include "procd.h"
#include <string.h>

enum wait_option {
    WAIT_NOHANG = 1,
    WAIT_STOPPED = 2,
    WAIT_EXITED = 4,
    WAIT_CONTINUED = 8,
    WAIT_NOWAIT = 0x1000000
};
#define WAIT_OPTIONS \
    (WAIT_NOHANG | WAIT_STOPPED | WAIT_EXITED | WAIT_CONTINUED | WAIT_NOWAIT | 0xe0000000ull)

/* Children go to procd, which waits for nobody: zombies among them end here. */
static void process_orphan_children(struct procd *procd, struct process *process)
{
    while (process->children) {
        struct process *child = process->children;
        process_unlink(child);
        process_tell_parent(child);
        if (child->state == PROCESS_ZOMBIE)
            process_reap(procd, child);
    }
}

/* Everything but the entry goes, and with it every copy of a capability, so that whoever sees
 * the zombie knows that its descriptors are closed. */
static void process_strip(struct procd *procd, struct process *process)
{
    while (process->threads)
        thread_end(procd, process->threads);
    procd->machine->slots_destroy(procd->context, process->slots);
    process->slots = 0;
    credentials_mark_dead(procd, process);
    process_memory_ends(process);
    space_destroy(&process->space);
    signals_remove(&process->signals, ~0ull);
    process->timer_ns = process->kill_ns = 0;
}

static void process_hang_up(struct procd *procd, const struct process *process)
{
    if (process->pid != procd->terminal_sid)
        return;
    uint32_t foreground = procd->foreground_pgid;
    procd->terminal_sid = procd->foreground_pgid = 0;
    if (foreground && foreground != process->pgid)
        signal_send_group(procd, foreground, SIG_HUP);
}

void process_exit(struct procd *procd, struct process *process, uint32_t status, unsigned signal,
                  bool core)
{
    if (process->state == PROCESS_ZOMBIE)
        return;
    /* nobody writes core files, but wait(2) says what Linux would */
    core = core && process->limits[LIMIT_CORE].soft > 0;
    process->exit_status = signal ? signal | (core ? 0x80u : 0) : status & 0xff00;
    process_strip(procd, process);
    process->state = PROCESS_ZOMBIE;
    procd->zombie_count++;
    pidfd_process_ends(procd, process->pid, false);
    process_orphan_children(procd, process);
    process_hang_up(procd, process);
    process_vfork_done(procd, process);
    struct process *parent = process->parent;
    if (!parent) {
        if (process->spawned)
            waiters_wake(&process->wait_waiters, ~0u, procd->effects);
        else
            process_reap(procd, process);
        return;
    }
    waiters_wake(&parent->wait_waiters, ~0u, procd->effects);
    bool nobody_waits = parent->nocldwait && process->exit_signal == SIG_CHLD;
    if (process->exit_signal)
        signal_child(procd, process, signal ? (core ? CODE_DUMPED : CODE_KILLED) : CODE_EXITED,
                     signal ? signal : status >> 8 & 0xff);
    if (nobody_waits)
        process_reap(procd, process);
}

void process_reap(struct procd *procd, struct process *process)
{
    procd->zombie_count--;
    pidfd_process_ends(procd, process->pid, true);
    process_free(procd, process);
}

enum status op_exit(void *state, struct ipc_call *call, const struct proc_exit_request *request)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    if (request->signal && caller->process->last_fault[0])
        procd_log(procd, caller->process, caller->process->last_fault);
    process_exit(procd, caller->process, (uint32_t)(request->status & 0xff) << 8,
                 (unsigned)request->signal, request->core);
    return ST_OK;
}

static bool wait_matches(const struct process *parent, const struct process *child, int64_t pid)
{
    if (pid > 0)
        return child->pid == pid;
    if (pid == -1)
        return true;
    return child->pgid == (pid == 0 ? parent->pgid : (uint64_t)-pid);
}

/* Fill the answer from the child if it has news of a kind asked for; what was told is told once. */
static bool wait_take(struct procd *procd, struct process *parent, struct process *child,
                      uint64_t options, struct proc_wait_reply *reply)
{
    bool leave = options & WAIT_NOWAIT;
    reply->pid = child->pid;
    reply->uid = child->credentials.ruid;
    if (child->state == PROCESS_ZOMBIE) {
        reply->status = child->exit_status;
        reply->user_ns = child->cpu_ns + child->children_cpu_ns;
        if (!leave) {
            parent->children_cpu_ns += reply->user_ns;
            process_reap(procd, child);
        }
        return true;
    }
    if (options & WAIT_STOPPED && child->report_stop) {
        reply->status = child->report_stop << 8 | 0x7f;
        child->report_stop = leave ? child->report_stop : 0;
        return true;
    }
    if (options & WAIT_CONTINUED && child->report_continue) {
        reply->status = 0xffff;
        child->report_continue = leave;
        return true;
    }
    return false;
}

enum status op_wait(void *state, struct ipc_call *call, const struct proc_wait_request *request,
                    struct proc_wait_reply *reply)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    if (request->options & ~(uint64_t)WAIT_OPTIONS || request->pid < -(int64_t)ID_MAX)
        return ST_INVAL;
    struct process *parent = caller->process;
    bool any = false;
    for (struct process *child = parent->children, *next; child; child = next) {
        next = child->next_sibling;
        if (!wait_matches(parent, child, request->pid))
            continue;
        any = true;
        if (wait_take(procd, parent, child, request->options, reply))
            return ST_OK;
    }
    *reply = (struct proc_wait_reply){0};
    if (!any)
        return ST_CHILD;
    if (request->options & WAIT_NOHANG)
        return ST_OK;
    enum status status =
        waiters_arm(&parent->wait_waiters, session_find(&procd->sessions, call->principal), ~0u);
    return status ? status : ST_WAIT;
}

enum status op_spawn_wait(void *state, struct ipc_call *call,
                          const struct proc_spawn_wait_request *request,
                          struct proc_spawn_wait_reply *reply)
{
    struct procd *procd = state;
    if (call->badge != BADGE_PRIVILEGED)
        return ST_PERM;
    struct process *process = process_find(procd, request->pid);
    if (!process || !process->spawned)
        return ST_SRCH;
    if (process->state == PROCESS_ZOMBIE) {
        reply->status = process->exit_status;
        process_reap(procd, process);
        return ST_OK;
    }
    enum status status =
        waiters_arm(&process->wait_waiters, session_find(&procd->sessions, call->principal), ~0u);
    return status ? status : ST_WAIT;
}
