/*
 * pidfd_open(2): a descriptor that becomes readable when its process ends.
 * SPDX-License-Identifier: MIT
 *
 * It remembers the process's end by itself, so that a number used again does not revive it.
 *
 *   running --process_exit--> ended (readable) --reaped--> gone (readable, hung up)
 */
#include "procd.h"
#include <ipc/memory.h>
#include <proto/io.h>

enum { PIDFDS_MAX = 1024, EVENT_IN = 0x41 /* POLLIN, POLLRDNORM */, EVENT_HANG_UP = 0x10 };
enum { MODE_ANONYMOUS = 0600, OPEN_READ_WRITE = 2, OPEN_NONBLOCK = 04000 };

struct pidfd {
    uint32_t pid; /* 0: the entry is free */
    bool ended, reaped;
    uint64_t flags;
    struct waiters waiters;
};

struct pidfd_table {
    struct pidfd entries[PIDFDS_MAX];
};

static struct pidfd *pidfd_find(const struct procd *procd, uint64_t badge)
{
    if (!procd->pidfds || badge < BADGE_PIDFD || badge >= BADGE_PIDFD + PIDFDS_MAX)
        return NULL;
    struct pidfd *pidfd = &procd->pidfds->entries[badge - BADGE_PIDFD];
    return pidfd->pid ? pidfd : NULL;
}

enum status op_pidfd_open(void *state, struct ipc_call *call,
                          const struct proc_pidfd_open_request *request)
{
    struct procd *procd = state;
    if (!procd_caller(procd, call))
        return ST_PERM;
    const struct process *process = process_find(procd, request->pid);
    if (request->serial && (!process || process->credentials.serial != request->serial))
        return ST_INVAL;
    if (!process)
        return ST_SRCH;
    if (!procd->pidfds && !(procd->pidfds = mem_alloc(sizeof(*procd->pidfds))))
        return ST_NOMEM;
    for (unsigned i = 0; i < PIDFDS_MAX; i++) {
        struct pidfd *pidfd = &procd->pidfds->entries[i];
        if (pidfd->pid)
            continue;
        *pidfd = (struct pidfd){.pid = process->pid,
                                .ended = process->state == PROCESS_ZOMBIE,
                                .flags = OPEN_READ_WRITE | (request->flags & OPEN_NONBLOCK)};
        ipc_reply_gate(call, BADGE_PIDFD + i);
        return ST_OK;
    }
    return ST_NFILE;
}

void pidfd_closed(struct procd *procd, uint64_t badge)
{
    struct pidfd *pidfd = pidfd_find(procd, badge);
    if (!pidfd)
        return;
    waiters_destroy(&pidfd->waiters, procd->effects);
    *pidfd = (struct pidfd){0};
}

void pidfd_process_ends(struct procd *procd, uint32_t pid, bool reaped)
{
    for (unsigned i = 0; procd->pidfds && i < PIDFDS_MAX; i++) {
        struct pidfd *pidfd = &procd->pidfds->entries[i];
        if (pidfd->pid != pid || pidfd->reaped)
            continue;
        pidfd->ended = true;
        pidfd->reaped = reaped;
        waiters_wake(&pidfd->waiters, ~0u, procd->effects);
    }
}

void pidfds_destroy(struct procd *procd)
{
    mem_free(procd->pidfds);
}

static enum status pidfd_poll(void *state, struct ipc_call *call,
                              const struct io_poll_request *request, struct io_poll_reply *reply)
{
    struct procd *procd = state;
    struct pidfd *pidfd = pidfd_find(procd, call->badge);
    if (!pidfd)
        return ST_BADF;
    reply->ready = pidfd->ended ? request->events & EVENT_IN : 0;
    reply->ready |= pidfd->reaped ? EVENT_HANG_UP : 0;
    reply->sequence = pidfd->ended + pidfd->reaped;
    if (reply->ready || !request->arm)
        return ST_OK;
    return waiters_arm(&pidfd->waiters, session_find(&procd->sessions, call->principal),
                       (uint32_t)request->events | EVENT_HANG_UP);
}

static enum status pidfd_stat(void *state, struct ipc_call *call, struct io_stat_reply *reply)
{
    if (!pidfd_find(state, call->badge))
        return ST_BADF;
    *reply = (struct io_stat_reply){.mode = MODE_ANONYMOUS, .nlink = 1, .blksize = 4096,
                                    .ino = call->badge, .kind = IO_KIND_EVENT};
    return ST_OK;
}

static enum status pidfd_get_flags(void *state, struct ipc_call *call,
                                   struct io_get_flags_reply *reply)
{
    const struct pidfd *pidfd = pidfd_find(state, call->badge);
    if (!pidfd)
        return ST_BADF;
    *reply = (struct io_get_flags_reply){.flags = pidfd->flags, .kind = IO_KIND_EVENT};
    return ST_OK;
}

static enum status pidfd_set_flags(void *state, struct ipc_call *call,
                                   const struct io_set_flags_request *request)
{
    struct pidfd *pidfd = pidfd_find(state, call->badge);
    if (!pidfd)
        return ST_BADF;
    pidfd->flags = OPEN_READ_WRITE | (request->flags & OPEN_NONBLOCK);
    return ST_OK;
}

static enum status pidfd_ioctl(void *state, struct ipc_call *call,
                               const struct io_ioctl_request *request,
                               struct io_ioctl_reply *reply)
{
    (void)request;
    (void)reply;
    return pidfd_find(state, call->badge) ? ST_NOTTY : ST_BADF;
}

static enum status pidfd_process(void *state, struct ipc_call *call,
                                 struct proc_pidfd_process_reply *reply)
{
    const struct pidfd *pidfd = pidfd_find(state, call->badge);
    if (!pidfd)
        return ST_BADF;
    reply->pid = pidfd->reaped ? -1 : (int64_t)pidfd->pid;
    return ST_OK;
}

/* /proc/self/fd/N */
static enum status pidfd_path(void *state, struct ipc_call *call, struct io_path_reply *reply)
{
    static const char text[] = "anon_inode:[pidfd]";
    if (!pidfd_find(state, call->badge))
        return ST_BADF;
    reply->length = sizeof(text) - 1;
    return ipc_data_put(call, 0, text, sizeof(text) - 1);
}

/* What is missing here answers EINVAL, as reading and writing a pidfd does. */
static const struct io_server pidfd_server = {
    .poll = pidfd_poll, .stat = pidfd_stat, .get_flags = pidfd_get_flags,
    .set_flags = pidfd_set_flags, .ioctl = pidfd_ioctl, .path = pidfd_path,
};
static const struct proc_server pidfd_identity = {.pidfd_process = pidfd_process};

bool pidfd_dispatch(struct procd *procd, struct ipc_call *call)
{
    if (!pidfd_find(procd, call->badge))
        return false;
    return io_dispatch(&pidfd_server, procd, call) || proc_dispatch(&pidfd_identity, procd, call);
}
