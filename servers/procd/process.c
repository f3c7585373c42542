/* The process table: numbers, entries, kinship. SPDX-License-Identifier: MIT */
#include "procd.h"
#include <ipc/memory.h>
#include <string.h>

void id_use(struct procd *procd, uint32_t id)
{
    procd->id_uses[id]++;
}

void id_release(struct procd *procd, uint32_t id)
{
    procd->id_uses[id]--;
}

/* Ascending and wrapping, so that a number comes back as late as possible. */
uint32_t id_allocate(struct procd *procd)
{
    for (unsigned tried = 0; tried < ID_MAX; tried++) {
        procd->id_last = procd->id_last >= ID_MAX ? ID_FIRST : procd->id_last + 1;
        if (procd->id_uses[procd->id_last] == 0)
            return procd->id_last;
    }
    return 0;
}

struct process *process_find(struct procd *procd, uint64_t pid)
{
    return pid <= ID_MAX ? procd->process_of[pid] : NULL;
}

bool process_privileged(const struct process *process)
{
    return process->credentials.euid == 0;
}

static void process_defaults(struct process *process)
{
    for (unsigned i = 0; i < PROC_RLIMIT_COUNT; i++)
        process->limits[i] = (struct rlimit){UINT64_MAX, UINT64_MAX};
    process->limits[LIMIT_STACK].soft = USER_STACK_SIZE;
    process->limits[LIMIT_CORE].soft = 0;
    process->limits[LIMIT_NPROC] = (struct rlimit){512, 512};
    process->limits[LIMIT_NOFILE] = (struct rlimit){1024, 4096};
}

static void process_inherit(struct process *process, const struct process *parent)
{
    memcpy(process->name, parent->name, sizeof(process->name));
    memcpy(process->limits, parent->limits, sizeof(process->limits));
    process->credentials = parent->credentials;
    process->fixup = parent->fixup;
    process->fixup_start = parent->fixup_start;
    process->fixup_end = parent->fixup_end;
    process->nocldwait = parent->nocldwait; /* dispositions are inherited */
    process->nocldstop = parent->nocldstop;
    if (parent->path && (process->path = mem_alloc(parent->path_length + 1))) {
        memcpy(process->path, parent->path, parent->path_length);
        process->path_length = parent->path_length;
    }
    if (parent->command && (process->command = mem_alloc(parent->command_length + 1))) {
        memcpy(process->command, parent->command, parent->command_length);
        process->command_length = parent->command_length;
    }
}

void process_trace(struct procd *procd, const struct process *process, uint32_t parent)
{
    uint64_t words[5] = {process->pid, process->credential_index, parent};
    memcpy(&words[3], process->name, sizeof(process->name));
    if (procd->machine->trace)
        procd->machine->trace(procd->context, AR_TRACE_PROCESS, words);
}

struct process *process_allocate(struct procd *procd, struct process *parent)
{
    unsigned index = 0;
    while (index < PROCESS_MAX && procd->processes[index])
        index++;
    uint32_t pid = id_allocate(procd);
    if (index == PROCESS_MAX || !pid)
        return NULL;
    unsigned credential = credentials_allocate(procd);
    if (credential == CREDENTIALS_MAX)
        return NULL;
    struct process *process = mem_alloc(sizeof(*process));
    if (!process) {
        credentials_release(procd, credential);
        return NULL;
    }
    process_defaults(process);
    if (parent)
        process_inherit(process, parent);
    process->index = index;
    process->pid = pid;
    process->credential_index = credential;
    process->credentials.pid = pid;
    if (++procd->serial == 0)
        procd->serial = 1;
    process->credentials.serial = procd->serial;
    process->start_ns = procd->machine->now_ns(procd->context);
    id_use(procd, pid);
    procd->processes[index] = process;
    procd->process_of[pid] = process;
    procd->process_count++;
    process_set_group(procd, process, parent ? parent->pgid : pid);
    process_set_sid(procd, process, parent ? parent->sid : pid);
    credentials_publish(procd, process);
    process_trace(procd, process, parent ? parent->pid : 0);
    return process;
}

void process_link(struct process *process, struct process *parent)
{
    process->parent = parent;
    if (!parent)
        return;
    process->next_sibling = NULL; /* the eldest first: wait(2) reports them in that order */
    process->previous_sibling = parent->last_child;
    if (parent->last_child)
        parent->last_child->next_sibling = process;
    else
        parent->children = process;
    parent->last_child = process;
    process_tell_parent(process);
}

void process_unlink(struct process *process)
{
    if (!process->parent)
        return;
    if (process->previous_sibling)
        process->previous_sibling->next_sibling = process->next_sibling;
    else
        process->parent->children = process->next_sibling;
    if (process->next_sibling)
        process->next_sibling->previous_sibling = process->previous_sibling;
    else
        process->parent->last_child = process->previous_sibling;
    process->parent = process->next_sibling = process->previous_sibling = NULL;
}

void process_set_group(struct procd *procd, struct process *process, uint32_t pgid)
{
    id_use(procd, pgid);
    if (process->pgid)
        id_release(procd, process->pgid);
    process->pgid = pgid;
}

void process_set_sid(struct procd *procd, struct process *process, uint32_t sid)
{
    id_use(procd, sid);
    if (process->sid)
        id_release(procd, process->sid);
    process->sid = sid;
}

void process_free(struct procd *procd, struct process *process)
{
    const uint64_t trace[5] = {process->pid};
    if (procd->machine->trace)
        procd->machine->trace(procd->context, AR_TRACE_PROCESS_END, trace);
    process_unlink(process);
    waiters_destroy(&process->wait_waiters, procd->effects);
    waiters_destroy(&process->vfork_waiters, procd->effects);
    signals_remove(&process->signals, ~0ull);
    credentials_release(procd, process->credential_index);
    procd->processes[process->index] = NULL;
    procd->process_of[process->pid] = NULL;
    procd->process_count--;
    id_release(procd, process->pid);
    id_release(procd, process->pgid);
    id_release(procd, process->sid);
    job_leave(process->job);
    mem_free(process->path);
    mem_free(process->command);
    mem_free(process);
}

bool group_exists(struct procd *procd, uint32_t pgid, uint32_t sid)
{
    for (unsigned i = 0; i < PROCESS_MAX; i++) {
        const struct process *process = procd->processes[i];
        if (process && process->pgid == pgid && (!sid || process->sid == sid))
            return true;
    }
    return false;
}

uint64_t process_cpu_ns(struct procd *procd, struct process *process)
{
    uint64_t total = process->cpu_ns;
    for (struct thread *thread = process->threads; thread; thread = thread->next) {
        enum ar_thread_state state;
        uint64_t cpu_ns = 0;
        procd->machine->thread_info(procd->context, thread->handle, &state, &cpu_ns);
        total += cpu_ns;
    }
    return total;
}
