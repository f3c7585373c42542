/*
 * ioctl(2). What the table knows is answered here, the terminal's process groups by procd, the
 * rest by the descriptor's server, which needs to know how much memory the third argument points
 * to. SPDX-License-Identifier: MIT
 */
#include "files.h"

#include <proto/proc.h>

/* Bytes behind the pointer; 0: the argument is a number. Newer requests carry the size in
 * themselves, ioctl(2). */
static uint64_t argument_size(uint32_t request)
{
    switch (request) {
    case LX_TCGETS:
    case LX_TCSETS:
    case LX_TCSETSW:
    case LX_TCSETSF:
        return sizeof(struct linux_termios);
    case LX_TIOCGWINSZ:
    case LX_TIOCSWINSZ:
        return sizeof(struct linux_winsize);
    case LX_FIONREAD:
    case LX_TIOCOUTQ:
    case LX_SIOCATMARK:
        return sizeof(int32_t);
    case LX_FIOQSIZE:
        return sizeof(int64_t);
    case LX_TCSBRK:
    case LX_TCSBRKP:
    case LX_TCXONC:
    case LX_TCFLSH:
        return 0;
    default:
        return request >> 30 ? request >> 16 & 0x3fff : 0;
    }
}

/* A request that fills its memory, and so needs no readable page; and one that only reads. */
static bool only_written(uint32_t request)
{
    return request == LX_TCGETS || request == LX_TIOCGWINSZ || request == LX_FIONREAD ||
           request == LX_TIOCOUTQ || request == LX_SIOCATMARK || request == LX_FIOQSIZE || request >> 30 == 2;
}

static bool only_read(uint32_t request)
{
    return (request >= LX_TCSETS && request <= LX_TCSETSF) || request == LX_TIOCSWINSZ ||
           request >> 30 == 1;
}

static long ioctl_server(const struct fd_info *info, uint32_t request, uint64_t argument)
{
    struct ar_segment segment;
    struct ipc_transfer transfer = {.in = &segment, .out = &segment};
    uint64_t size = argument_size(request);
    if (size) {
        if (user_segment(&segment, (const void *)argument, size))
            return ERR(FAULT);
        transfer.in_count = !only_written(request);
        transfer.out_count = !only_read(request);
    }
    struct posix_retry retry = {.server = info->server, .transfer = &transfer};
    struct io_ioctl_reply reply = {0};
    long error =
        POSIX_CALL(&retry, io_ioctl(info->slot, request, size ? 0 : argument, &reply, &transfer));
    if (error)
        return error;
    return reply.result >= 0 ? (long)(reply.result & INT32_MAX) : ERR(IO);
}

static bool kind_signals(uint64_t kind)
{
    return kind == IO_KIND_SOCKET || kind == IO_KIND_PIPE || kind == IO_KIND_TERMINAL ||
           kind == IO_KIND_STREAM;
}

/* FIONBIO, FIOASYNC: one status flag, from an int in memory. */
static long flag_change(const struct fd_info *info, int fd, uint64_t user, uint64_t flag)
{
    int32_t on;
    if (user_read(&on, (const void *)user, sizeof(on)))
        return ERR(FAULT);
    struct posix_retry retry = {.server = info->server};
    struct io_get_flags_reply reply;
    long error = POSIX_CALL(&retry, io_get_flags(info->slot, &reply));
    if (error)
        return error;
    uint64_t flags = on ? reply.flags | flag : reply.flags & ~flag;
    if (flag == LX_O_ASYNC && flags != reply.flags && !kind_signals(reply.kind))
        return ERR(NOTTY);
    retry = (struct posix_retry){.server = info->server};
    flags &= LX_O_APPEND | LX_O_NONBLOCK | LX_O_ASYNC | LX_O_DIRECT;
    return POSIX_CALL(&retry, io_set_flags(info->slot, flags, fd));
}

/* tcgetpgrp(3), tcsetpgrp(3), tcgetsid(3): procd knows the foreground group of the one terminal. */
static long terminal_group(uint32_t request, uint64_t user)
{
    int32_t id;
    if (request == LX_TIOCGSID) {
        struct proc_ids_reply ids = {0};
        long error = PROC_CALL(proc_ids(POSIX_SLOT_PROCD, 0, &ids));
        id = (int32_t)ids.sid;
        return error ? error : user_write((void *)user, &id, sizeof(id));
    }
    struct proc_foreground_reply reply = {0};
    bool set = request == LX_TIOCSPGRP;
    if (set && user_read(&id, (const void *)user, sizeof(id)))
        return ERR(FAULT);
    if (set && id < 0)
        return ERR(INVAL);
    long error = PROC_CALL(proc_foreground(POSIX_SLOT_PROCD, set, set ? (uint64_t)id : 0, &reply));
    if (error || set)
        return error;
    id = (int32_t)reply.pgid;
    return user_write((void *)user, &id, sizeof(id));
}

/* A session leader takes the terminal, which makes its own group the foreground one. */
static long terminal_take(void)
{
    struct proc_ids_reply ids = {0};
    long error = PROC_CALL(proc_ids(POSIX_SLOT_PROCD, 0, &ids));
    if (error)
        return error;
    if (ids.sid != ids.pid)
        return ERR(PERM);
    struct proc_foreground_reply reply;
    return PROC_CALL(proc_foreground(POSIX_SLOT_PROCD, 1, ids.pgid, &reply));
}

/* Linux's pidfds have requests without an argument only. FIONREAD is not theirs to answer. */
static bool pidfd_refuses(int fd, struct fd_info *info, uint32_t request, uint64_t argument)
{
    return argument && request != LX_FIONREAD && info->server == ISSUER_PROCD &&
           fd_kind(fd, info) == IO_KIND_EVENT;
}

static long ioctl_run(int fd, struct fd_info *info, uint32_t request, uint64_t argument)
{
    switch (request) {
    case LX_FIOCLEX:
        return fd_set_cloexec(fd, true);
    case LX_FIONCLEX:
        return fd_set_cloexec(fd, false);
    case LX_FIONBIO:
        return flag_change(info, fd, argument, LX_O_NONBLOCK);
    case LX_FIOASYNC:
        return flag_change(info, fd, argument, LX_O_ASYNC);
    case LX_TIOCGPGRP:
    case LX_TIOCSPGRP:
    case LX_TIOCGSID:
        return fd_kind(fd, info) == IO_KIND_TERMINAL ? terminal_group(request, argument)
                                                     : ERR(NOTTY);
    case LX_TIOCSCTTY:
        return fd_kind(fd, info) == IO_KIND_TERMINAL ? terminal_take() : ERR(NOTTY);
    case LX_TIOCNOTTY:
        return fd_kind(fd, info) == IO_KIND_TERMINAL ? 0 : ERR(NOTTY);
    case LX_FIOSETOWN:
    case LX_SIOCSPGRP:
    case LX_FIOGETOWN:
    case LX_SIOCGPGRP:
        if (fd_kind(fd, info) != IO_KIND_SOCKET)
            return ERR(NOTTY);
        return owner_ioctl(info, fd, request == LX_FIOSETOWN || request == LX_SIOCSPGRP, argument);
    default:
        return pidfd_refuses(fd, info, request, argument) ? ERR(INVAL)
                                                          : ioctl_server(info, request, argument);
    }
}

long sys_ioctl(const uint64_t a[6])
{
    struct fd_info info;
    int fd = (int)a[0];
    long result = fd_begin(fd, NULL, &info);
    if (result)
        return result;
    result = ioctl_run(fd, &info, (uint32_t)a[1], a[2]);
    fd_end(&info);
    return result;
}
