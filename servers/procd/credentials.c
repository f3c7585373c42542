/* The credentials table and the requests that change identities and limits.
 * SPDX-License-Identifier: MIT */
#include "procd.h"
#include <string.h>

/* Round robin: an entry's old content stays readable until the table has gone round, so that a
 * server that is still looking at a message of a process that just ended or changed its ids sees
 * what was true when it was sent. */
unsigned credentials_allocate(struct procd *procd)
{
    for (unsigned tried = 0; tried < CREDENTIALS_MAX; tried++) {
        procd->credential_last = (procd->credential_last + 1) % CREDENTIALS_MAX;
        unsigned index = procd->credential_last;
        if (index != 0 && !procd->credential_used[index]) { /* principal 0 is nobody's */
            procd->credential_used[index] = 1;
            return index;
        }
    }
    return CREDENTIALS_MAX;
}

void credentials_publish(struct procd *procd, struct process *process)
{
    process->credentials.fsuid = process->credentials.euid;
    process->credentials.fsgid = process->credentials.egid;
    uint64_t nofile = process->limits[LIMIT_NOFILE].soft;
    process->credentials.nofile = nofile > UINT32_MAX ? UINT32_MAX : (uint32_t)nofile;
    procd->credentials[process->credential_index] = process->credentials;
}

/* Ids stay readable in the dead entries, for whoever is still looking at a message; the pid is
 * what lives. */
void credentials_mark_dead(struct procd *procd, const struct process *process)
{
    procd->credentials[process->credential_index].pid = 0;
    for (unsigned i = 0; process->credentials_renewed && i < CREDENTIALS_MAX; i++)
        if (procd->credentials[i].pid == process->pid)
            procd->credentials[i].pid = 0;
}

void credentials_release(struct procd *procd, unsigned index)
{
    procd->credential_used[index] = 0;
}

/* A new principal with the process's present credentials: what was sent before keeps the old
 * stamp. */
static enum status credentials_renew(struct procd *procd, struct process *process,
                                     const struct credentials *changed)
{
    unsigned index = credentials_allocate(procd);
    if (index == CREDENTIALS_MAX)
        return ST_AGAIN;
    credentials_release(procd, process->credential_index);
    process->credential_index = index;
    process->credentials_renewed = true;
    process->credentials = *changed;
    credentials_publish(procd, process);
    for (struct thread *thread = process->threads; thread; thread = thread->next)
        procd->machine->thread_set_principal(procd->context, thread->handle,
                                             PRINCIPAL(index, thread->tid));
    return ST_OK;
}

/* setresuid(2): without privilege each id must be one of the present three. */
static bool id_allowed(int64_t id, bool privileged, uint32_t real, uint32_t effective,
                       uint32_t saved)
{
    if (id == -1 || privileged)
        return true;
    return id == real || id == effective || id == saved;
}

enum status op_set_ids(void *state, struct ipc_call *call,
                       const struct proc_set_ids_request *request)
{
    struct thread *caller = procd_caller(state, call);
    if (!caller)
        return ST_PERM;
    struct process *process = caller->process;
    struct credentials changed = process->credentials;
    uint32_t *real = request->group ? &changed.rgid : &changed.ruid;
    uint32_t *effective = request->group ? &changed.egid : &changed.euid;
    uint32_t *saved = request->group ? &changed.sgid : &changed.suid;
    const int64_t ids[] = {request->real, request->effective, request->saved};
    bool privileged = process_privileged(process);
    for (unsigned i = 0; i < 3; i++) {
        if (ids[i] < -1 || ids[i] >= UINT32_MAX)
            return ST_INVAL;
        if (!id_allowed(ids[i], privileged, *real, *effective, *saved))
            return ST_PERM;
    }
    if (ids[0] != -1)
        *real = (uint32_t)ids[0];
    if (ids[1] != -1)
        *effective = (uint32_t)ids[1];
    if (ids[2] != -1)
        *saved = (uint32_t)ids[2];
    return credentials_renew(state, process, &changed);
}

