/* How a process comes to be: spawn, fork, exec. SPDX-License-Identifier: MIT */
#include "procd.h"
#include <ipc/memory.h>
#include <string.h>

/* Undo process_allocate and what was built on it; nobody has seen it. */
static void process_abandon(struct procd *procd, struct process *process)
{
    while (process->threads)
        thread_end(procd, process->threads);
    if (process->slots)
        procd->machine->slots_destroy(procd->context, process->slots);
    space_destroy(&process->space);
    process_free(procd, process);
}

/* An entry with an empty address space and a capability space that has the well-known gates. */
static struct process *process_build(struct procd *procd, struct process *parent, struct job *job)
{
    struct process *process = process_allocate(procd, parent);
    if (!process) {
        job_leave(job);
        return NULL;
    }
    process->job = job;
    process->slots = procd->machine->slots_create(procd->context);
    if (process->slots &&
        space_init(&process->space, procd->machine, procd->context, &procd->frames))
        return process;
    process_abandon(procd, process);
    return NULL;
}

static bool process_place(struct procd *procd, struct process *process, unsigned area)
{
    return procd->machine->slots_place_gates(procd->context, process->slots,
                                             BADGE_OBJECTS + process->index) &&
           procd->machine->slots_grow(procd->context, process->slots, POSIX_THREAD_SLOT(area, 0));
}

/* struct posix_start and its strings at POSIX_START_ADDRESS. */
static enum status spawn_strings(struct procd *procd, struct process *process,
                                 struct ipc_call *call, const struct proc_spawn_request *request)
{
    size_t size = sizeof(struct posix_start) + request->length;
    const struct region region = {
        .start = POSIX_START_ADDRESS, .end = POSIX_START_ADDRESS + POSIX_START_SIZE,
        .protection = PROTECT_READ | PROTECT_WRITE, .flags = REGION_SYSTEM,
    };
    if (size > POSIX_START_SIZE)
        return ST_INVAL;
    if (space_add(&process->space, &region, false) != ST_OK)
        return ST_NOMEM;
    for (size_t done = 0; done < size; done += PAGE_SIZE) {
        uint8_t bytes[PAGE_SIZE] = {0};
        size_t head = done == 0 ? sizeof(struct posix_start) : 0;
        size_t want = size - done < PAGE_SIZE ? size - done : PAGE_SIZE;
        if (head) {
            const struct posix_start start = {.argc = request->argc,
                                              .envc = request->envc,
                                              .length = request->length,
                                              .boot_seconds = procd->boot_seconds};
            memcpy(bytes, &start, sizeof(start));
        }
        enum status status =
            ipc_data_get(call, done + head - sizeof(struct posix_start), bytes + head, want - head);
        if (status)
            return status;
        uint64_t at = POSIX_START_ADDRESS + done;
        if (page_present(&process->space, region_find(&process->space, at), at, true) != PAGE_OK)
            return ST_NOMEM;
        space_write_words(&process->space, at, (const uint64_t *)(const void *)bytes, PAGE_SIZE);
    }
    return ST_OK;
}

static enum status spawn_fill(struct procd *procd, struct process *process, struct ipc_call *call,
                              const struct proc_spawn_request *request)
{
    memcpy(process->name, "spawn", 6);
    area_take(process, 0);
    if (!process_place(procd, process, 0) || !image_map(procd, &process->space) ||
        !area_map(process, 0))
        return ST_NOMEM;
    enum status status = spawn_strings(procd, process, call, request);
    if (status)
        return status;
    struct ar_regs regs = {
        .rip = procd->image.header.start,
        .rsp = POSIX_AREA(0) + POSIX_AREA_STACK_TOP,
        .rflags = 0x202,
        .rdi = process->pid,
        .rsi = process->pid,
        .rdx = POSIX_START_ADDRESS,
        .gs_base = POSIX_AREA(0) + POSIX_AREA_THREAD,
    };
    struct thread *thread = thread_start(procd, process, process->pid, 0, &regs);
    if (!thread)
        return ST_NOMEM;
    for (unsigned i = 0; i < 3; i++)
        if (call->caps[i].kind != AR_RECEIVED_CAP)
            return ST_INVAL;
    for (unsigned i = 0; i < 3; i++)
        procd->machine->slots_move_in(procd->context, process->slots, POSIX_SLOT_FD + i,
                                      call->caps[i].value);
    procd->machine->thread_resume(procd->context, thread->handle);
    return ST_OK;
}

enum status op_spawn(void *state, struct ipc_call *call, const struct proc_spawn_request *request,
                     struct proc_spawn_reply *reply)
{
    struct procd *procd = state;
    if (call->badge != BADGE_PRIVILEGED)
        return ST_PERM;
    struct job *job = job_join(NULL);
    struct process *process = job ? process_build(procd, NULL, job) : NULL;
    if (!process)
        return ST_AGAIN;
    enum status status = spawn_fill(procd, process, call, request);
    if (status) {
        process_abandon(procd, process);
        return status;
    }
    process->spawned = true;
    if (request->terminal && !procd->terminal_sid) {
        procd->terminal_sid = process->sid;
        procd->foreground_pgid = process->pgid;
    }
    reply->pid = process->pid;
    return ST_OK;
}

