/* Executes descriptors, pipes, nodes and identities. SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "address.h"
#include "execute.h"

static uint64_t path_pointer(int32_t address)
{
    const char *path = address_path(address);
    return path ? pointer(path) : 8;
}

static void execute_stat(const struct op *op, struct result *result)
{
    struct stat status;
    memset(&status, 0, sizeof(status));
    if (op->kind == OP_FSTAT)
        result->ret = (int32_t)call(SYS_fstat, (uint64_t)(int64_t)op->fd, pointer(&status), 0, 0, 0, 0);
    else
        result->ret = (int32_t)call(SYS_newfstatat, (uint64_t)AT_FDCWD, path_pointer(op->address), pointer(&status),
                                    (uint64_t)op->flags, 0, 0);
    if (result->ret != 0)
        return;
    out(result, status.st_mode);
    if (S_ISDIR(status.st_mode))
        return;
    out(result, (int64_t)status.st_nlink);
    out(result, status.st_uid);
    out(result, status.st_gid);
    out(result, status.st_size);
}

static void execute_pipe(const struct op *op, struct result *result)
{
    int32_t fds[2] = {-1, -1};
    result->ret = (int32_t)call(SYS_pipe2, op->good == 0 ? 8 : pointer(fds), (uint64_t)op->flags, 0, 0, 0, 0);
    if (result->ret == 0) {
        out(result, fds[0]);
        out(result, fds[1]);
    }
}

static void execute_node(const struct op *op, struct result *result)
{
    uint64_t here = (uint64_t)AT_FDCWD, path = path_pointer(op->address), other = path_pointer(op->address2);
    switch (op->kind) {
    case OP_OPEN:
        result->ret = (int32_t)call(SYS_openat, here, path, (uint64_t)op->flags, 0644, 0, 0);
        break;
    case OP_CHMOD:
        result->ret = (int32_t)call(SYS_fchmodat, here, path, (uint64_t)op->value, 0, 0, 0);
        break;
    case OP_UNLINK:
        result->ret = (int32_t)call(SYS_unlinkat, here, path, 0, 0, 0, 0);
        break;
    case OP_RENAME:
        result->ret = (int32_t)call(SYS_renameat, here, path, here, other, 0, 0);
        break;
    case OP_LINK:
        result->ret = (int32_t)call(SYS_linkat, here, path, here, other, 0, 0);
        break;
    default:
        execute_stat(op, result);
        break;
    }
}

static void execute_identity(const struct op *op, struct result *result)
{
    struct rlimit limit = {(rlim_t)op->value, 256};
    if (op->kind == OP_UMASK)
        result->ret = (int32_t)call(SYS_umask, (uint64_t)op->value, 0, 0, 0, 0, 0);
    else if (op->kind == OP_SETRESUID)
        result->ret = (int32_t)call(op->flags ? SYS_setresgid : SYS_setresuid, (uint64_t)(int64_t)op->uid,
                                    (uint64_t)(int64_t)op->gid, (uint64_t)(int64_t)op->value, 0, 0, 0);
    else
        result->ret = (int32_t)call(SYS_setrlimit, RLIMIT_NOFILE, pointer(&limit), 0, 0, 0, 0);
}

static void execute_copy(const struct op *op, struct result *result)
{
    uint64_t from = (uint64_t)(int64_t)op->fd, to = (uint64_t)(int64_t)op->fd0, length = (uint64_t)op->length0;
    if (op->kind == OP_SENDFILE)
        result->ret = (int32_t)call(SYS_sendfile, to, from, 0, length, 0, 0);
    else if (op->kind == OP_SPLICE)
        result->ret = (int32_t)call(SYS_splice, from, 0, to, 0, length, (uint64_t)op->flags);
    else
        result->ret = (int32_t)call(SYS_tee, from, to, length, (uint64_t)op->flags, 0, 0);
}

/* Times are not looked at: a timer was over long ago (at an absolute 1 ns), or is in a WAIT. */
static void execute_timer(const struct op *op, struct result *result)
{
    const struct itimerspec times = {.it_value = {.tv_sec = op->value == TIMER_LATER ? TIMER_SECONDS : 0,
                                                  .tv_nsec = op->value == TIMER_OVER}};
    result->ret = (int32_t)call(SYS_timerfd_create, CLOCK_MONOTONIC, (uint64_t)op->flags, 0, 0, 0, 0);
    if (result->ret >= 0 && op->value != TIMER_OFF)
        call(SYS_timerfd_settime, (uint64_t)result->ret, op->value == TIMER_OVER, pointer(&times), 0, 0, 0);
}

static void execute_pidfd(const struct op *op, struct result *result)
{
    int32_t pid = op->value >= 0 && op->value < WORKERS_MAX ? board->pid[op->value] : op->value;
    result->ret = (int32_t)call(SYS_pidfd_open, (uint64_t)(int64_t)pid, (uint64_t)op->flags, 0, 0, 0, 0);
}

static void execute_descriptor(const struct op *op, struct result *result)
{
    uint64_t fd = (uint64_t)(int64_t)op->fd, other = (uint64_t)(int64_t)op->fd0;
    switch (op->kind) {
    case OP_DUP:
        result->ret = (int32_t)call(SYS_dup, fd, 0, 0, 0, 0, 0);
        break;
    case OP_DUP2:
        result->ret = (int32_t)call(SYS_dup2, fd, other, 0, 0, 0, 0);
        break;
    case OP_DUP3:
        result->ret = (int32_t)call(SYS_dup3, fd, other, (uint64_t)op->flags, 0, 0, 0);
        break;
    case OP_EVENTFD:
        result->ret = (int32_t)call(SYS_eventfd2, (uint64_t)op->value, (uint64_t)op->flags, 0, 0, 0, 0);
        break;
    case OP_PIDFD:
        execute_pidfd(op, result);
        break;
    case OP_TIMERFD:
        execute_timer(op, result);
        break;
    case OP_LSEEK:
        result->ret = (int32_t)call(SYS_lseek, fd, (uint64_t)(int64_t)op->value, (uint64_t)op->flags, 0, 0, 0);
        break;
    case OP_FCHMOD:
        result->ret = (int32_t)call(SYS_fchmod, fd, (uint64_t)op->value, 0, 0, 0, 0);
        break;
    default:
        execute_pipe(op, result);
        break;
    }
}

void execute_file(int worker, const struct op *op, struct result *result)
{
    (void)worker;
    switch (op->kind) {
    case OP_OPEN:
    case OP_STAT:
    case OP_FSTAT:
    case OP_CHMOD:
    case OP_UNLINK:
    case OP_RENAME:
    case OP_LINK:
        execute_node(op, result);
        break;
    case OP_UMASK:
    case OP_SETRESUID:
    case OP_SETRLIMIT:
        execute_identity(op, result);
        break;
    case OP_SENDFILE:
    case OP_SPLICE:
    case OP_TEE:
        execute_copy(op, result);
        break;
    default:
        execute_descriptor(op, result);
        break;
    }
}
