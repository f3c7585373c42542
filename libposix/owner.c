/*
 * Who gets SIGIO and SIGURG about a descriptor: F_SETOWN, F_SETOWN_EX, F_SETSIG, FIOSETOWN.
 * SPDX-License-Identifier: MIT
 *
 * A socket's owner is its description's: sockd keeps it and has the signals sent. Other objects send
 * none here; what was set is kept for the descriptor, in this process, and read back.
 */
#include "files.h"

#include <proto/proc.h>

enum { TO_THREAD, TO_PROCESS, TO_GROUP }; /* F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP */

/* Few programs ask, so few are remembered. */
#define OWNERS_MAX 32
static struct {
    struct posix_lock lock;
    volatile uint32_t count; /* entries in use; 0 lets close pass without the lock */
    struct { int32_t used, fd; struct io_owner_reply owner; } entries[OWNERS_MAX];
} owners;

void fd_owner_lock(void)
{
    lock_take(&owners.lock);
}

void fd_owner_unlock(void)
{
    lock_release(&owners.lock);
}

void fd_owner_forget(int fd)
{
    if (owners.count == 0)
        return;
    lock_take(&owners.lock);
    for (int i = 0; i < OWNERS_MAX; i++)
        if (owners.entries[i].used && owners.entries[i].fd == fd) {
            owners.entries[i].used = 0;
            owners.count--;
        }
    lock_release(&owners.lock);
}

/* What sockd does for sockets, for the descriptor `fd`. */
static long owner_local(int fd, unsigned what, struct io_owner_reply *owner)
{
    long result = what == IO_OWNER_GET ? 0 : ERR(NOMEM);
    int slot = -1;
    lock_take(&owners.lock);
    for (int i = 0; i < OWNERS_MAX; i++) {
        if (owners.entries[i].used && owners.entries[i].fd == fd) {
            slot = i;
            break;
        }
        if (!owners.entries[i].used && slot < 0)
            slot = i;
    }
    bool found = slot >= 0 && owners.entries[slot].used;
    if (slot >= 0 && !found && what != IO_OWNER_GET) {
        owners.entries[slot].owner = (struct io_owner_reply){0};
        owners.entries[slot].fd = fd;
        owners.entries[slot].used = 1;
        owners.count++;
        process.descriptors_noted = true;
        found = true;
    }
    if (found) {
        struct io_owner_reply *kept = &owners.entries[slot].owner;
        if (what == IO_OWNER_SET) {
            kept->type = owner->type;
            kept->id = owner->id;
        } else if (what == IO_OWNER_SIGNAL) {
            kept->signal = owner->signal;
        }
        *owner = *kept;
        result = 0;
    }
    lock_release(&owners.lock);
    return result;
}

static long owner_change(const struct fd_info *info, int fd, unsigned what,
                         struct io_owner_reply *owner)
{
    struct posix_retry retry = {.server = info->server};
    struct io_owner_reply reply = {0};
    long error = POSIX_CALL(&retry, io_owner(info->slot, what, owner->type, owner->id,
                                             owner->signal, &reply));
    if (error == ERR(INVAL))
        return owner_local(fd, what, owner);
    *owner = reply;
    return error;
}

/* Is there such a thread, process or group? */
static bool target_exists(uint64_t target, uint64_t id)
{
    struct proc_ids_reply ids;
    switch (target) {
    case TO_THREAD: return PROC_CALL(proc_kill(POSIX_SLOT_PROCD, 0, id, 0, 0, 0)) != ERR(SRCH);
    case TO_PROCESS: return PROC_CALL(proc_ids(POSIX_SLOT_PROCD, id, &ids)) != ERR(SRCH);
    default:
        return PROC_CALL(proc_kill(POSIX_SLOT_PROCD, -(int64_t)id, 0, 0, 0, 0)) != ERR(SRCH);
    }
}

static long owner_set(const struct fd_info *info, int fd, uint64_t target, int64_t id)
{
    if (id < 0 || (id && !target_exists(target, (uint64_t)id)))
        return ERR(SRCH);
    struct io_owner_reply owner = {.type = target, .id = (uint64_t)id};
    return owner_change(info, fd, IO_OWNER_SET, &owner);
}

/* As it is now; one that ended is nobody. */
static long owner_get(const struct fd_info *info, int fd, struct io_owner_reply *owner)
{
    *owner = (struct io_owner_reply){0};
    long error = owner_change(info, fd, IO_OWNER_GET, owner);
    if (!error && owner->id && !target_exists(owner->type, owner->id))
        owner->id = 0;
    return error;
}

long owner_set_number(const struct fd_info *info, int fd, int32_t number)
{
    if (number == INT32_MIN)
        return ERR(INVAL);
    return number < 0 ? owner_set(info, fd, TO_GROUP, -(int64_t)number)
                      : owner_set(info, fd, TO_PROCESS, number);
}

long owner_get_number(const struct fd_info *info, int fd)
{
    struct io_owner_reply owner;
    long error = owner_get(info, fd, &owner);
    if (error)
        return error;
    long id = (long)(owner.id & INT32_MAX); /* a pid, whatever the server says */
    return owner.type == TO_GROUP ? -id : id;
}

long owner_set_signal(const struct fd_info *info, int fd, uint64_t signal)
{
    if (signal > 64)
        return ERR(INVAL);
    struct io_owner_reply owner = {.signal = signal};
    return owner_change(info, fd, IO_OWNER_SIGNAL, &owner);
}

long owner_get_signal(const struct fd_info *info, int fd)
{
    struct io_owner_reply owner;
    long error = owner_get(info, fd, &owner);
    return error ? error : (long)owner.signal;
}

long owner_set_extended(const struct fd_info *info, int fd, uint64_t user)
{
    struct linux_f_owner_ex wish;
    if (user_read(&wish, (const void *)user, sizeof(wish)))
        return ERR(FAULT);
    if (wish.type < TO_THREAD || wish.type > TO_GROUP)
        return ERR(INVAL);
    return owner_set(info, fd, (uint64_t)wish.type, wish.pid);
}

long owner_get_extended(const struct fd_info *info, int fd, uint64_t user)
{
    struct io_owner_reply owner;
    long error = owner_get(info, fd, &owner);
    if (error)
        return error;
    struct linux_f_owner_ex is = {(int32_t)owner.type, (int32_t)owner.id};
    return user_write((void *)user, &is, sizeof(is));
}

long owner_ioctl(const struct fd_info *info, int fd, bool set, uint64_t user)
{
    int32_t number = 0;
    if (set)
        return user_read(&number, (const void *)user, sizeof(number))
                   ? ERR(FAULT)
                   : owner_set_number(info, fd, number);
    number = (int32_t)owner_get_number(info, fd);
    return user_write((void *)user, &number, sizeof(number));
}