static enum status fork_fill(struct procd *procd, struct thread *caller, struct process *child,
                             const struct proc_fork_request *request, struct thread **thread)
{
    struct process *parent = caller->process;
    uint64_t area = POSIX_AREA(caller->area);
    area_take(child, caller->area);
    bool share = request->flags & PROC_FORK_SHARE;
    if (!process_place(procd, child, caller->area) ||
        space_fork(&child->space, &parent->space, area, share) != ST_OK)
        return ST_NOMEM;
    uint32_t limit =
        request->slot_limit > POSIX_SLOT_FD_END ? POSIX_SLOT_FD_END : (uint32_t)request->slot_limit;
    if (!procd->machine->slots_copy(procd->context, child->slots, parent->slots, POSIX_SLOT_CWD,
                                    16 - POSIX_SLOT_CWD))
        return ST_NOMEM;
    if (limit > POSIX_SLOT_FD &&
        !procd->machine->slots_copy(procd->context, child->slots, parent->slots, POSIX_SLOT_FD,
                                    limit - POSIX_SLOT_FD))
        return ST_NOMEM;
    struct ar_regs own;
    procd->machine->thread_read(procd->context, caller->handle, &own);
    struct ar_regs regs = {
        .rip = procd->image.header.fork_entry, .rsp = request->stack_pointer, .rflags = 0x202,
        .rdi = child->pid,
        .rsi = child->pid, .fs_base = own.fs_base, .gs_base = area + POSIX_AREA_THREAD,
    };
    regs_make_safe(&regs, caller->area);
    *thread = thread_start(procd, child, child->pid, caller->area, &regs);
    return *thread ? ST_OK : ST_NOMEM;
}

enum status op_fork(void *state, struct ipc_call *call, const struct proc_fork_request *request,
                    struct proc_fork_reply *reply)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call), *thread = NULL;
    if (!caller)
        return ST_PERM;
    struct process *parent = caller->process;
    struct job *job = job_join(parent);
    if (!job)
        return ST_NOMEM;
    if (!account_may_fork(procd, parent, job)) {
        job_leave(job);
        return ST_AGAIN;
    }
    struct process *child = process_build(procd, parent, job);
    if (!child)
        return ST_AGAIN;
    enum status status = fork_fill(procd, caller, child, request, &thread);
    if (status) {
        process_abandon(procd, child);
        return status;
    }
    process_link(child, parent);
    child->exit_signal = (unsigned)request->exit_signal;
    child->vforked = request->flags & PROC_FORK_VFORK;
    procd->forks++;
    procd->machine->thread_resume(procd->context, thread->handle);
    reply->pid = child->pid;
    return ST_OK;
}

enum status op_vfork_wait(void *state, struct ipc_call *call,
                          const struct proc_vfork_wait_request *request)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    struct process *child = process_find(procd, request->pid);
    if (!child || child->parent != caller->process || !child->vforked)
        return ST_OK;
    enum status status =
        waiters_arm(&child->vfork_waiters, session_find(&procd->sessions, call->principal), ~0u);
    return status ? status : ST_WAIT;
}

void process_vfork_done(struct procd *procd, struct process *process)
{
    process->vforked = false;
    waiters_wake(&process->vfork_waiters, ~0u, procd->effects);
}

void process_memory_ends(struct process *process)
{
    for (struct process *child = process->children; child; child = child->next_sibling)
        if (child->space.lender == &process->space)
            child->space.lender = NULL;
}

void process_set_name(struct procd *procd, struct process *process, const char name[16])
{
    memcpy(process->name, name, sizeof(process->name));
    process->name[sizeof(process->name) - 1] = 0;
    for (char *c = process->name; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    process_trace(procd, process, 0);
    for (struct thread *thread = process->threads; thread; thread = thread->next)
        procd->machine->thread_set_name(procd->context, thread->handle, process->name);
}

enum status op_set_name(void *state, struct ipc_call *call,
                        const struct proc_set_name_request *request)
{
    struct thread *caller = procd_caller(state, call);
    if (!caller)
        return ST_PERM;
    const uint64_t words[2] = {request->first, request->second};
    if (caller->tid == caller->process->pid)
        process_set_name(state, caller->process, (const char *)words);
    return ST_OK;
}

enum status op_exec_begin(void *state, struct ipc_call *call,
                          const struct proc_exec_begin_request *request,
                          struct proc_exec_begin_reply *reply)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    struct process *process = caller->process;
    for (struct thread *thread = process->threads, *next; thread; thread = next) {
        next = thread->next;
        if (thread != caller)
            thread_end(procd, thread);
    }
    process_memory_ends(process);
    reply->kept = space_clear_user(&process->space, request->keep_low, request->keep_high);
    return ST_OK;
}

enum status op_exec_end(void *state, struct ipc_call *call,
                        const struct proc_exec_end_request *request)
{
    struct procd *procd = state;
    struct thread *caller = procd_caller(procd, call);
    if (!caller)
        return ST_PERM;
    struct process *process = caller->process;
    size_t path_length = request->path_length, length = request->length;
    char name[16];
    char *path = mem_alloc(path_length + 1), *command = mem_alloc(length + 1);
    enum status status = path && command ? ipc_data_get(call, 0, name, sizeof(name)) : ST_NOMEM;
    if (!status)
        status = ipc_data_get(call, sizeof(name), path, path_length);
    if (!status)
        status = ipc_data_get(call, sizeof(name) + path_length, command, length);
    if (status) {
        mem_free(path);
        mem_free(command);
        return status;
    }
    mem_free(process->path);
    mem_free(process->command);
    process_set_name(procd, process, name);
    process->path = path;
    process->path_length = strlen(path);
    process->command = command;
    process->command_length = length;
    process->executed = true;
    process->last_fault[0] = 0;
    process_vfork_done(procd, process);
    return ST_OK;
}
