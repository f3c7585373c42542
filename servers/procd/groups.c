/* Process groups, sessions and the terminal's foreground. SPDX-License-Identifier: MIT */
#include "procd.h"

/* setpgid(2). */
enum status op_set_group(void *state, struct ipc_call *call,
                         const struct proc_set_group_request *request)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    struct process *self = caller->process;
    struct process *process = request->pid ? process_find(procd, request->pid) : self;
    if (request->pgid > ID_MAX)
        return ST_INVAL;
    if (!process || process->state == PROCESS_ZOMBIE ||
        (process != self && process->parent != self))
        return ST_SRCH;
    if (process != self && process->executed)
        return ST_ACCES;
    if (process->sid != self->sid || process->sid == process->pid)
        return ST_PERM;
    uint32_t pgid = request->pgid ? (uint32_t)request->pgid : process->pid;
    if (pgid != process->pid && !group_exists(procd, pgid, self->sid))
        return ST_PERM;
    process_set_group(procd, process, pgid);
    return ST_OK;
}

/* setsid(2): the new session has no terminal. */
enum status op_set_session(void *state, struct ipc_call *call, struct proc_set_session_reply *reply)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    struct process *process = caller->process;
    if (group_exists(procd, process->pid, 0))
        return ST_PERM;
    process_set_group(procd, process, process->pid);
    process_set_sid(procd, process, process->pid);
    reply->sid = process->sid;
    return ST_OK;
}

/* tcgetpgrp(3), tcsetpgrp(3). A session without the terminal gets NOTTY. */
enum status op_foreground(void *state, struct ipc_call *call,
                          const struct proc_foreground_request *request,
                          struct proc_foreground_reply *reply)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    uint32_t sid = caller->process->sid;
    if (!procd->terminal_sid || sid != procd->terminal_sid)
        return ST_NOTTY;
    if (request->set) {
        if (request->pgid == 0 || request->pgid > ID_MAX)
            return ST_INVAL;
        if (!group_exists(procd, (uint32_t)request->pgid, sid))
            return ST_PERM;
        procd->foreground_pgid = (uint32_t)request->pgid;
    }
    reply->pgid = procd->foreground_pgid;
    return ST_OK;
}