enum status op_groups(void *state, struct ipc_call *call, const struct proc_groups_request *request,
                      struct proc_groups_reply *reply)
{
    struct thread *caller = procd_caller(state, call);
    if (!caller)
        return ST_PERM;
    struct process *process = caller->process;
    if (!request->set) {
        reply->count = process->credentials.group_count;
        if (request->count == 0)
            return ST_OK;
        if (request->count < reply->count)
            return ST_INVAL;
        return ipc_data_put(call, 0, process->credentials.groups, reply->count * sizeof(uint32_t));
    }
    if (!process_privileged(process))
        return ST_PERM;
    if (request->count > CREDENTIALS_GROUPS)
        return ST_INVAL;
    struct credentials changed = process->credentials;
    enum status status = ipc_data_get(call, 0, changed.groups, request->count * sizeof(uint32_t));
    if (status)
        return status;
    changed.group_count = (uint32_t)request->count;
    reply->count = request->count;
    return credentials_renew(state, process, &changed);
}

enum status op_ids(void *state, struct ipc_call *call, const struct proc_ids_request *request,
                   struct proc_ids_reply *reply)
{
    struct thread *caller = procd_caller(state, call);
    if (!caller)
        return ST_PERM;
    const struct procd *procd = state;
    struct process *process = request->pid ? process_find(state, request->pid) : caller->process;
    if (!process && request->pid <= ID_MAX && procd->thread_of[request->pid])
        /* Linux takes any thread's number here */
        process = procd->thread_of[request->pid]->process;
    if (request->pid == ID_INIT) {
        *reply = (struct proc_ids_reply){.pid = ID_INIT, .pgid = ID_INIT, .sid = ID_INIT};
        process = NULL;
    } else if (!process) {
        return ST_SRCH;
    } else {
        reply->pid = process->pid;
        reply->ppid = process->parent ? process->parent->pid : ID_INIT;
        reply->pgid = process->pgid;
        reply->sid = process->sid;
    }
    const struct credentials *own = &caller->process->credentials;
    reply->ruid = own->ruid;
    reply->euid = own->euid;
    reply->suid = own->suid;
    reply->rgid = own->rgid;
    reply->egid = own->egid;
    reply->sgid = own->sgid;
    reply->tid = caller->tid;
    return ST_OK;
}

/* prlimit(2). Limits that others enforce reach them through the credentials table. */
enum status op_limit(void *state, struct ipc_call *call, const struct proc_limit_request *request,
                     struct proc_limit_reply *reply)
{
    struct thread *caller = procd_caller(state, call);
    if (!caller)
        return ST_PERM;
    struct process *process = request->pid ? process_find(state, request->pid) : caller->process;
    if (!process || process->state == PROCESS_ZOMBIE)
        return ST_SRCH;
    if (request->resource >= PROC_RLIMIT_COUNT)
        return ST_INVAL;
    const struct credentials *own = &caller->process->credentials, *its = &process->credentials;
    bool privileged = process_privileged(caller->process);
    if (process != caller->process && !privileged &&
        (own->ruid != its->euid || own->ruid != its->suid))
        return ST_PERM;
    struct rlimit *limit = &process->limits[request->resource];
    reply->soft = limit->soft;
    reply->hard = limit->hard;
    if (!request->set)
        return ST_OK;
    if (request->soft > request->hard)
        return ST_INVAL;
    if (request->hard > limit->hard && !privileged)
        return ST_PERM;
    if (request->resource == LIMIT_NOFILE && request->hard > POSIX_FD_MAX)
        return ST_PERM;
    limit->soft = request->soft;
    limit->hard = request->hard;
    if (request->resource == LIMIT_STACK)
        process->space.stack_limit =
            request->soft < USER_STACK_SIZE ? request->soft : USER_STACK_SIZE;
    credentials_publish(state, process);
    return ST_OK;
}
